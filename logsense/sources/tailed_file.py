"""One followed file: what is new in it, and whether it is still the same file."""

from __future__ import annotations

import gzip
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logsense.record import RawEvent
from logsense.sources.lines import Line, LineSplitter, events_from_lines, identity_of
from logsense.sources.positions import HEAD_BYTES, PACKED_HEAD_BYTES, Position, Positions, digest, first_line
from logsense.sources.read_file import GZIP_ERRORS, GZIP_MAGIC

_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class FollowOptions:
    """How a file is followed; see ``TailOptions``."""

    max_line_bytes: int
    partial_line_timeout_s: float
    rotated_wait_s: float


@dataclass(slots=True)
class Batch:
    """``advanced``: the position moves when this is committed. ``finished``: nothing more will come."""

    events: list[RawEvent] = field(default_factory=list)
    advanced: bool = False
    finished: bool = False


class TailedFile:
    """A plain file. ``read`` and ``commit`` are called in turn, by one thread at a time.

    ``problem`` says why it cannot be read at the moment.
    """

    def __init__(self, fd: int, path: str, fields: dict[str, Any], options: FollowOptions, position: Position) -> None:
        self.path = path
        self.position = position
        self.problem = ""
        self._fd = fd
        self._options = options
        self._fields = {"log.file.path": path, **fields}
        self._source = f"tail:{path}"
        self._unnamed_since: float | None = None
        self._grew = time.monotonic()
        self._restart_at(position.offset)

    def set_named(self, named: bool) -> None:
        """Tell whether some matching path still leads to this file."""
        if named:
            self._unnamed_since = None
            self.position.seen_s = time.time()
        elif self._unnamed_since is None:
            self._unnamed_since = time.monotonic()

    def skip_to_end(self) -> None:
        """Leave out what is in the file already."""
        end = os.fstat(self._fd).st_size
        self._restart_at(end)
        self.position.advance(self._fd, end)

    def read(self, limit: int) -> Batch:
        """About ``limit`` new lines."""
        try:
            batch = self._read(limit)
            self.problem = ""
            return batch
        except OSError as error:
            self.problem = error.strerror or str(error)
            return Batch()

    def commit(self) -> None:
        """What the last ``read`` gave is accepted."""
        self.position.seen_s = time.time()
        self.position.advance(self._fd, self._splitter.offset)

    def close(self) -> None:
        os.close(self._fd)

    def _read(self, limit: int) -> Batch:
        size = os.fstat(self._fd).st_size
        if size == self._read_to:
            return self._at_end()
        if size < self._read_to or not self.position.continues_in(self._fd):
            self.position.restart()
            self._restart_at(0)
        lines: list[Line] = []
        while len(lines) < limit:
            chunk = os.pread(self._fd, _CHUNK, self._read_to)
            if not chunk:
                break
            self._read_to += len(chunk)
            lines += self._splitter.feed(chunk)
        self._grew = time.monotonic()
        return Batch(self._events(lines), advanced=bool(lines))

    def _at_end(self) -> Batch:
        now = time.monotonic()
        quiet = now - self._grew
        unnamed = 0.0 if self._unnamed_since is None else now - self._unnamed_since
        gone = self._unnamed_since is not None and min(quiet, unnamed) >= self._options.rotated_wait_s
        timeout = self._options.partial_line_timeout_s
        if self._splitter.pending and (gone or (timeout and quiet >= timeout)):
            last = self._splitter.flush()
            return Batch(self._events([last] if last else []), advanced=True, finished=gone)
        return Batch(finished=gone)

    def _restart_at(self, offset: int) -> None:
        self._splitter = LineSplitter(offset, self._options.max_line_bytes)
        self._read_to = offset

    def _head(self) -> bytes:
        return os.pread(self._fd, HEAD_BYTES, 0)

    def _events(self, lines: list[Line]) -> list[RawEvent]:
        if not lines:
            return []
        position = self.position
        if not position.head_bytes:
            head = self._head()
            head = first_line(head) or head  # or: taken before its first newline came (time-out, rotation)
            position.head_bytes, position.head = len(head), digest(head)
        identity = identity_of(position.device, position.inode, position.head, position.generation)
        return events_from_lines(lines, self._source, time.time_ns(), self._fields, identity)


