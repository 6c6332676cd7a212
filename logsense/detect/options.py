"""Options of the windows and the detectors. Times are seconds; scores are -log10 of a tail probability."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """``[windows]``: how the stream is cut into windows."""

    #: Length of a window in seconds. Shorter finds faster, longer smooths more.
    window_s: int = 10
    #: A pause of at most this many seconds is filled with empty windows; a longer one is jumped over.
    max_gap_s: int = 3600
    #: Events that claim to be from later than their arrival plus this many seconds are left out (wrong clock).
    max_future_s: int = 3600
    #: Open windows hold at most this many counts; beyond it the oldest windows are closed early.
    max_open_cells: int = 1_000_000
    #: Time series followed at most; further ones are counted as refused.
    max_series: int = 100_000


@dataclass(frozen=True, slots=True)
class LogAnomalyOptions:
    """``[log_anomaly]``: when counts of log lines become a signal."""

    #: Length of a window in seconds; the same as ``windows.window_s``.
    window_s: int = 10
    #: Windows that a host must have been watched for before anything about it is scored.
    warmup_windows: int = 24
    #: Signals a day that are accepted on healthy data, over all templates and hosts together.
    false_alarms_per_day: float = 20.0
    #: An episode that lasts this many seconds is taken for the new normal.
    adopt_after_s: int = 1200
    #: The weight of the past halves in this many seconds.
    half_life_s: int = 3600
    #: Length in seconds of a season that counts may follow (86400 is a day); 0 turns it off.
    season_s: int = 86_400
    #: Templates, services and levels followed at most; the longest unseen are forgotten first.
    max_keys: int = 50_000


@dataclass(frozen=True, slots=True)
class MetricAnomalyOptions:
    """``[metric_anomaly]``: when a host metric becomes a signal."""

    #: Length of a window in seconds; the same as ``windows.window_s``.
    window_s: int = 10
    #: Windows that a series must have been watched for before it is scored.
    warmup_windows: int = 24
    #: Windows of the past that a series is compared with.
    history_windows: int = 360
    #: Episodes a day that are accepted on healthy data, per host.
    false_alarms_per_day: float = 20.0
    #: An episode that lasts this many seconds is taken for the new normal.
    adopt_after_s: int = 1200
    #: Length in seconds of a season that metrics may follow (86400 is a day); 0 turns it off.
    season_s: int = 86_400
    #: A series that grows towards a known limit is reported when it would get there within this many seconds.
    limit_horizon_s: int = 600
    #: Length in seconds of a tick of the slow view: means of so long are compared with days.
    course_s: int = 300
    #: Ticks of the past that the slow view keeps for each series (1500 of 300 s are five days; 4 bytes each).
    course_ticks: int = 1500
    #: Ticks that a series must have been watched for before the slow view says anything.
    course_probation: int = 288
    #: Alarms of the slow view a day that are accepted on healthy data, per host.
    course_false_alarms_per_day: float = 1.0
