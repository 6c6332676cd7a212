"""Where logs come from: the overview, hosts and the health of the sources."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from logsense.api import examples
from logsense.api.examples import answers
from logsense.api.params import Window, window
from logsense.api.respond import Json
from logsense.api.schemas import HostItem, Overview, SourceHealth
from logsense.workspace import Workspace


def router(workspace: Workspace) -> APIRouter:
    """``/overview``, ``/hosts`` and ``/sources``."""
    routes = APIRouter(tags=["overview"])

    @routes.get("/overview", response_model=Overview, responses=answers(examples.OVERVIEW))
    def overview(span: Annotated[Window, Depends(window)]) -> Json:
        """Volume by level, open incidents, risk and latest anomalies; without a span, of all that is held."""
        return Json(workspace.overview(from_=span.from_ns, to=span.to_ns))

    @routes.get("/hosts", response_model=list[HostItem], responses=answers([examples.HOST]))
    def hosts() -> Json:
        """Every host with its services and its present risk."""
        return Json(workspace.hosts())

    @routes.get("/sources", response_model=list[SourceHealth], responses=answers([examples.SOURCE]))
    def sources() -> Json:
        """What each source delivered, what could not be parsed, and what to do about it."""
        return Json(workspace.doctor())

    return routes
