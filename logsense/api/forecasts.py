"""Failure forecasts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from logsense.api import examples
from logsense.api.examples import answers
from logsense.api.params import start
from logsense.api.respond import Json
from logsense.api.schemas import ForecastItem
from logsense.workspace import Workspace


def router(workspace: Workspace) -> APIRouter:
    """``/forecasts``."""
    routes = APIRouter(tags=["forecasts"])

    @routes.get("/forecasts", response_model=list[ForecastItem], responses=answers([examples.FORECAST]))
    def forecasts(
        from_ns: Annotated[int | None, Depends(start)],
        host: Annotated[str | None, Query(max_length=500, description="Only of this host", examples=["db1"])] = None,
        limit: Annotated[int, Query(ge=1, le=10_000, description="Forecasts in this answer")] = 200,
    ) -> Json:
        """How likely each host fails within the horizon, newest first, with the reasons."""
        return Json(workspace.forecasts(host=host, from_=from_ns, limit=limit))

    return routes
