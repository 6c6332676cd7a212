"""When an incident has calmed down and something begins near it: is that the same trouble again, or another one?

Services that call each other are one neighbourhood, so place and time alone would make one long incident of faults that
follow each other by a minute. After a pause a new beginning is therefore gathered on its own. Once there is enough of
it to call people it is an incident of its own if that would be so without what deviated in the old one, too; where the
same deviates again, the causes may still tell the two apart. What never becomes enough is listed with the old incident
and does not keep it alive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from logsense.incidents.evidence import aspect
from logsense.record import Incident, Signal

#: Whether the second incident clearly has another cause than the first.
Apart = Callable[[Incident, Incident], bool]
#: (aspect, kind, score) of the strongest signal of a mark.
Mark = tuple[str, str, float]


def mark(signal: Signal) -> tuple[str, Mark]:
    """What deviates where (a kind of trouble with a message type, a metric or a service at a host), and how much."""
    where = f"{signal.host}/{signal.kind}/{signal.template_id or signal.metric or signal.service}"
    return where, (aspect(signal), signal.kind, signal.score)


def news(old: Mapping[str, Mark], new: Mapping[str, Mark]) -> dict[str, tuple[str, float]]:
    """The best (kind, score) of each aspect of what deviates in ``new`` and did not in ``old``."""
    best: dict[str, tuple[str, float]] = {}
    for where, (what, kind, score) in new.items():
        if where not in old and score > best.get(what, ("", -1.0))[1]:
            best[what] = (kind, score)
    return best
