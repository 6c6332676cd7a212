"""How often Python looks for reference cycles."""

from __future__ import annotations

import gc

#: Objects allocated between two looks at the youngest ones (Python: 700 or 2,000), and how many such looks until the
#: older ones are visited.
THRESHOLDS = (200_000, 20, 100)


def collect_seldom() -> None:
    """For processes that make some dozen objects a line, nearly all of which are freed by their reference counts.

    With Python's own thresholds the collector runs every few dozen lines, and again and again over the millions of
    objects of loaded models: that took as long as parsing. Cycles are still found, later.
    """
    gc.set_threshold(*THRESHOLDS)
