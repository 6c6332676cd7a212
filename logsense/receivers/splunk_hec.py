"""Splunk's HTTP Event Collector: Fluent Bit, Vector, OTel's splunk_hec exporter, Docker's splunk driver …"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from logsense import errors
from logsense.receivers._body import BodyLimits, off_loop, read_body
from logsense.receivers._events import decode_text, event_from_object, json_text, load_json, now_ns
from logsense.receivers._guard import guarded_route, retry_headers
from logsense.receivers._labels import fields_from_labels
from logsense.receivers._times import epoch_to_ns, ns_to_text
from logsense.record import MetricPoint, RawEvent
from logsense.stages import Intake

_METRIC = "metric_name:"


@dataclass(frozen=True, slots=True)
class SplunkHecOptions:
    """The Splunk HEC receiver."""

    #: Sizes of requests.
    limits: BodyLimits = field(default_factory=BodyLimits)


class HecError(errors.BadInput):
    """A refusal with HEC's own code; ``number`` is the event that is wrong, from 0."""

    def __init__(self, text: str, code: int, number: int | None = None) -> None:
        super().__init__(text)
        self.code, self.number = code, number


class SplunkHecReceiver:
    """``/services/collector`` with events, raw lines and metrics. Indexer acknowledgement is not offered."""

    name = "splunk_hec"
    prefix = "/splunk"

    def __init__(self, options: SplunkHecOptions | None = None) -> None:
        self.options = options or SplunkHecOptions()

    def router(self, intake: Intake) -> APIRouter:
        """Answers have HEC's codes: 0 success, 5 no data, 6 invalid data, 9 busy (HTTP 503), 12 and 13 no event."""
        router = APIRouter(route_class=guarded_route(_refusal), include_in_schema=False)
        limits = self.options.limits

        async def event(request: Request) -> Response:
            body = await read_body(request, limits)
            events, points = await off_loop(body, parse_hec, dict(request.query_params))
            await intake.accept(events, points)
            return _answer("Success", 0)

        async def raw(request: Request) -> Response:
            body = await read_body(request, limits)
            stated = _stated(dict(request.query_params))
            received = now_ns()
            lines = (decode_text(line.rstrip(b"\r")) for line in body.split(b"\n"))
            events = [RawEvent(line, "splunk_hec", received, dict(stated)) for line in lines if line.strip()]
            if not events:
                raise HecError("No data", 5)
            await intake.accept(events)
            return _answer("Success", 0)

        async def health() -> Response:
            return _answer("HEC is healthy", 17)

        async def options() -> Response:
            return Response(headers={"Allow": "POST, OPTIONS"})

        base = "/services/collector"
        for path in (base, f"{base}/event", f"{base}/event/1.0", f"{base}/1.0"):
            router.add_api_route(path, event, methods=["POST"])
            router.add_api_route(path, options, methods=["OPTIONS"])
        for path in (f"{base}/raw", f"{base}/raw/1.0"):
            router.add_api_route(path, raw, methods=["POST"])
            router.add_api_route(path, options, methods=["OPTIONS"])
        for path in (f"{base}/health", f"{base}/health/1.0"):
            router.add_api_route(path, health, methods=["GET", "HEAD"])
        return router


def parse_hec(body: bytes, query: dict[str, str]) -> tuple[list[RawEvent], list[MetricPoint]]:
    """Events and metric points of a body of concatenated envelopes. ``query`` gives defaults. Raises HecError."""
    received = now_ns()
    events: list[RawEvent] = []
    points: list[MetricPoint] = []
    number = -1
    for number, envelope in enumerate(_envelopes(body)):
        if not isinstance(envelope, dict):
            raise HecError("Invalid data format", 6, number)
        content = envelope.get("event")
        if content == "metric":
            points += _points(envelope, received)
        elif content is None:
            raise HecError("Event field is required", 12, number)
        elif content == "":
            raise HecError("Event field cannot be blank", 13, number)
        else:
            events.append(_event(content, query | envelope, received))
    if number < 0:
        raise HecError("No data", 5)
    return events, points


def _envelopes(body: bytes) -> Iterator[Any]:
    """JSON values that follow each other with or without white space, or one array of them."""
    lines = body.split(b"\n")
    try:
        documents = [load_json(line) for line in lines if line.strip()]  # the usual form, and the fast one
    except ValueError:
        yield from _concatenated(decode_text(body))
        return
    for document in documents:
        yield from document if isinstance(document, list) else [document]


def _concatenated(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    at, number = 0, 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at >= len(text):
            return
        try:
            document, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise HecError("Invalid data format", 6, number) from error
        yield document
        number += 1


def _stated(envelope: dict[str, Any]) -> dict[str, Any]:
    """Fields of the envelope: time, host, source, sourcetype, index and the indexed fields."""
    extra = envelope.get("fields")
    fields = fields_from_labels(extra) if isinstance(extra, dict) else {}
    ns = epoch_to_ns(envelope.get("time"))
    if ns is not None:
        fields["@timestamp"] = ns_to_text(ns)
    names = (
        ("host.name", "host"),
        ("splunk.source", "source"),
        ("event.dataset", "sourcetype"),
        ("splunk.index", "index"),
    )
    fields.update((name, envelope[key]) for name, key in names if envelope.get(key))
    return fields


def _event(content: Any, envelope: dict[str, Any], received: int) -> RawEvent:
    stated = _stated(envelope)
    if isinstance(content, dict):
        event = event_from_object(content, None, "splunk_hec", received)
        event.fields |= stated
        return event
    return RawEvent(content if isinstance(content, str) else json_text(content), "splunk_hec", received, stated)


def _points(envelope: dict[str, Any], received: int) -> list[MetricPoint]:
    """Both forms: ``metric_name:<name>`` fields, and ``metric_name`` with ``_value``."""
    fields = envelope.get("fields")
    if not isinstance(fields, dict):
        return []
    ns = epoch_to_ns(envelope.get("time")) or received
    values = {key.removeprefix(_METRIC): one for key, one in fields.items() if key.startswith(_METRIC)}
    if "metric_name" in fields:
        values[str(fields["metric_name"])] = fields.get("_value")
    labels = {k: str(v) for k, v in fields.items() if not k.startswith(_METRIC) and k not in ("metric_name", "_value")}
    points = []
    for name, value in values.items():
        try:
            points.append(MetricPoint(name, str(envelope.get("host", "")), ns, float(value), labels))
        except (TypeError, ValueError) as error:
            raise HecError("Invalid data format", 6) from error
    return points


def _answer(text: str, code: int, status: int = 200, **more: Any) -> Response:
    return Response(orjson.dumps({"text": text, "code": code, **more}), status, media_type="application/json")


def _refusal(error: errors.LogsenseError, request: Request) -> Response:
    if isinstance(error, errors.Overloaded):
        response = _answer("Server is busy", 9, 503)  # HEC has no 429
        response.headers.update(retry_headers(error))
        return response
    if error.status == 401:  # HEC tells a token that is missing (2) from one that is wrong (4, HTTP 403)
        shown = "authorization" in request.headers or "token" in request.query_params
        return _answer("Invalid token", 4, 403) if shown else _answer("Token is required", 2, 401)
    if error.status == 403:
        return _answer("Token disabled", 1, 403)
    if isinstance(error, HecError):
        more = {} if error.number is None else {"invalid-event-number": error.number}
        return _answer(error.what, error.code, 400, **more)
    return _answer(str(error), 27 if error.status == 413 else 6, error.status)
