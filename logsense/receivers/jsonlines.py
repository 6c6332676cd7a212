"""The native endpoints: ``POST /api/v1/logs`` and ``POST /api/v1/metrics``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from logsense import errors
from logsense.receivers._body import BodyLimits, off_loop, read_body
from logsense.receivers._events import decode_text, event_from_object, json_text, load_json, now_ns
from logsense.receivers._times import to_ns
from logsense.record import MetricPoint, RawEvent
from logsense.stages import Intake

_MAX_ERRORS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class JsonLinesOptions:
    """The native receiver."""

    #: Sizes of requests.
    limits: BodyLimits = field(default_factory=BodyLimits)


class JsonLinesReceiver:
    """Takes NDJSON, a JSON array, one JSON object, or plain text lines. Errors are problem details (RFC 9457)."""

    name = "jsonlines"
    prefix = ""

    def __init__(self, options: JsonLinesOptions | None = None) -> None:
        self.options = options or JsonLinesOptions()

    def router(self, intake: Intake) -> APIRouter:
        """``errors.*`` are left to the application's handler."""
        router = APIRouter(tags=["ingest"])
        limits = self.options.limits

        @router.post("/ingest", include_in_schema=False)  # what generic HTTP outputs are often pointed at
        @router.post("/api/v1/logs", summary="Send log lines")
        async def logs(request: Request, service: str = "", host: str = "") -> Response:
            """NDJSON, a JSON array, one JSON object, or plain text, one event a line. Field names may be flat or
            nested ECS or the usual aliases (`msg`, `ts`, `severity`, `hostname` …). `service` and `host` apply to
            events that state none. Answers `{"accepted": n}` once all of it is on disk."""
            body = await read_body(request, limits)
            events = await off_loop(body, parse_events, request.headers.get("content-type", ""), self.name)
            for name, value in (("service.name", service), ("host.name", host)):
                if value:
                    for event in events:
                        event.fields.setdefault(name, value)
            await intake.accept(events)
            return _json({"accepted": len(events)})

        @router.post("/api/v1/metrics", summary="Send metric points")
        async def metrics(request: Request) -> Response:
            """NDJSON or a JSON array of `{"name", "host", "timestamp", "value", "labels"}`. `timestamp` is RFC 3339
            or an epoch number (now when absent). Points that cannot be read are listed under `errors`."""
            body = await read_body(request, limits)
            points, bad = parse_points(body)
            if bad and not points:
                raise errors.BadInput(
                    "No metric point could be read", why="; ".join(bad[:_MAX_ERRORS_SHOWN]), fix="see /docs"
                )
            await intake.accept([], points)
            answer: dict[str, Any] = {"accepted": len(points)}
            if bad:
                answer |= {"rejected": len(bad), "errors": bad[:_MAX_ERRORS_SHOWN]}
            return _json(answer)

        return router


def parse_events(body: bytes, content_type: str, source: str) -> list[RawEvent]:
    """The events of one request; a line that is no JSON object is kept as it is. Raises BadInput."""
    received = now_ns()
    kind = content_type.partition(";")[0].strip().lower()
    plain = kind == "text/plain"
    if not plain:
        document = _one_document(body, strict=kind == "application/json")
        if isinstance(document, list):
            return [_event(one, None, source, received) for one in document]
        if document is not None:
            return [_event(document, body.strip(), source, received)]
    events: list[RawEvent] = []
    for line in body.split(b"\n"):
        line = line.rstrip(b"\r")
        if not line or line.isspace():
            continue
        if not plain and line.lstrip()[:1] == b"{":
            try:
                events.append(_event(load_json(line), line, source, received))
                continue
            except ValueError:
                pass  # looks like JSON but is not: keep the line
        events.append(RawEvent(decode_text(line), source, received))
    return events


def parse_points(body: bytes) -> tuple[list[MetricPoint], list[str]]:
    """The points of one request and what is wrong with the others."""
    points: list[MetricPoint] = []
    bad: list[str] = []
    document = _one_document(body, strict=False)
    items: list[Any]
    if document is None:
        items = [line for line in body.split(b"\n") if line.strip()]
    else:
        items = document if isinstance(document, list) else [document]
    received = now_ns()
    for number, item in enumerate(items, 1):
        try:
            points.append(_point(load_json(item) if isinstance(item, bytes) else item, received))
        except (ValueError, TypeError) as error:
            bad.append(f"point {number}: {error}")
    return points, bad


def _one_document(body: bytes, *, strict: bool) -> list[Any] | dict[str, Any] | None:
    """The body as one JSON array or object, or None when it is lines (or several objects)."""
    text = body.strip()
    if text[:1] == b"{" and b"\n" in text:
        try:
            orjson.loads(text[: text.index(b"\n")])
            return None  # the first line is a whole object: NDJSON
        except orjson.JSONDecodeError:
            pass
    if text[:1] not in (b"{", b"["):
        return None
    try:
        return load_json(text)
    except ValueError as error:
        if strict and (text[:1] == b"[" or b"\n" not in text):
            raise errors.BadInput(
                "The body is not valid JSON", why=str(error), fix="for plain lines send Content-Type: text/plain"
            ) from error
        return None


def _event(document: Any, raw: bytes | None, source: str, received: int) -> RawEvent:
    if isinstance(document, dict):
        return event_from_object(document, raw, source, received)
    return RawEvent(document if isinstance(document, str) else json_text(document), source, received)


def _point(item: Any, received: int) -> MetricPoint:
    if not isinstance(item, dict):
        raise ValueError("not a JSON object")
    name, value = item.get("name"), item.get("value")
    if not isinstance(name, str) or not name:
        raise ValueError("'name' is missing")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("'value' is not a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("'value' is not finite")
    stamp = item.get("timestamp", item.get("@timestamp"))
    ns = received if stamp is None else to_ns(stamp)
    if ns is None:
        raise ValueError(f"'timestamp' is neither RFC 3339 nor an epoch number: {str(stamp)[:40]!r}")
    labels = item.get("labels") or {}
    if not isinstance(labels, dict):
        raise ValueError("'labels' is not an object")
    host = item.get("host", item.get("host.name", ""))
    return MetricPoint(name, str(host), ns, number, {str(k): str(v) for k, v in labels.items()})


def _json(answer: dict[str, Any]) -> Response:
    return Response(orjson.dumps(answer), media_type="application/json")
