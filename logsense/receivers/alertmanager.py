"""Alerts of others: what Prometheus sends to an Alertmanager, and what an Alertmanager posts to its webhooks.

An alert becomes a line (searchable, durable like any other) with ``event.kind: alert``; the pipeline makes a signal
of it that joins or opens an incident.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from logsense import errors
from logsense.caller import CALLER, Caller
from logsense.receivers._body import BodyLimits, off_loop, read_body
from logsense.receivers._guard import guarded_route, retry_headers
from logsense.receivers._times import ns_to_text
from logsense.record import RawEvent
from logsense.stages import Intake

#: Labels that name the place, the first that is present wins; a port is taken off.
_HOST = ("host", "hostname", "node", "nodename", "instance", "server", "machine")
_SERVICE = ("service", "service_name", "app", "application", "job", "container")
#: How monitoring systems name severities → ours. Anything else is an error: somebody wants to be told.
_LEVEL = {
    "critical": "critical", "page": "critical", "emergency": "critical", "disaster": "critical", "fatal": "critical",
    "error": "error", "high": "error", "major": "error", "warning": "warning", "warn": "warning", "minor": "warning",
    "average": "warning", "low": "notice", "info": "info", "information": "info", "none": "info",
}  # fmt: skip
_ZERO_TIME = "0001-"
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class AlertmanagerOptions:
    """The alert receiver."""

    #: Sizes of requests.
    limits: BodyLimits = field(default_factory=BodyLimits)
    #: Senders repeat an alert every minute as long as it lasts: a repetition within so many seconds is no new line.
    repeat_s: float = 600.0


class AlertmanagerReceiver:
    """``/api/v2/alerts`` (Prometheus, vmalert, Loki's ruler) and ``/api/v1/alerts`` (webhooks; any JSON list).

    Senders repeat an alert every minute as long as it lasts; that becomes a line every ``repeat_s`` only.
    """

    name = "alertmanager"
    prefix = "/alertmanager"

    def __init__(self, options: AlertmanagerOptions | None = None) -> None:
        self.options = options or AlertmanagerOptions()

    def router(self, intake: Intake) -> APIRouter:
        """200 when all of it is kept."""
        router = APIRouter(route_class=guarded_route(_refusal), include_in_schema=False)
        # (tenant, id) -> when it last became a line: an alert of one tenant is no repetition of another's.
        kept: OrderedDict[tuple[str, str], float] = OrderedDict()

        async def alerts(request: Request) -> Response:
            body = await read_body(request, self.options.limits)
            events = await off_loop(body, parse_alerts)
            now, tenant = time.monotonic(), CALLER.get(Caller()).tenant
            fresh = [e for e in events if now - kept.get((tenant, str(e.id)), -math.inf) >= self.options.repeat_s]
            await intake.accept(fresh)
            for event in fresh:
                kept[tenant, str(event.id)] = now
                kept.move_to_end((tenant, str(event.id)))
            while len(kept) > _REMEMBERED:
                kept.popitem(last=False)
            return Response(b'{"status":"success"}', media_type="application/json")

        async def status(request: Request) -> Response:
            # What clients ask before they send; amtool shows it.
            return Response(orjson.dumps({"cluster": {"status": "disabled"}, "versionInfo": {"version": "0.27.0"},
                                          "config": {"original": ""}, "uptime": ns_to_text(time.time_ns())}),
                            media_type="application/json")  # fmt: skip

        for path in ("/api/v2/alerts", "/api/v1/alerts"):
            router.add_api_route(path, alerts, methods=["POST"])
        router.add_api_route("/api/v2/status", status, methods=["GET"])
        return router


def parse_alerts(body: bytes) -> list[RawEvent]:
    """Alerts as events: a list of them, or an object with ``alerts``. Raises BadInput."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise errors.BadInput("The alerts are not JSON.", why=str(error), fix="send what Alertmanager sends") from error
    if isinstance(document, dict):
        document = document.get("alerts", [document])
    if not isinstance(document, list) or not all(isinstance(one, dict) for one in document):
        raise errors.BadInput("The alerts are no list of objects.", fix="send what Alertmanager sends")
    now = time.time_ns()
    return [_event(one, now) for one in document]


def _event(alert: Mapping[str, Any], now_ns: int) -> RawEvent:
    labels, notes = _texts(alert.get("labels")), _texts(alert.get("annotations"))
    ends = str(alert.get("endsAt") or "")
    starts = str(alert.get("startsAt") or "")
    # Prometheus states an end in the future while the alert fires, and one in the past when it is over.
    over = alert.get("status") == "resolved" if "status" in alert else _is_past(ends, now_ns)
    name = labels.get("alertname") or "alert"
    said = notes.get("summary") or notes.get("description") or notes.get("message") or ""
    action = "resolved" if over else "firing"
    message = f"Alert {name} is {action}" + (f": {said}" if said else "")
    host = next((labels[k] for k in _HOST if labels.get(k)), "")
    service = next((labels[k] for k in _SERVICE if labels.get(k)), "")
    level = "info" if over else _LEVEL.get(labels.get("severity", "").lower(), "error")
    fields: dict[str, Any] = {
        "event.kind": "alert", "event.action": action, "rule.name": name, "log.level": level,
        **{f"labels.{k}": v for k, v in labels.items()},
    }  # fmt: skip
    if host:
        fields["host.name"] = _without_port(host)
    if service:
        fields["service.name"] = service
    if notes.get("description") and notes["description"] != said:
        fields["rule.description"] = notes["description"]
    if url := notes.get("runbook_url") or alert.get("generatorURL"):
        fields["rule.reference"] = str(url)
    moment = ends if over else starts
    if moment and not moment.startswith(_ZERO_TIME):
        fields["@timestamp"] = moment
    # Who states an end repeats the alert before it comes; who does not sends a word when it is over.
    fields["event.end"] = ends if ends and not ends.startswith(_ZERO_TIME) else ""
    identity = hashlib.sha256(repr((sorted(labels.items()), starts, action)).encode()).hexdigest()[:24]
    fields["event.id"] = hashlib.sha256(repr((sorted(labels.items()), starts)).encode()).hexdigest()[:16]
    return RawEvent(message, "alerts", now_ns, fields, f"alert-{identity}")


def _texts(value: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name.strip("[]") if name and port.isdigit() else host


def _is_past(moment: str, now_ns: int) -> bool:
    from datetime import datetime

    if not moment or moment.startswith(_ZERO_TIME):
        return False
    try:
        return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp() * 1e9 <= now_ns
    except (ValueError, OverflowError):
        return False


def _refusal(error: errors.LogsenseError, request: Request) -> Response:
    return Response(
        orjson.dumps({"code": error.status, "message": f"{error.what} {error.why}".strip()}), error.status,
        retry_headers(error), "application/json",
    )  # fmt: skip
