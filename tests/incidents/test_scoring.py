"""The scorer against hand-made incidents."""

import pytest

from logsense.incidents.scoring import read_labels, score
from logsense.record import Hypothesis, Incident

S = 1_000_000_000
LABELS = {
    "faults": [
        {"id": "a", "kind": "disk_full", "host": "db1", "service": "pg", "also": ["app1/shop"],
         "start": "2026-01-01T00:10:00Z",
         "effect": "2026-01-01T00:10:30.500Z", "end": "2026-01-01T00:12:00Z"},
        {"id": "b", "kind": "crash_loop", "host": "web1", "service": "", "start": "2026-01-01T00:20:00Z",
         "effect": "2026-01-01T00:20:00Z", "end": "2026-01-01T00:21:00Z"},
    ],
    "quiet": [{"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:09:59Z"}],
}  # fmt: skip
FAULTS, QUIET = read_labels(LABELS)
BASE = FAULTS[0].start_ns - 600 * S


def incident(
    identity: str, begin: int, end: int, host: str, *kinds: str, service: str = "", score: float = 5
) -> Incident:
    hypotheses = [Hypothesis("e", kind, 1.0, host=host) for kind in kinds]
    return Incident(identity, "t", "open", "high", BASE + begin * S, BASE + end * S, hosts=[host], score=score,
                    services=[service] if service else [], hypotheses=hypotheses)  # fmt: skip


def test_times_are_read_to_the_millisecond():
    assert FAULTS[0].effect_ns - FAULTS[0].start_ns == 30_500_000_000
    assert FAULTS[0].hosts() == {"db1", "app1"}


def test_a_perfect_run():
    found = [
        incident("1", 640, 700, "db1", "disk_full", service="pg"),
        incident("2", 1210, 1250, "web1", "config_error", "crash_loop"),
    ]
    report = score(found, FAULTS, QUIET, {"1": BASE + 650 * S, "2": BASE + 1220 * S}.__getitem__)
    figures = report.figures()
    assert (figures["found"], figures["exactly_one"], figures["place_right"]) == (1, 1, 1)
    assert (figures["kind_first"], figures["kind_in_three"], figures["cause_first"]) == (0.5, 1, 0.5)
    assert [s.delay_start_s for s in report.scores] == [50, 20]
    assert report.scores[0].delay_effect_s == pytest.approx(19.5)
    assert figures["false_incidents"] == 0


def test_false_late_split_and_missing_incidents():
    found = [
        incident("false", 100, 200, "db1"),
        incident("one", 640, 660, "db1"),
        incident("two", 700, 765, "zz"),
        incident("late", 800, 850, "db1"),
    ]
    report = score(found, FAULTS, QUIET)
    assert report.false_incidents == ["false", "late"]
    assert report.scores[0].incidents == ["one", "two"] and not report.scores[0].exactly_one
    assert not report.scores[1].found and report.scores[1].kind_rank == 0
    assert report.figures()["false_per_hour"] == pytest.approx(2 * 3600 / 599)


def test_the_wrong_place_is_not_right():
    report = score([incident("1", 640, 700, "app1", "disk_full")], FAULTS)
    assert report.scores[0].found and not report.scores[0].place_right and report.scores[0].cause_rank == 0
