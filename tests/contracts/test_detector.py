"""The Detector contract, run on every detector: ``learn`` changes state, ``score`` never does."""

import random
import sqlite3

import pytest

from logsense.detect import (
    FOREVER,
    FactCollector,
    LogAnomaly,
    MetricAnomaly,
    NetworkAnomaly,
    QueryAnomaly,
    RequestPace,
    SessionAnomaly,
    ValueAnomaly,
    Windows,
)
from logsense.record import LogRecord, MetricPoint

S = 1_000_000_000
T0 = 1_764_000_000 * S
DETECTORS = (LogAnomaly, MetricAnomaly, SessionAnomaly, ValueAnomaly, QueryAnomaly, NetworkAnomaly, RequestPace)
TEXTS = {"good": "request <*> served", "took": "job took <*> ms"}


def windows(seed: int = 1, seconds: int = 900) -> list:
    """Ordinary life with trouble in the last minute that every detector must see."""
    rng, made = random.Random(seed), Windows(collector=FactCollector(text_of=lambda template: TEXTS.get(template, "")))
    for at in range(seconds):
        bad = at >= seconds - 60
        text = "request failed: connection refused" if bad else f"request {rng.randint(1, 9)} served"
        made.add([LogRecord(f"l{at}", T0 + at * S, text, "t", 0, "h1", "app", "error" if bad else "info", "p",
                            template_id="bad" if bad else "good")])  # fmt: skip
        made.add(facts(at, bad, rng))
        made.add_metrics(
            [MetricPoint("system.cpu.utilization", "h1", T0 + at * S, 0.95 if bad else rng.uniform(0.1, 0.3))]
        )
    return list(made.closed(FOREVER))


def facts(at: int, bad: bool, rng: random.Random) -> list:
    """A request of three lines, a job, a statement and a contact; in trouble the request breaks off late in an
    error, the job and the statement take long, and the contact goes round all ports."""

    def line(template: str, text: str, parameters: list, after: float = 0.0, **fields) -> LogRecord:
        return LogRecord(f"{template}{at}", T0 + at * S + int(after * S), text, "t", 0, "h1", "app", "info", "p",
                         template_id=template, parameters=parameters, fields=fields)  # fmt: skip

    took = rng.randint(5000, 6000) if bad else rng.randint(5, 9)
    contact = {"source.ip": "10.0.0.9", "destination.ip": "10.0.0.5", "destination.port": at if bad else 443}
    return [
        line("begin", "begins", [], **{"trace.id": f"trace{at}"}),
        line("works", "works", [], 0.8 if bad else rng.uniform(0.004, 0.006), **{"trace.id": f"trace{at}"}),
        line("fails" if bad else "ends", "goes on", [], 0.9, **{"trace.id": f"trace{at}"}),
        line("took", f"job took {took} ms", [str(took)]),
        line("query", "select", [], **{"db.query.fingerprint": "f", "db.query.normalized": "select ?",
                                       "event.duration": took * 1_000_000}),
        line("flow", "accept", [], **contact),
    ]  # fmt: skip


@pytest.fixture(params=DETECTORS, ids=lambda cls: cls.name)
def make(request):
    return request.param


def dump(detector) -> list:
    db = sqlite3.connect(":memory:")
    detector.save(db)
    rows = list(db.iterdump())
    db.close()
    return rows


def trained(make, count: int = 84):
    detector = make()
    for window in windows()[:count]:
        detector.learn(window)
    return detector


def test_score_changes_nothing_and_repeats_itself(make):
    one, two = trained(make), trained(make)
    bad = windows()[-2]
    assert one.score(bad) == one.score(bad)
    for window in windows():
        one.score(window)
    assert dump(one) == dump(two)


def test_learn_changes_state(make):
    one, two = trained(make), trained(make)
    one.learn(windows()[84])
    assert dump(one) != dump(two)


def test_trouble_is_found_and_scores_are_positive_and_sorted(make):
    detector, found = trained(make), []
    for window in windows()[84:]:
        signals = detector.score(window)
        assert [s.score for s in signals] == sorted((s.score for s in signals), reverse=True)
        found += signals
        detector.learn(window)
    assert found and all(s.score > 0 and s.end_ns > s.start_ns and s.text for s in found)
    assert all(e.partition(":")[0] in ("line", "template", "metric", "signal") for s in found for e in s.evidence)
    assert all(s.evidence for s in found)


def test_worse_is_never_scored_lower(make):
    detector = trained(make)
    worse, bad = windows()[-2], windows()[-2]
    for cells in (worse.logs, worse.levels):
        for cell in cells.values():
            cell.count *= 10
    for cell in worse.metrics.values():
        cell.mean, cell.last = cell.mean * 3, cell.last * 3
    top = {signal.kind: signal.score for signal in detector.score(bad)}
    for signal in detector.score(worse):
        assert signal.score >= top.get(signal.kind, 0.0) - 1e-9


def test_silent_before_enough_history(make):
    assert make().score(windows()[-2]) == []
    assert trained(make, 5).score(windows()[-2]) == []


def test_same_ids_in_every_run(make):
    def ids():
        detector, seen = trained(make), []
        for window in windows()[84:]:
            seen += [s.id for s in detector.score(window)]
            detector.learn(window)
        return seen

    assert ids() == ids()


def test_state_round_trip(make):
    detector = trained(make)
    db = sqlite3.connect(":memory:")
    detector.save(db)
    other = make()
    other.load(db)
    other.load(db)
    assert [s for w in windows()[84:] for s in other.score(w)] == [s for w in windows()[84:] for s in detector.score(w)]
    db.close()
