"""Headers, foreign origins, host names and the hook for keys."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from logsense.api.app import ApiOptions, create_app
from logsense.api.auth import Unauthorized
from logsense.caller import Caller


@pytest.mark.parametrize("place", ["/", "/incidents/INC-42", "/nowhere", "/docs"])
def test_pages_forbid_everything_that_is_not_ours(client: TestClient, place: str) -> None:
    answer = client.get(place, headers={"accept": "text/html"})
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert policy["base-uri"] == "'none'"
    assert "unsafe" not in str(policy)
    assert "http" not in str(policy)
    nonce = policy["style-src"].split("'nonce-")[1].rstrip("'")
    assert f'nonce="{nonce}"' in answer.text


def test_nonce_is_fresh(client: TestClient) -> None:
    one, two = (client.get("/docs", headers={"accept": "text/html"}) for _ in range(2))
    assert one.headers["content-security-policy"] != two.headers["content-security-policy"]


@pytest.mark.parametrize("place", ["/", "/api/v1/hosts", "/api/v1/nix", "/static/app.css", "/metrics"])
def test_every_answer_is_guarded(client: TestClient, place: str) -> None:
    headers = client.get(place).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}])
def test_other_sites_cannot_act(client: TestClient, workspace: Any, headers: dict[str, str]) -> None:
    answer = client.post("/api/v1/incidents/INC-42/resolve", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:logsense:problem:forbidden"
    assert workspace.status["INC-42"] == "open"


def test_foreign_host_names_are_refused_when_names_are_given(workspace: Any) -> None:
    app = create_app(workspace, None, [], options=ApiOptions(allowed_hosts=("localhost", "127.0.0.1")))
    assert TestClient(app, base_url="http://localhost:8080").get("/api/v1/hosts").status_code == 200
    rebound = TestClient(app, base_url="http://rebound.example")
    assert rebound.get("/api/v1/hosts").status_code == 403
    assert rebound.get("/incidents", headers={"accept": "text/html"}).status_code == 403
    assert rebound.get("/healthz").status_code == 200  # probes use whatever address they know


def test_hook_decides_by_purpose_and_names_the_actor(workspace: Any) -> None:
    asked: list[str] = []

    def authenticate(request: Request, purpose: str) -> Caller:
        asked.append(purpose)
        if request.headers.get("authorization") != "Bearer right":
            raise Unauthorized("A key is needed", fix="send Authorization: Bearer …")
        return Caller(name="mira")

    client = TestClient(create_app(workspace, None, [], options=ApiOptions(authenticate=authenticate)))
    assert client.get("/api/v1/hosts").status_code == 401
    assert client.get("/hosts", headers={"accept": "text/html"}).status_code == 401
    key = {"authorization": "Bearer right"}
    assert client.get("/api/v1/hosts", headers=key).status_code == 200
    answer = client.post("/api/v1/incidents/INC-42/ack", json={"by": "somebody else"}, headers=key)
    assert answer.json()["actions"][-1]["by"] == "mira"
    assert asked == ["read", "read", "read", "act"]
    assert client.get("/healthz").status_code == 200
