"""Request bodies: bounded while they stream in, bounded again while they are unpacked."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from logsense import errors
from logsense.receivers import _snappy

T = TypeVar("T")
_LARGE_BODY = 256 * 1024


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How large a request may be."""

    #: Bytes on the wire; more is answered 413 without reading on.
    max_body_bytes: int = 64 * 1024**2
    #: Bytes after decompression; unpacking stops there (413), so that a zip bomb costs nothing.
    max_unpacked_bytes: int = 256 * 1024**2


class _Unpacker(Protocol):
    def feed(self, data: bytes, room: int) -> bytes:
        """Unpack ``data`` into at most ``room`` bytes. Raises TooLarge, BadInput."""

    def finish(self) -> None:
        """Raises BadInput when the stream is cut short."""


async def read_body(request: Request, limits: BodyLimits, *, raw: bool = False) -> bytes:
    """The whole body, decompressed as ``Content-Encoding`` says (as it came, with ``raw``).

    Raises ``TooLarge`` (413) and ``BadInput`` (400: broken or unknown encoding). A size that is announced is refused
    before anything is read, so a client that sent ``Expect: 100-continue`` never has to send it.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limits.max_body_bytes:
        raise _too_large("the body", limits.max_body_bytes)
    stated = "" if raw else request.headers.get("content-encoding", "")
    encodings = [e.strip().lower() for e in stated.split(",") if e.strip()]
    encodings = [e for e in encodings if e != "identity"]
    if len(encodings) > 1:
        raise errors.BadInput("Only one Content-Encoding is understood", why=f"got {encodings}")
    unpacker = _unpacker(encodings[0]) if encodings else None
    parts: list[bytes] = []
    received = unpacked = 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > limits.max_body_bytes:
                raise _too_large("the body", limits.max_body_bytes)
            if unpacker is not None and chunk:
                chunk = unpacker.feed(chunk, limits.max_unpacked_bytes - unpacked)
            unpacked += len(chunk)
            parts.append(chunk)
    except ClientDisconnect as error:
        raise errors.BadInput("The client hung up before the end of its request") from error
    if unpacker is not None and received:
        unpacker.finish()
    return b"".join(parts)


async def off_loop(body: bytes, parse: Callable[..., T], *args: Any) -> T:
    """``parse(body, *args)``, in a thread when the body is so large that other requests would feel it."""
    if len(body) < _LARGE_BODY:
        return parse(body, *args)
    return await asyncio.to_thread(parse, body, *args)


def unpack_snappy(data: bytes, limits: BodyLimits) -> bytes:
    """A snappy *block* (what ``Content-Encoding: snappy`` means for Loki and Prometheus)."""
    try:
        return _snappy.decompress(data, limits.max_unpacked_bytes)
    except OverflowError as error:
        raise _too_large("the unpacked body", limits.max_unpacked_bytes) from error
    except ValueError as error:
        raise errors.BadInput("The body is not a snappy block", why=str(error)) from error


def _too_large(what: str, limit: int) -> errors.TooLarge:
    return errors.TooLarge(
        f"The request is too large: {what} exceeds {limit} bytes",
        why=f"the limit is {limit} bytes",
        fix="send smaller batches, or raise the receiver's max_body_bytes / max_unpacked_bytes",
    )


def _unpacker(encoding: str) -> _Unpacker:
    if encoding in ("gzip", "x-gzip"):
        return _Zlib("gzip", 16 + zlib.MAX_WBITS)
    if encoding == "deflate":
        return _Zlib("deflate", None)
    if encoding == "zstd":
        return _zstd()
    raise errors.BadInput(
        f"Content-Encoding {encoding!r} is not understood here", fix="send gzip, deflate or no Content-Encoding"
    )


class _Zlib:
    """gzip (also several members in a row), zlib, and raw deflate, which some clients call "deflate" too."""

    def __init__(self, name: str, wbits: int | None) -> None:
        self._name = name
        self._wbits = wbits
        self._stream: Any = None
        self._started = False

    def feed(self, data: bytes, room: int) -> bytes:
        out: list[bytes] = []
        while data:
            if self._stream is None:
                data = data.lstrip(b"\0") if self._started else data  # padding after the last gzip member
                if not data:
                    break
                if self._wbits is None:
                    # RFC 1950: the low nibble of the first byte is 8 for zlib; otherwise it is raw deflate.
                    self._wbits = zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS
                self._stream, self._started = zlib.decompressobj(self._wbits), True
            try:
                piece = self._stream.decompress(data, room + 1)
            except zlib.error as error:
                raise errors.BadInput(f"The body is not valid {self._name}", why=str(error)) from error
            room -= len(piece)
            if room < 0:
                raise _too_large("the unpacked body", room + sum(map(len, out)) + len(piece))
            out.append(piece)
            data = self._stream.unconsumed_tail
            if self._stream.eof:
                data, self._stream = self._stream.unused_data, None
        return b"".join(out)

    def finish(self) -> None:
        if self._stream is not None and not self._stream.eof:
            raise errors.BadInput(f"The body is not valid {self._name}", why="the compressed data ends too early")


class _Zstd:
    def __init__(self, new_stream: Callable[[], Any], error: type[Exception]) -> None:
        self._new_stream, self._error = new_stream, error
        self._stream = new_stream()

    def feed(self, data: bytes, room: int) -> bytes:
        out: list[bytes] = []
        while data or not (self._stream.eof or self._stream.needs_input):
            if self._stream.eof:
                self._stream = self._new_stream()
            try:
                piece = self._stream.decompress(data, room + 1)
            except self._error as error:
                raise errors.BadInput("The body is not valid zstd", why=str(error)) from error
            room -= len(piece)
            if room < 0:
                raise _too_large("the unpacked body", room + sum(map(len, out)) + len(piece))
            out.append(piece)
            data = self._stream.unused_data if self._stream.eof else b""
        return b"".join(out)

    def finish(self) -> None:
        if not self._stream.eof:
            raise errors.BadInput("The body is not valid zstd", why="the compressed data ends too early")


def _zstd() -> _Unpacker:
    """In the standard library from Python 3.14 on, in ``backports.zstd`` for older ones."""
    for name in ("compression.zstd", "backports.zstd"):
        with contextlib.suppress(ImportError):
            module = importlib.import_module(name)
            return _Zstd(module.ZstdDecompressor, module.ZstdError)
    raise errors.BadInput(
        "Content-Encoding zstd is not supported by this Python",
        why="zstd is part of Python from 3.14 on",
        fix="send gzip, install backports.zstd, or run logsense with Python 3.14",
    )
