"""Lines per template over time, read from the index: one pass over the lines for all templates together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from logsense.record import Query
from logsense.timefmt import SECOND, iso

if TYPE_CHECKING:
    from logsense.stages import Index

#: Steps of a course: what a sparkline shows.
STEPS = 24
_EVERY = 60_000  # templates that are counted


@dataclass(slots=True)
class Courses:
    """Lines per step and template; step i covers ``[start_ns + i * step_ns, start_ns + (i + 1) * step_ns)``."""

    start_ns: int
    step_ns: int
    steps: int
    lines: dict[str, list[int]] = field(default_factory=dict)

    def of(self, template_id: str) -> list[int]:
        return self.lines.get(template_id) or [0] * self.steps

    def buckets(self, counts: list[int]) -> dict[str, Any]:
        """{"step_s": n, "buckets": [["…Z", n], …]}: every step, also those without lines."""
        times = (iso(self.start_ns + i * self.step_ns) for i in range(self.steps))
        return {
            "step_s": max(1, self.step_ns // SECOND),
            "buckets": [[t, n] for t, n in zip(times, counts, strict=True)],
        }


def span_of(index: Index, from_ns: int | None, to_ns: int | None) -> tuple[int, int]:
    """The asked time, open ends closed by what the index holds; (0, 1) when it holds nothing."""
    held = index.time_range()
    first, last = (held[0], held[1] + 1) if held else (0, 1)
    start = first if from_ns is None else from_ns
    return start, max(last if to_ns is None else to_ns, start + 1)


def courses(index: Index, survivor: Callable[[str], str], from_ns: int, to_ns: int, *, steps: int = STEPS) -> Courses:
    """Count all templates; those that were merged count as their survivor."""
    step_ns = max(SECOND, -(-(to_ns - from_ns) // steps))
    steps = min(steps, -(-(to_ns - from_ns) // step_ns))
    found = Courses(from_ns, step_ns, steps)
    for i in range(steps):
        low = from_ns + i * step_ns
        query = Query(from_ns=low, to_ns=min(low + step_ns, to_ns))
        for template_id, count in index.terms(query, "template_id", _EVERY):
            if template_id:
                row = found.lines.setdefault(survivor(template_id), [0] * steps)
                row[i] += count
    return found


def course_of(index: Index, query: Query, from_ns: int, to_ns: int, *, steps: int = STEPS) -> dict[str, Any]:
    """The course of one query, in the shape of ``Courses.buckets``."""
    step_ns = max(SECOND, -(-(to_ns - from_ns) // steps))
    found = Courses(from_ns, step_ns, min(steps, -(-(to_ns - from_ns) // step_ns)))
    counts = [0] * found.steps
    query.from_ns, query.to_ns = from_ns, to_ns
    # Buckets of an index begin at multiples of their step; steps of a second are fine enough to be put in ours.
    fine = max(SECOND, step_ns // 60)
    for at, n in index.histogram(query, fine):
        counts[min(max(0, (at - from_ns) // step_ns), found.steps - 1)] += n
    return found.buckets(counts)
