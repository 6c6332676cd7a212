"""The live tail: a stream that tells what arrives, what it left out and that it lives, and that ends in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from logsense.api import stream
from logsense.api.app import create_app
from logsense.api.auth import Unauthorized
from logsense.api.options import ApiOptions
from logsense.errors import IndexUnavailable


class Reader:
    """Looks that are given in advance; afterwards nothing is new."""

    def __init__(self, *looks: dict[str, Any] | Exception) -> None:
        self.looks = list(looks)

    def read(self) -> dict[str, Any]:
        look = self.looks.pop(0) if self.looks else {"lines": [], "missed": 0, "cursor": "end"}
        if isinstance(look, Exception):
            raise look
        return look


def look(*messages: str, missed: int = 0, cursor: str = "c") -> dict[str, Any]:
    return {"lines": [{"message": m} for m in messages], "missed": missed, "cursor": cursor}


async def events(options: ApiOptions, reader: Reader, count: int) -> list[str]:
    """The first ``count`` events of a stream."""
    streams = stream.Streams(options)
    answer = await streams.answer(None, lambda: reader, json.dumps)  # type: ignore[arg-type]
    found: list[str] = []
    body: AsyncIterator[Any] = answer.body_iterator  # type: ignore[assignment]
    async for text in body:
        found.append(text)
        if len(found) == count:
            break
    return found


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LOOK_S", 0.01)


async def test_lines_come_with_their_position_and_the_number_left_out() -> None:
    found = await events(ApiOptions(), Reader(look("one", "two", missed=7, cursor="p.1")), 3)
    assert found[0].startswith("retry: ")
    assert found[1] == 'event: missed\ndata: {"count":7}\n\n'
    assert found[2].startswith("id: p.1\nevent: lines\ndata: ")
    assert [row["message"] for row in json.loads(found[2].split("data: ")[1])["lines"]] == ["one", "two"]


async def test_silence_is_broken_by_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_S", 0.0)
    assert await events(ApiOptions(), Reader(), 2) == ["retry: 2000\n\n", "id: end\nevent: alive\ndata: {}\n\n"]


async def test_an_index_that_is_away_does_not_end_the_stream() -> None:
    found = await events(ApiOptions(), Reader(IndexUnavailable("The index is away."), look("back")), 3)
    assert "event: trouble" in found[1]
    assert "The index is away." in found[1]
    assert "back" in found[2]


async def test_the_stream_ends_with_the_server() -> None:
    stopping = [False]
    streams = stream.Streams(ApiOptions(stopping=lambda: stopping[0]))
    answer = await streams.answer(None, Reader, json.dumps)  # type: ignore[arg-type]
    found = []
    async for text in answer.body_iterator:
        found.append(text)
        stopping[0] = True
    assert "event: end" in str(found[-1])


async def test_a_key_that_was_revoked_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHECK_S", 0.0)

    def refuse(request: object, purpose: str) -> str:
        raise Unauthorized("This key was revoked")

    found = await events(ApiOptions(authenticate=refuse), Reader(), 2)
    assert "no longer valid" in found[1]


def test_log_text_cannot_forge_an_event() -> None:
    forged = stream.event("lines", "a\r\n\r\nevent: end\rdata: x", "1")
    assert forged == "id: 1\nevent: lines\ndata: a\ndata: \ndata: event: end\ndata: data: x\n\n"
    assert forged.count("\n\n") == 1


def test_one_client_too_many_is_told_when_to_come_back(fake: ModuleType) -> None:
    app = create_app(fake.FakeWorkspace(), None, [], options=ApiOptions(live_clients=0))  # type: ignore[arg-type]
    answer = TestClient(app).get("/api/v1/tail")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "10"
    assert answer.json()["fix"]


async def test_a_client_that_leaves_gives_its_place_back(fake: ModuleType) -> None:
    space = fake.FakeWorkspace()
    gone = asyncio.Event()
    sent: list[Any] = []

    asked = [False]

    async def receive() -> dict[str, Any]:
        if not asked[0]:
            asked[0] = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if b"event: lines" in message.get("body", b""):
            gone.set()
        elif message["type"] == "http.response.start":
            space.arrive("it broke")

    app = create_app(space, None, [], options=ApiOptions(live_clients=1))  # type: ignore[arg-type]
    scope = {
        "type": "http", "method": "GET", "path": "/api/v1/tail", "query_string": b"q=broke",
        "headers": [(b"host", b"localhost")], "server": ("localhost", 80), "client": ("127.0.0.1", 1), "scheme": "http",
        "http_version": "1.1", "asgi": {"version": "3.0", "spec_version": "2.3"}, "root_path": "",
    }  # fmt: skip
    for _ in range(2):  # the second would be refused if the first still held the only place
        sent.clear()
        gone.clear()
        asked[0] = False
        await asyncio.wait_for(app(scope, receive, send), 60)
        assert sent[0]["status"] == 200
        headers = dict(sent[0]["headers"])
        assert headers[b"content-type"].startswith(b"text/event-stream")
        assert b"it broke" in b"".join(m.get("body", b"") for m in sent)


async def test_pages_get_the_same_lines_as_rows(fake: ModuleType) -> None:
    space = fake.FakeWorkspace()
    space.arrive(fake.XSS)
    stopping = [False]
    app = create_app(space, None, [], options=ApiOptions(stopping=lambda: stopping[0]))  # type: ignore[arg-type]
    transport = httpx.ASGITransport(app=app)

    async def stop_soon() -> None:
        await asyncio.sleep(0.3)
        stopping[0] = True

    ending = asyncio.create_task(stop_soon())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
        answer = await client.get("/search/live", params={"after": "0"}, headers={"accept": "text/html"})
    await ending
    assert '<li class="line"' in answer.text.replace("data: ", "")
    assert "&lt;script&gt;alert(1)" in answer.text
    assert "<script>" not in answer.text
