"""OpenTelemetry over HTTP: ``/v1/logs`` and ``/v1/metrics``, protobuf and JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from fastapi import APIRouter, Request, Response

from logsense import errors
from logsense.receivers import _otlp_schema as schema
from logsense.receivers import _protobuf as pb
from logsense.receivers._body import BodyLimits, off_loop, read_body
from logsense.receivers._events import json_text, load_json, now_ns
from logsense.receivers._guard import guarded_route, retry_headers
from logsense.receivers._labels import fields_from_labels
from logsense.receivers._times import ns_to_text
from logsense.record import MetricPoint, RawEvent
from logsense.stages import Intake

T = TypeVar("T")
_PROTOBUF = "application/x-protobuf"
#: SeverityNumber 1–24 in groups of four.
_LEVELS = ("trace", "debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class OtlpHttpOptions:
    """The OpenTelemetry receiver."""

    #: Sizes of requests.
    limits: BodyLimits = field(default_factory=BodyLimits)


class OtlpHttpReceiver:
    """Log records become events, number data points metric points (histograms: ``.count`` and ``.sum``).

    Resource attributes are fields of every record of theirs. Traces are not taken (404).
    """

    name = "otlp_http"
    prefix = "/otlp"

    def __init__(self, options: OtlpHttpOptions | None = None) -> None:
        self.options = options or OtlpHttpOptions()

    def router(self, intake: Intake) -> APIRouter:
        """Errors are a ``Status`` message in the request's encoding. 429 is retried by exporters, 400 is not."""
        router = APIRouter(route_class=guarded_route(_refusal), include_in_schema=False)

        async def logs(request: Request) -> Response:
            events, rejected = await self._parse(request, schema.LOGS, events_of)
            await intake.accept(events)
            return _answer(request, "rejectedLogRecords", rejected)

        async def metrics(request: Request) -> Response:
            points, rejected = await self._parse(request, schema.METRICS, points_of)
            await intake.accept([], points)
            return _answer(request, "rejectedDataPoints", rejected)

        router.add_api_route("/v1/logs", logs, methods=["POST"])
        router.add_api_route("/v1/metrics", metrics, methods=["POST"])
        return router

    async def _parse(self, request: Request, table: pb.Table, convert: Callable[[dict[str, Any]], T]) -> T:
        body = await read_body(request, self.options.limits)
        protobuf = _is_protobuf(request)

        def parse(body: bytes) -> T:
            try:
                document = pb.decode(body, table) if protobuf else load_json(body or b"{}")
                return convert(document)
            except (ValueError, TypeError, AttributeError, KeyError) as error:
                why = f"{type(error).__name__}: {error}"
                raise errors.BadInput("The body is no OTLP export request", why=why) from error

        return await off_loop(body, parse)


def events_of(document: dict[str, Any]) -> tuple[list[RawEvent], int]:
    """(events, records that cannot be read) of an ``ExportLogsServiceRequest`` in its JSON shape."""
    received = now_ns()
    events: list[RawEvent] = []
    rejected = 0
    for resource_logs in document.get("resourceLogs") or []:
        resource = attributes_of((resource_logs.get("resource") or {}).get("attributes"))
        for scope_logs in resource_logs.get("scopeLogs") or []:
            scope = (scope_logs.get("scope") or {}).get("name", "")
            for record in scope_logs.get("logRecords") or []:
                try:
                    events.append(_event(record, resource, scope, received))
                except (ValueError, TypeError, AttributeError):
                    rejected += 1
    return events, rejected


def _event(record: dict[str, Any], resource: dict[str, Any], scope: str, received: int) -> RawEvent:
    fields = fields_from_labels(resource | attributes_of(record.get("attributes")))
    ns = int(record.get("timeUnixNano") or 0) or int(record.get("observedTimeUnixNano") or 0)
    if ns:
        fields["@timestamp"] = ns_to_text(ns)
    level = record.get("severityText") or _level(record.get("severityNumber"))
    if level:
        fields["log.level"] = level
    optional = (("trace.id", record.get("traceId")), ("span.id", record.get("spanId")), ("log.logger", scope))
    fields.update((name, value) for name, value in optional if value)
    body = value_of(record.get("body"))
    if body is None or body == "":
        body = record.get("eventName") or fields.get("error.message") or json_text(fields)
    return RawEvent(body if isinstance(body, str) else json_text(body), "otlp", received, fields)


