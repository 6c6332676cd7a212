"""What a host is running into, without any training: the type, and the look at all its metrics.

Four things can be foreseen from what is measured alone: a bounded resource that fills (``runout``), a queue or lag
that grows without a known bound (``runout``), a date that comes (``expiry``), a service that falls down faster and
faster (``flapping``).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

LIMIT, GROWTH, EXPIRY, FLAPPING = "limit", "growth", "expiry", "flapping"


@dataclass(frozen=True, slots=True)
class Outlook:
    """One thing that is coming. ``probability`` is that it comes within ``horizon_s``.

    ``share`` of the limit in use now (for a growing queue: its level as a multiple of what is usual), ``seconds`` until
    it happens with the ``earliest`` and ``latest`` believable time (inf: not known), ``evidence_s`` how long it has
    been on its way.
    """

    kind: str
    metric: str
    share: float
    probability: float
    horizon_s: int
    evidence_s: float
    seconds: float = inf
    earliest: float = inf
    latest: float = inf
    now: float = 0.0
