"""``Client`` and ``AsyncClient``: the same operations, blocking and awaited."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

from logsense.client import calls
from logsense.client.answers import Answer, Diagnosis, lines_frame
from logsense.client.calls import PAGE, Call, Time
from logsense.client.transport import AGAIN, DEFAULT_URL, Connection, read, unreachable, wait_s

if TYPE_CHECKING:
    from types import TracebackType

    import httpx
    import pandas as pd

T = TypeVar("T")


class Client:
    """Asks one server. Safe to use from several threads; ``close`` it, or use it as a context manager.

    Every method raises ``ServerProblem`` when the server refuses or cannot be reached after the retries.
    """

    def __init__(self, url: str = DEFAULT_URL, *, api_key: str = "", **options: Any) -> None:
        """``options`` are those of ``transport.Connection``: verify, timeout_s, retries."""
        import httpx

        self._connection = Connection(url, api_key, **options)
        self._http = httpx.Client(**self._connection.arguments())

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def ask(
        self, question: str, *, from_: Time = None, to: Time = None, limit: int = 20, tz: str = "UTC", now: Time = None
    ) -> Answer:
        """A question in plain words or in the query syntax. ``tz`` is the zone of "last night", ``now`` the moment."""
        return self._run(calls.ask(question, from_, to, limit, tz, now))

    def search(
        self, question: str = "", *, from_: Time = None, to: Time = None, limit: int = 1000, sort: str = "relevance",
        tz: str = "UTC",
    ) -> pd.DataFrame:  # fmt: skip
        """Up to ``limit`` lines, a row each, fetched in pages. ``sort``: relevance, or time (newest first)."""
        hits: list[dict[str, Any]] = []
        while len(hits) < limit:
            size = min(PAGE, limit - len(hits))
            found = self._run(calls.page(question, from_, to, sort, tz, len(hits), size))["hits"]
            hits += found
            if len(found) < size:
                break
        return lines_frame(hits)

    def histogram(self, question: str = "", *, from_: Time = None, to: Time = None, tz: str = "UTC") -> pd.DataFrame:
        """Lines per step of time of a search."""
        return self._run(calls.histogram(question, from_, to, tz))

    def templates(self, *, limit: int = 1000, order: str = "count") -> pd.DataFrame:
        """Message types. ``order``: count, new or last."""
        return self._run(calls.templates(limit, order))

    def values(
        self, field: str, question: str = "", *, rare: bool = False, most: int = 1, from_: Time = None,
        to: Time = None, limit: int = 10,
    ) -> pd.DataFrame:  # fmt: skip
        """Values of host, service, level, template_id or pipeline and their lines; ``rare``: those of few lines."""
        return self._run(calls.values(field, question, rare, most, from_, to, limit))

    def incidents(
        self, *, from_: Time = None, to: Time = None, status: str | None = None, limit: int = 100, about: str = ""
    ) -> pd.DataFrame:
        """Incidents, newest first. ``status``: open, acknowledged or resolved. ``about``: a question; best first."""
        return self._run(calls.incidents(from_, to, status, limit, about))

    def incident(self, incident_id: str) -> dict[str, Any]:
        """Everything about one incident."""
        return self._run(calls.incident(incident_id))

    def metrics(
        self, host: str | None = None, name: str | None = None, *, from_: Time = None, to: Time = None, step_s: int = 0
    ) -> pd.DataFrame:
        """Which series there are; with ``host`` and ``name`` the points of one, averaged over ``step_s`` if given."""
        return self._run(calls.metrics(host, name, from_, to, step_s))

    def diagnose(self, *, from_: Time = None, to: Time = None) -> Diagnosis:
        """Ranked causes of what happened in a span of time."""
        return self._run(calls.diagnose(from_, to))

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of any other operation of the API, e.g. ``get("/api/v1/hosts")``."""
        return self._run(calls.any_path(path, params))

    def _run(self, call: Call[T]) -> T:
        import httpx

        attempt = 0
        while True:
            try:
                response = self._http.get(call.path, params=call.query())
            except httpx.TransportError as error:
                if attempt >= self._connection.retries:
                    raise unreachable(self._connection.url, error) from error
                wait = wait_s(attempt)
            else:
                if response.status_code not in AGAIN or attempt >= self._connection.retries:
                    return call.read(read(response))
                wait = wait_s(attempt, response.headers.get("Retry-After"))
            time.sleep(wait)
            attempt += 1


