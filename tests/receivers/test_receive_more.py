"""Journal upload, InfluxDB, collectd, OTLP over gRPC and the Prometheus scraper, beyond the contract suite."""

from __future__ import annotations

import asyncio
import base64
import http.server
import json
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from logsense import errors
from logsense.receivers._journal import JournalSplitter, event_of
from logsense.receivers.collectd import parse_collectd
from logsense.receivers.influxdb import parse_lines
from logsense.receivers.journal_upload import JournalUploadReceiver
from logsense.receivers.otlp_grpc import OtlpGrpcReceiver
from logsense.record import MetricPoint, RawEvent
from logsense.sources.prometheus import PrometheusOptions, PrometheusSource, parse_exposition

ENCODED = json.loads((Path(__file__).parent / "encoded.json").read_text())
BINARY = b"a\nTraceback\n  x"
ENTRY = (
    b"__REALTIME_TIMESTAMP=1700000000250000\n_HOSTNAME=web01\nPRIORITY=3\nSYSLOG_IDENTIFIER=nginx.service\n"
    b"MESSAGE\n" + struct.pack("<Q", len(BINARY)) + BINARY + b"\n\n"
)


class Recorder:
    def __init__(self) -> None:
        self.events: list[RawEvent] = []
        self.points: list[MetricPoint] = []
        self.full = False

    async def accept(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        if self.full:
            raise errors.Overloaded("full", retry_after_s=7)
        self.events += events
        self.points += metrics

    def accept_sync(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None: ...

    def dropped(self, source: str, count: int) -> None: ...


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_journal_entries_with_binary_fields_however_they_are_cut(step: int) -> None:
    data = ENTRY + b"MESSAGE=b\n\n"
    splitter = JournalSplitter(10_000)
    entries = [e for at in range(0, len(data), step) for e in splitter.feed(data[at : at + step])]
    events = [event_of(e, 1) for e in entries]
    assert [e.message for e in events if e] == [BINARY.decode(), "b"]
    first = events[0]
    assert first is not None and first.fields["@timestamp"] == "2023-11-14T22:13:20.250000Z"
    assert first.fields["service.name"] == "nginx" and first.fields["log.level"] == "error"
    again = event_of(JournalSplitter(10_000).feed(ENTRY)[0], 2)
    assert again is not None and again.id == first.id


@pytest.mark.parametrize(
    "data", [b"MESSAGE\n" + b"\xff" * 8, b"x" * 200_000, b"=a\n", b"MESSAGE\n\x01" + b"\0" * 7 + b"ab"]
)
def test_a_hostile_journal_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        JournalSplitter(10_000).feed(data)


async def test_an_endless_upload_is_kept_while_it_runs() -> None:
    intake, app = Recorder(), FastAPI()
    app.include_router(JournalUploadReceiver().router(intake))
    seen: list[int] = []

    async def body() -> Any:
        for _ in range(3):
            yield b"MESSAGE=x\n\n"
            await asyncio.sleep(0.01)
            seen.append(len(intake.events))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        answer = await client.post("/upload", content=body())
    assert answer.status_code == 202 and len(intake.events) == 3
    assert len({e.id for e in intake.events}) == 1


def test_influx_lines() -> None:
    body = (
        b"# a comment\ncpu\\ load,host=web\\ 01,dc=x value=1.5,n=3i,ok=true,u=7u 1700000000\n\n"
        b'syslog,hostname=web01,appname=sshd,severity=err message="a \\"b\\"\nc",code=3i 1700000001\nm f=1\n'
    )
    points, events = parse_lines(body, 10**9)
    rows = {p.name: p for p in points}
    assert (
        rows["cpu load"].value == 1.5 and rows["cpu load"].host == "web 01" and rows["cpu load"].labels == {"dc": "x"}
    )
    assert rows["cpu load.n"].value == 3 and rows["cpu load.ok"].value == 1 and rows["syslog.code"].value == 3
    assert rows["cpu load"].timestamp_ns == 17 * 10**17 and rows["m.f"].timestamp_ns > 10**18
    assert [e.message for e in events] == ['a "b"\nc']
    assert events[0].fields["host.name"] == "web01" and events[0].fields["log.level"] == "err"
    for bad in (b"cpu\n", b"cpu v\n", b"cpu v=x\n", b"cpu v=1 2 3\n", b"cpu v=1 9223372036854775807\n"):
        with pytest.raises(errors.BadInput):
            parse_lines(bad, 10**9)


def test_collectd_values_and_notifications() -> None:
    body = json.dumps([
        {"values": [1, 2, None], "dsnames": ["shortterm", "midterm", "x"], "time": 1700000000.5, "host": "h",
         "plugin": "load", "plugin_instance": "", "type": "load", "type_instance": "a"},
        {"message": "disk full", "severity": "FAILURE", "host": "h", "plugin": "df", "time": 1700000000},
    ]).encode()  # fmt: skip
    events, points = parse_collectd(body)
    assert [(p.name, p.value, p.labels) for p in points] == [
        ("load.load.shortterm", 1, {"type_instance": "a"}),
        ("load.load.midterm", 2, {"type_instance": "a"}),
    ]
    assert points[0].timestamp_ns == 1_700_000_000_500_000_000
    assert events[0].fields["log.level"] == "error" and events[0].fields["host.name"] == "h"


async def test_otlp_over_grpc() -> None:
    import grpc

    intake = Recorder()
    receiver = OtlpGrpcReceiver()
    task = asyncio.create_task(receiver.run(intake))
    await asyncio.wait_for(receiver.listening.wait(), 10)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{receiver.ports['tcp']}") as channel:

            async def export(kind: str, body: bytes) -> bytes:
                path = f"/opentelemetry.proto.collector.{kind}.v1.{kind.capitalize()}Service/Export"
                return await channel.unary_unary(path)(body, compression=grpc.Compression.Gzip)

            assert await export("logs", base64.b64decode(ENCODED["otlp_logs"])) == b""
            assert await export("metrics", base64.b64decode(ENCODED["otlp_metrics"])) == b""
            assert len(intake.events) == 2 and len(intake.points) == 6
            with pytest.raises(grpc.aio.AioRpcError) as bad:
                await export("logs", b"\xff\xff")
            assert bad.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            with pytest.raises(grpc.aio.AioRpcError) as absent:
                await export("trace", b"")
            assert absent.value.code() is grpc.StatusCode.UNIMPLEMENTED
            intake.full = True
            with pytest.raises(grpc.aio.AioRpcError) as full:
                await export("logs", base64.b64decode(ENCODED["otlp_logs"]))
            assert full.value.code() is grpc.StatusCode.UNAVAILABLE
            assert b"google.rpc.RetryInfo" in dict(full.value.trailing_metadata())["grpc-status-details-bin"]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


EXPOSITION = """# HELP x help
# TYPE x counter
x_total{device="a",q="\\"b\\""} 3 1700000000000
# TYPE lat histogram
lat_bucket{le="1"} 1
lat_bucket{le="+Inf"} 2
lat_sum 3.5
lat_count 2
load 1.5
n NaN
"""


async def test_prometheus_scrape_of_a_real_server_and_of_a_dead_one() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(EXPOSITION.encode())

        def log_message(self, *_: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    urls = (f"http://127.0.0.1:{server.server_port}/metrics", "http://127.0.0.1:1/metrics")
    source = PrometheusSource(PrometheusOptions(scrape=urls, every_s=0.05))
    intake = Recorder()
    task = asyncio.create_task(source.run(intake))
    async with asyncio.timeout(10):
        while len({(p.name, p.value) for p in intake.points}) < 6:
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server.shutdown()
    server.server_close()
    values = {(p.name, p.labels.get("instance", "")[-2:]): p.value for p in intake.points}
    assert values["load", ""] == 1.5 and values["lat_sum", ""] == 3.5 and values["up", ":1"] == 0
    assert not any(name == "lat_bucket" or name == "n" for name, _ in values)
    assert next(p for p in intake.points if p.name == "x_total").timestamp_ns == 17 * 10**17
    with pytest.raises(ValueError):
        parse_exposition("{{{ not metrics", "h", 1)
    with pytest.raises(errors.BadConfig):
        PrometheusSource(PrometheusOptions(scrape=("file:///etc/passwd",)))
