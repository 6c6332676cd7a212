"""Which failures count: reported, judged and derived ones by one rule, and windows read back from an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from logsense import labelling, replay
from logsense.errors import BadInput
from logsense.failures import FailureLog, FailureReport
from logsense.index.embedded import EmbeddedIndex
from logsense.predict.options import LabelOptions
from logsense.record import Action
from tests.models.conftest import HOURS, SECOND, START, STEP, incident, onsets, signal

OPTIONS = LabelOptions(merge_s=60)
MINUTE = 60 * SECOND


def found(index: EmbeddedIndex, data: Path) -> list[labelling.Label]:
    return labelling.labels(index, data, OPTIONS)


def test_severe_lines_are_failures_by_the_rule(estate: Path) -> None:
    index = EmbeddedIndex(estate / "index", writer=False)
    labels = found(index, estate)
    assert [label.failure.onset_ns for label in labels] == onsets()
    assert {(label.failure.host, label.failure.kind, label.source) for label in labels} == {
        ("h0", "critical", "derived")
    }
    assert labelling.counts(labels) == {"reported": 0, "judged": 0, "derived": len(onsets())}
    index.close()


def test_reports_go_before_the_logs_and_verdicts_decide(estate: Path) -> None:
    first, second, third, fourth = onsets()[:4]
    index = EmbeddedIndex(estate / "index", writer=True)
    index.put_incidents([
        incident("inc-noise", second - MINUTE, second + 2 * MINUTE, ["h0"]),
        incident("inc-right", third - 3 * MINUTE, third + MINUTE, ["h0", "h1"]),
        incident("inc-quiet", START + 5 * MINUTE, START + 7 * MINUTE, ["h1"]),
        incident("inc-unjudged", fourth - MINUTE, fourth + MINUTE, ["h0"]),
    ])  # fmt: skip
    for name, verdict in (("inc-noise", "right_cause"), ("inc-noise", "noise"), ("inc-right", "right_cause"),
                          ("inc-quiet", "wrong_cause")):  # fmt: skip
        at = 2 if verdict == "noise" else 1
        index.add_action(Action(name, "feedback", at, verdict=verdict))
    index.put_signals([signal("s1", "log.unit", "h1", START + 40 * MINUTE, START + 41 * MINUTE)])
    FailureLog(estate).put([FailureReport("mine", "h0", first - 20 * SECOND, first + MINUTE, kind="disk_full")])
    index.commit()
    by_id = {label.failure.id: label for label in found(index, estate)}
    times = {(label.failure.host, label.failure.onset_ns): label.source for label in by_id.values()}
    assert by_id["mine"].source == "reported"
    assert ("h0", first) not in times, "the report says the same as the logs, and wins"
    assert ("h0", second) not in times, "the newest verdict says that it was noise"
    assert times["h0", third] == "judged", "its onset is when the logs said so, not the incident's first sign"
    assert by_id["inc-quiet"].failure.onset_ns == START + 5 * MINUTE
    assert times["h0", fourth] == "derived"
    assert times["h1", START + 40 * MINUTE] == "derived"
    index.close()


def test_the_rule_can_be_changed_and_says_what_it_does() -> None:
    said = " ".join(labelling.rule(LabelOptions(failure_level="error", merge_s=7)))
    assert "level error" in said and "7 s" in said
    with pytest.raises(ValueError, match="failure_level"):
        LabelOptions(failure_level="horrible")


def test_windows_read_back_hold_every_line_and_value(estate: Path) -> None:
    index = EmbeddedIndex(estate / "index", writer=True)
    index.put_signals([signal("s1", "log.new", "h1", START, START + 10 * SECOND)])
    index.commit()
    end = START + HOURS * 3600 * SECOND
    windows = list(replay.windows(index, START, end, STEP))
    assert len(windows) == 2 * HOURS * 3600 // STEP
    assert [w.start_ns for w in windows] == sorted(w.start_ns for w in windows)
    assert sum(sum(w.levels.values()) for w in windows) == 2 * HOURS * 3600 // STEP
    assert all(set(w.metrics) == {"system.disk.utilization", "system.cpu.utilization"} for w in windows)
    down = [w for w in windows if w.levels.get("critical")]
    assert {w.host for w in down} == {"h0"} and down[0].start_ns == onsets()[0]
    assert down[0].templates["t-full"].level == "critical"
    assert sum(len(w.signals) for w in windows) == 1
    assert replay.check_size(index, START, end) == len(windows)
    index.close()


def test_a_span_too_large_to_read_back_is_refused(estate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "MAX_LINES", 100)
    index = EmbeddedIndex(estate / "index", writer=False)
    with pytest.raises(BadInput, match="too many"):
        replay.check_size(index, START, START + 3600 * SECOND)
    index.close()
