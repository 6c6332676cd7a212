"""Labels: horizon, exclusion, causes, other hosts; failures derived by rule and read from recordings."""

import numpy as np

from logsense.predict.labels import SECOND, UNUSED, Failure, derive_failures, label_steps
from logsense.predict.options import LabelOptions
from logsense.predict.windows import HostWindow, TemplateCount, WindowSignal


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


def test_failures_by_rule_are_merged_per_host() -> None:
    def window(host: str, second: int, **what: object) -> HostWindow:
        return HostWindow(host, second * SECOND, (second + 10) * SECOND, **what)  # type: ignore[arg-type]

    windows = [
        window("a", 0, levels={"error": 100}),
        window("a", 100, levels={"critical": 1}),
        window("a", 150, templates={"t": TemplateCount(2, False, "emergency")}),
        window("b", 160, signals=[WindowSignal("log.unit", 5.0, "")]),
        window("b", 170, signals=[WindowSignal("log.new", 5.0, "")]),
        window("a", 1000, levels={"alert": 1}),
        window("a", 2000, levels={"critical": 0}),
    ]
    found = derive_failures(windows, LabelOptions(merge_s=100))
    assert [(f.host, f.kind, f.onset_ns // SECOND, f.end_ns // SECOND) for f in found] == [
        ("a", "critical", 100, 160),
        ("a", "alert", 1000, 1010),
        ("b", "log.unit", 160, 170),
    ]
