"""Bytes → lines with their offsets, in bounded memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from logsense.record import RawEvent

#: Longest line that is kept whole.
MAX_LINE_BYTES = 1024 * 1024
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Line:
    """``start``: offset of the first byte. ``dropped``: bytes that were cut off because the line is too long."""

    start: int
    data: bytes
    dropped: int = 0


class LineSplitter:
    """Feed it chunks; it gives whole lines. ``offset`` is where the next line starts (everything before is given).

    A line longer than ``max_bytes`` is cut there; the rest is counted and skipped without being held in memory.
    """

    def __init__(self, offset: int = 0, max_bytes: int = MAX_LINE_BYTES) -> None:
        self.offset = offset
        self._max = max_bytes
        self._pending = bytearray()
        self._dropped = 0

    @property
    def pending(self) -> int:
        """Bytes of the unfinished last line."""
        return len(self._pending) + self._dropped

    def feed(self, data: bytes) -> list[Line]:
        """The lines that ``data`` completes."""
        parts = data.split(b"\n")
        rest = parts.pop()
        lines: list[Line] = []
        if parts:
            self._keep(parts[0])
            lines.append(self._take(1))
            offset, longest = self.offset, self._max
            for part in parts[1:]:
                dropped = len(part) - longest
                lines.append(Line(offset, part) if dropped <= 0 else Line(offset, part[:longest], dropped))
                offset += len(part) + 1
            self.offset = offset
        self._keep(rest)
        return lines

    def flush(self) -> Line | None:
        """The unfinished last line, if there is one."""
        return self._take(0) if self.pending else None

    def _keep(self, data: bytes) -> None:
        room = self._max - len(self._pending)
        self._pending += data[:room]
        self._dropped += max(0, len(data) - room)

    def _take(self, newline: int) -> Line:
        line = Line(self.offset, bytes(self._pending), self._dropped)
        self.offset += len(self._pending) + self._dropped + newline
        self._pending.clear()
        self._dropped = 0
        return line


def decode(data: bytes) -> str:
    """A line as text: without its carriage return or byte order mark; what is not UTF-8 is kept as ``\\xNN``."""
    if data.endswith(b"\r"):
        data = data[:-1]
    if data.startswith(_BOM):
        data = data[3:]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "backslashreplace")


def events_from_lines(
    lines: list[Line], source: str, received_ns: int, fields: dict[str, Any], identity: str | None
) -> list[RawEvent]:
    """Events of the lines that are not blank. With ``identity`` their ids are stable: ``<identity>-<offset>``."""
    events: list[RawEvent] = []
    for line in lines:
        message = decode(line.data)
        if not message or message.isspace():
            continue
        stated = dict(fields)
        if line.dropped:
            stated["log.flags"] = ["truncated"]
            stated["logsense.truncated_bytes"] = line.dropped
        line_id = None if identity is None else f"{identity}-{line.start:x}"
        events.append(RawEvent(message, source, received_ns, stated, line_id))
    return events


def identity_of(*parts: object) -> str:
    """A short, URL-safe hash that stands for a file."""
    text = "\0".join(map(str, parts)).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=10).hexdigest()
