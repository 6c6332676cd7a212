"""How far each file is read, kept in one small JSON file across restarts."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

log = logging.getLogger(__name__)

#: A file's first line, up to this length, tells it from a later file that got the same inode.
HEAD_BYTES = 1024
#: The bytes before the position tell whether a file was truncated and written anew beyond the position.
TAIL_BYTES = 64
#: gzip's header (with its time stamp) and the first packed data; its trailer is checksum and length.
PACKED_HEAD_BYTES, PACKED_TAIL_BYTES = 64, 8
#: Positions of files that were not seen for this long are forgotten.
KEEP_S = 30 * 86_400.0


def first_line(head: bytes) -> bytes | None:
    """The first line in ``head`` (or all of it, when it is long enough); None while a short one may still grow."""
    end = head.find(b"\n", 0, HEAD_BYTES)
    if end >= 0:
        return head[: end + 1]
    return head[:HEAD_BYTES] if len(head) >= HEAD_BYTES else None


def digest(data: bytes) -> str:
    """A short hash of some bytes of a file."""
    return blake2b(data, digest_size=8).hexdigest()


def _last_bytes(fd: int, size: int) -> bytes:
    return os.pread(fd, size, max(0, os.fstat(fd).st_size - size))


_CONTENT = ("offset", "head_bytes", "head", "tail_bytes", "tail")
#: What log rotation appends to a name: ``.1``, ``-20260131``, ``.2.gz``, ``.old`` …
_ROTATION = re.compile(r"([.\-_~]\d[\d.\-_T]*|\.gz|\.old|\.bak|~)+$")


def base_name(path: str) -> str:
    """The path without what log rotation appends."""
    return _ROTATION.sub("", path)


@dataclass(slots=True)
class Position:
    """``offset``: everything before it is accepted. ``head``, ``tail``: hashes of the first and last bytes read.

    ``generation`` rises when the same inode starts anew (truncation), so that ids never repeat.
    """

    device: int
    inode: int
    path: str
    offset: int = 0
    generation: int = 0
    head_bytes: int = 0
    head: str = ""
    tail_bytes: int = 0
    tail: str = ""
    done: bool = False  # a packed file that was read to its end
    seen_s: float = 0.0
    before: dict[str, Any] | None = None  # offset, head, tail … of the generation before this one

    def key(self) -> tuple[int, int]:
        return self.device, self.inode

    def continues_in(self, fd: int) -> bool:
        """Whether the open file still holds what was read of it before."""
        if os.fstat(fd).st_size < self.offset:
            return False
        if self.head_bytes and digest(os.pread(fd, self.head_bytes, 0)) != self.head:
            return False
        return not self.tail_bytes or digest(os.pread(fd, self.tail_bytes, self.offset - self.tail_bytes)) == self.tail

    def packed_continues_in(self, fd: int) -> bool:
        """``continues_in`` for a gzip file."""
        if self.head_bytes and digest(os.pread(fd, self.head_bytes, 0)) != self.head:
            return False
        return not self.done or digest(_last_bytes(fd, self.tail_bytes)) == self.tail

    def finish_packed(self, fd: int) -> None:
        """A gzip file is read to its end."""
        self.done = True
        self.tail_bytes, self.tail = PACKED_TAIL_BYTES, digest(_last_bytes(fd, PACKED_TAIL_BYTES))

    def advance(self, fd: int, offset: int) -> None:
        """Everything up to ``offset`` is accepted."""
        self.offset = offset
        self.tail_bytes = min(offset, TAIL_BYTES)
        self.tail = digest(os.pread(fd, self.tail_bytes, offset - self.tail_bytes))

    def restart(self) -> None:
        """The file was emptied and is written anew."""
        self.before = {name: getattr(self, name) for name in _CONTENT}
        self.generation += 1
        self.offset = self.head_bytes = self.tail_bytes = 0
        self.head = self.tail = ""
        self.done = False


class Positions:
    """The positions of all files of one source, by (device, inode). A damaged file is reported and replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[tuple[int, int], Position] = {}
        try:
            for row in orjson.loads(path.read_bytes())["files"]:
                self.add(Position(**row))
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError, OSError) as error:
            log.warning("tail: the positions in %s cannot be read (%s): files are read from their start", path, error)

    def get(self, device: int, inode: int) -> Position | None:
        return self._known.get((device, inode))

    def add(self, position: Position) -> None:
        self._known[position.key()] = position

    def copied(self, path: str, size: int | None, read_at: Callable[[int, int], bytes]) -> int:
        """How many bytes of a new file were read already under another inode: after copytruncate or compression.

        It must lie beside the other file under a name that rotation makes, and agree with it in its first line and
        in the bytes before the other's position. ``size`` is None where it is not known (packed files).
        """
        base, head, most = base_name(path), read_at(0, HEAD_BYTES), 0
        for position in self._known.values():
            if base_name(position.path) != base:
                continue
            for was in filter(None, ({name: getattr(position, name) for name in _CONTENT}, position.before)):
                offset, width = was["offset"], was["tail_bytes"]
                if (
                    offset > most
                    and (size is None or offset <= size)
                    and digest(head[: was["head_bytes"]]) == was["head"]
                    and digest(read_at(offset - width, width)) == was["tail"]
                ):
                    most = offset
        return most

    def all(self) -> list[Position]:
        return list(self._known.values())

    def save(self) -> None:
        """Write atomically. A failure is logged: the next save repeats it, and replayed lines keep their ids."""
        horizon = time.time() - KEEP_S
        self._known = {key: one for key, one in self._known.items() if one.seen_s >= horizon}
        temporary = self._path.with_name(self._path.name + ".tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                rows = [asdict(one) for one in self._known.values()]
                file.write(orjson.dumps({"files": rows}, option=orjson.OPT_INDENT_2))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            log.error("tail: cannot save positions to %s: %s", self._path, error)
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
