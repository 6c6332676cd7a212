"""Options of the root-cause analysis."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RootcauseOptions:
    """``[rootcause]``: how much of the past is compared, and when to stay silent."""

    #: Seconds before the incident that count as normal.
    before_s: int = 600
    #: Seconds before the first signal that are examined too: causes come before their symptoms.
    lead_s: int = 60
    #: Score (0…1) that a hypothesis needs to be shown.
    least_score: float = 0.25
    #: Hypotheses shown at most.
    limit: int = 5
    #: Lines with a request's identifier that are read of normal times, and again as many of the incident.
    request_lines: int = 20_000
    #: Seconds of an incident whose requests are looked at: a cause shows early, repairs change requests as well.
    request_s: int = 300
