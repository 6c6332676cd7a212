"""The worker's sign of life: one small file that says when it last was well, and what it waits for.

It is made once at its full size and then overwritten in place, so that a worker can still say that the disk is full.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

FILE = "worker.alive"
#: Seconds without a sign after which the worker counts as down.
LIMIT_S = 15
_SIZE = 1024


def beat(data: Path, problem: str = "") -> None:
    """The worker of ``data`` lives; ``problem`` is what keeps it from indexing. Never raises: it is only a sign."""
    text = " ".join(problem.split()).encode("utf-8", "replace")[: _SIZE - 1]
    with contextlib.suppress(OSError):
        fd = os.open(data / FILE, os.O_RDWR | os.O_CREAT, 0o640)
        try:
            os.utime(fd)  # also where nothing can be written
            os.pwrite(fd, text.ljust(_SIZE - 1) + b"\n", 0)
        finally:
            os.close(fd)


def prolong(data: Path) -> None:
    """The process that serves ``data`` lives; what it last said of it still holds. Never raises."""
    with contextlib.suppress(OSError):
        os.utime(data / FILE)


def worker_state(data: Path) -> str:
    """``ok``, ``starting`` (there was no sign yet) or ``down: why``."""
    age = _age(data)
    if age is None:
        return "starting"
    return "ok" if age < LIMIT_S else f"down: no sign of life for {age:.0f} s"


def problem(data: Path) -> str:
    """What a living worker waits for, '' when it waits for nothing."""
    age = _age(data)
    if age is None or age >= LIMIT_S:
        return ""
    with contextlib.suppress(OSError):
        return (data / FILE).read_bytes()[:_SIZE].decode("utf-8", "replace").strip()
    return ""


def _age(data: Path) -> float | None:
    try:
        return time.time() - (data / FILE).stat().st_mtime
    except OSError:
        return None
