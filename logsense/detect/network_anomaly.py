"""Networks, from whatever logs contacts and name lookups: scans, floods, failing DNS, beacons, new talkers.

Over ECS fields (``source.ip``, ``destination.ip``, ``destination.port``, ``dns.response_code``), so firewalls, flow
logs, proxies, intrusion detectors and name servers are one to it; where no line has them it does nothing.

* scan: a source contacts many different ports or hosts within a minute, against its own past fan-out;
* flood: a port of a destination is contacted more often than by its own past;
* failing DNS: answers with SERVFAIL, REFUSED … or NXDOMAIN against their own past, per server and per client;
* beacon: one contact repeats itself at distances that hardly vary (as implants call home), and did not while learning;
* new talker: a source that never spoke to that port of that destination, where new ones are rare.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from logsense.detect.counted import Counted, budget
from logsense.detect.facts import Flows, Place
from logsense.detect.options import NetworkAnomalyOptions
from logsense.detect.pairs import FanOut, Pairs
from logsense.detect.signals import order, plain_number, shorten, signal_id, usually
from logsense.detect.windows import SECOND, Window
from logsense.record import Signal

#: Rates per window that are credited before anything was seen.
PRIORS = {"net.scan": 2.0, "net.flood": 1.0, "net.dns": 0.2, "net.talker": 0.0001}
GOOD = frozenset(("NOERROR", "noerror", "0", "Success"))
MOST_TALKERS = 5  # new talkers of one window
SHOWN = 4  # ports or hosts that a scan's text names


@dataclass(slots=True)
class Thing:
    """One counted thing of a window: what a signal about it would say."""

    kind: str
    key: str
    place: Place
    count: float
    text: str
    lines: list[str] = field(default_factory=list)
    least: float = 0.0  # the count below which it is never worth a signal
    group: str = ""  # whose rate it is judged by, when it is not its own


class NetworkAnomaly:
    """The detector. It needs no texts of templates."""

    name = "network_anomaly"

    def __init__(
        self, options: NetworkAnomalyOptions | None = None, text_of: Callable[[str], str] | None = None
    ) -> None:
        self.options = options or NetworkAnomalyOptions()
        o = self.options
        self._counted = Counted(window_s=o.window_s, half_life_s=o.half_life_s, adopt_after_s=o.adopt_after_s,
                                max_keys=o.max_keys)  # fmt: skip
        self._pairs = Pairs(o.max_keys)
        self._fan = FanOut(max(1, 60 // o.window_s), o.max_keys)
        self._last: tuple[Window, list[Thing], dict[str, tuple[float, float]]] | None = None
        self._dirty = False

    # -- the contract ----------------------------------------------------------------------------------

    def score(self, window: Window) -> list[Signal]:
        """Signals of this window, best first; none while learning."""
        things, tails = self._evaluate(window)
        return order([self._signal(one, tails[one.key], window) for one in things if self._stands_out(one, tails)])

    def learn(self, window: Window) -> None:
        """Take the window's contacts and answers in."""
        facts = window.facts
        if not (facts.flows or facts.answers or len(self._counted)):
            return
        things, tails = self._evaluate(window)
        counts: dict[str, float] = {}
        for one in things:
            counts[one.key] = one.count
            if one.group:
                counts[one.group] = counts.get(one.group, 0.0) + 1.0
        unusual = {one.key: tails[one.key] for one in things if self._stands_out(one, tails)}
        self._counted.learn(counts, unusual)
        self._fan.learn(facts.flows)
        self._pairs.learn(facts.flows, self._ripe())
        self._last, self._dirty = None, True

    def _stands_out(self, one: Thing, tails: dict[str, tuple[float, float]]) -> bool:
        if one.count < one.least or tails[one.key][0] < 2.0:  # no budget asks for less
            return False
        # a talker is judged by the rate of new ones at its target, so it is the targets that are watched
        watched = max(self._pairs.targets(), 10) if one.group else max(len(self._counted) // 4, 1)
        need = budget(self.options.window_s, self.options.false_alarms_per_day, watched)
        return tails[one.key][0] >= need

    def _ripe(self) -> bool:
        return self._counted.number >= self.options.warmup_windows

    # -- evaluation (no state is changed) --------------------------------------------------------------

    def _evaluate(self, window: Window) -> tuple[list[Thing], dict[str, tuple[float, float]]]:
        if self._last is not None and self._last[0] is window:
            return self._last[1], self._last[2]
        things: list[Thing] = []
        if window.facts.flows:
            things += self._scans(window.facts.flows)
            things += _floods(window.facts.flows, self.options.scan_targets)
            if self._ripe():
                things += self._talkers(window.facts.flows)
                things += self._beacons(window.facts.flows)
        things += _failures(window)
        tails = {one.key: self._tail(one) for one in things}
        self._last = (window, things, tails)
        return things, tails

    def _tail(self, one: Thing) -> tuple[float, float]:
        if not self._ripe() or one.count < one.least:
            return 0.0, 0.0
        if one.kind == "net.beacon":  # the regularity is the evidence; it is told once
            return (0.0 if one.key in self._counted else 6.0), 0.0
        if one.group:
            return self._counted.tail(one.group, 1.0, PRIORS[one.kind])
        return self._counted.tail(one.key, one.count, PRIORS[one.kind])

    def _scans(self, flows: Sequence[Flows]) -> list[Thing]:
        found = []
        for place, source, targets, ports, line in self._fan.widest(flows):
            wide, what = max((len(targets), "hosts"), (len(ports), "ports"))
            shown = sorted(map(str, list(targets if what == "hosts" else ports)[:SHOWN]))
            where = f" of {next(iter(targets))}" if what == "ports" and len(targets) == 1 else ""
            text = f"{source} contacted {wide} {what}{where} within a minute ({', '.join(shown)} …)"
            key = "\x1f".join(("scan", place.pipeline, place.host, source))
            found.append(Thing("net.scan", key, place, float(wide), text, [line], float(self.options.scan_targets)))
        return found

    def _talkers(self, flows: Sequence[Flows]) -> list[Thing]:
        fresh: dict[str, Thing] = {}
        for row in flows:
            if self._pairs.known(row):
                continue
            if len(fresh) > MOST_TALKERS:  # a source that speaks to many at once scans, and says so there
                return []
            key = "\x1f".join(("talker", *row.place[:2], row.source, row.target, str(row.port)))
            # new targets are judged together: each of them never had anybody
            about = (row.target, str(row.port)) if self._pairs.has_target(row) else ("", "")
            group = "\x1f".join(("talkers", *row.place[:2], *about))
            port = f" port {row.port}" if row.port else ""
            text = f"{row.source} contacts {row.target}{port}, which it never did before"
            fresh.setdefault(key, Thing("net.talker", key, row.place, float(row.times), text, [row.line], 0.0, group))
        return list(fresh.values()) if len(fresh) <= MOST_TALKERS else []

    def _beacons(self, flows: Sequence[Flows]) -> list[Thing]:
        found = []
        for row in flows:
            every = self._pairs.beacon(row, self.options.beacon_contacts, self.options.beacon_jitter)
            if every is None:
                continue
            port = f" port {row.port}" if row.port else ""
            text = (f"{row.source} contacts {row.target}{port} every {plain_number(round(every, 1))} s, "
                    f"{self._pairs.contacts(row)} times so far with hardly any variation")  # fmt: skip
            key = "\x1f".join(("beacon", *row.place[:2], row.source, row.target, str(row.port)))
            found.append(Thing("net.beacon", key, row.place, 1.0, text, [row.line]))
        return found

    # -- signals ---------------------------------------------------------------------------------------

    def _signal(self, one: Thing, tail: tuple[float, float], window: Window) -> Signal:
        score, expected = tail
        lasted, peak = self._counted.episode(one.key)
        start_ns = window.start_ns - lasted * self.options.window_s * SECOND
        text = one.text if one.kind in ("net.talker", "net.beacon") else f"{one.text}, {usually(expected)}"
        return Signal(
            id=signal_id(one.kind, start_ns, one.key), kind=one.kind, start_ns=start_ns, end_ns=window.end_ns,
            score=max(score, peak), host=one.place.host, service=one.place.service, pipeline=one.place.pipeline,
            value=one.count, expected=expected, text=text, evidence=[f"line:{line}" for line in one.lines],
        )  # fmt: skip

    # -- state -----------------------------------------------------------------------------------------

    def load(self, db: sqlite3.Connection) -> None:
        """Read what is known of the network; the table is made if it is missing."""
        db.execute("CREATE TABLE IF NOT EXISTS network_anomaly_state (id INTEGER PRIMARY KEY, body BLOB)")
        row = db.execute("SELECT body FROM network_anomaly_state WHERE id = 0").fetchone()
        if row:
            body = json.loads(row[0])
            self._counted.restore(body["counted"])
            self._pairs.restore(body["pairs"])
            self._fan.restore(body["fan"])

    def save(self, db: sqlite3.Connection) -> None:
        """Write it if a window was learnt since the last time. Does not commit."""
        db.execute("CREATE TABLE IF NOT EXISTS network_anomaly_state (id INTEGER PRIMARY KEY, body BLOB)")
        if self._dirty:
            state = {"counted": self._counted.state(), "pairs": self._pairs.state(), "fan": self._fan.state()}
            db.execute("INSERT OR REPLACE INTO network_anomaly_state VALUES (0, ?)", (json.dumps(state),))
            self._dirty = False


def _floods(flows: Sequence[Flows], least: int) -> list[Thing]:
    found: dict[str, Thing] = {}
    contacts: dict[str, list[Flows]] = {}
    for row in flows:
        key = "\x1f".join(("flood", *row.place[:2], row.target, str(row.port)))
        one = found.get(key)
        if one is None:
            one = found[key] = Thing("net.flood", key, row.place, 0.0, "", [row.line], float(least * 5))
            contacts[key] = []
        one.count += row.times
        contacts[key].append(row)
    for key, one in found.items():
        if one.count >= one.least:
            first, sources = contacts[key][0], {row.source for row in contacts[key]}
            port = f" port {first.port}" if first.port else ""
            some = f"{len(sources)} sources" if len(sources) > 1 else first.source
            one.text = f"{first.target}{port} contacted {plain_number(one.count)} times by {some}"
    return list(found.values())


def _failures(window: Window) -> list[Thing]:
    """Failing answers per server and code, and per client."""
    found: dict[str, Thing] = {}
    names: dict[str, set[str]] = {}
    for row in window.facts.answers:
        if row.code in GOOD:
            continue
        for whom in ("", row.client) if row.client else ("",):
            key = "\x1f".join(("dns", *row.place[:2], whom, row.code))
            one = found.get(key)
            if one is None:
                one = found[key] = Thing("net.dns", key, row.place, 0.0, "", [], 5.0)
            one.count += row.times
            if len(one.lines) < 3:
                one.lines.append(row.line)
            if len(names.setdefault(key, set())) < 1000:
                names[key].add(row.name)
            asked = f" to {whom}" if whom else ""
            about = shorten(min(names[key]), 60) if len(names[key]) == 1 else f"{len(names[key])} names"
            one.text = f"{plain_number(one.count)} answers {row.code}{asked} for {about or 'no name'}"
    return list(found.values())
