"""Grafana Loki's push API: Promtail, Alloy, Fluent Bit, Vector, rsyslog omhttp, python-logging-loki …"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response

from logsense import errors
from logsense.receivers import _protobuf as pb
from logsense.receivers._body import BodyLimits, off_loop, read_body, unpack_snappy
from logsense.receivers._events import load_json, now_ns
from logsense.receivers._guard import guarded_route, retry_headers
from logsense.receivers._labels import fields_from_labels
from logsense.receivers._times import ns_to_text, to_ns
from logsense.record import RawEvent
from logsense.stages import Intake

_LABEL = re.compile(r'([A-Za-z_][\w.]*)\s*=\s*"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")

_PAIR: pb.Table = {1: pb.Field("name", "string"), 2: pb.Field("value", "string")}
_TIMESTAMP: pb.Table = {1: pb.Field("seconds", "int"), 2: pb.Field("nanos", "int")}
_ENTRY: pb.Table = {
    1: pb.Field("timestamp", lambda: _TIMESTAMP),
    2: pb.Field("line", "string"),
    3: pb.Field("structuredMetadata", lambda: _PAIR, repeated=True),
}
_STREAM: pb.Table = {1: pb.Field("labels", "string"), 2: pb.Field("entries", lambda: _ENTRY, repeated=True)}
_PUSH_REQUEST: pb.Table = {1: pb.Field("streams", lambda: _STREAM, repeated=True)}


@dataclass(frozen=True, slots=True)
class LokiOptions:
    """The Loki receiver."""

    #: Sizes of requests.
    limits: BodyLimits = field(default_factory=BodyLimits)


class LokiReceiver:
    """JSON and snappy protobuf. Labels and structured metadata become fields; the tenant is ``organization.id``."""

    name = "loki"
    prefix = "/loki"  # also /loki/loki/api/v1/push, and /loki/ready where /ready is the application's own

    def __init__(self, options: LokiOptions | None = None) -> None:
        self.options = options or LokiOptions()

    def router(self, intake: Intake) -> APIRouter:
        """Errors are plain text with the status that clients act on: 429 is retried, 400 is not."""
        router = APIRouter(route_class=guarded_route(_refusal), include_in_schema=False)

        async def push(request: Request) -> Response:
            events = await self._events(request)
            tenant = request.headers.get("x-scope-orgid", "")
            if tenant:
                for event in events:
                    event.fields["organization.id"] = tenant
            await intake.accept(events)
            return Response(status_code=204)

        async def ready() -> Response:
            return Response("ready\n", media_type="text/plain")

        router.add_api_route("/loki/api/v1/push", push, methods=["POST"])
        router.add_api_route("/api/prom/push", push, methods=["POST"])
        router.add_api_route("/ready", ready, methods=["GET", "HEAD"])
        return router

    async def _events(self, request: Request) -> list[RawEvent]:
        limits = self.options.limits
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        snappy = request.headers.get("content-encoding", "").strip().lower() == "snappy"
        body = await read_body(request, limits, raw=snappy)
        protobuf = kind == "application/x-protobuf"
        if snappy or protobuf:  # protobuf is always snappy, whether the header says so or not
            body = unpack_snappy(body, limits)
        return await off_loop(body, parse_protobuf if protobuf else parse_json)


def parse_json(body: bytes) -> list[RawEvent]:
    """Events of a JSON push, of today's form or the older ``{"labels": "{…}", "entries": […]}``. Raises BadInput."""
    received = now_ns()
    try:
        streams = load_json(body)["streams"]
        return [event for stream in streams for event in _json_stream(stream, received)]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise errors.BadInput("The body is no Loki push request", why=f"{type(error).__name__}: {error}") from error


def parse_protobuf(body: bytes) -> list[RawEvent]:
    """Events of a protobuf ``PushRequest``. Raises BadInput."""
    received = now_ns()
    try:
        streams = pb.decode(body, _PUSH_REQUEST).get("streams", [])
    except ValueError as error:
        raise errors.BadInput("The body is no Loki push request", why=str(error)) from error
    events: list[RawEvent] = []
    for stream in streams:
        fields = fields_from_labels(parse_labels(stream.get("labels", "")))
        for entry in stream.get("entries", []):
            stamp = entry.get("timestamp", {})
            ns = stamp.get("seconds", 0) * 10**9 + stamp.get("nanos", 0)
            metadata = {pair.get("name", ""): pair.get("value", "") for pair in entry.get("structuredMetadata", [])}
            events.append(_event(entry.get("line", ""), ns, fields, metadata, received))
    return events


def parse_labels(text: str) -> dict[str, str]:
    """``{app="shop", level="error"}`` as a dictionary."""
    return {name: _ESCAPE.sub(_unescape, value) for name, value in _LABEL.findall(text)}


def _unescape(match: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t", "r": "\r"}.get(match[1], match[1])


def _json_stream(stream: dict[str, Any], received: int) -> Iterator[RawEvent]:
    if "entries" in stream:
        fields = fields_from_labels(parse_labels(stream.get("labels", "")))
        for entry in stream["entries"]:
            yield _event(entry["line"], to_ns(entry.get("ts")) or received, fields, {}, received)
        return
    fields = fields_from_labels(stream.get("stream") or {})
    for stamp, line, *metadata in stream.get("values") or []:
        yield _event(line, int(stamp), fields, metadata[0] if metadata else {}, received)


def _event(line: str, ns: int, fields: dict[str, Any], metadata: dict[str, Any], received: int) -> RawEvent:
    stated = {"@timestamp": ns_to_text(ns), **fields}
    if metadata:
        stated |= fields_from_labels(metadata)
    return RawEvent(str(line), "loki", received, stated)


def _refusal(error: errors.LogsenseError, request: Request) -> Response:
    return Response(f"{error}\n", error.status, retry_headers(error), "text/plain")