def _level(number: Any) -> str:
    return _LEVELS[(number - 1) // 4] if isinstance(number, int) and 1 <= number <= 24 else ""


def points_of(document: dict[str, Any]) -> tuple[list[MetricPoint], int]:
    """(points, data points that cannot be read) of an ``ExportMetricsServiceRequest`` in its JSON shape."""
    received = now_ns()
    points: list[MetricPoint] = []
    rejected = 0
    for resource_metrics in document.get("resourceMetrics") or []:
        resource = fields_from_labels(attributes_of((resource_metrics.get("resource") or {}).get("attributes")))
        host = str(resource.get("host.name", ""))
        shared = {"service": str(resource["service.name"])} if resource.get("service.name") else {}
        for scope_metrics in resource_metrics.get("scopeMetrics") or []:
            for metric in scope_metrics.get("metrics") or []:
                for suffix, value, point in _values(metric):
                    try:
                        attributes = attributes_of(point.get("attributes"))
                        labels = shared | {key: _label(one) for key, one in attributes.items()}
                        stamp = int(point.get("timeUnixNano") or received)
                        if stamp >= 2**63:
                            raise ValueError("the time is beyond the year 2262")
                        points.append(MetricPoint(metric["name"] + suffix, host, stamp, float(value), labels))
                    except (ValueError, TypeError, AttributeError, KeyError):
                        rejected += 1
    return points, rejected


def _values(metric: dict[str, Any]) -> list[tuple[str, Any, dict[str, Any]]]:
    """(suffix of the name, value, data point)."""
    found: list[tuple[str, Any, dict[str, Any]]] = []
    for kind in ("gauge", "sum"):
        for point in (metric.get(kind) or {}).get("dataPoints") or []:
            found.append(("", point.get("asDouble", point.get("asInt")), point))
    for kind in ("histogram", "exponentialHistogram", "summary"):
        for point in (metric.get(kind) or {}).get("dataPoints") or []:
            found.append((".count", point.get("count", 0), point))
            if "sum" in point:
                found.append((".sum", point["sum"], point))
    return found


def attributes_of(attributes: Any) -> dict[str, Any]:
    """A list of KeyValue as a dictionary."""
    return {one["key"]: value_of(one.get("value")) for one in attributes or [] if one.get("key")}


def value_of(value: dict[str, Any] | None) -> Any:
    """An AnyValue as plain data."""
    for kind, one in (value or {}).items():
        if kind == "arrayValue":
            return [value_of(item) for item in one.get("values") or []]
        if kind == "kvlistValue":
            return attributes_of(one.get("values"))
        return int(one) if kind == "intValue" else one
    return None


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value)


def _is_protobuf(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == _PROTOBUF


def _answer(request: Request, counter: str, rejected: int) -> Response:
    message = "records that could not be read were left out"
    if _is_protobuf(request):
        partial = b"\x08" + pb.encode_varint(rejected) + pb.encode_text(2, message) if rejected else b""
        return Response(pb.encode_bytes(1, partial) if partial else b"", media_type=_PROTOBUF)
    success: dict[str, Any] = {counter: str(rejected), "errorMessage": message} if rejected else {}
    return Response(orjson.dumps({"partialSuccess": success}), media_type="application/json")


def _refusal(error: errors.LogsenseError, request: Request) -> Response:
    headers = retry_headers(error)
    code = {400: 3, 401: 16, 403: 7, 413: 8, 429: 8}.get(error.status, 13)  # google.rpc.Code
    if _is_protobuf(request):
        return Response(
            b"\x08" + pb.encode_varint(code) + pb.encode_text(2, str(error)), error.status, headers, _PROTOBUF
        )
    return Response(orjson.dumps({"code": code, "message": str(error)}), error.status, headers, "application/json")
