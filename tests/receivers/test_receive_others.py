"""Loki, OTLP, Splunk HEC, Datadog, Prometheus: what their requests become, and what they are answered.

``encoded.json`` holds bodies (base64) made by the reference encoders: opentelemetry-proto, google.protobuf, snappy.
"""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logsense.receivers import _protobuf as pb
from logsense.receivers import _snappy
from logsense.receivers._otlp_schema import LOGS
from logsense.receivers.datadog import DatadogReceiver
from logsense.receivers.loki import LokiReceiver, parse_labels
from logsense.receivers.otlp_http import OtlpHttpReceiver, events_of
from logsense.receivers.remote_write import RemoteWriteReceiver
from logsense.receivers.splunk_hec import SplunkHecReceiver
from logsense.record import MetricPoint

ENCODED = {k: base64.b64decode(v) for k, v in json.loads((Path(__file__).parent / "encoded.json").read_text()).items()}
PROTOBUF = {"content-type": "application/x-protobuf"}
NS = 1767323045 * 10**9
RECEIVERS = (LokiReceiver(), OtlpHttpReceiver(), SplunkHecReceiver(), DatadogReceiver(), RemoteWriteReceiver())


# Loki


def test_loki_protobuf(server: Any, client: httpx.Client) -> None:
    headers = {**PROTOBUF, "content-encoding": "snappy", "x-scope-orgid": "t1"}
    answer = client.post(server.url + "/loki/api/v1/push", content=ENCODED["loki_push"], headers=headers)
    assert answer.status_code == 204 and answer.content == b""
    first, second = server.events()
    labels = {"host.name": "web1", "service.name": "shop", "log.level": "error", "labels.q": 'a "b" c'}
    assert (first.message, first.source) == ("payment failed", "loki")
    assert first.fields == {"@timestamp": "2026-01-02T03:04:05.123456789Z", "organization.id": "t1", **labels}
    assert second.message == "second ünï" and second.fields["@timestamp"] == "2026-01-02T03:04:06Z"
    assert second.fields["trace.id"] == "abc" and second.fields["labels.pod"] == "p-1"


def test_loki_json_old_and_new(server: Any, client: httpx.Client) -> None:
    new = {"streams": [{"stream": {"job": "j"}, "values": [[str(NS + 5), "a"], [str(NS), "b", {"level": "warn"}]]}]}
    old = {"streams": [{"labels": '{app="x"}', "entries": [{"ts": "2026-01-02T03:04:05.000000005Z", "line": "c"}]}]}
    assert client.post(server.url + "/loki/api/v1/push", json=new).status_code == 204
    assert client.post(server.url + "/api/prom/push", json=old).status_code == 204
    a, b, c = server.events()
    assert a.fields == {"@timestamp": "2026-01-02T03:04:05.000000005Z", "service.name": "j"}
    assert b.fields["log.level"] == "warn" and a.fields["@timestamp"] == c.fields["@timestamp"]
    assert c.fields["service.name"] == "x"
    assert client.get(server.url + "/ready").text == "ready\n"


def test_loki_refuses_with_text(server: Any, client: httpx.Client) -> None:
    for body in ({"streams": [{"values": [["x", "y"]]}]}, {"streams": 1}, []):
        answer = client.post(server.url + "/loki/api/v1/push", json=body)
        assert answer.status_code == 400 and answer.headers["content-type"].startswith("text/plain")


def test_labels() -> None:
    assert parse_labels(r'{a="1", b.c = "x\"y\\z\n", d=""}') == {"a": "1", "b.c": 'x"y\\z\n', "d": ""}
    assert parse_labels("{") == {} == parse_labels("")


# OTLP


