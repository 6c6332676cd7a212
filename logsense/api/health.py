"""Probes and the service's own metrics, for machines."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from logsense.api import examples
from logsense.api.examples import answers
from logsense.api.respond import Json
from logsense.api.schemas import Readiness
from logsense.caller import CALLER, Caller
from logsense.tenancy import DEFAULT
from logsense.workspace import Workspace

#: Seconds. Answers are meant to take milliseconds; group commits of receivers tens of them.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


def router(
    workspace: Workspace, registry: CollectorRegistry, service: CollectorRegistry, metrics_guard: Any = None
) -> APIRouter:
    """``/healthz``, ``/readyz`` and ``/metrics``; probes need no key, the counters do (``metrics_guard``).

    ``registry`` holds what the caller's tenant may see, ``service`` what sums up all requests: for the default tenant.
    """
    routes = APIRouter(tags=["health"])

    # HEAD too: probes use it, and a receiver's generic HEAD /{index} would say yes to everything.
    @routes.head("/healthz", include_in_schema=False)
    @routes.get("/healthz", response_model=dict[str, str], responses=answers({"status": "ok"}))
    def healthz() -> Json:
        """The process answers. For liveness probes: restart it when this fails."""
        return Json({"status": "ok"})

    @routes.head("/readyz", include_in_schema=False)
    @routes.get(
        "/readyz",
        response_model=Readiness,
        responses={**answers(examples.READY), 503: {"model": Readiness}},
    )
    def readyz() -> Json:
        """Index, worker, models and spool are able to work; 503 while they are not."""
        state = workspace.ready()
        return Json(state, status_code=200 if state["ready"] else 503)

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
        dependencies=[metrics_guard] if metrics_guard is not None else [],
    )
    def metrics() -> Response:
        """The service's own counters in the Prometheus exposition format."""
        shown = generate_latest(registry)
        if CALLER.get(Caller()).tenant == DEFAULT:
            shown += generate_latest(service)
        return Response(shown, headers={"content-type": CONTENT_TYPE_LATEST})

    return routes


def route_template(scope: Scope) -> str:
    """``/api/v1/logs/{log_id}`` for any line's address; 'none' when no route answers it.

    Made from what Starlette promises (path and path_params), because how an included router's prefix is kept differs
    between versions of FastAPI.
    """
    if "endpoint" not in scope:
        return "none"
    head, tail = str(scope["path"]), ""
    for name, value in reversed(scope.get("path_params", {}).items()):
        at = head.rfind(str(value))
        if at >= 0:
            head, tail = head[:at], f"{{{name}}}{head[at + len(str(value)) :]}{tail}"
    return head + tail


class CountRequests:
    """Counts answers and their durations by route, so that paths with ids do not become series of their own."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self.app = app
        self.requests = Counter(
            "logsense_http_requests", "Answered requests", ("method", "route", "status"), registry=registry
        )
        self.seconds = Histogram(
            "logsense_http_request_seconds", "Time to answer", ("route",), registry=registry, buckets=_BUCKETS
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            route = route_template(scope)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self.requests.labels(method, route, str(status)).inc()
            self.seconds.labels(route).observe(time.perf_counter() - begin)


_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}
