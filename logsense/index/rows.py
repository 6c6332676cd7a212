"""An append-only file of compressed records: the stored side of one shard.

Records that came together are kept together, without what they say twice (``blocks``), compressed with zstd. That takes
a quarter of what compressing line by line takes. A pointer is ``block offset * SLOTS + slot``. A block is ``crc32 u32,
length u32, payload``. The payload is ``mark, length u32, zstd(JSON), zstd(JSON)``: what ``blocks.fold`` returns, parts
which compress better apart. Older payloads are zstd or zlib of a JSON list of columns.

One writer appends; any number of readers read what a committed pointer names. A crash leaves at most unnamed
bytes at the end, which nothing points to. Deleted records keep their bytes until the shard is dropped.
"""

from __future__ import annotations

import importlib
import itertools
import os
import struct
import sys
import threading
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from logsense.index.base import DIFFERENCE_COLUMNS, Row, to_json
from logsense.index.blocks import Block, fold

SLOTS = 1024
#: Estimated characters at which a block is closed: a hit costs one block's decompression (some 0.2 ms).
BLOCK_CHARS = 64 * 1024
_ROW_CHARS = 100  # what a row holds beside its message, roughly
#: A sixth of the time that zlib's usual level takes, and smaller; level 7 gains another tenth for five times the time.
LEVEL = 3
_CACHED_BLOCKS = 64

_HEAD = struct.Struct("<II")
_MARK = b"LSB1"
_FOLDED = struct.Struct("<4sI")


@cache
def _zstd() -> Any:
    """In the standard library from Python 3.14 on, in ``backports.zstd`` for older ones."""
    return importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def _unpack(payload: bytes) -> bytes:
    zstd = payload[:4] == b"\x28\xb5\x2f\xfd"  # RFC 8878, section 3.1.1; zlib's first byte is 0x78
    return bytes(_zstd().decompress(payload)) if zstd else zlib.decompress(payload)


class RowFileError(Exception):
    """A pointer that leads to no intact row."""


class RowWriter:
    """Appends rows; ``flush`` makes what ``add`` returned durable."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self._offset = self._file.tell()
        self._rows: list[Row] = []
        self._chars = 0

    def add(self, row: Row, chars: int) -> int:
        """Keep ``row`` (about ``chars`` long) and return its pointer, valid for readers after ``flush``."""
        pointer = self._offset * SLOTS + len(self._rows)
        self._rows.append(row)
        self._chars += chars + _ROW_CHARS
        if self._chars >= BLOCK_CHARS or len(self._rows) == SLOTS:
            self._close_block()
        return pointer

    def _close_block(self) -> None:
        if not self._rows:
            return
        shapes, values = (_zstd().compress(to_json(part), LEVEL) for part in fold(self._rows))
        payload = _FOLDED.pack(_MARK, len(shapes)) + shapes + values
        self._file.write(_HEAD.pack(zlib.crc32(payload), len(payload)) + payload)
        self._offset += _HEAD.size + len(payload)
        self._rows, self._chars = [], 0

    def flush(self) -> None:
        """Write and fsync everything added so far."""
        self._close_block()
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Release the file; what was not flushed is given up."""
        self._file.close()


class RowReader:
    """Reads rows by pointer. Safe from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDONLY)
        self._cache: OrderedDict[int, Block | list[Row]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, pointers: Sequence[int]) -> list[Row | None]:
        """The rows in the order asked; None for a row whose block is damaged."""
        rows: list[Row | None] = []
        for pointer in pointers:
            offset, slot = divmod(pointer, SLOTS)
            try:
                rows.append(self._block(offset)[slot])
            except (OSError, RowFileError, IndexError):
                rows.append(None)
        return rows

    def _block(self, offset: int) -> Block | list[Row]:
        with self._lock:
            if offset in self._cache:
                self._cache.move_to_end(offset)
                return self._cache[offset]
        block = self._load(offset)
        with self._lock:
            self._cache[offset] = block
            while len(self._cache) > _CACHED_BLOCKS:
                self._cache.popitem(last=False)
        return block

    def _load(self, offset: int) -> Block | list[Row]:
        head = os.pread(self._fd, _HEAD.size, offset)
        if len(head) < _HEAD.size:
            raise RowFileError(f"{self._path}: no block at {offset}")
        checksum, length = _HEAD.unpack(head)
        payload = os.pread(self._fd, length, offset + _HEAD.size)
        if len(payload) < length or zlib.crc32(payload) != checksum:
            raise RowFileError(f"{self._path}: damaged block at {offset}")
        if payload[:4] == _MARK:
            end = _FOLDED.size + _FOLDED.unpack_from(payload)[1]
            return Block(orjson.loads(_unpack(payload[_FOLDED.size : end])), orjson.loads(_unpack(payload[end:])))
        held: Any = orjson.loads(_unpack(payload))
        for at in DIFFERENCE_COLUMNS:
            held[at] = list(itertools.accumulate(map(int, held[at])))
        return list(zip(*held, strict=True))

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()
