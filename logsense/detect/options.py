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
class FactOptions:
    """``[facts]``: what is taken from single lines for the detectors of sessions, values, queries and networks."""

    #: Fields that identify what a line belongs to, in order of preference; an empty list looks at no field.
    session_fields: tuple[str, ...] = (
        "trace.id", "transaction.id", "http.request.id", "session.id", "network.community_id", "zeek.session_id",
    )  # fmt: skip
    #: Look for identifiers among the parameters of lines that state none in a field.
    find_identifiers: bool = True
    #: Lines of sessions that an open window holds; beyond it every other session is left out, then three of four …
    max_steps: int = 100_000
    #: Contacts of networks that an open window holds, of one source with one port of one destination each.
    max_flows: int = 10_000
    #: Rows of all kinds that an open window holds; what comes after them is not looked at.
    max_rows: int = 250_000


@dataclass(frozen=True, slots=True)
class SessionAnomalyOptions:
    """``[session_anomaly]``: when the course of a session (a request, a block, a connection) becomes a signal."""

    #: Length of a window in seconds; the same as ``windows.window_s``.
    window_s: int = 10
    #: Sessions of one kind that must have ended before any of it is judged.
    warmup_sessions: int = 200
    #: Until so many sessions of one kind have ended, whatever raises no alarm becomes a known course; later ones have
    #: to become frequent first.
    learn_sessions: int = 5_000
    #: A session without a line for this many seconds has ended.
    #: A session without a line for this many seconds has ended; where its next line usually comes soon, sooner.
    idle_s: int = 600
    #: Sessions that are followed at once; the longest idle ones are taken for ended first.
    max_open: int = 20_000
    #: Signals a day that are accepted on healthy data, over all kinds of sessions together.
    false_alarms_per_day: float = 10.0
    #: A course of events is normal when at least this share of the sessions learnt took it.
    min_share: float = 0.001
    #: A new course becomes normal when it makes up this share of the last ``adopt_last`` sessions …
    adopt_share: float = 0.05
    #: (see ``adopt_share``)
    adopt_last: int = 500
    #: … and was first seen this many seconds before.
    adopt_after_s: int = 1200
    #: The weight of the past halves in this many seconds.
    half_life_s: int = 604_800


@dataclass(frozen=True, slots=True)
class ValueAnomalyOptions:
    """``[value_anomaly]``: when a parameter of a message leaves its learned range, or a new error code appears."""

    #: Length of a window in seconds; the same as ``windows.window_s``.
    window_s: int = 10
    #: Values of a parameter that must have been seen before it is judged.
    warmup_values: int = 100
    #: Windows in which a parameter must have been seen before it is judged.
    warmup_windows: int = 24
    #: Signals a day that are accepted on healthy data, over all parameters together.
    false_alarms_per_day: float = 10.0
    #: A range that is left for this many seconds becomes the wider range.
    adopt_after_s: int = 1200
    #: Parameters followed at most; the longest unseen are forgotten first.
    max_slots: int = 20_000


@dataclass(frozen=True, slots=True)
class QueryAnomalyOptions:
    """``[query_anomaly]``: when a statement takes longer or comes more often than by its own history."""

    #: Length of a window in seconds; the same as ``windows.window_s``.
    window_s: int = 10
    #: Windows in which a statement must have been seen before it is judged.
    warmup_windows: int = 24
    #: Signals a day that are accepted on healthy data, over all statements together.
    false_alarms_per_day: float = 10.0
    #: A change that lasts this many seconds is taken for the new normal.
    adopt_after_s: int = 1200
    #: The weight of the past halves in this many seconds.
    half_life_s: int = 3600
    #: Times the usual duration from which a statement can be called slow.
    slower: float = 2.0
    #: Statements followed at most; the longest unseen are forgotten first.
    max_statements: int = 10_000


@dataclass(frozen=True, slots=True)
class RequestPaceOptions:
    """``[request_pace]``: when requests take longer from one of their lines to the next than they used to."""

    #: Length of a window in seconds; the same as ``windows.window_s``.
    window_s: int = 10
    #: Windows in which the hops of a service (messages that follow each other) must have been seen to be judged.
    warmup_windows: int = 24
    #: Signals a day that are accepted on healthy data, over all hops together.
    false_alarms_per_day: float = 10.0
    #: A delay that lasts this many seconds is taken for the new normal.
    adopt_after_s: int = 1200
    #: Times the usual gap from which a hop can be called slow.
    slower: float = 1.5
    #: Hops followed at most; the longest unseen are forgotten first.
    max_hops: int = 5_000


@dataclass(frozen=True, slots=True)
class NetworkAnomalyOptions:
    """``[network_anomaly]``: scans, floods, failing DNS, beacons and new talkers."""

    #: Length of a window in seconds; the same as ``windows.window_s``.
    window_s: int = 10
    #: Windows with traffic that must have been seen before anything is judged.
    warmup_windows: int = 60
    #: Signals a day that are accepted on healthy data, over all kinds together.
    false_alarms_per_day: float = 10.0
    #: A change that lasts this many seconds is taken for the new normal.
    adopt_after_s: int = 1200
    #: The weight of the past halves in this many seconds.
    half_life_s: int = 3600
    #: Different ports or hosts that a source must contact within a minute to be called a scan.
    scan_targets: int = 20
    #: Contacts at equal distances from which on they are a beacon.
    beacon_contacts: int = 10
    #: Longest relative deviation of the distances of a beacon.
    beacon_jitter: float = 0.15
    #: Sources, destinations and pairs followed at most; the longest unseen are forgotten first.
    max_keys: int = 50_000


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
