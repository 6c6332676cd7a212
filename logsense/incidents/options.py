"""Options of the grouping of signals into incidents."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IncidentOptions:
    """``[incidents]``: what belongs together and what is enough to call people."""

    #: Signals on the same or related hosts belong together when at most this many seconds lie between them.
    join_s: int = 90
    #: An incident without a signal for this many seconds has calmed down and resolves by itself.
    calm_s: int = 120
    #: After so many seconds without a strong signal, what begins anew is looked at by itself: it may be another one.
    pause_s: int = 20
    #: The same trouble again within this many seconds after the last signal reopens the incident.
    reopen_s: int = 300
    #: Incidents a day that are accepted on a healthy host; sets how much evidence opens one.
    false_incidents_per_day: float = 0.5
    #: Incidents of one pipeline that may run at once; further ones join the widest: a storm is one trouble.
    storm: int = 10
    #: Length of a detection window in seconds; the same as ``windows.window_s``.
    window_s: int = 10
    #: Signal ids that an incident lists at most.
    max_signals: int = 500
    #: Closed incidents that are remembered for recurrence.
    remembered: int = 500
