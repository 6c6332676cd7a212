"""What every ``Receiver`` does; see ``logsense.stages.Receiver``. One valid request of each is all a new one needs."""

from __future__ import annotations

import base64
import functools
import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from logsense import errors
from logsense.receivers._body import BodyLimits
from logsense.receivers.alertmanager import AlertmanagerOptions, AlertmanagerReceiver
from logsense.receivers.collectd import CollectdOptions, CollectdReceiver
from logsense.receivers.datadog import DatadogOptions, DatadogReceiver
from logsense.receivers.elastic_bulk import ElasticBulkOptions, ElasticBulkReceiver
from logsense.receivers.gelf import GelfHttpReceiver, GelfOptions
from logsense.receivers.influxdb import InfluxOptions, InfluxReceiver
from logsense.receivers.journal_upload import JournalUploadOptions, JournalUploadReceiver
from logsense.receivers.jsonlines import JsonLinesOptions, JsonLinesReceiver
from logsense.receivers.loki import LokiOptions, LokiReceiver
from logsense.receivers.otlp_http import OtlpHttpOptions, OtlpHttpReceiver
from logsense.receivers.remote_write import RemoteWriteOptions, RemoteWriteReceiver
from logsense.receivers.splunk_hec import SplunkHecOptions, SplunkHecReceiver
from logsense.record import MetricPoint, RawEvent

ENCODED = json.loads((Path(__file__).parents[1] / "receivers/encoded.json").read_text())
PROTOBUF = {"content-type": "application/x-protobuf"}
OTLP_JSON = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"m"}}]}]}]}'
COLLECTD = b'[{"values":[1.5],"dsnames":["value"],"time":1.5,"host":"h","plugin":"load","type":"load"}]'
LIMITS = BodyLimits(max_body_bytes=100_000, max_unpacked_bytes=200_000)


@dataclass(frozen=True)
class Case:
    """``entries``: how many events and points the request holds. ``busy``: the status when the spool is full."""

    receiver: Any
    path: str
    body: bytes
    entries: int
    success: int = 200
    busy: int = 429
    headers: dict[str, str] = field(default_factory=dict)
    packs: bool = True  # takes Content-Encoding: gzip


def encoded(name: str) -> bytes:
    return base64.b64decode(ENCODED[name])


CASES = {
    "jsonlines": Case(JsonLinesReceiver(JsonLinesOptions(LIMITS)), "/api/v1/logs", b'{"message":"a"}\nb\n', 2),
    "metrics": Case(JsonLinesReceiver(JsonLinesOptions(LIMITS)), "/api/v1/metrics", b'[{"name":"n","value":1}]', 1),
    "bulk": Case(ElasticBulkReceiver(ElasticBulkOptions(LIMITS)), "/_bulk", b'{"index":{}}\n{"message":"a"}\n', 1),
    "document": Case(ElasticBulkReceiver(ElasticBulkOptions(LIMITS)), "/i/_doc", b'{"message":"a"}', 1, 201),
    "alerts": Case(
        AlertmanagerReceiver(AlertmanagerOptions(LIMITS, repeat_s=0)),
        "/api/v2/alerts",
        b'[{"labels":{"alertname":"a"}}]',
        1,
    ),
    "loki-json": Case(
        LokiReceiver(LokiOptions(LIMITS)),
        "/loki/api/v1/push",
        b'{"streams":[{"stream":{},"values":[["1","a"]]}]}',
        1,
        204,
    ),
    "loki-protobuf": Case(
        LokiReceiver(LokiOptions(LIMITS)),
        "/loki/api/v1/push",
        encoded("loki_push"),
        2,
        204,
        headers=PROTOBUF,
        packs=False,
    ),
    "otlp-logs-json": Case(OtlpHttpReceiver(OtlpHttpOptions(LIMITS)), "/v1/logs", OTLP_JSON.encode(), 1),
    "otlp-logs": Case(OtlpHttpReceiver(OtlpHttpOptions(LIMITS)), "/v1/logs", encoded("otlp_logs"), 2, headers=PROTOBUF),
    "otlp-metrics": Case(
        OtlpHttpReceiver(OtlpHttpOptions(LIMITS)), "/v1/metrics", encoded("otlp_metrics"), 6, headers=PROTOBUF
    ),
    "hec": Case(SplunkHecReceiver(SplunkHecOptions(LIMITS)), "/services/collector", b'{"event":"a"}', 1, busy=503),
    "hec-raw": Case(SplunkHecReceiver(SplunkHecOptions(LIMITS)), "/services/collector/raw", b"a\nb", 2, busy=503),
    "datadog": Case(DatadogReceiver(DatadogOptions(LIMITS)), "/api/v2/logs", b'[{"message":"a"}]', 1, 202),
    "remote-write": Case(
        RemoteWriteReceiver(RemoteWriteOptions(LIMITS)), "/api/v1/write", encoded("remote_write_1"), 1, 204, packs=False
    ),
    "gelf": Case(GelfHttpReceiver(GelfOptions(LIMITS)), "/gelf", b'{"short_message":"a"}', 1, 202),
    "collectd": Case(CollectdReceiver(CollectdOptions(LIMITS)), "/collectd", COLLECTD, 1),
    "influxdb": Case(
        InfluxReceiver(InfluxOptions(LIMITS)), "/api/v2/write", b'cpu,host=a v=1\nl message="m" 5\n', 2, 204
    ),
    "journal": Case(
        JournalUploadReceiver(JournalUploadOptions(LIMITS)), "/upload", b"MESSAGE=a\n_HOSTNAME=h\n\n", 1, 202, busy=503
    ),
}


