"""Fluentd's forward protocol: Fluent Bit and Fluentd's ``forward`` output, Docker's ``fluentd`` log driver.

Messages are MessagePack: ``[tag, time, record, option]``, ``[tag, [[time, record] …], option]``, and ``[tag, bytes,
option]`` with packed, perhaps gzipped entries. A message with ``option.chunk`` is acknowledged once it is on disk.
https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1.5
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from logsense.receivers._events import event_from_object
from logsense.receivers._forward_auth import Handshake
from logsense.receivers._sockets import BadFrame, Connection, Parsed, SocketOptions, SocketReceiver, now_ns
from logsense.receivers._times import ns_to_text
from logsense.record import RawEvent

_EVENT_TIME = 0  # extension type
_MAX_UNPACKED = 256 * 1024 * 1024


class FluentForwardReceiver(SocketReceiver):
    """TCP, or TLS when a certificate is set. With a ``shared_key`` clients must prove that they know it."""

    name = "fluent"

    def __init__(
        self, options: SocketOptions | None = None, shared_key: str = "", users: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(options)
        self._shared_key, self._users = shared_key, dict(users or {})

    def connection(self, address: str) -> Connection:
        return _Forward(address, self.options, Handshake(self._shared_key, self._users) if self._shared_key else None)


class _Forward(Connection):
    def __init__(self, address: str, options: SocketOptions, handshake: Handshake | None = None) -> None:
        super().__init__(address, options)
        self._handshake, self._refused = handshake, False
        self._unpacker = _unpacker(options.max_message_bytes * 4)
        self._fed = self._used = 0

    def feed(self, data: bytes) -> tuple[Parsed, bytes]:
        import msgpack

        events: list[RawEvent] = []
        replies: list[bytes] = []
        try:
            self._unpacker.feed(data)
            self._fed += len(data)
            for message in self._unpacker:
                self._used = self._unpacker.tell()
                if self._handshake is not None and not self._handshake.passed:
                    replies.append(self._handshake.answer(message))
                    self._refused = not self._handshake.passed
                    if self._refused:
                        break
                    continue
                found, chunk = parse_message(message)
                events += found
                if chunk is not None:
                    replies.append(msgpack.packb({"ack": chunk}))
        except (msgpack.exceptions.UnpackException, msgpack.exceptions.BufferFull, ValueError, TypeError) as error:
            raise BadFrame(str(error) or type(error).__name__) from error
        return (events, []), b"".join(replies)

    @property
    def greeting(self) -> bytes:
        return self._handshake.hello() if self._handshake is not None else b""

    @property
    def closing(self) -> bool:
        return self._refused

    @property
    def within(self) -> bool:
        # Who was greeted and has not shown the key is within its first message, however little it sent.
        return (self._handshake is not None and not self._handshake.passed) or self._fed > self._used


def parse_message(message: Any) -> tuple[list[RawEvent], str | None]:
    """(events, the chunk to acknowledge or None). Raises ValueError."""
    if message is None:  # a heartbeat
        return [], None
    if not isinstance(message, list) or len(message) < 2:
        raise ValueError("no forward message")
    tag = _text(message[0])
    entries: Any = message[1]
    option = _option(message, 2 if isinstance(entries, list | bytes | str) else 3)
    if isinstance(entries, bytes | str):
        packed = entries.encode("utf-8", "surrogateescape") if isinstance(entries, str) else entries
        entries = unpack_entries(_gunzip(packed) if _text(option.get("compressed")) == "gzip" else packed)
    elif not isinstance(entries, list):
        entries = [message[1:3]]
    events = [_event(tag, entry) for entry in entries]
    chunk = option.get("chunk")
    return events, None if chunk is None else _text(chunk)


def _option(message: list[Any], at: int) -> dict[str, Any]:
    option = message[at] if len(message) > at else None
    return {_text(key): value for key, value in option.items()} if isinstance(option, dict) else {}


def unpack_entries(data: bytes) -> Iterator[Any]:
    """Entries that follow each other in ``data``."""
    unpacker = _unpacker(len(data) + 1)
    unpacker.feed(data)
    yield from unpacker


def _event(tag: str, entry: Any) -> RawEvent:
    if not isinstance(entry, list) or len(entry) < 2 or not isinstance(entry[1], dict):
        raise ValueError("no entry of time and record")
    stamp = entry[0][0] if isinstance(entry[0], list) and entry[0] else entry[0]  # Fluent Bit: [time, metadata]
    record = {_text(key): _plain(value) for key, value in entry[1].items()}
    event = event_from_object(record, None, "fluent", now_ns())
    ns = _ns(stamp)
    if ns is not None:
        event.fields.setdefault("@timestamp", ns_to_text(ns))
    if tag:
        event.fields.setdefault("fluent.tag", tag)
    return event


def _ns(stamp: Any) -> int | None:
    data = getattr(stamp, "data", None)
    if data is not None:
        if stamp.code != _EVENT_TIME or len(data) != 8:
            return None
        return int.from_bytes(data[:4], "big") * 10**9 + int.from_bytes(data[4:], "big")
    if isinstance(stamp, bool) or not isinstance(stamp, int | float) or not 0 < stamp < 2**33:
        return None
    return int(stamp * 10**9)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, dict):
        return {_text(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return str(value) if hasattr(value, "data") else value


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return "" if value is None else str(value)


def _gunzip(data: bytes) -> bytes:
    """gzip, also several members in a row, as the protocol allows."""
    out: list[bytes] = []
    room = _MAX_UNPACKED
    while data:
        stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            piece = stream.decompress(data, room + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        room -= len(piece)
        if room < 0 or not stream.eof:
            raise ValueError("the entries are cut short, or too large when unpacked")
        out.append(piece)
        data = stream.unused_data
    return b"".join(out)


def _unpacker(limit: int) -> Any:
    import msgpack

    return msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=limit)
