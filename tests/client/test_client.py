"""The Python client against a real server, and its retries against one that refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from logsense.client import AsyncClient, Client, ServerProblem
from logsense.client.transport import LONGEST_WAIT_S, wait_s
from logsense.keys import KeyStore
from tests.client.conftest import LINES
from tests.e2e.running import Running


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    with Client(server.url) as made:
        yield made


def test_search_pages_through_everything_once(client: Client) -> None:
    frame = client.search("", limit=5000, sort="time")
    assert len(frame) == LINES and frame["id"].is_unique
    assert frame["@timestamp"].dtype == "datetime64[ns, UTC]" and frame["@timestamp"].is_monotonic_decreasing
    assert list(frame.columns[:5]) == ["@timestamp", "host", "service", "level", "message"]


def test_limit_is_kept_over_pages(client: Client) -> None:
    assert len(client.search("", limit=1234)) == 1234


def test_nothing_found_is_an_empty_frame(client: Client) -> None:
    frame = client.search("host:nowhere", limit=10)
    assert frame.empty and "message" in frame and frame["@timestamp"].dtype == "datetime64[ns, UTC]"


def test_times_may_be_datetimes(client: Client) -> None:
    half = client.search("", from_=datetime.now(UTC) - timedelta(minutes=40), limit=5000)
    assert 0 < len(half) < LINES


def test_ask_answers_with_a_table(client: Client) -> None:
    answer = client.ask("which hosts had errors")
    assert answer.kind == "table" and dict(answer.table.values.tolist()) == {"db0": 77, "db1": 77, "db2": 76}
    assert {chip.what for chip in answer.chips} >= {"answer", "level"} and "level:" in answer.syntax


def test_what_was_compiled_can_be_asked_again(client: Client) -> None:
    answer = client.ask("errors on db1 in the last 2 hours")
    again = client.ask(answer.syntax)
    assert again.total == answer.total == 77 and set(again.lines["host"]) == {"db1"}


def test_counts(client: Client) -> None:
    assert client.ask("how many errors on db0").value == 77


def test_templates_incidents_metrics_histogram_are_frames(client: Client) -> None:
    assert client.templates()["count"].sum() == LINES
    assert "severity" in client.incidents().columns
    assert list(client.metrics().columns) == ["time", "host", "name", "value"]
    histogram = client.histogram("")
    assert histogram["lines"].sum() == LINES and isinstance(histogram["time"].iloc[0], pd.Timestamp)


def test_diagnose_is_typed(client: Client) -> None:
    found = client.diagnose(from_="-2h")
    assert found.summary and list(found.table.columns)[:2] == ["title", "score"]
    assert all(cause.evidence for cause in found.hypotheses)


async def test_the_async_client_answers_the_same(server: Running, client: Client) -> None:
    async with AsyncClient(server.url) as logs:
        assert (await logs.ask("how many errors on db0")).value == 77
        assert len(await logs.search("", limit=1500)) == 1500
        assert (await logs.templates()).equals(client.templates())
        assert (await logs.diagnose(from_="-2h")).hypotheses == client.diagnose(from_="-2h").hypotheses
        with pytest.raises(ServerProblem):
            await logs.incident("no-such-incident")


def test_a_refusal_has_the_servers_words(client: Client) -> None:
    with pytest.raises(ServerProblem) as refused:
        client.incident("no-such-incident")
    assert refused.value.status == 404 and "no-such-incident" in refused.value.what and refused.value.fix
    with pytest.raises(ServerProblem) as refused:
        client.ask("x", tz="Atlantis/Capital")
    assert refused.value.status == 400 and "time zone" in refused.value.what


def test_keys(tmp_path: Path) -> None:
    key = KeyStore(tmp_path / "data").add("notebook", ["search"])
    with Running(tmp_path / "data") as server:
        with Client(server.url) as stranger, pytest.raises(ServerProblem) as refused:
            stranger.templates()
        assert refused.value.status == 401
        with Client(server.url, api_key=key) as known:
            assert known.templates().empty


def test_nobody_there() -> None:
    with Client("http://127.0.0.1:9", retries=0, timeout_s=2) as client, pytest.raises(ServerProblem) as refused:
        client.templates()
    assert refused.value.status == 0 and "cannot be reached" in refused.value.what and refused.value.fix


class _Refusing(BaseHTTPRequestHandler):
    """Says 429 with ``Retry-After: 0`` twice, then answers."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        later = type(self).asked <= 2
        self.send_response(429 if later else 200)
        if later:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[str]:
    _Refusing.asked = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_later_means_again(refusing: str) -> None:
    with Client(refusing) as client:
        assert client.templates().empty
    assert _Refusing.asked == 3


def test_patience_ends(refusing: str) -> None:
    with Client(refusing, retries=1) as client, pytest.raises(ServerProblem) as refused:
        client.templates()
    assert refused.value.status == 429 and _Refusing.asked == 2


def test_waits_follow_the_server_and_grow_otherwise() -> None:
    assert wait_s(0, "3") == 3 and wait_s(0, "99999") == LONGEST_WAIT_S and wait_s(0, "-5") == 0
    assert wait_s(0, "Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert wait_s(4) > wait_s(0) and wait_s(50) == LONGEST_WAIT_S
