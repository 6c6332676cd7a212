"""Two tenants with the same hosts and services and different secrets: neither ever sees the other's."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from logsense import tenancy
from logsense.caller import CALLER
from logsense.cli import app as command_line
from logsense.config import Settings
from logsense.errors import BadInput, Overloaded
from logsense.keys import KeyStore
from logsense.server import Server
from logsense.tenants import Tenants, callers_space
from logsense.workers import Workers
from tests.e2e.places import LONG_KINDS, Place, placed

# No models: they would take minutes to load on a busy machine, and tenants do not need them.
NO_MODELS = {"embeddings": {"model": "none", "sha256": "00"}}
MARKER = {"red": "zqxred7391", "blue": "zqxblue4482"}
HTML = {"accept": "text/html"}
START = 1_772_330_400


def settings(**tables: dict[str, Any]) -> Settings:
    return Settings({**NO_MODELS, "server": {"host_metrics_every_s": 0.0, "syslog_port": 0}, **tables})


def server(data: Path, **tables: dict[str, Any]) -> Server:
    one = settings(**tables)
    made = Server(data, one, one.section("server"), None, lambda text: None, ())
    made.stopping = lambda: True  # whatever streams ends by itself: the walks below read every answer to its end
    return made


def lines(marker: str, *, broken: bool) -> bytes:
    """Twenty minutes of one service; in one of them everything fails, if ``broken``."""
    rows = []
    for second in range(0, 1200, 2):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START + second))
        row = {"@timestamp": at, "host.name": "app1", "service.name": "orders", "labels.note": marker}
        rows.append({**row, "log.level": "INFO", "message": f"order {second} of {marker} stored in {second % 9} ms"})
        if broken and 900 <= second < 960:
            message = f"checkout of {marker} failed: FATAL: sorry, too many clients already"
            rows += [{**row, "log.level": "ERROR", "message": message}] * 8
    return b"\n".join(json.dumps(row).encode() for row in rows)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Path:
    return tmp_path_factory.mktemp("tenants") / "data"


@pytest.fixture(scope="module", params=LONG_KINDS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Where all tenants' lines go: a folder each, or one real Elasticsearch with indices of their own."""
    with placed(request.param, request, tmp_path_factory.mktemp("place")) as made:
        yield made


@pytest.fixture(scope="module")
def keys(data: Path) -> dict[str, str]:
    store = KeyStore(data)
    made = {t: store.add(t, ["ingest", "search", "admin"], [t]) for t in MARKER}
    made["plain"] = store.add("plain", ["ingest", "search"])
    made["root"] = store.add("root", ["admin"])
    made["both"] = store.add("both", ["ingest", "search"], ["red", "blue"])
    made["any"] = store.add("any", ["ingest", "search"], ["any"])
    return made


def as_(keys: dict[str, str], who: str, tenant: str = "") -> dict[str, str]:
    chosen = {"x-scope-orgid": tenant} if tenant else {}
    return {"authorization": f"Bearer {keys[who]}", **chosen}


@pytest.fixture(scope="module")
def client(data: Path, keys: dict[str, str], place: Place) -> Iterator[TestClient]:
    """A server that holds the lines of both, analysed."""
    made = server(data, **place.settings.tables)
    one = TestClient(made.app(lambda: None), base_url="http://localhost", follow_redirects=False)
    for tenant, marker in MARKER.items():
        body = lines(marker, broken=tenant == "red")
        assert one.post("/api/v1/logs", content=body, headers=as_(keys, tenant)).status_code == 200
        bulk = b'{"index":{"_index":"%s"}}\n{"message":"from %s"}\n' % (marker.encode(), marker.encode())
        assert one.post("/_bulk", content=bulk, headers=as_(keys, tenant)).status_code == 200
        loki = {"streams": [{"stream": {"app": "orders", "note": marker}, "values": [["1772330400000000000", marker]]}]}
        assert one.post("/loki/api/v1/push", json=loki, headers=as_(keys, tenant)).status_code == 204
        alert = [{"labels": {"alertname": "Disk", "host": "app1"}, "annotations": {"summary": f"disk of {marker}"}}]
        assert one.post("/api/v2/alerts", json=alert, headers=as_(keys, tenant)).status_code == 200
        point = {"name": f"queue.{marker}", "host": "app1", "value": 3, "labels": {"note": marker}}
        assert one.post("/api/v1/metrics", json=[point], headers=as_(keys, tenant)).status_code == 200
    workers = Workers(data, settings(**place.settings.tables), models=False)
    deadline = time.monotonic() + 120
    red, blue = (made.tenants.workspace(t) for t in ("red", "blue"))
    workers.run_until(
        lambda: (
            time.monotonic() > deadline
            or bool(red.incidents() and blue.templates() and not made.tenants.spool("blue").backlog_bytes())
        )
    )
    marker = MARKER["red"]
    incident, template = red.incidents()[0]["id"], red.templates()[0]["id"]
    said = {"text": f"note of {marker}", "by": f"mira {marker}"}
    assert one.post(f"/api/v1/incidents/{incident}/note", json=said, headers=as_(keys, "red")).status_code == 200
    edit = {"label": f"name of {marker}", "note": f"because of {marker}"}
    assert one.post(f"/api/v1/templates/{template}/rename", json=edit, headers=as_(keys, "red")).status_code == 200
    yield one
    made.tenants.close()


