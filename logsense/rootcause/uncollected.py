"""Work that makes many small objects, none of them in a cycle."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Tens of thousands of lines are read and compared: looking for cycles meanwhile takes longer than all of it.

    Also a decorator. What is a cycle is found by the next collection.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
