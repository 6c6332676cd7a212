"""Receivers beside pages: each path has one owner, and ``/`` has two who are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from logsense.api.app import create_app
from logsense.receivers.elastic_bulk import ElasticBulkReceiver
from logsense.receivers.jsonlines import JsonLinesReceiver
from logsense.record import MetricPoint, RawEvent

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
BULK = b'{"create":{"_index":"shop"}}\n{"message":"hello"}\n'


class Kept:
    """An intake that keeps in memory."""

    def __init__(self) -> None:
        self.events: list[RawEvent] = []

    async def accept(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        self.events += events

    def accept_sync(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        self.events += events

    def dropped(self, source: str, count: int) -> None:
        raise AssertionError("nothing may be dropped")


@pytest.fixture
def intake() -> Kept:
    return Kept()


@pytest.fixture(params=["bulk first", "bulk last"])
def client(request: pytest.FixtureRequest, workspace: Any, intake: Kept) -> TestClient:
    receivers: list[Any] = [ElasticBulkReceiver(), JsonLinesReceiver()]
    if request.param == "bulk last":
        receivers.reverse()
    return TestClient(create_app(workspace, intake, receivers))


@pytest.mark.parametrize(
    ("headers", "page"),
    [
        ({"accept": FIREFOX}, True),
        ({"accept": "*/*"}, False),
        ({"accept": "application/json"}, False),
        ({"accept": "application/json", "user-agent": "elasticsearch-py/8.19"}, False),
        ({"accept": "application/vnd.elasticsearch+json; compatible-with=8"}, False),
    ],
)
def test_root_is_a_page_for_people_and_a_handshake_for_shippers(
    client: TestClient, headers: dict[str, str], page: bool
) -> None:
    answer = client.get("/", headers=headers)
    assert answer.status_code == 200
    if page:
        assert "<h1>" in answer.text
    else:
        assert answer.json()["tagline"] == "You Know, for Search"


def test_root_is_a_page_for_all_when_no_receiver_wants_it(workspace: Any) -> None:
    plain = TestClient(create_app(workspace, None, []))
    assert "<h1>" in plain.get("/", headers={"accept": "*/*"}).text


@pytest.mark.parametrize("place", ["/_bulk", "/shop/_bulk", "/elasticsearch/_bulk", "/elasticsearch/shop/_bulk"])
def test_bulk_at_native_and_prefixed_paths(client: TestClient, intake: Kept, place: str) -> None:
    answer = client.post(place, content=BULK, headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 200
    assert answer.json()["errors"] is False
    assert [e.message for e in intake.events] == ["hello"]
    assert [e.source for e in intake.events] == ["bulk:shop"]


def test_prefix_is_not_taken_for_an_index(client: TestClient, intake: Kept) -> None:
    assert client.post("/elasticsearch/_bulk", content=b'{"create":{}}\n{"message":"hello"}\n').status_code == 200
    assert [e.source for e in intake.events] == ["bulk"]


def test_native_logs_and_lines_share_an_address_by_method(client: TestClient, intake: Kept) -> None:
    assert client.post("/api/v1/logs", content=b'{"message":"hi"}\n').json() == {"accepted": 1}
    assert len(intake.events) == 1
    assert client.get("/api/v1/logs/L00010").status_code == 200


@pytest.mark.parametrize(
    "place", ["/incidents", "/incidents/INC-42", "/hosts/db1", "/search", "/docs", "/static/app.css"]
)
def test_generic_paths_of_receivers_do_not_take_pages(client: TestClient, place: str) -> None:
    answer = client.get(place, headers={"accept": FIREFOX})
    assert answer.status_code == 200
    assert "tagline" not in answer.text


def test_probes_are_not_answered_by_a_receiver(client: TestClient, workspace: Any) -> None:
    workspace.ready = lambda: {"ready": False, "checks": {}}
    assert client.head("/readyz").status_code == 503


def test_other_sites_cannot_inject_lines(client: TestClient, intake: Kept) -> None:
    answer = client.post("/api/v1/logs", content=b"fake", headers={"origin": "https://evil.example"})
    assert answer.status_code == 403
    assert intake.events == []
