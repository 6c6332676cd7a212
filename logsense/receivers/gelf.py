"""GELF, Graylog's format: ``POST /gelf``, TCP (ended by NUL) and UDP (gzip, zlib, chunks).

https://go2docs.graylog.org/current/getting_in_log_data/gelf.html
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response

from logsense import errors
from logsense.receivers._body import BodyLimits, off_loop, read_body
from logsense.receivers._events import decode_text, event_from_object, load_json, now_ns
from logsense.receivers._guard import guarded_route, retry_headers
from logsense.receivers._sockets import Connection, LineConnection, Parsed, SocketOptions, SocketReceiver
from logsense.record import RawEvent
from logsense.stages import Intake

_CHUNKED = b"\x1e\x0f"
_MAX_CHUNKS = 128  # what the format allows
_CHUNK_LIFE_S = 5.0  # within which all chunks of a message must arrive, as the format says
_MAX_PARTIAL_BYTES = 64 * 1024 * 1024
_MAX_DATAGRAM_UNPACKED = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class GelfOptions:
    """The GELF receiver over HTTP."""

    #: Sizes of requests.
    limits: BodyLimits = field(default_factory=BodyLimits)


class GelfHttpReceiver:
    """``POST /gelf``: one message, an array of them, or one a line (as Graylog's bulk receiving takes them)."""

    name = "gelf_http"
    prefix = "/graylog"

    def __init__(self, options: GelfOptions | None = None) -> None:
        self.options = options or GelfOptions()

    def router(self, intake: Intake) -> APIRouter:
        """202 with an empty body, as Graylog answers."""
        router = APIRouter(route_class=guarded_route(_refusal), include_in_schema=False)

        async def gelf(request: Request) -> Response:
            # graypy names both "gzip,deflate" and means the second: then the bytes say what they are.
            unsure = "," in request.headers.get("content-encoding", "")
            body = await read_body(request, self.options.limits, raw=unsure)
            if unsure:
                try:
                    body = unpack(body)
                except ValueError as error:
                    raise errors.BadInput("The body cannot be unpacked", why=str(error)) from error
            await intake.accept(await off_loop(body, parse_gelf))
            return Response(status_code=202)

        router.add_api_route("/gelf", gelf, methods=["POST"])
        return router


class GelfReceiver(SocketReceiver):
    """TCP and UDP on one port."""

    name = "gelf"
    udp = True

    def __init__(self, options: SocketOptions | None = None) -> None:
        super().__init__(options)
        self._chunks = Chunks()

    def connection(self, address: str) -> Connection:
        return _Gelf(address, self.options)

    def datagram(self, data: bytes, address: str) -> Parsed:
        message = self._chunks.add(data, address) if data[:2] == _CHUNKED else data
        if message is None:
            return [], []
        return [gelf_event(unpack(message), "gelf:udp")], []


class _Gelf(LineConnection):
    """Messages end with NUL. Some senders end them with LF instead: the first line tells, if it is a whole message by
    itself (JSON has no bare LF within a value, but may be indented)."""

    ends: Sequence[bytes] = (b"\0",)

    def feed(self, data: bytes) -> tuple[Parsed, bytes]:
        undecided = len(self.ends) == 1 and b"\n" not in self._rest and not self._skipping
        if undecided and b"\n" in data and b"\0" not in data:
            first = (bytes(self._rest) + data).split(b"\n", 1)[0].strip()
            if first.endswith(b"}") and len(first) <= self.options.max_message_bytes and _is_object(first):
                self.ends = (b"\n", b"\0")
        return super().feed(data)

    def message(self, data: bytes) -> Parsed:
        if not data.strip():
            return [], []
        return [gelf_event(data, "gelf:tcp")], []


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(load_json(data), dict)
    except ValueError:
        return False


class Chunks:
    """Messages in pieces. Bounded in bytes and in time; the oldest pieces go first."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, bytes], tuple[float, int, dict[int, bytes]]] = {}
        self._bytes = 0

    def add(self, data: bytes, address: str) -> bytes | None:
        """The whole message when this was the last piece. Raises ValueError."""
        if len(data) < 12 or not 0 < data[11] <= _MAX_CHUNKS or data[10] >= data[11]:
            raise ValueError("no GELF chunk")
        self._forget()
        key, number, count = (address, data[2:10]), data[10], data[11]
        _, wanted, parts = self._parts.setdefault(key, (time.monotonic(), count, {}))
        if number not in parts:
            parts[number] = data[12:]
            self._bytes += len(data) - 12
        if len(parts) < wanted:
            return None
        del self._parts[key]
        self._bytes -= sum(map(len, parts.values()))
        return b"".join(parts[n] for n in sorted(parts))

    def _forget(self) -> None:
        border = time.monotonic() - _CHUNK_LIFE_S
        for key, (begun, _, parts) in list(self._parts.items()):  # in order of arrival
            if begun > border and self._bytes <= _MAX_PARTIAL_BYTES:
                break
            self._bytes -= sum(map(len, parts.values()))
            del self._parts[key]


def unpack(data: bytes) -> bytes:
    """A datagram's message: gzip, zlib or plain. Raises ValueError also for one that unpacks to too much."""
    if data[:2] == b"\x1f\x8b" or (data[:1] == b"\x78" and data[1:2] in b"\x01\x5e\x9c\xda"):
        try:
            stream = zlib.decompressobj(32 + zlib.MAX_WBITS)
            text = stream.decompress(data, _MAX_DATAGRAM_UNPACKED)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if not stream.eof:
            raise ValueError("cut short, or too large when unpacked")
        return text
    return data


def parse_gelf(body: bytes) -> list[RawEvent]:
    """Messages of a request. Raises BadInput."""
    try:
        document = load_json(body)
    except ValueError:
        return [gelf_event(line, "gelf") for line in body.split(b"\n") if line.strip()]
    if isinstance(document, list):
        return [_event(one, None, "gelf") for one in document if isinstance(one, dict)]
    if not isinstance(document, dict) or not document:
        raise errors.BadInput("The body is no GELF message", fix="send a JSON object with short_message")
    return [_event(document, body, "gelf")]


def gelf_event(data: bytes, source: str) -> RawEvent:
    """One message; what is no JSON object is kept as text."""
    try:
        document = load_json(data)
    except ValueError:
        document = None
    if isinstance(document, dict):
        return _event(document, data, source)
    return RawEvent(decode_text(data), source, now_ns())


def _event(document: dict[str, Any], raw: bytes | None, source: str) -> RawEvent:
    """Additional fields lose their leading underscore; ``full_message`` is the message when it says more."""
    plain = {(k[1:] if k.startswith("_") and len(k) > 1 else k): v for k, v in document.items()}
    plain.pop("version", None)
    full = plain.pop("full_message", None)
    short = plain.pop("short_message", None)
    message = full if isinstance(full, str) and full.strip() else short
    if message is not None:
        plain["message"] = message
    return event_from_object(plain, raw, source, now_ns())


def _refusal(error: errors.LogsenseError, request: Request) -> Response:
    return Response(f"{error}\n", error.status, retry_headers(error), "text/plain")
