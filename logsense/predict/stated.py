"""Ends that log lines state: "certificate … valid until 2026-03-01T00:00:00Z", "notAfter=…", "expires in 3 days".

Kept per host and service until they have passed, and told to the forecaster with every window, as if a metric stated
them. No line is searched twice: a template says whether its lines state an end at all.
"""

from __future__ import annotations

import re
import sqlite3
from bisect import insort
from calendar import month_abbr
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from logsense.record import LogRecord

SECOND = 1_000_000_000
#: The name under which an end is told; the service is its label.
METRIC = "logsense.certificate.expiry"
#: Hosts and services kept, and templates remembered; the oldest make room.
MAX_ENDS, MAX_TEMPLATES = 5000, 20_000
#: Statements kept per host and service while the analysis has not got to them.
MAX_AHEAD = 64
#: An end is kept this long after it has passed, so that "expired" stays visible for a while.
KEPT_S = 3600
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_ABOUT = re.compile(r"certificate|\bcert\b|\bx\.?509\b", re.IGNORECASE)
_END = re.compile(
    r"(?:expires?(?:\s+(?:on|at))?|expiry(?:\s+date)?|expiration(?:\s+date)?|valid\s+(?:until|till|to)|not[ _]?after)"
    r"\s*[:=]?\s*[\"']?",
    re.IGNORECASE,
)
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?)?(?:\.\d+)?\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)?")
_OPENSSL = re.compile(r"([A-Z][a-z]{2})\s+(\d{1,2})\s+(\d\d):(\d\d):(\d\d)\s+(\d{4})")
_IN = re.compile(
    r"(?:expires?|expiring|expiration|valid)\s+(?:in|for)\s+(?:about\s+|another\s+)?(\d+(?:\.\d+)?)\s*"
    r"(second|minute|hour|day|week)s?",
    re.IGNORECASE,
)
_MONTHS = {name: number for number, name in enumerate(month_abbr)}


def stated_end(message: str, at_ns: int) -> float | None:
    """Seconds since 1970 of the end of a certificate that ``message``, written at ``at_ns``, states; None if none."""
    if not _ABOUT.search(message):
        return None
    if found := _IN.search(message):
        return at_ns / SECOND + float(found[1]) * _UNITS[found[2].lower()]
    for match in _END.finditer(message):
        rest = message[match.end() : match.end() + 40]
        if (end := _date(rest)) is not None:
            return end
    return None


def _date(text: str) -> float | None:
    try:
        if found := _ISO.match(text):
            year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
            zone = found[7] or "Z"
            shift = 0
            if zone[0] in "+-":
                shift = (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp() - shift
        if found := _OPENSSL.match(text):
            day, hour, minute, second, year = (int(part) for part in found.groups()[1:])
            return datetime(year, _MONTHS[found[1]], day, hour, minute, second, tzinfo=UTC).timestamp()
    except (ValueError, KeyError, OverflowError):
        return None
    return None


class StatedEnds:
    """What was stated, when, per host and service. Called from one thread; nothing raises on content."""

    def __init__(self) -> None:
        self.ends: OrderedDict[tuple[str, str], list[tuple[int, float]]] = OrderedDict()  # (stated at, end), by time
        self._silent: OrderedDict[str, None] = OrderedDict()  # templates whose lines speak of no certificate

    def learn(self, records: Iterable[LogRecord]) -> None:
        """Take in parsed and mined lines. They may be ahead of the windows that are analysed: each counts from its
        own time on."""
        for record in records:
            if record.template_id in self._silent:
                continue
            end = stated_end(record.message, record.timestamp_ns)
            if end is not None and record.host:
                self._put((record.host, record.service), record.timestamp_ns, end)
            elif record.template_id and not _ABOUT.search(record.message):
                self._silent[record.template_id] = None
                if len(self._silent) > MAX_TEMPLATES:
                    self._silent.popitem(last=False)

    def _put(self, key: tuple[str, str], at_ns: int, end: float) -> None:
        known = self.ends.setdefault(key, [])
        insort(known, (at_ns, end))
        del known[:-MAX_AHEAD]
        self.ends.move_to_end(key)
        if len(self.ends) > MAX_ENDS:
            self.ends.popitem(last=False)

    def metrics(self, now_ns: int) -> Mapping[str, Mapping[str, float]]:
        """host -> metric -> end in seconds since 1970, as stated last before ``now_ns``; forgets what is over."""
        found: dict[str, dict[str, float]] = {}
        for key, known in list(self.ends.items()):
            while len(known) > 1 and known[1][0] <= now_ns:
                known.pop(0)
            at, end = known[0]
            if end < now_ns / SECOND - KEPT_S and len(known) == 1:
                del self.ends[key]
            elif at <= now_ns:
                found.setdefault(key[0], {})[f"{METRIC}{{service={key[1]}}}"] = end
        return found

    def load(self, db: sqlite3.Connection) -> None:
        db.execute(_TABLE)
        for host, service, at, end in db.execute("select host, service, at_ns, end_s from predict_ends order by at_ns"):
            self.ends.setdefault((host, service), []).append((at, end))

    def save(self, db: sqlite3.Connection) -> None:
        db.execute(_TABLE)
        db.execute("delete from predict_ends")
        rows = [(*key, at, end) for key, known in self.ends.items() for at, end in known]
        db.executemany("insert into predict_ends values (?, ?, ?, ?)", rows)


_TABLE = "create table if not exists predict_ends (host text, service text, at_ns integer, end_s real)"
