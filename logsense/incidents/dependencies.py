"""Which hosts depend on which, learnt from their lines.

Three kinds of traces. *Services*: lines on ``app1`` that speak of ``redis``, which runs on ``cache1`` only.
*Mentions*: a line on ``web1`` that names ``app1`` or its address; the words around it say
who calls whom ("upstream", "connect to" against "connection received: host=", "from"). *Shared identifiers*:
the same order number, path or request id on both within seconds, far more often than by chance; chance is
measured with the other host's identifiers of a moment before. Sharing ties hosts whose addresses nobody
states; an address that one of them calls is then taken for the other's when only that other is left.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping
from functools import lru_cache

from logsense.record import LogRecord

_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\.\d)")
_NAME = re.compile(r"(?<![\w.-])[a-zA-Z][a-zA-Z0-9-]{1,62}(?:\.[a-zA-Z0-9-]{1,62})*")
_HOST_LIKE = re.compile(r"[a-z][a-z-]{1,30}\d{1,3}")  # web1, db-12
# words in front of a name that make it the one who calls us
_CALLER = re.compile(
    r"(?:\b(from|client|rhost|peer|source|src|user|received|accepted|by|host|addr|standby|replica|slot|application_name)"
    r"|@)[\s:=@\"'\[(]*$",
    re.IGNORECASE,
)
_OWN = re.compile(r"(listen\w*|bind|bound|laddr|server address|on ipv4 address)\b[^;]{0,32}$", re.IGNORECASE)
_OWN_FIELDS = ("host.ip", "destination.ip", "server.ip")
_PEER_FIELDS = ("source.ip", "client.ip", "source.address", "client.address")
_CALLED_FIELDS = ("upstream.address", "url.domain", "server.address", "destination.address", "logsense.upstream")
_WORD = re.compile(r"[a-z][a-z0-9]{3,}", re.IGNORECASE)
ALIASES = {"mariadb": "mysql", "mysqld": "mysql", "postgres": "postgresql", "named": "bind", "memcache": "memcached"}
# words of service names that name no product, and services that every host runs
_COMMON = """access agent audit auth cache cron crond daemon data error front general http https kernel logs main
    messages node proxy query rsyslogd secure server service slow sshd sudo syslog system systemd unknown user worker"""
COMMON = frozenset(_COMMON.split())
MIN_MENTIONS = 2  # once may be chance
_IDENTIFIER = re.compile(r"(?<![\w.:-])(?=[\w-]*\d)[\w-]{3,64}(?![\w.:-])")
MIN_SHARED = 10  # identifiers seen on both hosts within a span
LIFT = 3.0  # that many times more than by chance
SPAN_NS = 5_000_000_000
EVERY = 4  # of so many spans the first two are looked at, the second compared with the first
MAX_IDENTIFIERS = 200  # per host and span
MAX_SPANS = 360  # kept at once, so that files of the same time may be read one after the other
MAX_PLACES = 5_000  # hosts and addresses followed
MAX_COMPARED = 40  # hosts whose identifiers are compared with each other: the work is quadratic
TABLE = "CREATE TABLE IF NOT EXISTS dependencies_state (scope TEXT PRIMARY KEY, body TEXT)"


class Dependencies:
    """Counts who mentions whom. ``addresses`` (address -> host) is used as given and extended by what is learnt;
    ``calls`` are known (caller, called) pairs.

    Mentions cost a scan of the first lines of each *template and host* and of a small share of further ones;
    identifiers a scan of at most ``MAX_IDENTIFIERS`` lines per host and span, and only where hosts are few.
    """

    def __init__(
        self, addresses: Mapping[str, str] | None = None, calls: Iterable[tuple[str, str]] = (), scope: str = ""
    ) -> None:
        self.scope = scope  # names the row that the state is kept in
        self._unsaved = False
        self.addresses: dict[str, str] = dict(addresses or {})
        self.stated = tuple(calls)
        self.hosts: set[str] = set()
        self._calls: dict[tuple[str, str], int] = {}  # (caller host, name or address called) -> mentions
        self._called_by: dict[tuple[str, str], int] = {}  # (host, name or address of its caller) -> mentions
        self._looked: dict[tuple[str, str], int] = {}
        self._runs: dict[str, set[str]] = {}  # product -> hosts that run it
        self._speaks: dict[tuple[str, str], int] = {}  # (host, product) -> lines that speak of it
        self._places: set[tuple[str, str]] = set()
        self._spans: dict[int, dict[str, set[str]]] = {}  # span -> host -> identifiers
        self._shared: dict[tuple[str, str], list[int]] = {}  # (host, host) sorted -> [together, by chance]
        self._edges: list[tuple[str, str]] | None = None

    def learn(self, records: Iterable[LogRecord]) -> None:
        """Look at a batch, in any order. Never raises on content."""
        self._edges, self._unsaved = None, True
        places, seen = self._places, self._looked
        for record in records:
            host = record.host
            if not host:
                continue
            if record.timestamp_ns // SPAN_NS % EVERY <= 1:
                self._identify(record)
            if (place := (host, record.service)) not in places and len(places) < MAX_PLACES:
                places.add(place)
                for product in products(record.service):
                    self._runs.setdefault(product, set()).add(host)
            if host not in self.hosts and len(self.hosts) < MAX_PLACES:
                self.hosts.add(host)
            looked = seen.get(what := (host, record.template_id), 0)
            if looked or len(seen) < MAX_PLACES * 20:
                seen[what] = looked + 1
            if looked < 20 or looked % 50 == 0:
                self._look(record)

    def _look(self, record: LogRecord) -> None:
        host, fields = record.host, record.fields
        for name in _OWN_FIELDS:
            if isinstance(address := fields.get(name), str) and name == "host.ip":
                self.addresses.setdefault(address, host)
        for name in _PEER_FIELDS:
            if isinstance(peer := fields.get(name), str):
                self._count(self._called_by, host, peer)
        for name in _CALLED_FIELDS:
            if isinstance(callee := fields.get(name), str):
                self._count(self._calls, host, callee.rpartition(":")[0] or callee)
        message = (record.original or record.message)[:1000]
        for product in products(f"{message} {fields.get('log.logger', '')}") & self._runs.keys():
            self._count(self._speaks, host, product)
        for found in _ADDRESS.finditer(message):
            before = message[max(0, found.start() - 40) : found.start()]
            if _OWN.search(before) and not found.group().startswith(("0.", "127.")):
                self.addresses.setdefault(found.group(), host)
            else:
                self._count(self._called_by if _CALLER.search(before) else self._calls, host, found.group())
        hosts = self.hosts
        if not any(name in hosts or _host_like(name) for name in _NAME.findall(message)):
            return  # nearly all lines: their words are looked up, and no match object is made for each
        for found in _NAME.finditer(message):
            name = found.group()
            if name != host and (name in hosts or _host_like(name)):  # it may become known later
                before = message[max(0, found.start() - 40) : found.start()]
                self._count(self._called_by if _CALLER.search(before) else self._calls, host, name)

    def _identify(self, record: LogRecord) -> None:
        """Keep the identifiers of the line if its span is one of those that are compared."""
        span = record.timestamp_ns // SPAN_NS
        if span % EVERY > 1 or (span not in self._spans and len(self._spans) >= MAX_SPANS and span < min(self._spans)):
            return
        mine = self._spans.setdefault(span, {}).setdefault(record.host, set())
        if len(mine) < MAX_IDENTIFIERS:
            mine.update(_IDENTIFIER.findall((record.original or record.message)[:300]))
        if len(self._spans) > MAX_SPANS:
            oldest = min(self._spans)
            self._compare(oldest - oldest % EVERY, self._shared)
            for old in (oldest, oldest + 1):
                self._spans.pop(old, None)

    def _compare(self, span: int, shared: dict[tuple[str, str], list[int]]) -> None:
        """Count what hosts shared in ``span + 1``, and what they would have shared by chance.

        Only what is new in that span counts: a constant (a port, a path) is no trace of one request. Chance is
        what one host newly says and the other said a moment before.
        """
        before, now = self._spans.get(span, {}), self._spans.get(span + 1, {})
        hosts = sorted(now)
        if not 2 <= len(hosts) <= MAX_COMPARED:
            return
        fresh = {host: now[host] - before.get(host, set()) for host in hosts}
        for number, one in enumerate(hosts):
            for two in hosts[number + 1 :]:
                row = shared.setdefault((one, two), [0, 0])
                row[0] += len(fresh[one] & fresh[two])
                row[1] += len(fresh[one] & before.get(two, set()))

    def _together(self) -> set[tuple[str, str]]:
        shared = {pair: list(row) for pair, row in self._shared.items()}
        for span in sorted(span for span in self._spans if span % EVERY == 0):
            self._compare(span, shared)
        return {pair for pair, (both, chance) in shared.items() if both >= MIN_SHARED and both >= LIFT * (chance + 1)}

    def _count(self, where: dict[tuple[str, str], int], host: str, other: str) -> None:
        if other == host or other.startswith(("127.", "0.")) or other in ("", "localhost"):
            return
        key = (host, other[:255])
        if key in where or len(where) < MAX_PLACES * 4:
            where[key] = where.get(key, 0) + 1

    def edges(self) -> list[tuple[str, str]]:
        """(caller host, called host), sorted. Hosts that only share identifiers come in both directions."""
        if self._edges is None:
            self._edges = self._make_edges()
        return self._edges

    def _make_edges(self) -> list[tuple[str, str]]:
        together = self._together()
        guessed = self._guess(together)
        found: dict[tuple[str, str], int] = {}
        for (host, name), count in self._calls.items():
            other = self._host(name, guessed)
            if other and other != host:
                found[host, other] = found.get((host, other), 0) + count
        for (host, name), count in self._called_by.items():
            other = self._host(name, guessed)
            if other and other != host:
                found[other, host] = found.get((other, host), 0) + count
        edges = {
            edge
            for edge, count in found.items()
            if count >= MIN_MENTIONS and count * 4 >= found.get((edge[1], edge[0]), 0)
        }
        edges |= self._served()
        for one, two in together:
            if (one, two) not in edges and (two, one) not in edges:
                edges |= {(one, two), (two, one)}
        return sorted(edges | set(self.stated))

    def _served(self) -> set[tuple[str, str]]:
        """Edges from hosts that speak of a product to the one or two others that run it."""
        return {
            (host, other)
            for (host, product), count in self._speaks.items()
            if count >= MIN_MENTIONS and host not in self._runs[product] and len(self._runs[product]) <= 2
            for other in self._runs[product]
        }

    def _guess(self, together: set[tuple[str, str]]) -> dict[str, str]:
        """Addresses nobody stated: what a host calls is its only partner that has no address yet.

        Partners are hosts that it shares identifiers with or that name it as their client.
        """
        placed, guessed = set(self.addresses.values()), dict[str, str]()
        named = {
            (other, host) for (host, other), n in self._called_by.items() if n >= MIN_MENTIONS and other in self.hosts
        }
        for (host, name), count in sorted(self._calls.items(), key=lambda item: (-item[1], item[0])):
            if count < MIN_MENTIONS or name in self.hosts or name in self.addresses or name in guessed:
                continue
            partners = {two if one == host else one for one, two in together if host in (one, two)}
            partners |= {two for one, two in named if one == host}
            free = partners - placed - set(guessed.values())
            if len(free) == 1:
                guessed[name] = free.pop()
        return guessed

    def _host(self, name: str, guessed: Mapping[str, str]) -> str:
        return name if name in self.hosts else self.addresses.get(name, guessed.get(name, ""))

    def places(self) -> dict[str, str]:
        """Address -> host, as stated, learnt and guessed."""
        return {**self._guess(self._together()), **self.addresses}

    def related(self, one: str, two: str) -> bool:
        """True when either calls the other, directly."""
        links = self.edges()
        return (one, two) in links or (two, one) in links

    def load(self, db: sqlite3.Connection) -> None:
        """Read the counts; the table is made if it is missing."""
        db.execute(TABLE)
        row = db.execute("SELECT body FROM dependencies_state WHERE scope = ?", (self.scope,)).fetchone()
        if row:
            body = json.loads(row[0])
            self.addresses.update(body["addresses"])
            self.hosts = set(body["hosts"])
            self._calls = {(a, b): n for a, b, n in body["calls"]}
            self._called_by = {(a, b): n for a, b, n in body["called_by"]}
            self._looked = {(a, b): n for a, b, n in body["looked"]}
            self._shared = {(a, b): [both, chance] for a, b, both, chance in body["shared"]}
            self._runs = {product: set(hosts) for product, hosts in body["runs"].items()}
            self._speaks = {(a, b): n for a, b, n in body["speaks"]}
            self._edges = None

    def save(self, db: sqlite3.Connection) -> None:
        """Write the counts as JSON if anything was learnt since the last time. Does not commit."""
        if not self._unsaved:
            return
        db.execute(TABLE)
        body = {
            "addresses": self.addresses,
            "hosts": sorted(self.hosts),
            "calls": [[*key, n] for key, n in self._calls.items()],
            "called_by": [[*key, n] for key, n in self._called_by.items()],
            "looked": [[*key, n] for key, n in self._looked.items()],
            "runs": {product: sorted(hosts) for product, hosts in self._runs.items()},
            "speaks": [[*key, n] for key, n in self._speaks.items()],
            "shared": [[*key, *row] for key, row in self._shared.items()],
        }
        db.execute("INSERT OR REPLACE INTO dependencies_state VALUES (?, ?)", (self.scope, json.dumps(body)))
        self._unsaved = False


@lru_cache(maxsize=16_384)
def _host_like(name: str) -> bool:
    return _HOST_LIKE.fullmatch(name) is not None


def products(text: str) -> set[str]:
    """Words of a text that may name a product, one name for each: ``mariadb-slow`` -> {"mysql"}."""
    words = set(_WORD.findall(text[:1200].lower())) - COMMON
    return {ALIASES.get(word, word) for word in words}
