"""All pages, in the order of the navigation. Each resource has a module; this one joins them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from logsense.api.params import Window, window
from logsense.api.respond import scope_wants_html
from logsense.api.stream import Streams
from logsense.ui import (
    assets,
    chart_routes,
    host_pages,
    incident_pages,
    live_pages,
    log_pages,
    metric_page,
    model_pages,
    overview_page,
    search_page,
    service_pages,
    template_pages,
)
from logsense.ui.rendering import problem_page
from logsense.workspace import Workspace

__all__ = ["actions", "home", "home_for_browsers", "problem_page", "router", "static"]


class BrowserRoute(APIRoute):
    """Matches only what a browser sends, and leaves the path to later routes otherwise."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or not scope_wants_html(scope):
            return Match.NONE, {}
        return super().matches(scope)


def router(workspace: Workspace, streams: Streams) -> APIRouter:
    """Every page but ``/`` (see ``api.app``) and the data of the charts."""
    routes = APIRouter(include_in_schema=False)
    for part in (
        incident_pages.router(workspace),
        live_pages.router(workspace, streams),
        search_page.router(workspace),
        log_pages.router(workspace),
        template_pages.router(workspace),
        host_pages.router(workspace),
        service_pages.router(workspace),
        model_pages.router(workspace),
        metric_page.router(workspace),
        chart_routes.router(workspace),
    ):
        routes.include_router(part)
    return routes


def static() -> APIRouter:
    """Style sheets, scripts and icons: the login page needs them before there is a key."""
    routes = APIRouter(include_in_schema=False)
    routes.include_router(assets.router())
    return routes


def actions(workspace: Workspace) -> APIRouter:
    """The forms of the incident, template and model pages: the only pages that change something."""
    routes = APIRouter(include_in_schema=False)
    routes.include_router(incident_pages.actions(workspace))
    routes.include_router(template_pages.actions(workspace))
    routes.include_router(model_pages.actions(workspace))
    return routes


def home_for_browsers(workspace: Workspace) -> APIRouter:
    """``/`` when a browser asks."""
    return _home(workspace, BrowserRoute)


def home(workspace: Workspace) -> APIRouter:
    """``/`` for whoever asks, when no receiver wanted it."""
    return _home(workspace, APIRoute)


def _home(workspace: Workspace, route_class: type[APIRoute]) -> APIRouter:
    routes = APIRouter(include_in_schema=False, route_class=route_class)

    @routes.get("/")
    def overview(request: Request, span: Annotated[Window, Depends(window)]) -> Response:
        return overview_page.render(workspace, request, span)

    return routes
