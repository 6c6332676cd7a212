"""Datadog's log intake: the Datadog agent, Vector, Fluent Bit."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson
from fastapi import APIRouter, Request, Response

from logsense import errors
from logsense.receivers._body import BodyLimits, off_loop, read_body
from logsense.receivers._guard import guarded_route, retry_headers
from logsense.receivers.jsonlines import parse_events
from logsense.record import RawEvent
from logsense.stages import Intake


@dataclass(frozen=True, slots=True)
class DatadogOptions:
    """The Datadog receiver."""

    #: Sizes of requests.
    limits: BodyLimits = field(default_factory=BodyLimits)


class DatadogReceiver:
    """``/api/v2/logs`` and ``/v1/input``: an array of entries, one entry, or ``{}`` (the agent's start-up probe)."""

    name = "datadog"
    prefix = "/datadog"

    def __init__(self, options: DatadogOptions | None = None) -> None:
        self.options = options or DatadogOptions()

    def router(self, intake: Intake) -> APIRouter:
        """202 when all of it is kept. The agent retries all errors but 400, 401, 403 and 413."""
        router = APIRouter(route_class=guarded_route(_refusal), include_in_schema=False)

        async def logs(request: Request) -> Response:
            body = await read_body(request, self.options.limits)
            events = await off_loop(body, parse_datadog, request.headers.get("content-type", ""))
            await intake.accept(events)
            return Response(b"{}", 202, media_type="application/json")

        async def validate() -> Response:
            return Response(b'{"valid":true}', media_type="application/json")

        for path in ("/api/v2/logs", "/v1/input", "/v1/input/{key}"):
            router.add_api_route(path, logs, methods=["POST"])
        router.add_api_route("/api/v1/validate", validate, methods=["GET"])
        return router


def parse_datadog(body: bytes, content_type: str) -> list[RawEvent]:
    """Entries ``{message, status, timestamp, hostname, service, ddsource, ddtags}`` as events. Raises BadInput."""
    if body.strip() == b"{}":
        return []
    events = parse_events(body, content_type, "datadog")
    for event in events:
        fields = event.fields
        status = fields.pop("status", None)
        if status is not None:
            fields.setdefault("log.level", status)
        tags = fields.pop("ddtags", None)
        if isinstance(tags, str) and tags:
            fields["tags"] = tags.split(",")
        dataset = fields.pop("ddsource", None)
        if dataset:
            fields["event.dataset"] = dataset
    return events


def _refusal(error: errors.LogsenseError, request: Request) -> Response:
    detail = {"status": str(error.status), "title": error.what, "detail": error.why}
    return Response(orjson.dumps({"errors": [detail]}), error.status, retry_headers(error), "application/json")
