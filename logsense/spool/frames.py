"""Frames: how one batch lies in a segment file, and how it is found again after a crash.

A frame is ``magic (4) | payload length (u32 LE) | CRC-32 (u32 LE) | payload``. The checksum covers the length and
the payload. Payloads are UTF-8 JSON, in which the first magic byte (0xF5) cannot occur, so after damage the next
frame is found by looking for the magic.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass

MAGIC = b"\xf5LSF"
HEADER = struct.Struct("<4sII")
#: No writer makes larger frames; a greater length is damage.
MAX_PAYLOAD = 512 * 1024**2
CHUNK = 4 * 1024**2


def _checksum(payload: bytes | memoryview, length: int) -> int:
    return zlib.crc32(payload, length)  # the length is the start value, which makes it part of what is checked


def encode_frame(payload: bytes) -> bytes:
    """The frame that holds ``payload``."""
    return HEADER.pack(MAGIC, len(payload), _checksum(payload, len(payload))) + payload


@dataclass(slots=True)
class Found:
    """What ``next_frame`` saw: ``payload`` of the frame that starts at ``start``, and where the next one starts.

    ``skipped`` counts damaged bytes before ``start``. ``payload`` is None when no whole frame follows.
    """

    payload: bytes | None
    start: int
    next: int
    skipped: int = 0


class FrameReader:
    """Reads frames of one open file through a window of some megabytes. Never reads at or behind ``end``."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._window = b""
        self._base = 0

    def next_frame(self, offset: int, end: int) -> Found:
        """The first whole frame at or after ``offset`` that ends before ``end``."""
        payload = self._frame_at(offset, end)
        if payload is not None:
            return Found(payload, offset, offset + HEADER.size + len(payload))
        start = offset
        while (start := self._find_magic(start + 1, end)) >= 0:
            payload = self._frame_at(start, end)
            if payload is not None:
                return Found(payload, start, start + HEADER.size + len(payload), skipped=start - offset)
        return Found(None, offset, offset)

    def _frame_at(self, offset: int, end: int) -> bytes | None:
        header = self._bytes(offset, HEADER.size, end)
        if len(header) < HEADER.size:
            return None
        magic, length, checksum = HEADER.unpack(header)
        if magic != MAGIC or length > MAX_PAYLOAD or offset + HEADER.size + length > end:
            return None
        payload = self._bytes(offset + HEADER.size, length, end)
        if len(payload) < length or _checksum(payload, length) != checksum:
            return None
        return payload

    def _find_magic(self, offset: int, end: int) -> int:
        while offset < end:
            chunk = os.pread(self._fd, min(CHUNK, end - offset), offset)
            if len(chunk) < len(MAGIC):
                return -1
            found = chunk.find(MAGIC)
            if found >= 0:
                return offset + found
            offset += len(chunk) - len(MAGIC) + 1  # the magic may lie across two chunks
        return -1

    def _bytes(self, offset: int, size: int, end: int) -> bytes:
        """Up to ``size`` bytes at ``offset``; fewer at ``end``."""
        size = min(size, end - offset)
        at = offset - self._base
        if at < 0 or at + size > len(self._window):
            # Bytes before ``end`` never change, so the window needs no refresh.
            self._window = os.pread(self._fd, max(size, min(CHUNK, end - offset)), offset)
            self._base, at = offset, 0
        return self._window[at : at + size]
