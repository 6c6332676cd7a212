"""API keys: every family's own form of showing one, every family's own form of refusing, the login page."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from logsense import registry
from logsense.api.app import ApiOptions, create_app
from logsense.api.credentials import COOKIE, authenticator
from logsense.errors import BadConfig, BadInput, NotFound
from logsense.keys import FILE, KeyStore
from logsense.ui.login import safe_place

HTML = {"accept": "text/html"}
BULK = b'{"index":{}}\n{"message":"a"}\n'


class Sink:
    async def accept(self, events: Any, metrics: Any = ()) -> None: ...

    def accept_sync(self, events: Any, metrics: Any = ()) -> None: ...

    def dropped(self, source: str, count: int) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path)


@pytest.fixture
def keys(store: KeyStore) -> dict[str, str]:
    return {scope: store.add(scope, [scope]) for scope in ("ingest", "search", "admin")}


@pytest.fixture
def client(workspace: Any, store: KeyStore, keys: dict[str, str]) -> Iterator[TestClient]:
    options = ApiOptions(authenticate=authenticator(store), keys=store)
    app = create_app(workspace, Sink(), registry.receivers(), options=options)
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as one:
        yield one


def basic(name: str, password: str) -> str:
    return base64.b64encode(f"{name}:{password}".encode()).decode()


FORMS = (
    lambda k: {"authorization": f"Bearer {k}"},
    lambda k: {"authorization": f"Splunk {k}"},
    lambda k: {"authorization": f"Token {k}"},
    lambda k: {"authorization": f"ApiKey {k}"},
    lambda k: {"authorization": f"ApiKey {basic('id', k)}"},
    lambda k: {"authorization": f"Basic {basic('anyone', k)}"},
    lambda k: {"authorization": f"Basic {basic(k, '')}"},
    lambda k: {"x-api-key": k},
    lambda k: {"dd-api-key": k},
)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_showing_a_key_is_taken(client: TestClient, keys: dict[str, str], form: Any) -> None:
    assert client.post("/_bulk", content=BULK, headers=form(keys["ingest"])).status_code == 200
    assert client.get("/api/v1/hosts", headers=form(keys["search"])).status_code == 200
    assert client.post("/_bulk", content=BULK, headers=form("ls_00000000_" + "x" * 43)).status_code == 401


@pytest.mark.parametrize("headers", [
    {"authorization": "Basic !!!"}, {"authorization": "Basic"}, {"authorization": ""}, {"authorization": "Bearer "},
    {"authorization": "ApiKey ls_"}, {"authorization": "Bearer ls__"}, {"x-api-key": "_" * 5000},
])  # fmt: skip
def test_nonsense_is_no_key(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/_bulk", content=BULK, headers=headers).status_code == 401


def test_scopes(client: TestClient, keys: dict[str, str]) -> None:
    def code(method: str, path: str, scope: str) -> int:
        content = BULK if method == "POST" else None
        headers = {"authorization": f"Bearer {keys[scope]}"}
        return client.request(method, path, content=content, headers=headers).status_code

    act = "/api/v1/incidents/INC-42/resolve"
    assert [code("POST", "/_bulk", s) for s in keys] == [200, 403, 200]
    assert [code("GET", "/api/v1/hosts", s) for s in keys] == [403, 200, 200]
    assert [code("GET", "/metrics", s) for s in keys] == [403, 200, 200]
    assert [code("POST", act, s) < 400 for s in ("ingest", "search")] == [False, False]
    assert client.get("/healthz").status_code == 200


def test_each_family_refuses_in_its_own_form(client: TestClient, keys: dict[str, str]) -> None:
    wrong = {"authorization": f"Bearer {keys['search']}"}
    answer = client.post("/_bulk", content=BULK)
    assert answer.status_code == 401 and answer.json()["error"]["type"] == "security_exception"
    assert answer.headers["x-elastic-product"] == "Elasticsearch" and "Basic" in answer.headers["www-authenticate"]
    assert client.get("/", headers={"accept": "application/json"}).status_code == 401
    hec = "/services/collector"
    assert client.post(hec, content=b'{"event":"a"}').json()["code"] == 2
    unknown = client.post(hec, content=b'{"event":"a"}', headers={"authorization": "Splunk nope"})
    assert (unknown.status_code, unknown.json()["code"]) == (403, 4)
    assert client.post("/loki/api/v1/push", content=b"{}").status_code == 401
    otlp = client.post("/v1/logs", content=b"{}", headers={"content-type": "application/json"})
    assert (otlp.status_code, otlp.json()["code"]) == (401, 16)
    assert client.post("/v1/logs", content=b"{}", headers=wrong).json()["code"] == 7
    dd = client.post("/api/v2/logs", content=b"[]", headers=wrong)
    assert dd.status_code == 403 and dd.json()["errors"][0]["status"] == "403"
    influx = client.post("/api/v2/write", content=b"a v=1")
    assert (influx.status_code, influx.json()["code"]) == (401, "unauthorized")
    assert client.post("/upload", content=b"MESSAGE=a\n\n").status_code == 401
    native = client.post("/api/v1/logs", content=b"{}")
    assert native.status_code == 401 and native.json()["type"] == "urn:logsense:problem:unauthorized"
    assert native.headers["www-authenticate"].startswith("Bearer")


def test_keys_in_addresses_serve_for_sending_only(client: TestClient, keys: dict[str, str]) -> None:
    assert client.post(f"/write?db=x&u=a&p={keys['ingest']}", content=b"a v=1").status_code == 204
    assert client.post(f"/v1/input/{keys['ingest']}", content=b"[]").status_code == 202
    assert client.get(f"/api/v1/hosts?token={keys['admin']}").status_code == 401


def test_login(client: TestClient, store: KeyStore, keys: dict[str, str]) -> None:
    away = client.get("/incidents?status=open", headers=HTML)
    assert away.status_code == 303 and away.headers["location"] == "/login?next=%2Fincidents%3Fstatus%3Dopen"
    assert client.get("/", headers=HTML).status_code == 303
    assert client.get("/login", headers=HTML).status_code == 200
    assert client.get("/static/app.css").status_code in (200, 304)
    for bad in ("nope", keys["ingest"]):
        assert client.post("/login", data={"key": bad, "next": "/"}).status_code == 401
    done = client.post("/login", data={"key": keys["search"], "next": "/incidents"})
    assert done.status_code == 303 and done.headers["location"] == "/incidents"
    cookie = done.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and keys["search"].lower() not in cookie
    assert client.get("/incidents", headers=HTML).status_code == 200
    assert client.post("/_bulk", content=BULK).status_code == 401  # a cookie never sends logs
    assert client.post("/login", data={"key": "x"}, headers={"origin": "https://evil.example"}).status_code == 403
    signed = client.cookies[COOKIE]
    store.revoke("search")
    assert client.get("/incidents", headers=HTML).status_code == 303
    assert store.find_session(signed) is None


def test_a_session_cannot_be_made_up_and_ends(store: KeyStore) -> None:
    text = store.add("a", ["search"])
    key = store.find(text)
    assert key is not None
    good = store.session(key)
    assert store.find_session(good) is key
    identity, until, signature = good.split(".")
    assert store.find_session(f"{identity}.{int(until) + 1}.{signature}") is None
    assert store.find_session(store.session(key, now_s=0)) is None
    for bad in ("", "..", "a.b.c", f"{identity}.{until}.", f"{identity}.{until}.é"):
        assert store.find_session(bad) is None


@pytest.mark.parametrize(
    "place", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "/\n/x"]
)
def test_login_leads_to_our_own_pages_only(place: str) -> None:
    assert safe_place(place) == "/"


def test_the_file_holds_no_secret_and_no_one_else_may_read_it(store: KeyStore, tmp_path: Path) -> None:
    text = store.add("a", ["ingest"])
    path = tmp_path / FILE
    assert text not in path.read_text() and text.split("_", 2)[2] not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    other = KeyStore(tmp_path)
    assert other.find(text) is not None and other.find(text + "x") is None
    store.revoke("a")
    other._checked = 0.0
    assert other.find(text) is None and other.enabled()
    with pytest.raises(NotFound):
        store.revoke("a")
    with pytest.raises(BadInput):
        store.add("b", ["everything"])
    path.unlink()
    other._checked = 0.0
    assert other.enabled()  # a running server does not open because the file went away


def test_a_broken_file_stops_rather_than_opens(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"keys": [{"id": 1}]}))
    with pytest.raises(BadConfig):
        KeyStore(tmp_path).enabled()


def test_without_keys_everybody_may(workspace: Any, store: KeyStore) -> None:
    app = create_app(workspace, Sink(), registry.receivers(), options=ApiOptions(authenticate=authenticator(store)))
    one = TestClient(app, base_url="http://localhost")
    assert one.post("/_bulk", content=BULK).status_code == 200 and one.get("/api/v1/hosts").status_code == 200
