"""How many lines came when, by level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logsense.record import Query
from logsense.timefmt import iso

if TYPE_CHECKING:
    from logsense.stages import Index


def volume(index: Index, from_ns: int, to_ns: int, step_ns: int) -> dict[str, list[list[Any]]]:
    """Lines per step and level; lines that state no level are "unknown"."""
    rest = dict(index.histogram(Query(from_ns=from_ns, to_ns=to_ns), step_ns))
    found: dict[str, list[list[Any]]] = {}
    for level, _ in index.terms(Query(from_ns=from_ns, to_ns=to_ns), "level", 12):
        bars = index.histogram(Query(levels=[level], from_ns=from_ns, to_ns=to_ns), step_ns) if level else []
        for t, n in bars:
            rest[t] -= n
        if bars:
            found[level] = [[iso(t), n] for t, n in bars]
    if any(rest.values()):
        found["unknown"] = [[iso(t), n] for t, n in rest.items() if n]
    return found
