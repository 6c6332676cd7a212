"""One application from a workspace, an intake and the receivers.

Order of the routes decides who answers a path that two could: API, then pages, then receivers. The one path where
that would hurt is ``/``: it is the overview for people and the handshake that Elasticsearch clients begin with. A
request that names ``text/html`` in Accept, as every browser and no shipper does, gets the page; all others get the
receiver's answer, or the page when no receiver wants ``/``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from prometheus_client import CollectorRegistry
from starlette.types import Lifespan

import logsense
from logsense.api import (
    diagnose,
    elastic_search,
    failures,
    forecasts,
    health,
    incidents,
    models,
    problems,
    search,
    series,
    sources,
    tail,
    templates,
)
from logsense.api.auth import guard
from logsense.api.options import ApiOptions
from logsense.api.schemas import Problem
from logsense.api.security import SecurityHeaders
from logsense.api.stream import Streams
from logsense.stages import Intake, Receiver
from logsense.ui import language, login, pages, switch
from logsense.workspace import Workspace

__all__ = ["ApiOptions", "create_app"]

_DESCRIPTION = """Log analytics that says what broke, why, and what is about to.

Times in answers are RFC 3339 in UTC. Times in parameters may also be epochs or relative (`-15m`, `now`).
Every error is a problem (RFC 9457) that says what happened, why, where, and what to do about it."""

_PROBLEM: dict[str, Any] = {
    "description": "What went wrong and what to do",
    "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
}


def create_app(
    workspace: Workspace,
    intake: Intake,
    receivers: Sequence[Receiver],
    *,
    metrics_registry: CollectorRegistry | None = None,
    lifespan: Lifespan[FastAPI] | None = None,
    options: ApiOptions | None = None,
) -> FastAPI:
    """Join them. ``metrics_registry`` is what ``/metrics`` shows of the caller's tenant; ``lifespan`` starts and stops
    what runs beside the application.

    Blocking calls of the workspace run in the thread pool; receivers run in the event loop.
    """
    options = options or ApiOptions()
    registry, service = metrics_registry or CollectorRegistry(), CollectorRegistry()
    app = FastAPI(
        title=options.title,
        version=logsense.__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses={401: _PROBLEM, 403: _PROBLEM, 404: _PROBLEM, 422: _PROBLEM},
    )
    read, act = Depends(guard(options, "read")), Depends(guard(options, "act"))
    streams = Streams(options)
    resources = (
        search.router(workspace),
        tail.router(workspace, streams),
        incidents.router(workspace),
        templates.router(workspace),
        forecasts.router(workspace),
        series.router(workspace),
        diagnose.router(workspace),
        sources.router(workspace),
        models.router(workspace),
        failures.router(workspace),
    )
    for resource in resources:
        app.include_router(resource, prefix="/api/v1", dependencies=[read])
    app.include_router(incidents.action_router(workspace), prefix="/api/v1", dependencies=[act])
    app.include_router(templates.edit_router(workspace), prefix="/api/v1", dependencies=[act])
    app.include_router(models.action_router(workspace), prefix="/api/v1", dependencies=[act])
    app.include_router(failures.action_router(workspace), prefix="/api/v1", dependencies=[act])
    app.include_router(elastic_search.router(workspace), dependencies=[read])
    app.include_router(health.router(workspace, registry, service, metrics_guard=read))
    if options.keys is not None:
        app.include_router(login.router(options.keys))

    app.include_router(pages.static())
    app.include_router(switch.router())
    app.include_router(pages.home_for_browsers(workspace), dependencies=[read])
    app.include_router(pages.router(workspace, streams), dependencies=[read])
    app.include_router(pages.actions(workspace), dependencies=[act])
    _mount(app, receivers, intake, Depends(guard(options, "ingest")))
    app.include_router(pages.home(workspace), dependencies=[read])

    problems.install(app, html=pages.problem_page, login=login.to_login if options.keys is not None else None)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(language.Speak)
    app.add_middleware(health.CountRequests, registry=service)
    return app


def _mount(app: FastAPI, receivers: Sequence[Receiver], intake: Intake, ingest: Any) -> None:
    """Each under its prefix, then at its native paths, so that a shipper needs only another host.

    Routers with a variable first segment (``/{index}/_bulk``) go last, or they would take what others own.
    """
    for receiver in receivers:
        if receiver.prefix:
            prefixed = receiver.router(intake)
            app.include_router(prefixed, prefix=receiver.prefix, dependencies=[ingest], include_in_schema=False)
    native = [(receiver, receiver.router(intake)) for receiver in receivers]
    for receiver, routes in sorted(native, key=lambda pair: _is_generic(pair[1])):
        app.include_router(routes, dependencies=[ingest], tags=[f"receiver: {receiver.name}"])


def _is_generic(routes: APIRouter) -> bool:
    return any(getattr(route, "path", "").startswith(("/{", "/<")) for route in routes.routes)
