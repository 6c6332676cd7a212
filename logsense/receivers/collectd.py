"""collectd's ``write_http`` plugin with ``Format "JSON"``: ``POST /collectd``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response

from logsense import errors
from logsense.receivers._body import BodyLimits, off_loop, read_body
from logsense.receivers._events import load_json, now_ns
from logsense.receivers._guard import guarded_route, retry_headers
from logsense.receivers._times import epoch_to_ns, ns_to_text
from logsense.record import MetricPoint, RawEvent
from logsense.stages import Intake

#: collectd's severities of notifications.
_LEVELS = {"FAILURE": "error", "WARNING": "warning", "OKAY": "info"}


@dataclass(frozen=True, slots=True)
class CollectdOptions:
    """The collectd receiver."""

    #: Sizes of requests.
    limits: BodyLimits = field(default_factory=BodyLimits)


class CollectdReceiver:
    """Values become points ``plugin.type[.data source]``; instances are labels. Notifications become lines."""

    name = "collectd"
    prefix = ""

    def __init__(self, options: CollectdOptions | None = None) -> None:
        self.options = options or CollectdOptions()

    def router(self, intake: Intake) -> APIRouter:
        """200; collectd keeps and sends again what gets 429 or 5xx only as long as its buffer lasts."""
        router = APIRouter(route_class=guarded_route(_refusal), include_in_schema=False)

        async def write(request: Request) -> Response:
            body = await read_body(request, self.options.limits)
            events, points = await off_loop(body, parse_collectd)
            await intake.accept(events, points)
            return Response("OK\n", media_type="text/plain")

        router.add_api_route("/collectd", write, methods=["POST"])
        return router


def parse_collectd(body: bytes) -> tuple[list[RawEvent], list[MetricPoint]]:
    """Events and points of a JSON array of value lists and notifications. Raises BadInput."""
    received = now_ns()
    events: list[RawEvent] = []
    points: list[MetricPoint] = []
    try:
        document = load_json(body)
        for item in document if isinstance(document, list) else [document]:
            if "message" in item and "values" not in item:
                events.append(_notification(item, received))
            else:
                points += _points(item, received)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise errors.BadInput(
            "The body is no collectd JSON", why=f"{type(error).__name__}: {error}", fix='set Format "JSON"'
        ) from error
    return events, points


def _points(item: dict[str, Any], received: int) -> list[MetricPoint]:
    ns = epoch_to_ns(item.get("time")) or received
    base = f"{item['plugin']}.{item['type']}"
    labels = {
        label: str(item[key])
        for label, key in (("instance", "plugin_instance"), ("type_instance", "type_instance"))
        if item.get(key)
    }
    names = [str(name) for name in item.get("dsnames") or []]
    points = []
    for number, value in enumerate(item["values"]):
        if value is None or not math.isfinite(float(value)):
            continue  # null: collectd does not know
        one = names[number] if number < len(names) else "value"
        name = base if one == "value" and len(item["values"]) == 1 else f"{base}.{one}"
        points.append(MetricPoint(name, str(item.get("host", "")), ns, float(value), labels))
    return points


def _notification(item: dict[str, Any], received: int) -> RawEvent:
    ns = epoch_to_ns(item.get("time")) or received
    fields: dict[str, Any] = {"@timestamp": ns_to_text(ns), "service.name": str(item.get("plugin") or "collectd")}
    if item.get("host"):
        fields["host.name"] = str(item["host"])
    level = _LEVELS.get(str(item.get("severity", "")).upper())
    if level:
        fields["log.level"] = level
    return RawEvent(str(item["message"]), "collectd", received, fields)


def _refusal(error: errors.LogsenseError, request: Request) -> Response:
    return Response(f"{error}\n", error.status, retry_headers(error), "text/plain")