class AsyncClient:
    """As ``Client``, for asyncio."""

    def __init__(self, url: str = DEFAULT_URL, *, api_key: str = "", **options: Any) -> None:
        """``options`` are those of ``transport.Connection``: verify, timeout_s, retries."""
        import httpx

        self._connection = Connection(url, api_key, **options)
        self._http: httpx.AsyncClient = httpx.AsyncClient(**self._connection.arguments())

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(
        self, question: str, *, from_: Time = None, to: Time = None, limit: int = 20, tz: str = "UTC", now: Time = None
    ) -> Answer:
        """See ``Client.ask``."""
        return await self._run(calls.ask(question, from_, to, limit, tz, now))

    async def search(
        self, question: str = "", *, from_: Time = None, to: Time = None, limit: int = 1000, sort: str = "relevance",
        tz: str = "UTC",
    ) -> pd.DataFrame:  # fmt: skip
        """See ``Client.search``."""
        hits: list[dict[str, Any]] = []
        while len(hits) < limit:
            size = min(PAGE, limit - len(hits))
            found = (await self._run(calls.page(question, from_, to, sort, tz, len(hits), size)))["hits"]
            hits += found
            if len(found) < size:
                break
        return lines_frame(hits)

    async def histogram(
        self, question: str = "", *, from_: Time = None, to: Time = None, tz: str = "UTC"
    ) -> pd.DataFrame:
        """See ``Client.histogram``."""
        return await self._run(calls.histogram(question, from_, to, tz))

    async def templates(self, *, limit: int = 1000, order: str = "count") -> pd.DataFrame:
        """See ``Client.templates``."""
        return await self._run(calls.templates(limit, order))

    async def values(
        self, field: str, question: str = "", *, rare: bool = False, most: int = 1, from_: Time = None,
        to: Time = None, limit: int = 10,
    ) -> pd.DataFrame:  # fmt: skip
        """See ``Client.values``."""
        return await self._run(calls.values(field, question, rare, most, from_, to, limit))

    async def incidents(
        self, *, from_: Time = None, to: Time = None, status: str | None = None, limit: int = 100, about: str = ""
    ) -> pd.DataFrame:
        """See ``Client.incidents``."""
        return await self._run(calls.incidents(from_, to, status, limit, about))

    async def incident(self, incident_id: str) -> dict[str, Any]:
        """See ``Client.incident``."""
        return await self._run(calls.incident(incident_id))

    async def metrics(
        self, host: str | None = None, name: str | None = None, *, from_: Time = None, to: Time = None, step_s: int = 0
    ) -> pd.DataFrame:
        """See ``Client.metrics``."""
        return await self._run(calls.metrics(host, name, from_, to, step_s))

    async def diagnose(self, *, from_: Time = None, to: Time = None) -> Diagnosis:
        """See ``Client.diagnose``."""
        return await self._run(calls.diagnose(from_, to))

    async def get(self, path: str, **params: Any) -> Any:
        """See ``Client.get``."""
        return await self._run(calls.any_path(path, params))

    async def _run(self, call: Call[T]) -> T:
        import httpx

        attempt = 0
        while True:
            try:
                response = await self._http.get(call.path, params=call.query())
            except httpx.TransportError as error:
                if attempt >= self._connection.retries:
                    raise unreachable(self._connection.url, error) from error
                wait = wait_s(attempt)
            else:
                if response.status_code not in AGAIN or attempt >= self._connection.retries:
                    return call.read(read(response))
                wait = wait_s(attempt, response.headers.get("Retry-After"))
            await asyncio.sleep(wait)
            attempt += 1
