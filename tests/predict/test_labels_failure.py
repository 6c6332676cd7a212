"""Labels: horizon, exclusion, causes, other hosts; failures derived by rule and read from recordings."""

import numpy as np

from logsense.predict.labels import SECOND, UNUSED, Failure, label_steps, merge_episodes
from logsense.predict.options import LabelOptions


def test_steps_within_the_horizon_are_positive_and_those_during_a_failure_unused() -> None:
    at = np.arange(0, 400, 10, dtype=np.int64) * SECOND
    failure = Failure("a", "disk", 200 * SECOND, 250 * SECOND, cause_ns=170 * SECOND)
    labels = label_steps(["a"] * 40, at, [failure], 60, LabelOptions(recovery_s=30), step_s=10)
    seconds = at // SECOND
    assert (labels.y[(seconds >= 140) & (seconds < 200)] == 1).all()
    assert (labels.y[(seconds >= 200) & (seconds < 280)] == UNUSED).all()
    assert (labels.y[(seconds < 140) | (seconds >= 280)] == 0).all()
    assert labels.knowable[seconds >= 180].all() and not labels.knowable[(seconds >= 140) & (seconds < 180)].any()
    assert (labels.onset[labels.y == 1] == 0).all() and (labels.onset[labels.y != 1] == -1).all()


def test_other_hosts_are_quiet_unless_the_failure_reached_them() -> None:
    at = np.full(2, 210 * SECOND, np.int64)
    failure = Failure("a", "disk", 200 * SECOND, 250 * SECOND, also=("b",))
    assert label_steps(["b", "c"], at, [failure], 60).y.tolist() == [UNUSED, 0]


def test_the_next_of_two_failures_counts_and_the_first_excludes_its_own_time() -> None:
    at = np.array([95, 145], np.int64) * SECOND
    failures = [Failure("a", "x", 100 * SECOND, 110 * SECOND), Failure("a", "y", 150 * SECOND, 160 * SECOND)]
    assert label_steps(["a", "a"], at, failures, 60).onset.tolist() == [0, 1]


def test_failures_that_follow_each_other_closely_are_one() -> None:
    signs = [
        ("a", 100, 110, "critical"),
        ("a", 150, 160, "emergency"),
        ("a", 1000, 1010, "alert"),
        ("b", 160, 170, "x"),
    ]
    found = merge_episodes([(host, begin * SECOND, end * SECOND, kind) for host, begin, end, kind in signs], 100)
    assert [(f.host, f.kind, f.onset_ns // SECOND, f.end_ns // SECOND) for f in found] == [
        ("a", "critical", 100, 160),
        ("a", "alert", 1000, 1010),
        ("b", "x", 160, 170),
    ]
