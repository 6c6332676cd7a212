"""One shape for every error. This file pins it: clients are written against these eight members."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient

from logsense.api.app import create_app
from logsense.errors import BadInput, Overloaded

MEMBERS = {"type", "title", "status", "detail", "instance", "why", "where", "fix"}


def check(answer: Any, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem.keys() == MEMBERS
    assert problem["status"] == status
    assert problem["type"] == f"urn:logsense:problem:{slug}"
    assert problem["detail"]
    return problem


def test_unknown_address(client: TestClient) -> None:
    problem = check(client.get("/api/v1/nowhere"), 404, "not-found")
    assert problem == {
        "type": "urn:logsense:problem:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "There is nothing at /api/v1/nowhere",
        "instance": "/api/v1/nowhere",
        "why": "",
        "where": "",
        "fix": "check the address; /openapi.json and /docs list every operation",
    }


def test_unknown_thing(client: TestClient) -> None:
    problem = check(client.get("/api/v1/incidents/INC-0"), 404, "not-found")
    assert problem["detail"] == "There is no incident 'INC-0'."
    assert problem["instance"] == "/api/v1/incidents/INC-0"


def test_wrong_method_keeps_allow(client: TestClient) -> None:
    answer = client.delete("/api/v1/search")
    problem = check(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET"
    assert "Allow" in problem["fix"]


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("limit=0", "query limit"),
        ("limit=many", "query limit"),
        ("offset=-1", "query offset"),
        ("sort=best", "query sort"),
        ("q=" + "x" * 2001, "query q"),
        ("from=yesterdayish", "from"),
        ("to=9999-01-01", "to"),
        ("from=now&to=-1h", "from, to"),
    ],
)
def test_bad_parameters_are_named(client: TestClient, query: str, where: str) -> None:
    problem = check(client.get(f"/api/v1/search?{query}"), 422, "bad-parameter")
    assert problem["where"] == where
    assert problem["why"]
    assert problem["fix"]
    assert len(problem["why"]) < 500


@pytest.mark.parametrize(
    ("body", "why"),
    [(b"{not json", "not JSON"), (b'{"txt": "typo"}', "Extra inputs"), (b'{"text": 7}', "valid string"), (b"[]", "")],
)
def test_bad_bodies_are_explained(client: TestClient, body: bytes, why: str) -> None:
    answer = client.post("/api/v1/incidents/INC-42/note", content=body, headers={"content-type": "application/json"})
    assert why in check(answer, 422, "bad-parameter")["why"]


def test_unexpected_exception_tells_only_an_id(workspace: Any, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise RuntimeError("secret of the inside")

    workspace.hosts = broken
    client = TestClient(create_app(workspace, None, []))
    with caplog.at_level(logging.ERROR):
        answer = client.get("/api/v1/hosts")
    problem = check(answer, 500, "internal-error")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    error_id = problem["instance"].removeprefix("urn:uuid:")
    assert error_id in problem["fix"]
    [record] = [r for r in caplog.records if error_id in r.getMessage()]
    assert record.exc_info is not None
    assert "secret of the inside" in str(record.exc_info[1])


def test_unexpected_exception_on_a_page_is_a_page(workspace: Any) -> None:
    workspace.hosts = lambda: 1 / 0
    answer = TestClient(create_app(workspace, None, [])).get("/hosts", headers={"accept": "text/html"})
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/html")
    assert "Error id" in answer.text
    assert "division" not in answer.text


class Refusing:
    """A receiver whose spool is full, or whose client talks nonsense."""

    name, prefix = "refusing", "/refusing"

    def router(self, intake: Any) -> APIRouter:
        routes = APIRouter()

        @routes.post("/push")
        async def push() -> None:
            raise Overloaded("The spool is full", retry_after_s=7, why="500 MB wait", fix="send again later")

        @routes.post("/nonsense")
        async def nonsense() -> None:
            raise BadInput("Not a batch", why="no newline", where="body", fix="end it with a newline")

        return routes


@pytest.mark.parametrize("prefix", ["", "/refusing"])
def test_overload_passes_through_with_retry_after(workspace: Any, prefix: str) -> None:
    client = TestClient(create_app(workspace, None, [Refusing()]))
    answer = client.post(f"{prefix}/push")
    problem = check(answer, 429, "overloaded")
    assert answer.headers["retry-after"] == "7"
    assert (problem["why"], problem["fix"]) == ("500 MB wait", "send again later")
    assert check(client.post(f"{prefix}/nonsense"), 400, "bad-input")["where"] == "body"


def test_programs_never_get_pages(client: TestClient) -> None:
    check(client.get("/nowhere"), 404, "not-found")
    check(client.get("/api/v1/nowhere", headers={"accept": "text/html"}), 404, "not-found")
