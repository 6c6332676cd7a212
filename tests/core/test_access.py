"""Ports without API keys are protected or refused at the start; limits are answered in each family's own form."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient
from typer.testing import CliRunner

from logsense import access
from logsense.api.credentials import COOKIE
from logsense.cli import app as command_line
from logsense.config import Settings, load_settings
from logsense.doors import open_ports
from logsense.errors import BadConfig
from logsense.keys import KeyStore
from logsense.server import Server, serve
from logsense.tenants import Tenants
from tests.contracts.test_receiver import CASES
from tests.core.test_tenants import NO_MODELS, settings
from tests.e2e.running import free_port
from tests.shippers.run import certificates

HTML = {"accept": "text/html"}


def far(**tables: dict[str, Any]) -> Settings:
    """A server beyond loopback, without syslog unless ``tables`` say so."""
    return settings(**{"server": {"host": "0.0.0.0", "syslog_port": 0}, **tables})


# the start


@pytest.mark.parametrize(("tables", "named"), [
    ({"server": {"host": "0.0.0.0"}}, "syslog"),
    ({"ports": {"relp": 2514}}, "relp"),
    ({"ports": {"gelf": 12201}, "access": {"allow": {"relp": ["10.0.0.0/8"]}}}, "gelf"),
    ({"server": {"host": "127.0.0.1", "syslog_port": 0}, "ports": {"host": "0.0.0.0", "statsd": 8125}}, "statsd"),
    # a certificate protects TCP, and this port also takes datagrams
    ({"ports": {"gelf": 1, "tls": ["gelf"], "certificate": "c"}, "access": {"client_ca": {"gelf": "ca"}}}, "gelf"),
])  # fmt: skip
def test_a_port_that_lets_everybody_in_stops_the_start(tmp_path: Path, tables: dict[str, Any], named: str) -> None:
    KeyStore(tmp_path).add("a", ["admin"])
    with pytest.raises(BadConfig, match=named) as refusal:
        serve(tmp_path, far(**tables))
    assert "[access]" in refusal.value.fix and "API key" in refusal.value.why
    access.check(far(**{**tables, "access": {**tables.get("access", {}), "open": [named]}}), keys=True)  # told so


@pytest.mark.parametrize(("tables", "words"), [
    ({"server": {"host": "0.0.0.0"}, "access": {"allow": {"syslog": ["10.0.0.0/8"]}}}, "only from 10.0.0.0/8"),
    ({"ports": {"gelf": 1}, "access": {"allow": {"all": ["192.0.2.0/24"]}}}, "only from 192.0.2.0/24"),
    ({"ports": {"relp": 1, "tls": ["relp"], "certificate": "c"}, "access": {"client_ca": {"relp": "ca"}}},
     "client certificates"),
    ({"ports": {"syslog_tls": 1, "certificate": "c"}, "access": {"client_ca": {"all": "ca"}}}, "client certificates"),
    ({"ports": {"fluent": 1}, "access": {"fluent_shared_key": "s"}}, "shared key"),
    ({"ports": {"otlp_grpc": 1}}, "API keys"),
    ({"server": {"host": "127.0.0.1"}, "ports": {"relp": 1}}, "this machine only"),
])  # fmt: skip
def test_protected_ports_may_listen(tables: dict[str, Any], words: str) -> None:
    one = far(**tables)
    access.check(one, keys=True)
    assert words in {row["protection"] for row in access.describe(one, keys=True)}


@pytest.mark.parametrize("tables", [
    {"server": {"syslog_port": 0}, "ports": {"host": "0.0.0.0", "elasticsearch": 9200}},
    {"server": {"syslog_port": 0, "host": ""}}, {"server": {"syslog_port": 0, "host": "::"}},
])  # fmt: skip
def test_http_ports_beyond_loopback_need_keys_too(tmp_path: Path, tables: dict[str, Any]) -> None:
    with pytest.raises(BadConfig, match="without authentication"):
        serve(tmp_path / "data", settings(**tables))


@pytest.mark.parametrize(("table", "why"), [
    ('[access]\nopen = ["nope"]', "no port"), ('[access.allow]\nrelp = ["10.0.0.0/99"]', "does not appear"),
    ('[access.allow]\nrelp = "10.0.0.0/8"', "list of networks"), ('[access.tenant]\nrelp = "A B"', "no tenant"),
    ('[access.fluent_users]\na = "b"', "fluent_shared_key"), ("[access]\nalow = {}", "allow"),
    ("[limits]\nlines_per_s = -1", "zero or above"), ("[tenants]\nmax_tenants = -1", "zero or above"),
])  # fmt: skip
def test_mistakes_in_the_settings_are_explained(tmp_path: Path, table: str, why: str) -> None:
    file = tmp_path / "logsense.toml"
    file.write_text(table)
    with pytest.raises(BadConfig) as mistake:
        load_settings(file)
    assert why in str(mistake.value)


def test_a_certificate_cannot_be_asked_for_without_tls(tmp_path: Path) -> None:
    one = settings(ports={"relp": free_port()}, access={"client_ca": {"relp": "ca.pem"}})
    with pytest.raises(BadConfig, match="client certificates"):
        serve(tmp_path, one)


def test_doctor_says_how_each_port_is_protected(tmp_path: Path) -> None:
    file = tmp_path / "logsense.toml"
    file.write_text('[ports]\nrelp = 2514\nhost = "0.0.0.0"\n[access.allow]\nrelp = ["10.0.0.0/8"]\n')
    made = Server(tmp_path / "data", settings(), settings().section("server"), None, lambda text: None, ())
    made.tenants.close()
    shown = CliRunner().invoke(
        command_line, ["doctor", "--data", str(tmp_path / "data"), "--config", str(file)], env={"COLUMNS": "160"}
    )
    assert shown.exit_code == 0, shown.output
    assert "only from 10.0.0.0/8" in shown.output and "this machine only" in shown.output


# pages


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Server]:
    one = settings(limits={"lines_per_s": 1.0, "burst_s": 3.0})
    server = Server(tmp_path, one, one.section("server"), None, lambda text: None, ())
    yield server
    server.tenants.close()


def test_people_who_signed_in_can_sign_out_on_every_page(made: Server) -> None:
    text = made.keys.add("mira's key", ["search"])
    client = TestClient(made.app(lambda: None), base_url="http://localhost", follow_redirects=False)
    client.post("/login", data={"key": text})
    places = ("/", "/incidents", "/search", "/hosts", "/templates", "/sources", "/models", "/docs", "/incidents/none")
    for place in places:
        page = client.get(place, headers=HTML).text
        assert 'action="/logout"' in page and "mira&#39;s key" in page, place
    by_key = client.get("/", headers={**HTML, "authorization": f"Bearer {text}"}).text
    assert 'action="/logout"' not in by_key  # nothing to sign out of
    assert client.post("/logout", headers={"origin": "https://evil.example"}).status_code == 403
    assert client.get("/incidents", headers=HTML).status_code == 200
    assert client.post("/logout").headers["location"] == "/login"
    assert COOKIE not in client.cookies and client.get("/incidents", headers=HTML).status_code == 303
    assert client.get("/logout", headers=HTML).status_code in (303, 404, 405)


# limits over HTTP


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_source_that_is_too_fast_is_told_to_wait_in_its_own_form(made: Server, name: str) -> None:
    case = CASES[name]
    client = TestClient(made.app(lambda: None), base_url="http://localhost")
    headers = dict(case.headers)
    first = client.post(case.path, content=case.body, headers=headers)
    assert first.status_code == case.success, first.text
    codes = []
    for number in range(4):
        # An alert that is repeated is no further line.
        body = case.body.replace(b'"alertname":"a', b'"alertname":"a%d' % number)
        answer = client.post(case.path, content=body, headers=headers)
        codes.append(answer.status_code)
        if answer.status_code == case.busy:
            assert int(answer.headers["retry-after"]) >= 1
    assert case.busy in codes and set(codes) <= {case.busy, case.success}
    stats = made.tenants.intake("default").stats()
    taken = (1 + codes.count(case.success)) * case.entries
    assert sum(row["accepted"] for row in stats.values()) == taken  # a refused request leaves nothing


def test_each_key_has_its_own_bucket(made: Server) -> None:
    one, two = ({"x-api-key": made.keys.add(name, ["ingest"])} for name in ("one", "two"))
    client = TestClient(made.app(lambda: None), base_url="http://localhost")
    body = b"\n".join(b'{"message":"x"}' for _ in range(3))
    assert client.post("/api/v1/logs", content=body, headers=one).status_code == 200
    assert client.post("/api/v1/logs", content=body, headers=one).status_code == 429
    assert client.post("/api/v1/logs", content=body, headers=two).status_code == 200


# gRPC


async def test_otlp_over_grpc_knows_keys_tenants_networks_and_limits(tmp_path: Path) -> None:
    port = free_port()
    tables: dict[str, Any] = {"ports": {"otlp_grpc": port}, "limits": {"lines_per_s": 1.0, "burst_s": 2.0}}
    keys = KeyStore(tmp_path)
    mine, other = keys.add("mine", ["ingest"], ["team-a"]), keys.add("other", ["ingest"])
    one = settings(**tables)
    tenants = Tenants(tmp_path, one, load_models=False)
    tasks = [asyncio.create_task(source.run(tenants.intake("default"))) for source in open_ports(one, tenants, keys)]

    async def export(key: str, tenant: str = "") -> str:
        metadata = [("authorization", f"Bearer {key}")] + [("x-scope-orgid", tenant)] * bool(tenant)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary("/opentelemetry.proto.collector.logs.v1.LogsService/Export")
            try:
                await call(CASES["otlp-logs"].body, metadata=metadata, timeout=20, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                return str(error.code().name)
        return "OK"

    try:
        assert await export(mine) == "OK"
        assert await export(mine) == "UNAVAILABLE"  # two lines a request: its burst is used up
        assert await export(mine, "default") == "PERMISSION_DENIED"
        assert await export(other) == "OK"
        assert await export("ls_no_key") == "UNAUTHENTICATED"
        assert sum(r["accepted"] for r in tenants.intake("team-a").stats().values()) == 2
        assert sum(r["accepted"] for r in tenants.intake("default").stats().values()) == 2
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        tenants.close()


# HTTPS


def test_everything_over_https(tmp_path: Path) -> None:
    """The application behind a certificate, as ``serve`` starts it."""
    ca, chain, private = certificates(tmp_path / "tls")
    server = {"host": "127.0.0.1", "syslog_port": 0, "certificate": str(chain), "key": str(private)}
    one = settings(server=server)
    made = Server(tmp_path / "data", one, one.section("server"), None, lambda text: None, ())
    key = made.keys.add("a", ["admin"])
    config = uvicorn.Config(
        made.app(lambda: None), port=free_port(), lifespan="off", log_level="warning",
        ssl_certfile=one.section("server").certificate, ssl_keyfile=one.section("server").key,
    )  # fmt: skip
    runner = uvicorn.Server(config)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not runner.started and time.monotonic() < deadline:
            time.sleep(0.01)
        url = f"https://localhost:{config.port}"
        with httpx.Client(verify=ssl.create_default_context(cafile=str(ca)), trust_env=False) as client:
            headers = {"authorization": f"Bearer {key}"}
            assert client.post(f"{url}/api/v1/logs", json={"message": "a"}, headers=headers).status_code == 200
            cookie = client.post(f"{url}/login", data={"key": key}).headers["set-cookie"]
            assert "secure" in cookie.lower()
        with pytest.raises(httpx.ConnectError), httpx.Client(trust_env=False) as stranger:
            stranger.get(url)
        with contextlib.suppress(httpx.HTTPError), httpx.Client(trust_env=False) as plain:
            assert plain.get(f"http://localhost:{config.port}/healthz").status_code != 200
    finally:
        runner.should_exit = True
        thread.join()
        made.tenants.close()


def test_a_certificate_that_cannot_serve_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("no certificate")
    one = Settings({**NO_MODELS, "server": {"syslog_port": 0, "certificate": str(tmp_path / "c.pem")}})
    with pytest.raises(BadConfig, match="TLS certificate"):
        serve(tmp_path / "data", one)
