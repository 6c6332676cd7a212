"""Framing of syslog over TCP: RFC 6587, both ways, and what real senders make of it."""

from __future__ import annotations

import re

#: MSG-LEN SP and the "<" of the message. Without the "<" it is a line that starts with a number.
_COUNTED = re.compile(rb"[1-9]\d{0,8} +<")
_MAYBE_COUNTED = re.compile(rb"[1-9]\d{0,8}( +)?")
_DELIMITER = re.compile(rb"[\n\0]")


class SyslogFramer:
    """Bytes of one connection → messages. Each frame is told apart by itself: octet-counted, or ended by LF or NUL.

    Blank space and delimiters between frames are skipped (some senders add LF after a counted frame). A message
    longer than ``max_bytes`` is cut; the rest is skipped and counted. A last message without delimiter is given by
    ``close``.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._buffer = bytearray()
        self._scanned = 0  # this much of the buffer holds no delimiter
        self._skip_octets = 0  # rest of a counted frame that was cut
        self._skip_line = False  # within a line that was cut

    def feed(self, data: bytes) -> list[tuple[bytes, int]]:
        """(message, bytes cut off its end so far) of every frame that is complete."""
        buffer = self._buffer
        buffer += data
        frames: list[tuple[bytes, int]] = []
        at = 0
        while at < len(buffer):
            if self._skip_octets:
                step = min(self._skip_octets, len(buffer) - at)
                self._skip_octets -= step
                at += step
                continue
            if self._skip_line:
                end = _DELIMITER.search(buffer, at)
                at = end.end() if end else len(buffer)
                self._skip_line = end is None
                continue
            if buffer[at] in b"\n\0\r ":
                at += 1
                continue
            step, frame = self._frame(buffer, at)
            if frame is None:
                break
            frames.append(frame)
            at += step
            self._scanned = 0
        del buffer[:at]
        return frames

    def close(self) -> tuple[bytes, int] | None:
        """The last message, when the connection ended within it."""
        rest, self._buffer = bytes(self._buffer), bytearray()
        counted = _COUNTED.match(rest)
        if counted:
            rest = rest[counted.end() - 1 :]
        return (rest, 0) if rest.strip() else None

    def _frame(self, buffer: bytearray, at: int) -> tuple[int, tuple[bytes, int] | None]:
        """(bytes used, message) of the frame at ``at``; no message when more bytes are needed."""
        counted = _COUNTED.match(buffer, at)
        if counted:
            start = counted.end() - 1
            length = int(buffer[at : counted.end() - 1])
            kept = min(length, self._max)
            if len(buffer) - start < kept:
                return 0, None
            self._skip_octets = length - kept
            return start - at + kept, (bytes(buffer[start : start + kept]), length - kept)
        maybe = _MAYBE_COUNTED.match(buffer, at)
        if maybe and maybe.end() == len(buffer) and len(buffer) - at < 16:
            return 0, None  # a length that has not arrived completely
        end = _DELIMITER.search(buffer, at + self._scanned)
        if end is None:
            if len(buffer) - at <= self._max:
                self._scanned = len(buffer) - at
                return 0, None
            self._skip_line = True
            return len(buffer) - at, (bytes(buffer[at : at + self._max]), len(buffer) - at - self._max)
        length = end.start() - at
        return end.end() - at, (bytes(buffer[at : at + min(length, self._max)]), max(0, length - self._max))
