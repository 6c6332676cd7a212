"""What is sent to each receiver: valid requests and frames as seeds, and strategies that break them."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from logsense.parse.loader import read_specs
from tests.fuzz.mutate import as_json, as_msgpack, broken, documents, lines, packed, protobufs

ENCODED = json.loads((Path(__file__).parents[1] / "receivers/encoded.json").read_text())
SAMPLES = [sample.line for spec in read_specs("").values() for sample in spec.samples]
ENCODINGS = ("", "", "", "gzip", "deflate", "zstd", "identity", "gzip, gzip", "br")
KINDS = ("application/json", "application/x-ndjson", "application/x-protobuf", "text/plain", "",
         "application/csp-report", "application/x-www-form-urlencoded", "multipart/form-data")  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One HTTP request."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


OTLP_LOGS = {
    "resourceLogs": [{
        "resource": {"attributes": [{"key": "host.name", "value": {"stringValue": "web1"}}]},
        "scopeLogs": [{"scope": {"name": "s"}, "logRecords": [{
            "timeUnixNano": "1795550400000000000", "severityNumber": 17, "severityText": "ERROR",
            "body": {"kvlistValue": {"values": [
                {"key": "a", "value": {"arrayValue": {"values": [{"intValue": "1"}]}}}]}},
            "attributes": [{"key": "n", "value": {"doubleValue": 1.5}}], "traceId": "00", "spanId": "AA==",
        }]}],
    }]
}  # fmt: skip
OTLP_METRICS = {
    "resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "m", "gauge": {"dataPoints": [{"timeUnixNano": "1", "asDouble": 1, "attributes": []}]}},
        {"name": "h", "histogram": {"dataPoints": [{"count": "2", "sum": 3, "bucketCounts": ["1", "1"],
                                                    "explicitBounds": [1.0]}]}},
        {"name": "s", "summary": {"dataPoints": [{"quantileValues": [{"quantile": 0.5, "value": 1}]}]}},
    ]}]}]
}  # fmt: skip
EVENT = {"message": "request 7 failed", "@timestamp": "2026-11-24T20:00:00Z", "host": {"name": "web1"},
         "log.level": "error", "error": {"message": "x", "stack_trace": "Traceback"},
         "labels": {"a": [1, {"b": 2}]}}  # fmt: skip
LOKI = {"streams": [{"stream": {"app": "shop", "level": "error"},
                     "values": [["1795550400000000000", "m", {"trace": "1"}], ["1", "n"]]}]}  # fmt: skip
LOKI_OLD = {"streams": [{"labels": '{app="a"}', "entries": [{"ts": "2026-11-24T20:00:00Z", "line": "m"}]}]}
HEC = {"event": {"a": 1}, "time": "1795550400.5", "host": "h", "source": "s", "sourcetype": "t", "fields": {"k": ["v"]}}
HEC_METRIC = {"event": "metric", "time": 1, "fields": {"metric_name:cpu": 1.5, "region": "eu"}}
DATADOG = [{"message": "m", "status": "error", "timestamp": 1795550400000, "hostname": "h", "ddtags": "a:b,c"}]
COLLECTD = [{"values": [1.5, None], "dsnames": ["a", "b"], "dstypes": ["gauge", "derive"], "time": 1.5, "interval": 10,
             "host": "h", "plugin": "load", "plugin_instance": "", "type": "load", "type_instance": ""}]  # fmt: skip
GELF = {"version": "1.1", "host": "h", "short_message": "m", "full_message": "f", "timestamp": 1795550400.5, "level": 3,
        "_user": {"a": 1}}  # fmt: skip
METRICS = [{"name": "cpu", "value": 1.5, "host": "h", "timestamp": "2026-11-24T20:00:00Z", "labels": {"core": "0"}}]
SEARCH = {"query": {"bool": {"must": [{"match": {"message": "a"}}],
                             "filter": [{"range": {"@timestamp": {"gte": "now-1h"}}}]}},
          "size": 3, "from": 0, "sort": [{"@timestamp": "desc"}]}  # fmt: skip
INFLUX = [
    "cpu,host=a v=1 1795550400000000000\n",
    'l,host=a message="m \\" x",n=5i,b=t\n',
    "syslog,appname=a severity_code=3i\n",
]
JOURNAL = ["MESSAGE=a\n_HOSTNAME=h\nPRIORITY=3\n__REALTIME_TIMESTAMP=1795550400000000\n\n",
           "MESSAGE\n\x03\x00\x00\x00\x00\x00\x00\x00abc\n\n"]  # fmt: skip


def _json(seed: Any) -> st.SearchStrategy[bytes]:
    return broken(documents(seed).map(as_json))


def _many(seed: Any, join: bytes) -> st.SearchStrategy[bytes]:
    return broken(st.lists(documents(seed).map(as_json), max_size=4).map(join.join))


@st.composite
def _bulk(draw: st.DrawFn) -> bytes:
    rows: list[bytes] = []
    for _ in range(draw(st.integers(0, 4))):
        action = draw(st.sampled_from(("index", "create", "update", "delete", "wrong")))
        rows.append(as_json(draw(documents({action: {"_index": "a", "_id": "1", "pipeline": None}}))))
        if draw(st.booleans()) or action != "delete":
            rows.append(as_json(draw(documents(EVENT if action != "update" else {"doc": EVENT}))))
    return b"\n".join([*rows, b""])


def _proto(name: str) -> st.SearchStrategy[bytes]:
    valid = base64.b64decode(ENCODED[name])
    return broken(st.just(valid)) | broken(protobufs)


def _snappy_block(data: bytes) -> bytes:
    """``data`` as a snappy block of literals."""
    from tests.fuzz.mutate import varint

    out = [varint(len(data))]
    for at in range(0, len(data), 60):
        piece = data[at : at + 60]
        out.append(bytes([(len(piece) - 1) << 2]) + piece)
    return b"".join(out)


#: receiver → (path, content type, body)
HTTP: dict[str, tuple[str, str, st.SearchStrategy[bytes]]] = {
    "jsonlines": ("/api/v1/logs", "application/x-ndjson", _many(EVENT, b"\n")),
    "text": ("/api/v1/logs", "text/plain", lines(SAMPLES)),
    "metrics": ("/api/v1/metrics", "application/json", _json(METRICS)),
    "bulk": ("/_bulk", "application/x-ndjson", broken(_bulk())),
    "bulk-index": ("/logs-a/_bulk", "application/x-ndjson", broken(_bulk())),
    "document": ("/logs-a/_doc/1", "application/json", _json(EVENT)),
    "search": ("/logs-a/_search", "application/json", _json(SEARCH)),
    "loki": ("/loki/api/v1/push", "application/json", _json(LOKI)),
    "loki-old": ("/api/prom/push", "application/json", _json(LOKI_OLD)),
    "loki-protobuf": ("/loki/api/v1/push", "application/x-protobuf", _proto("loki_push")),
    "loki-wire": ("/loki/api/v1/push", "application/x-protobuf", protobufs.map(_snappy_block)),
    "otlp-json": ("/v1/logs", "application/json", _json(OTLP_LOGS)),
    "otlp": ("/v1/logs", "application/x-protobuf", _proto("otlp_logs")),
    "otlp-metrics-json": ("/v1/metrics", "application/json", _json(OTLP_METRICS)),
    "otlp-metrics": ("/v1/metrics", "application/x-protobuf", _proto("otlp_metrics")),
    "hec": ("/services/collector/event", "application/json", _many(HEC, b"")),
    "hec-metric": ("/services/collector", "application/json", _many(HEC_METRIC, b" ")),
    "hec-raw": ("/services/collector/raw", "text/plain", lines(SAMPLES)),
    "datadog": ("/api/v2/logs", "application/json", _json(DATADOG)),
    "remote-write": ("/api/v1/write", "application/x-protobuf", _proto("remote_write_1")),
    "remote-write-wire": ("/api/v1/write", "application/x-protobuf", protobufs.map(_snappy_block)),
    "gelf": ("/gelf", "application/json", _json(GELF)),
    "collectd": ("/collectd", "application/json", _json(COLLECTD)),
    "influx": ("/api/v2/write", "text/plain", lines(INFLUX)),
    "journal": ("/upload", "application/vnd.fdo.journal", lines(JOURNAL)),
}


@st.composite
def http_requests(draw: st.DrawFn, name: str) -> Request:
    """A request to receiver ``name``; one in some has another method, content type or encoding than it should."""
    path, kind, bodies = HTTP[name]
    body = draw(bodies)
    encoding = draw(st.sampled_from(ENCODINGS))
    if draw(st.integers(0, 9)):
        body = packed(body, encoding)
    if not draw(st.integers(0, 7)):
        kind = draw(st.sampled_from(KINDS))
    headers = {"Content-Type": kind} if kind else {}
    if encoding:
        headers["Content-Encoding"] = encoding
    if not draw(st.integers(0, 9)):
        headers["X-Scope-OrgID"] = draw(st.sampled_from(("a|b", "\xff", "x" * 300)))
    if not draw(st.integers(0, 9)):
        path += draw(st.sampled_from(("?precision=zz", "?refresh=true&pipeline=", "?time=x&host=%00", "?a=%ff%fe")))
    method = draw(st.sampled_from(("POST",) * 9 + ("PUT",)))
    return Request(path, body, headers, method)


# Ports of their own: byte streams of one connection, or datagrams.


@st.composite
def _relp(draw: st.DrawFn) -> bytes:
    frames = []
    for number in range(draw(st.integers(0, 5))):
        command = draw(st.sampled_from((b"open", b"syslog", b"syslog", b"close", b"rsp", b"x" * 40)))
        body = draw(lines(SAMPLES))[:2000]
        size = len(body) if draw(st.integers(0, 5)) else draw(st.integers(0, 10**9))
        frames.append(b"%d %s %d %s\n" % (number, command, size, body))
    return b"".join(frames)


@st.composite
def _lumberjack(draw: st.DrawFn) -> bytes:
    frames = [b"2W" + struct.pack(">I", draw(st.integers(0, 2**32 - 1)))]
    for number in range(draw(st.integers(0, 4))):
        body = as_json(draw(documents(EVENT)))
        size = len(body) if draw(st.integers(0, 5)) else draw(st.integers(0, 2**32 - 1))
        kind = draw(st.sampled_from((b"2J", b"2J", b"2D", b"1D", b"2Z")))
        frames.append(kind + struct.pack(">II", number, size) + body)
    inner = b"".join(frames)
    if draw(st.booleans()):
        inner = draw(broken(st.just(zlib.compress(inner))))
        return b"2C" + struct.pack(">I", len(inner)) + inner
    return inner


FORWARD = ["tag", [[1795550400, {"message": "m", "host": "h", "n": {"a": [1]}}]], {"chunk": "c", "compressed": "text"}]
GELF_CHUNK = b"\x1e\x0f" + b"12345678" + b"\x00\x02" + b'{"short_message":'
STREAMS: dict[str, st.SearchStrategy[bytes]] = {
    "syslog": lines([f"<{n % 192}>{line}\n" for n, line in enumerate(SAMPLES)])
    | lines(["17 <13>1 - - - - - -", "99999999 x"]),
    "relp": broken(_relp()),
    "gelf": broken(documents(GELF).map(as_json)).map(lambda data: data + b"\0"),
    "fluent": broken(documents(FORWARD).map(as_msgpack)),
    "lumberjack": broken(_lumberjack()),
    "lines": lines(SAMPLES),
    "graphite": lines(["a.b.c 1.5 1795550400\n", "a;host=x;b= nan -1\n"]),
    "statsd": lines(["a.b:1|c|@0.1|#k:v\n", "t:3:4:5|ms\n", "g:-1|g\n", "s:abc|s\n"]),
}  # fmt: skip
DATAGRAMS: dict[str, st.SearchStrategy[bytes]] = {
    "syslog": STREAMS["syslog"],
    "gelf": broken(documents(GELF).map(as_json) | st.just(GELF_CHUNK))
    | broken(documents(GELF).map(as_json)).map(zlib.compress),
    "lines": STREAMS["lines"],
    "graphite": STREAMS["graphite"],
    "statsd": STREAMS["statsd"],
}  # fmt: skip
GRPC = {
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": _proto("otlp_logs"),
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": _proto("otlp_metrics"),
}
