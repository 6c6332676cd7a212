"""Lumberjack 2, what Beats send to Logstash (``output.logstash``).

Frames: ``2W`` + number of events to come, ``2J`` + sequence + length + JSON, ``2D`` + sequence + pairs, ``2C`` +
length + zlib of further frames. The answer is ``2A`` + the last sequence, once all events are on disk.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

from logsense.receivers._events import decode_text, event_from_object, load_json
from logsense.receivers._sockets import BadFrame, Connection, Parsed, SocketOptions, SocketReceiver, now_ns
from logsense.record import RawEvent

_MAX_UNPACKED = 256 * 1024 * 1024
_MAX_PAIRS = 10_000


class LumberjackReceiver(SocketReceiver):
    """TCP, or TLS when a certificate is set."""

    name = "lumberjack"

    def connection(self, address: str) -> Connection:
        return _Lumberjack(address, self.options)


class _Lumberjack(Connection):
    def __init__(self, address: str, options: SocketOptions) -> None:
        super().__init__(address, options)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> tuple[Parsed, bytes]:
        self._buffer += data
        events: list[RawEvent] = []
        last, used = self._frames(self._buffer, events, nested=False)
        del self._buffer[:used]
        return (events, []), b"" if last is None else b"2A" + struct.pack(">I", last)

    @property
    def within(self) -> bool:
        return bool(self._buffer)

    def _frames(self, buffer: bytes | bytearray, events: list[RawEvent], *, nested: bool) -> tuple[int | None, int]:
        """(last sequence, bytes used). An acknowledgement in the middle of a window is allowed and harmless."""
        at, last = 0, None
        limit = self.options.max_message_bytes
        while len(buffer) - at >= 6:
            kind = bytes(buffer[at : at + 2])
            number = _u32(buffer, at + 2)
            if kind in (b"2W", b"1W"):
                at += 6
            elif kind == b"2J":
                if len(buffer) - at < 10:
                    break
                size = _u32(buffer, at + 6)
                if size > limit:
                    raise BadFrame(f"an event of {size} bytes is too long")
                if len(buffer) - at < 10 + size:
                    break
                events.append(_json_event(bytes(buffer[at + 10 : at + 10 + size])))
                last = number
                at += 10 + size
            elif kind in (b"2D", b"1D"):
                found = _pairs(buffer, at + 6, limit)
                if found is None:
                    break
                events.append(event_from_object(found[0], None, "lumberjack", now_ns()))
                last, at = number, found[1]
            elif kind == b"2C" and not nested:
                if number > 4 * limit:
                    raise BadFrame(f"a compressed frame of {number} bytes is too long")
                if len(buffer) - at < 6 + number:
                    break
                inner = _inflate(bytes(buffer[at + 6 : at + 6 + number]))
                seen, used = self._frames(inner, events, nested=True)
                if used != len(inner):
                    raise BadFrame("a compressed frame ends within an event")
                last = seen if seen is not None else last
                at += 6 + number
            else:
                raise BadFrame(f"frame {kind!r} is not known")
        return last, at


def _u32(buffer: bytes | bytearray, at: int) -> int:
    return int.from_bytes(buffer[at : at + 4], "big")


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        out = stream.decompress(data, _MAX_UNPACKED)
    except zlib.error as error:
        raise BadFrame(str(error)) from error
    if not stream.eof:
        raise BadFrame("a compressed frame is cut short or too large")
    return out


def _pairs(buffer: bytes | bytearray, at: int, limit: int) -> tuple[dict[str, Any], int] | None:
    """(pairs, end) of a data frame, None when it is not complete."""
    if len(buffer) < at + 4:
        return None
    count, at = _u32(buffer, at), at + 4
    if count > _MAX_PAIRS:
        raise BadFrame(f"{count} pairs are too many")
    texts: list[str] = []
    for _ in range(2 * count):
        if len(buffer) < at + 4:
            return None
        size = _u32(buffer, at)
        if size > limit:
            raise BadFrame(f"a value of {size} bytes is too long")
        if len(buffer) < at + 4 + size:
            return None
        texts.append(decode_text(bytes(buffer[at + 4 : at + 4 + size])))
        at += 4 + size
    return dict(zip(texts[::2], texts[1::2], strict=True)), at


def _json_event(data: bytes) -> RawEvent:
    try:
        document = load_json(data)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return RawEvent(decode_text(data), "lumberjack", now_ns())
    document.pop("@metadata", None)
    return event_from_object(document, data, "lumberjack", now_ns())