def check_otlp_events(events: list[Any]) -> None:
    first, second = events
    assert first.message == "payment failed" and first.source == "otlp"
    assert first.fields == {
        "@timestamp": "2026-01-02T03:04:05.123456789Z",
        "host.name": "web1",
        "service.name": "shop",
        "user.id": 42,
        "labels.ok": False,
        "labels.ratio": 0.5,
        "labels.tags": ["a", -7],
        "log.level": "ERROR",
        "trace.id": "000102030405060708090a0b0c0d0e0f",
        "span.id": "0001020304050607",
        "log.logger": "checkout",
    }
    assert json.loads(second.message) == {"event": "retry", "n": 2}
    assert second.fields["@timestamp"] == "2026-01-02T03:04:06Z" and second.fields["log.level"] == "warning"


def test_otlp_logs_protobuf(server: Any, client: httpx.Client) -> None:
    answer = client.post(server.url + "/v1/logs", content=ENCODED["otlp_logs"], headers=PROTOBUF)
    assert answer.status_code == 200 and answer.content == b""  # an empty ExportLogsServiceResponse
    assert answer.headers["content-type"] == "application/x-protobuf"
    check_otlp_events(server.events())


def test_otlp_logs_json(server: Any, client: httpx.Client) -> None:
    document = pb.decode(ENCODED["otlp_logs"], LOGS)
    for resource in document["resourceLogs"]:
        for record in resource["scopeLogs"][0]["logRecords"]:  # 64-bit integers are strings in proto3 JSON
            record.update({k: str(v) for k, v in record.items() if k.endswith("UnixNano")})
    answer = client.post(server.url + "/otlp/v1/logs", json=document)
    assert answer.json() == {"partialSuccess": {}}
    check_otlp_events(server.events())


def test_otlp_a_bad_record_costs_only_itself(server: Any, client: httpx.Client) -> None:
    records = [{"body": {"stringValue": "good"}}, {"timeUnixNano": "soon", "body": {"stringValue": "bad"}}, 7]
    document = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    answer = client.post(server.url + "/v1/logs", json=document).json()
    assert answer["partialSuccess"]["rejectedLogRecords"] == "2" and server.messages() == ["good"]
    answer = client.post(server.url + "/v1/logs", content=b"\xff", headers=PROTOBUF)
    assert answer.status_code == 400 and b"no OTLP export request" in answer.content


def test_otlp_metrics(server: Any, client: httpx.Client) -> None:
    assert client.post(server.url + "/v1/metrics", content=ENCODED["otlp_metrics"], headers=PROTOBUF).status_code == 200
    service = {"service": "shop"}
    assert server.points() == [
        MetricPoint("queue.length", "web1", NS, -3.0, {**service, "queue": "mail"}),
        MetricPoint("orders", "web1", NS, 2.5, service),
        MetricPoint("latency.count", "web1", NS, 4.0, service),
        MetricPoint("latency.sum", "web1", NS, 10.5, service),
        MetricPoint("old.count", "web1", NS, 2.0, service),
        MetricPoint("old.sum", "web1", NS, 3.0, service),
    ]


# Splunk HEC


def test_hec_events_with_and_without_separators(server: Any, client: httpx.Client) -> None:
    a = {"time": 1767323045.5, "host": "web1", "source": "/var/log/x", "sourcetype": "nginx", "event": "plain"}
    b = {"time": "1767323046", "event": {"msg": "object", "level": "error"}, "fields": {"app": "shop", "n": 1}}
    for separator in ("", "\n", "\r\n  "):
        body = separator.join(map(json.dumps, (a, b)))
        answer = client.post(server.url + "/services/collector/event?host=default", content=body)
        assert answer.content == b'{"text":"Success","code":0}'
    events = server.events()
    assert [e.message for e in events] == ["plain", "object"] * 3
    assert events[0].fields == {
        "@timestamp": "2026-01-02T03:04:05.500Z",
        "host.name": "web1",
        "splunk.source": "/var/log/x",
        "event.dataset": "nginx",
    }
    assert events[1].fields == {
        "log.level": "error",
        "service.name": "shop",
        "labels.n": 1,
        "@timestamp": "2026-01-02T03:04:06Z",
        "host.name": "default",
    }


