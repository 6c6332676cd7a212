"""Server-sent events: one stream a client, ended in order, with a bound on how many there are.

A stream asks its ``Reader`` for what is new only when the client has taken what it was sent (Starlette waits for the
socket), so a slow client costs no memory here; it is told how much it missed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from logsense.api.options import ApiOptions
from logsense.errors import LogsenseError, Overloaded

#: Seconds between two looks: lines are visible within a second of a commit, and half of it is not noticed.
LOOK_S = 0.5
#: Seconds after which a silent stream says that it lives; proxies give up after 30 to 60.
KEEP_ALIVE_S = 15.0
#: Seconds after which the right to read is checked again: a key may be revoked meanwhile.
CHECK_S = 60.0
#: What a browser waits before it comes back.
RETRY_MS = 2000


class Reader(Protocol):
    """See ``logsense.follow.Follower``."""

    def read(self) -> dict[str, Any]: ...


class Crowded(Overloaded):
    """Too many live tails at a time."""

    status, slug = 503, "too-many-streams"


class Streams:
    """The open streams of one application."""

    def __init__(self, options: ApiOptions) -> None:
        self._options = options
        self.open = 0

    async def answer(
        self, request: Request, make: Callable[[], Reader], encode: Callable[[dict[str, Any]], str]
    ) -> StreamingResponse:
        """Stream what the reader reads as ``lines`` events whose data is what ``encode`` makes of a look.

        Raises ``Crowded`` (503, Retry-After) beyond the limit, and whatever ``make`` raises, before anything is sent.
        """
        if self.open >= self._options.live_clients:
            raise Crowded(
                f"{self.open} live tails are open already",
                retry_after_s=10,
                why="each of them looks at the index twice a second",
                fix="close one, or try again in a moment",
            )
        self.open += 1
        try:
            reader = await run_in_threadpool(make)
        except BaseException:
            self.open -= 1
            raise
        return _Stream(self._events(request, reader, encode), self._closed)

    def _closed(self) -> None:
        self.open -= 1

    async def _events(
        self, request: Request, reader: Reader, encode: Callable[[dict[str, Any]], str]
    ) -> AsyncIterator[str]:
        yield f"retry: {RETRY_MS}\n\n"
        spoke = checked = time.monotonic()
        while not self._options.stopping():
            try:
                look = await run_in_threadpool(reader.read)
            except LogsenseError as error:  # the index is away: the client hears why and the stream goes on
                yield event("trouble", {"detail": error.what})
                await self._pause(LOOK_S * 4)
                continue
            now = time.monotonic()
            if look["missed"]:
                yield event("missed", {"count": look["missed"]})
            if look["lines"]:
                yield event("lines", encode(look), look["cursor"])
                spoke = now
            elif now - spoke >= KEEP_ALIVE_S:
                # With the position: a client that comes back does not begin behind lines that it was not shown.
                yield event("alive", {}, look["cursor"])
                spoke = now
            if now - checked >= CHECK_S:
                checked = now
                if not self._still_allowed(request):
                    yield event("end", {"why": "the key is no longer valid"})
                    return
            await self._pause(LOOK_S)
        yield event("end", {"why": "the server is stopping"})

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not longer than the server lives."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._options.stopping():
            await asyncio.sleep(min(left, LOOK_S))

    def _still_allowed(self, request: Request) -> bool:
        if self._options.authenticate is None:
            return True
        try:
            self._options.authenticate(request, "read")
        except LogsenseError:
            return False
        return True


class _Stream(StreamingResponse):
    """Gives its place back however it ends: also when the client went away before the first byte."""

    def __init__(self, events: AsyncIterator[str], closed: Callable[[], None]) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._closed = closed

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._closed()


def event(name: str, data: dict[str, Any] | str, id_: str = "") -> str:
    """One event; data of several lines keeps them."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    # Every ending that the format knows, so that no line of a log can begin a field of its own.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    fields = [f"event: {name}", *(f"data: {line}" for line in lines)]
    return "\n".join([f"id: {id_}", *fields] if id_ else fields) + "\n\n"
