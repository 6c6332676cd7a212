"""How a process that makes and frees millions of objects treats memory: Python's collector, the C library's arenas."""

from __future__ import annotations

import contextlib
import ctypes
import gc

#: Objects allocated between two looks at the youngest ones (Python: 700 or 2,000), and how many such looks until the
#: older ones are visited.
THRESHOLDS = (200_000, 20, 100)
#: Arenas of the C library that all threads of a process share.
ARENAS = 2
_M_ARENA_MAX = -8  # malloc.h of glibc


def collect_seldom() -> None:
    """For processes that make some dozen objects a line, nearly all of which are freed by their reference counts.

    With Python's own thresholds the collector runs every few dozen lines, and again and again over the millions of
    objects of loaded models: that took as long as parsing. Cycles are still found, later.
    """
    gc.set_threshold(*THRESHOLDS)


def few_arenas() -> None:
    """Let the threads of this process share ``ARENAS`` arenas of memory; to be called before there are many threads.

    glibc gives a thread an arena of its own, up to eight a core, and what is freed in one is of no use to another: the
    threads of the index and the models kept some 100 MB so. Other C libraries have no arenas; there this does nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)
