"""What can be set about forecasts."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from logsense.record import LEVELS

#: The options that features depend on: a model fits only those it was trained with, so its card keeps them.
FEATURE_KEYS = ("step_s", "horizon_s", "lookbacks_s", "baseline_step_s", "baseline_points")


@dataclass(frozen=True, slots=True)
class ForecastOptions:
    """Features, alarms and how often forecasts are passed on."""

    #: Length of a step in seconds: windows are collected, and forecasts made, this often.
    step_s: int = 10
    #: How far ahead a forecast looks, in seconds. A model brings its own.
    horizon_s: int = 300
    #: Look-back windows in seconds, shortest first; the shortest is "now", the longest bounds the memory.
    lookbacks_s: tuple[int, ...] = (60, 300, 900)
    #: What is usual is read from the means of blocks of this many seconds …
    baseline_step_s: int = 30
    #: … and from this many blocks (240 x 30 s = 2 h: enough for a median, short enough to follow a new normal).
    baseline_points: int = 240
    #: Metrics kept per host; further names are ignored, so that a host cannot fill the memory.
    max_metrics: int = 200
    #: Known limits, metric name -> value, where the name alone does not say one: {"pg.backends" = 100.0}.
    limits: dict[str, float] = field(default_factory=dict)
    #: Seconds of history of a host before its forecasts mean anything.
    min_history_s: int = 300
    #: Probability that opens an alarm; 0 takes the threshold on the card of a calibrated model, none of another.
    alarm_threshold: float = 0.0
    #: A model's threshold counts as at least this: one that was chosen on few failures may lie anywhere.
    least_model_threshold: float = 0.5
    #: The same for what is foreseen from a trend alone (a resource that fills, a queue, a date): with or without model.
    extrapolation_threshold: float = 0.5
    #: How far ahead the filling of a bounded resource is foretold, in seconds; a trend is believed about as far ahead
    #: as it has lasted.
    limit_horizon_s: int = 1800
    #: The same for queues that grow without a known bound.
    growth_horizon_s: int = 300
    #: Consecutive steps above the threshold before an alarm opens: one step alone is often noise.
    confirm_steps: int = 2
    #: An alarm closes when the probability falls below this share of the threshold that opened it.
    release: float = 0.8
    #: Longest alarm in seconds; afterwards the host is muted until its probability has fallen back.
    max_alarm_s: int = 1800
    #: A forecast is passed on at least this often per host; 0 passes on every step.
    emit_every_s: int = 60
    #: … and at once when its probability moved by this much since the last one passed on.
    emit_change: float = 0.1
    #: Hosts kept; those unseen for longest make room.
    max_hosts: int = 10_000
    #: Feature vectors of the recent past kept for the drift check (all hosts together).
    recent_vectors: int = 512

    def __post_init__(self) -> None:
        if self.step_s < 1 or self.horizon_s < self.step_s:
            raise ValueError("step_s must be at least 1 and horizon_s at least step_s")
        if not self.lookbacks_s or any(a >= b for a, b in pairwise(self.lookbacks_s)):
            raise ValueError("lookbacks_s must grow")
        if self.lookbacks_s[0] < self.step_s or self.baseline_step_s < self.step_s:
            raise ValueError("lookbacks_s and baseline_step_s must be at least step_s")

    @property
    def ring_steps(self) -> int:
        """Steps that the longest look-back covers."""
        return -(-self.lookbacks_s[-1] // self.step_s)


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """``[labels]``: what counts as a failure beside those that people report."""

    #: Seconds after a failure that belong to it: the host is recovering, and its features are no normal ones.
    recovery_s: int = 30
    #: Failures that are derived from logs and lie closer together than this are one.
    merge_s: int = 300
    #: Lowest level that counts as a failure when failures are derived from logs.
    failure_level: str = "critical"
    #: Signals that count as a failure when failures are derived; ``log.unit`` is a failed or restarted service.
    failure_signals: tuple[str, ...] = ("log.unit",)

    def __post_init__(self) -> None:
        if self.failure_level not in LEVELS:
            raise ValueError(f"failure_level is one of {', '.join(LEVELS)}, not {self.failure_level!r}")
        if self.recovery_s < 0 or self.merge_s < 0:
            raise ValueError("recovery_s and merge_s are zero or above")
