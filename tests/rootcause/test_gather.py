"""Gathering evidence through the Index protocol, on a small index in memory."""

from __future__ import annotations

from collections import Counter

from logsense.record import Hit, Incident, LogRecord, Query, Signal, Template
from logsense.rootcause import RootcauseOptions, gather, gather_incident, gather_requests, rank

S = 1_000_000_000
T0 = 1_764_000_000 * S
ENOSPC = "could not extend file: No space left on device, client 10.0.0.9"


class SmallIndex:
    """The part of the Index protocol that gathering may use; anything else fails the test."""

    def __init__(self, records: list[LogRecord], series: dict[tuple[str, str], list[tuple[int, float]]]) -> None:
        self.records, self.series_of, self.known_signals = records, series, list[Signal]()

    def _match(self, query: Query) -> list[LogRecord]:
        return [
            r
            for r in self.records
            if (not query.hosts or r.host in query.hosts)
            and (not query.template_ids or r.template_id in query.template_ids)
            and (query.from_ns or 0) <= r.timestamp_ns < (query.to_ns or 2**63)
        ]

    def terms(self, query: Query, field: str, size: int = 10) -> list[tuple[str, int]]:
        return Counter(getattr(r, field) for r in self._match(query)).most_common(size)

    def search(self, query: Query, *, limit: int = 50, offset: int = 0, by_time: bool = False):
        found = sorted(self._match(query), key=lambda r: -r.timestamp_ns)
        return len(found), [Hit(r, 0.0) for r in found[offset : offset + limit]]

    def scan(self, query: Query):
        return iter(sorted(self._match(query), key=lambda r: r.timestamp_ns))

    def histogram(self, query: Query, step_ns: int) -> list[tuple[int, int]]:
        return sorted(Counter(r.timestamp_ns // step_ns * step_ns for r in self._match(query)).items())

    def templates(self, ids=None) -> list[Template]:
        texts = {r.template_id: r for r in self.records}
        return [Template(i, texts[i].message, texts[i].service, level=texts[i].level) for i in ids if i in texts]

    def metric_names(self, host=None) -> list[tuple[str, str]]:
        return [key for key in self.series_of if host in (None, key[0])]

    def metric_series(self, host, name, from_ns, to_ns, step_ns=0) -> list[tuple[int, float]]:
        return [(at, value) for at, value in self.series_of.get((host, name), []) if from_ns <= at < to_ns]

    def signals(self, from_ns=None, to_ns=None, ids=None) -> list[Signal]:
        return [s for s in self.known_signals if ids is None or s.id in ids]


def record(at: int, host: str, template: str, text: str, level: str = "info") -> LogRecord:
    return LogRecord(
        f"{host}-{at}-{template}", T0 + at * S, text, "t", 0, host, "postgresql", level, template_id=template
    )


def index() -> SmallIndex:
    records = [record(at, "db1", "t-ok", "checkpoint complete") for at in range(0, 900, 5)]
    records += [record(at, "db1", "t-full", ENOSPC, "error") for at in range(660, 720, 2)]
    records += [record(at, "far", "t-far", "nothing to do with it") for at in range(0, 900, 50)]
    disk = [(T0 + at * S, 0.3 if at < 620 else min(1.0, 0.3 + (at - 620) * 0.02)) for at in range(0, 900, 10)]
    return SmallIndex(records, {("db1", "system.disk.utilization"): disk})


def incident() -> Incident:
    return Incident("inc-1", "t", "open", "high", T0 + 650 * S, T0 + 720 * S, hosts=["db1"], signal_ids=["s1"])


def test_counts_samples_and_series_of_the_incidents_hosts():
    small = index()
    small.known_signals = [Signal("s1", "log.severity", T0 + 660 * S, T0 + 670 * S, 6.0, "db1", template_id="t-full")]
    found = gather_incident(small, incident(), options=RootcauseOptions(before_s=300, lead_s=50))
    assert (found.start_ns, found.before_ns) == (T0 + 600 * S, T0 + 300 * S)
    assert list(found.hosts) == ["db1"] and [s.id for s in found.signals] == ["s1"]
    counts = {t.id: (t.before, t.during) for t in found.templates}
    assert counts == {"t-ok": (60, 25), "t-full": (0, 30)}
    full = next(t for t in found.templates if t.id == "t-full")
    assert full.first_ns == T0 + 660 * S and full.samples[0][0] == "db1-660-t-full"
    assert full.peers == [("10.0.0.9", 30)]
    assert not next(t for t in found.templates if t.id == "t-ok").samples, "what is as usual is not read"
    best = rank(found)[0]
    assert (best.kind, best.host) == ("disk_full", "db1")
    assert "mostly 10.0.0.9" in best.why and any(e.startswith("metric:db1/") for e in best.evidence)


def test_hosts_it_calls_are_looked_at_and_absent_sources_are_named():
    found = gather_incident(index(), incident(), calls=[("db1", "far")], addresses={"10.0.0.2": "far"})
    assert list(found.hosts) == ["db1", "far"]
    assert list(found.absent) == ["metrics of far"] and found.addresses == {"10.0.0.2": "far"}


def test_any_stretch_of_time_looks_at_all_hosts():
    found = gather(index(), T0 + 300 * S, T0 + 400 * S, [])
    assert sorted(found.hosts) == ["db1", "far"]
    assert rank(found) == []


def test_an_empty_index_is_no_evidence():
    found = gather(SmallIndex([], {}), T0, T0 + 60 * S, [])
    assert (list(found.templates), list(found.series), rank(found)) == ([], [], [])


def test_requests_are_read_of_both_times_and_within_a_limit():
    def lines(start: int, count: int) -> list[LogRecord]:
        return [
            LogRecord(f"{start}-{n}", T0 + (start + n) * S, f"request_id=abc{start + n:06} done", "s", 0, "h", "svc",
                      template_id="t")
            for n in range(count)
        ]  # fmt: skip

    index = SmallIndex([*lines(0, 300), *lines(600, 60)], {})
    normal = [(T0, T0 + 100 * S), (T0 + 200 * S, T0 + 300 * S)]
    found = gather_requests(index, T0 + 600 * S, T0 + 659 * S, normal)
    assert found is not None and (len(found.normal), len(found.during)) == (200, 60) and not found.cut
    assert set(found.texts) == {"t"}
    few = gather_requests(index, T0 + 600 * S, T0 + 659 * S, normal, RootcauseOptions(request_lines=50))
    assert few is not None and few.cut
    assert [line.at_ns // S - T0 // S for line in few.normal] == [*range(25), *range(200, 225)]


def test_no_requests_where_lines_state_none():
    records = [LogRecord(str(n), T0 + n * S, "hello", "s", 0, "h", "svc", template_id="t") for n in range(100)]
    assert gather_requests(SmallIndex(records, {}), T0 + 50 * S, T0 + 99 * S, [(T0, T0 + 50 * S)]) is None