def everything(client: TestClient, keys: dict[str, str], who: str = "red") -> list[str]:
    """Every GET route of the API and of the pages, asked with ids that ``who`` may see where a route wants one."""
    red = as_(keys, who) if who else {}
    found = client.get("/api/v1/search?q=&limit=50", headers=red).json()
    incident = client.get("/api/v1/incidents", headers=red).json()[0]["id"]
    template = client.get("/api/v1/templates", headers=red).json()[0]["id"]
    detail = client.get(f"/api/v1/incidents/{incident}", headers=red).json()
    cited = [e for s in detail["summary"] for e in s["evidence"]][:8]
    log_ids = [hit["id"] for hit in found["hits"][:4]]
    metric = f"queue.{MARKER['red']}{{note={MARKER['red']}}}"
    values = {
        "incident_id": [incident], "template_id": [template], "log_id": log_ids, "host": ["app1"], "name": [metric],
        "service": ["orders"], "evidence_id": [*cited, *(f"line:{i}" for i in log_ids), f"template:{template}"],
    }  # fmt: skip
    places = set(client.app.openapi()["paths"])  # type: ignore[attr-defined]
    places |= {path for path, methods in routes(client.app) if "GET" in methods}
    asked: set[str] = set()
    for place in places:
        names = re.findall(r"{(\w+)(?::path)?}", place)
        for number in range(max([len(values.get(name, ["x"])) for name in names], default=1)):
            here = place
            for name in names:
                options = values.get(name, ["x"])
                here = re.sub(rf"{{{name}(:path)?}}", options[number % len(options)].replace("/", "%2F"), here)
            asked.add(here)
    query = f"q=checkout&host=app1&name={metric}&order=new&incident={incident}&limit=100&service=orders&field=host"
    return sorted(asked) + sorted(f"{place}?{query}" for place in asked)