class Recorder:
    """An intake that keeps all, or refuses all while it is ``full``."""

    def __init__(self) -> None:
        self.kept: list[RawEvent | MetricPoint] = []
        self.full = False

    async def accept(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        if self.full:
            raise errors.Overloaded("full", retry_after_s=9)
        self.kept += [*events, *metrics]

    def accept_sync(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        raise AssertionError("a receiver runs in the event loop")

    def dropped(self, source: str, count: int) -> None:
        raise AssertionError("HTTP never drops")


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@functools.cache
def application(receiver: Any) -> tuple[FastAPI, Recorder]:
    """Built once for each receiver: FastAPI takes its time."""
    app, intake = FastAPI(), Recorder()

    @app.exception_handler(errors.LogsenseError)
    async def problem(request: Request, error: errors.LogsenseError) -> JSONResponse:
        headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, errors.Overloaded) else None
        return JSONResponse({"title": error.what}, error.status, headers)

    if receiver.prefix:
        app.include_router(receiver.router(intake), prefix=receiver.prefix)
    app.include_router(receiver.router(intake))
    return app, intake


@pytest.fixture
def intake(case: Case) -> Recorder:
    one = application(case.receiver)[1]
    one.kept, one.full = [], False
    return one


@pytest.fixture
def client(case: Case) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(application(case.receiver)[0])
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=case.headers)


async def test_success_means_accepted(case: Case, intake: Recorder, client: httpx.AsyncClient) -> None:
    for path in (case.path, case.receiver.prefix + case.path):
        intake.kept.clear()
        answer = await client.post(path, content=case.body)
        assert answer.status_code == case.success
        assert len(intake.kept) == case.entries
        for one in intake.kept:
            if isinstance(one, RawEvent):
                assert one.message and one.source and one.received_ns > 10**18
            else:
                assert one.name and one.timestamp_ns > 0


async def test_a_full_spool_refuses_the_whole_request(case: Case, intake: Recorder, client: httpx.AsyncClient) -> None:
    intake.full = True
    answer = await client.post(case.path, content=case.body)
    assert answer.status_code == case.busy and answer.headers["retry-after"] == "9"
    assert intake.kept == []


async def test_unknown_query_parameters_and_gzip_are_taken(
    case: Case, intake: Recorder, client: httpx.AsyncClient
) -> None:
    if not case.packs:
        pytest.skip("has a compression of its own")
    packed = gzip.compress(case.body)
    answer = await client.post(f"{case.path}?pretty=1&x=y", content=packed, headers={"content-encoding": "gzip"})
    assert answer.status_code == case.success and len(intake.kept) == case.entries


async def test_too_much_is_413(case: Case, intake: Recorder, client: httpx.AsyncClient) -> None:
    assert (await client.post(case.path, content=b"x" * 150_000)).status_code == 413
    if case.packs:
        bomb = gzip.compress(b" " * 50_000_000)
        answer = await client.post(case.path, content=bomb, headers={"content-encoding": "gzip"})
        assert answer.status_code == 413
    assert intake.kept == []


@pytest.mark.parametrize(
    "body", [b"", b"\x00", b"{", b"[", b"null", b"[[[]]]", b"\xff" * 50, b'{"a":1}', random.Random(7).randbytes(500)]
)
async def test_garbage_is_kept_or_refused_but_never_an_internal_error(
    case: Case, intake: Recorder, client: httpx.AsyncClient, body: bytes
) -> None:
    answer = await client.post(case.path, content=body)
    assert answer.status_code < 500
    if answer.status_code >= 300:
        assert intake.kept == []


async def test_broken_gzip_is_the_clients_fault(case: Case, intake: Recorder, client: httpx.AsyncClient) -> None:
    broken = gzip.compress(case.body)[:-5]
    answer = await client.post(case.path, content=broken, headers={"content-encoding": "gzip"})
    assert answer.status_code == 400 and intake.kept == []


def test_receivers_have_a_name_and_a_prefix(case: Case) -> None:
    assert case.receiver.name.isidentifier()
    assert case.receiver.prefix == "" or case.receiver.prefix.startswith("/")
