"""A small disk of its own for a folder: a tmpfs, which takes root to mount."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """``folder`` on a disk of ``megabytes``; skips loudly where nothing can be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        why = f"full disks were not tested: a tmpfs cannot be mounted here ({done.stderr.strip()})"
        if "mounts" in os.environ.get("LOGSENSE_TEST_REQUIRE", ""):
            pytest.fail(why)
        warnings.warn(why, stacklevel=2)
        pytest.skip(why)
    try:
        yield folder
    finally:
        # Lazily: a process that a failed test left behind must not keep the mount.
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """Take all space but ``leave`` bytes; deleting the returned file gives it back."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                _write_some(file.fileno())
        if leave:
            file.truncate(max(0, file.tell() - leave))
    return ballast


def _write_some(fd: int) -> None:
    for size in (1 << 20, 1 << 12):
        try:
            os.write(fd, b"\0" * size)
            return
        except OSError as error:
            if error.errno != errno.ENOSPC or size == 1 << 12:
                raise
