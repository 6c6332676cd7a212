"""``/logs/{id}``: a line and what surrounds it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from logsense.timefmt import iso
from logsense.ui.format import SECOND, nanoseconds
from logsense.ui.language import marked
from logsense.ui.rendering import page
from logsense.workspace import Workspace

#: How far "around" reaches, in seconds, for lines of all services and hosts.
AROUND = ((marked("10 s"), 10), (marked("1 min"), 60), (marked("10 min"), 600))


def router(workspace: Workspace) -> APIRouter:
    """Reading lines."""
    routes = APIRouter()

    @routes.get("/logs/{log_id:path}")
    def log(request: Request, log_id: str, context: Annotated[int, Query(ge=0, le=200)] = 10) -> Response:
        shown = workspace.log(log_id, context)
        at = nanoseconds(shown["hit"]["@timestamp"]) or 0
        near = {label: {"from_": iso(max(0, at - s * SECOND)), "to": iso(max(1, at + s * SECOND))}
                for label, s in AROUND}  # fmt: skip
        return page(request, "log.html", section="search", context=context, near=near, **shown)

    return routes