def routes(router: Any, prefix: str = "") -> Iterator[tuple[str, set[str]]]:
    """(path, methods) of all routes, those of included routers too, however this version of FastAPI keeps them."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner, prefix + route.include_context.prefix)
        elif getattr(route, "path", None):
            yield prefix + route.path, set(getattr(route, "methods", None) or ())


def test_nothing_of_a_tenant_is_ever_shown_to_another(client: TestClient, keys: dict[str, str]) -> None:
    shown: dict[str, int] = {}
    places = everything(client, keys)
    for kind in (
        "/",
        "/incidents/",
        "/search",
        "/logs/",
        "/hosts/app1",
        "/templates/",
        "/charts/",
        "/evidence/",
        "/sources",
        "/api/v1/template-drift",
        "/api/v1/template-edits",
    ):
        assert any(place.startswith(kind) and place.count("/") >= kind.count("/") for place in places), kind
    for place in places:
        for accept in ({}, HTML):
            for who in ("red", "blue", "plain"):
                answer = client.get(place, headers={**as_(keys, who), **accept})
                held = [t for t, marker in MARKER.items() if marker in answer.text and marker not in place]
                held += [t for t in MARKER if MARKER[t] in str(answer.headers)]
                assert set(held) <= {who}, f"{who} sees {held} at {place}"
                shown[who] = shown.get(who, 0) + bool(held)
    assert shown["red"] >= 10 and shown["blue"] >= 8 and shown["plain"] == 0  # the walk does see what may be seen


def test_nothing_of_a_tenant_is_changed_by_another(client: TestClient, keys: dict[str, str]) -> None:
    red = as_(keys, "red")
    incident = client.get("/api/v1/incidents", headers=red).json()[0]["id"]
    template = client.get("/api/v1/templates", headers=red).json()[0]["id"]
    bodies = {
        "merge": {"into": incident}, "split": {"hosts": ["app1"]}, "note": {"text": "x"}, "rename": {"label": "x"},
        "feedback": {"verdict": "noise"}, "noise": {"on": True},
    }  # fmt: skip

    def state() -> list[str]:
        places = (f"/api/v1/incidents/{incident}", f"/api/v1/templates/{template}", "/api/v1/template-edits")
        return [client.get(place, headers=red).text for place in places]

    before = state()
    assert f"note of {MARKER['red']}" in before[0] and f"because of {MARKER['red']}" in before[2]
    for place, kinds in (
        (f"/api/v1/incidents/{incident}", ("ack", "resolve", "reopen", "feedback", "note", "merge", "split")),
        (f"/api/v1/templates/{template}", ("rename", "merge", "split", "noise", "undo")),
    ):
        for kind in kinds:
            body = {"into": template} if "templates" in place and kind == "merge" else bodies.get(kind, {})
            body = {} if "templates" in place and kind == "split" else body
            for who in ("blue", "root"):
                answer = client.post(f"{place}/{kind}", json=body, headers=as_(keys, who))
                assert answer.status_code == 404, (who, kind, answer.text)
                assert not any(marker in answer.text for marker in MARKER.values())
    assert state() == before
    assert client.get("/api/v1/template-edits", headers=as_(keys, "blue")).json() == []


def test_the_same_alert_of_two_tenants_is_two_alerts(client: TestClient, keys: dict[str, str]) -> None:
    for who, marker in MARKER.items():
        found = client.get("/api/v1/search?q=disk&limit=50", headers=as_(keys, who)).json()["hits"]
        assert [hit["message"] for hit in found if hit["message"].startswith("Alert Disk")] == [
            f"Alert Disk is firing: disk of {marker}"
        ]


def test_elasticsearch_clients_search_their_own_lines(client: TestClient, keys: dict[str, str]) -> None:
    for who, marker in MARKER.items():
        body = {"query": {"match_all": {}}, "size": 1000}
        text = client.post("/_search", json=body, headers=as_(keys, who)).text
        assert [t for t, m in MARKER.items() if m in text] == [who] and marker in text


def test_faults_of_one_are_no_incidents_of_another(client: TestClient, keys: dict[str, str]) -> None:
    assert client.get("/api/v1/incidents", headers=as_(keys, "red")).json()
    assert client.get("/api/v1/incidents", headers=as_(keys, "blue")).json() == []
    assert client.get("/api/v1/hosts", headers=as_(keys, "plain")).json() == []
    incident = client.get("/api/v1/incidents", headers=as_(keys, "red")).json()[0]["id"]
    assert client.post(f"/api/v1/incidents/{incident}/ack", headers=as_(keys, "blue")).status_code == 404


def test_counters_of_the_service_are_the_default_tenants(client: TestClient, keys: dict[str, str]) -> None:
    assert "logsense_http_requests" in client.get("/metrics", headers=as_(keys, "plain")).text
    red = client.get("/metrics", headers=as_(keys, "red")).text
    assert "logsense_http_requests" not in red and "logsense_accepted_lines" in red


@pytest.mark.parametrize(("who", "header", "sees"), [
    ("red", "", "red"), ("red", "red", "red"), ("red", "blue", 403), ("red", "default", 403),
    ("plain", "", ""), ("plain", "default", ""), ("plain", "red", 403),
    ("both", "", "red"), ("both", "blue", "blue"), ("both", "green", 403),
    ("any", "", ""), ("any", "red", "red"), ("any", "never-seen", ""),
    ("root", "", ""), ("root", "blue", "blue"),
    ("any", "../red", 400), ("any", "RED", 400), ("any", "red|blue", 400), ("any", "any", 400), ("any", "a" * 41, 400),
])  # fmt: skip
def test_who_may_choose(
    client: TestClient, keys: dict[str, str], data: Path, who: str, header: str, sees: str | int
) -> None:
    answer = client.get("/api/v1/search?q=order", headers=as_(keys, who, header))
    if isinstance(sees, int):
        assert answer.status_code == sees, answer.text
        code = client.post("/_bulk", content=b'{"index":{}}\n{"a":1}\n', headers=as_(keys, who, header)).status_code
        assert code == sees
        return
    assert answer.status_code == 200
    assert [t for t, marker in MARKER.items() if marker in answer.text] == [sees] * bool(sees)
    assert not (data / "tenants" / "never-seen").exists()  # asking makes nothing


def test_a_session_of_the_pages_belongs_to_its_keys_tenant(client: TestClient, keys: dict[str, str]) -> None:
    session = TestClient(client.app, base_url="http://localhost", follow_redirects=False)
    assert session.post("/login", data={"key": keys["blue"]}).status_code == 303
    assert MARKER["blue"] in session.get("/templates", headers=HTML).text
    assert session.get("/templates", headers={**HTML, "x-scope-orgid": "red"}).status_code == 403


def test_commands_show_one_tenant(client: TestClient, data: Path, place: Place, tmp_path: Path) -> None:
    config = tmp_path / "logsense.toml"
    config.write_text(place.toml, encoding="utf-8")
    for tenant, marker in (*MARKER.items(), ("default", "")):
        for command in ("templates", "doctor", "incidents", "forecast"):
            options = ["--data", str(data), "--json", "--tenant", tenant, "--config", str(config)]
            shown = CliRunner().invoke(command_line, [command, *options])
            assert [t for t, m in MARKER.items() if m in shown.output] in ([], [tenant]), command
            assert marker in shown.output or command != "templates"
    assert CliRunner().invoke(command_line, ["templates", "--data", str(data), "--tenant", "nobody-x"]).exit_code


def test_without_keys_the_header_chooses(tmp_path: Path) -> None:
    made = server(tmp_path, tenants={"max_tenants": 2})
    try:
        client = TestClient(made.app(lambda: None), base_url="http://localhost")
        for tenant in ("a", "b"):
            sent = client.post("/api/v1/logs", json={"message": tenant}, headers={"x-scope-orgid": tenant})
            assert sent.status_code == 200
        full = client.post("/api/v1/logs", json={"message": "c"}, headers={"x-scope-orgid": "c"})
        assert full.status_code == 429 and int(full.headers["retry-after"]) > 0
        assert client.post("/api/v1/logs", json={"message": "d"}).status_code == 200
        assert tenancy.names(tmp_path) == ["a", "b"]
        assert made.tenants.spool("a").backlog_bytes() > 0
        assert client.post("/api/v1/logs", json={"message": "a"}, headers={"x-scope-orgid": "A/b"}).status_code == 400
    finally:
        made.tenants.close()


def test_without_a_caller_there_is_no_data(tmp_path: Path) -> None:
    tenants = Tenants(tmp_path, settings(), load_models=False)
    space = callers_space(tenants)
    try:
        with pytest.raises(LookupError):
            space.hosts()
        assert CALLER.get(None) is None and space.ready()["checks"]
    finally:
        tenants.close()


def test_names_and_places(tmp_path: Path) -> None:
    assert tenancy.folder(tmp_path, "default") == tmp_path
    assert tenancy.folder(tmp_path, "a-1_b") == tmp_path / "tenants" / "a-1_b"
    for bad in ("", "A", "a.b", "a/b", "..", "any", "é", "a b", "a\n"):
        with pytest.raises(BadInput):
            tenancy.folder(tmp_path, bad)
    with pytest.raises(Overloaded):
        tenancy.check_room(tmp_path, 0, "a")


def test_no_index_pattern_of_a_tenant_matches_an_index_of_another() -> None:
    from fnmatch import fnmatch

    from logsense.index.elastic.mappings import KINDS

    names = ["default", "logs", "a", "a-logs", "logs-", "-", "a-", "metrics", "dead-letters", "a-logs-2026"]
    prefixes = {n: tenancy.settings_of(settings(), n).section("elasticsearch").prefix for n in names}
    for one in names:
        for other in names:
            for kind in KINDS:
                index = f"{prefixes[other]}-{kind}-2026.11.24"
                patterns = [f"{prefixes[one]}-{kind}-*", f"{prefixes[one]}-*", f"{prefixes[one]}-{kind}"]
                assert any(fnmatch(index, p) for p in patterns) == (one == other), (one, other)