def test_hec_raw_metrics_and_health(server: Any, client: httpx.Client) -> None:
    client.post(server.url + "/services/collector/raw?host=h&sourcetype=st", content="one\r\n\ntwo")
    assert [(e.message, e.fields) for e in server.events()] == [
        (text, {"host.name": "h", "event.dataset": "st"}) for text in ("one", "two")
    ]
    metric = {"time": 1767323045, "event": "metric", "host": "h", "fields": {"metric_name:cpu": 0.5, "core": "1"}}
    assert client.post(server.url + "/services/collector", json=metric).json()["code"] == 0
    assert server.points() == [MetricPoint("cpu", "h", NS, 0.5, {"core": "1"})]
    assert client.get(server.url + "/services/collector/health").json()["code"] == 17
    assert client.options(server.url + "/services/collector").status_code == 200


@pytest.mark.parametrize(
    ("body", "code", "number"),
    [
        ("", 5, None),
        ("{", 6, 0),
        ('{"event":"a"}{"x"', 6, 1),
        ('{"host":"h"}', 12, 0),
        ('{"event":""}', 13, 0),
        ("[1]", 6, 0),
    ],
)
def test_hec_refusals_have_its_codes(
    server: Any, client: httpx.Client, body: str, code: int, number: int | None
) -> None:
    answer = client.post(server.url + "/services/collector", content=body)
    assert answer.status_code == 400 and answer.json()["code"] == code
    assert answer.json().get("invalid-event-number") == number and server.messages() == []


# Datadog


def test_datadog(server: Any, client: httpx.Client) -> None:
    entry = {"message": "m", "status": "warn", "timestamp": 1767323045123, "hostname": "h", "service": "s"}
    entry |= {"ddsource": "nginx", "ddtags": "env:prod,team:a"}
    assert client.post(server.url + "/api/v2/logs", json={}).status_code == 202  # the agent's probe
    assert client.post(server.url + "/api/v2/logs", json=[entry, entry]).status_code == 202
    assert client.post(server.url + "/v1/input/key", json=entry).status_code == 202
    assert client.get(server.url + "/api/v1/validate").status_code == 200
    assert server.messages() == ["m"] * 3
    assert server.events()[0].fields == {
        "@timestamp": "2026-01-02T03:04:05.123Z",
        "host.name": "h",
        "service.name": "s",
        "log.level": "warn",
        "tags": ["env:prod", "team:a"],
        "event.dataset": "nginx",
    }


# Prometheus


def test_remote_write(server: Any, client: httpx.Client) -> None:
    second = {"content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}
    for name, headers in (("remote_write_1", PROTOBUF), ("remote_write_2", second)):
        headers = {**headers, "content-encoding": "snappy"}
        answer = client.post(server.url + "/api/v1/write", content=ENCODED[name], headers=headers)
        assert answer.status_code == 204
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "2"
    at = NS + 250_000_000
    assert server.points() == [
        MetricPoint("node_load1", "web1", at, 0.5, {"job": "node"}),
        MetricPoint("node_load1", "[::1]", -1_000_000_000, -1.5),
        MetricPoint("node_load1", "[::1]", at, 2.0),
    ]


# Encodings


def test_snappy_agrees_with_the_reference() -> None:
    text = "".join(f"line {i % 7} of a text that repeats itself\n" for i in range(3000)) + "ab" * 500 + "z" * 70000
    assert _snappy.decompress(ENCODED["snappy_text"], 10**6) == text.encode()
    with pytest.raises(OverflowError):
        _snappy.decompress(ENCODED["snappy_text"], 1000)
    with pytest.raises(ValueError):
        _snappy.decompress(ENCODED["snappy_text"][:-1], 10**6)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_damaged_encodings_raise_value_errors_only(data: bytes) -> None:
    for decode in (lambda: _snappy.decompress(data, 10**6), lambda: pb.decode(data, LOGS)):
        with contextlib.suppress(ValueError, OverflowError):
            decode()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_otlp_body_is_bad_input_or_read(at: int, byte: int) -> None:
    body = bytearray(ENCODED["otlp_logs"])
    body[at % len(body)] = byte
    with contextlib.suppress(ValueError):
        events_of(pb.decode(bytes(body), LOGS))
