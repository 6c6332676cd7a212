"""Alarm rules: confirmation, hysteresis, the length cap and its mute, restart."""

import sqlite3

from logsense.predict.alarms import SECOND, AlarmTracker
from logsense.predict.options import ForecastOptions

OPTIONS = ForecastOptions(confirm_steps=2, release=0.5, max_alarm_s=100)


def run(tracker: AlarmTracker, probabilities: list[float], start: int = 0) -> list[bool]:
    on = []
    for i, p in enumerate(probabilities, start):
        tracker.update("h", i * 10 * SECOND, p, 0.8)
        on.append(tracker.active("h"))
    return on


def test_one_step_is_no_alarm_and_release_has_hysteresis() -> None:
    tracker = AlarmTracker(OPTIONS)
    assert run(tracker, [0.9, 0.1, 0.9, 0.9, 0.5, 0.5, 0.3, 0.9]) == [
        False,
        False,
        False,
        True,
        True,
        True,
        False,
        False,
    ]
    assert tracker.share_on() == 4 / 8  # the step that closes it still counts


def test_a_score_that_stays_high_is_one_alarm_of_the_longest_length_until_it_falls() -> None:
    tracker = AlarmTracker(OPTIONS)
    on = run(tracker, [0.9] * 100)
    assert sum(on) == 10
    assert not any(run(tracker, [0.9] * 10, 100))
    assert run(tracker, [0.1, 0.9, 0.9], 110) == [False, False, True]


def test_opening_and_closing_are_reported_once() -> None:
    tracker = AlarmTracker(OPTIONS)
    changes = [tracker.update("h", i * SECOND, p, 0.8) for i, p in enumerate([0.9, 0.9, 0.95, 0.0])]
    assert [c is not None for c in changes] == [False, True, False, True]
    closed = changes[-1]
    assert closed is not None and (closed.start_ns, closed.end_ns, closed.peak) == (SECOND, 3 * SECOND, 0.95)


def test_a_restart_neither_repeats_an_alarm_nor_unmutes() -> None:
    db = sqlite3.connect(":memory:")
    tracker = AlarmTracker(OPTIONS)
    run(tracker, [0.9] * 4)
    for i in range(40):
        tracker.update("muted", i * 10 * SECOND, 0.9, 0.8)
    tracker.save(db)
    again = AlarmTracker(OPTIONS)
    again.load(db)
    assert again.active("h")
    assert again.update("h", 50 * SECOND, 0.9, 0.8) is None
    assert not again.active("muted")
    again.update("muted", 410 * SECOND, 0.9, 0.8)
    again.update("muted", 420 * SECOND, 0.9, 0.8)
    assert not again.active("muted")