class PackedFile(TailedFile):
    """A gzip file: read to its end once. One that is not complete yet is tried again when it has grown.

    Its position counts unpacked bytes; ``head`` and ``tail`` (the trailer with the checksum, once it is read to its
    end) are of the packed ones.
    """

    _stream: gzip.GzipFile | None = None
    _failed_at = (-1, "")  # the size at which it turned out to be incomplete, and how

    def skip_to_end(self) -> None:
        self.position.finish_packed(self._fd)

    def commit(self) -> None:
        self.position.seen_s = time.time()
        self.position.offset = self._splitter.offset
        if self._stream is None:
            self.position.finish_packed(self._fd)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        super().close()

    def _read(self, limit: int) -> Batch:
        size = os.fstat(self._fd).st_size
        failed_size, reason = self._failed_at
        unnamed = self._unnamed_since is not None
        if self.position.done or (unnamed and size == failed_size):
            return Batch(finished=unnamed)
        if size == failed_size:
            raise OSError(0, reason)
        lines: list[Line] = []
        try:
            if self._stream is None:
                self._stream = open_gzip(self._fd)
                self._restart_at(self.position.offset)
                self._stream.seek(self.position.offset)
            while len(lines) < limit:
                chunk = self._stream.read(_CHUNK)
                if not chunk:
                    last = self._splitter.flush()
                    lines += [last] if last else []
                    self._stream.close()
                    self._stream = None
                    return Batch(self._events(lines), advanced=True)
                lines += self._splitter.feed(chunk)
        except GZIP_ERRORS as error:
            if not lines:
                self._stream, self._failed_at = None, (size, f"unfinished or damaged gzip: {error}")
                raise OSError(0, self._failed_at[1]) from error
        return Batch(self._events(lines), advanced=True)

    def _head(self) -> bytes:
        return os.pread(self._fd, PACKED_HEAD_BYTES, 0)


def open_gzip(fd: int) -> gzip.GzipFile:
    """A stream of its own over ``fd``, from the start."""
    # Opened anew through /proc: a duplicated descriptor would share the file offset with other streams.
    return gzip.GzipFile(f"/proc/self/fd/{fd}", "rb")


def open_followed(path: Path, fields: dict[str, Any], options: FollowOptions, positions: Positions) -> TailedFile:
    """Open ``path`` and find its position. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # O_NONBLOCK: a FIFO among the matches must not block
    try:
        info = os.fstat(fd)
        packed = os.pread(fd, 2, 0) == GZIP_MAGIC
        position = positions.get(info.st_dev, info.st_ino)
        if position is None:
            position = Position(info.st_dev, info.st_ino, str(path))
            _skip_copied(fd, packed, position, positions)
            positions.add(position)
        elif not (position.packed_continues_in(fd) if packed else position.continues_in(fd)):
            position.restart()
        position.path, position.seen_s = str(path), time.time()
        kind = PackedFile if packed else TailedFile
        return kind(fd, str(path), fields, options, position)
    except OSError:
        os.close(fd)
        raise


def _skip_copied(fd: int, packed: bool, position: Position, positions: Positions) -> None:
    """Start a copy that log rotation made behind what was read of the original."""
    if not packed:
        copied = positions.copied(position.path, os.fstat(fd).st_size, lambda at, size: os.pread(fd, size, at))
        if copied:
            position.advance(fd, copied)
        return
    try:
        with open_gzip(fd) as stream:

            def read_at(at: int, size: int) -> bytes:
                stream.seek(at)
                return stream.read(size)

            position.offset = positions.copied(position.path, None, read_at)
    except GZIP_ERRORS:
        return  # not complete yet: reading it will say so
