"""Segment files: names, header, and how a reader tells a living writer from a finished segment.

* A name is the start time (base 36, fixed width, so names sort by it) and four random characters, so that two
  writers never share a file. The stem is also the prefix of the event ids.
* The 16-byte header is ``magic (8) | durable end (u64 LE)``. The writer moves the durable end after each fsync;
  readers never look behind it while the writer lives, so they never see what may still be refused.
* The writer holds an exclusive ``flock``. The kernel drops it when the process dies in whatever way; a reader that
  gets the lock knows that nothing more will come and reads to the end of the file.
* A file appears under its name only after header and lock are in place (written as ``.new``, then renamed).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import string
import struct
import time
from pathlib import Path

SUFFIX = ".seg"
MAGIC = b"LSSPOOL1"
HEADER = struct.Struct("<8sQ")
DATA_START = HEADER.size

_DIGITS = string.digits + string.ascii_lowercase
_TIME_WIDTH = 13  # 36**13 nanoseconds reach beyond the year 2500


def new_stem(now_ns: int) -> str:
    """A name that sorts by ``now_ns`` and that no other writer has."""
    return _base36(max(now_ns, 0)) + "".join(secrets.choice(_DIGITS) for _ in range(4))


def start_ns(stem: str) -> int:
    """The start time in a name, 0 for a name that is not ours."""
    try:
        return int(stem[:_TIME_WIDTH], 36)
    except ValueError:
        return 0


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits.rjust(_TIME_WIDTH, "0")


def list_segments(directory: Path) -> list[tuple[str, int]]:
    """(stem, bytes) of every segment, oldest first. A file that vanishes meanwhile is left out."""
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                with contextlib.suppress(FileNotFoundError):
                    found.append((entry.name.removesuffix(SUFFIX), entry.stat().st_size))
    return sorted(found)


def remove_leftovers(directory: Path, older_than_s: float = 3600.0) -> None:
    """Delete ``.new`` files of writers that died while they created a segment."""
    for path in directory.glob("*.new"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > older_than_s:
                path.unlink()


def sync_directory(directory: Path) -> None:
    """Make created, renamed and removed names durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class SegmentWriter:
    """One segment being written. Raises OSError; the caller closes it after any error and starts another."""

    def __init__(self, directory: Path, *, fsync: bool) -> None:
        self._fsync = fsync
        newest = max((start_ns(stem) for stem, _ in list_segments(directory)), default=0)
        # A clock set back must not sort new data before old.
        self.stem = new_stem(max(time.time_ns(), newest + 1))
        temporary = directory / f"{self.stem}.new"
        self._fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        self.end = DATA_START
        self.born = time.monotonic()
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_all(self._fd, HEADER.pack(MAGIC, DATA_START), 0)
            temporary.rename(directory / f"{self.stem}{SUFFIX}")
            if fsync:
                sync_directory(directory)
        except OSError:
            os.close(self._fd)
            temporary.unlink(missing_ok=True)
            (directory / f"{self.stem}{SUFFIX}").unlink(missing_ok=True)
            raise

    def append(self, data: bytes) -> None:
        """Write and flush ``data``; it is part of the segment only when this returns."""
        try:
            _write_all(self._fd, data, self.end)
            if self._fsync:
                os.fdatasync(self._fd)
        except OSError:
            # Still locked: no reader has looked behind the durable end, so the remains can be taken away unseen.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.end)
            raise
        self.end += len(data)
        with contextlib.suppress(OSError):  # the data is durable: at worst readers see it with the next commit or close
            _write_all(self._fd, HEADER.pack(MAGIC, self.end), 0)

    def close(self) -> None:
        """Let go of the file: readers see it as finished."""
        os.close(self._fd)


class SegmentFile:
    """One segment being read."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDONLY)
        self.finished = False

    def readable_end(self) -> int:
        """Bytes up to here may be read now. Sets ``finished`` when the writer is gone and nothing more will come."""
        if not self.finished and self._writer_gone():
            self.finished = True
        if self.finished:
            return os.fstat(self.fd).st_size
        header = os.pread(self.fd, HEADER.size, 0)
        if len(header) < HEADER.size:
            return DATA_START
        magic, end = HEADER.unpack(header)
        return end if magic == MAGIC else DATA_START

    def _writer_gone(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        return True

    def close(self) -> None:
        os.close(self.fd)


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
