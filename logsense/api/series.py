"""Metric series."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from logsense.api import examples
from logsense.api.examples import answers
from logsense.api.params import Window, window
from logsense.api.problems import BadParameter
from logsense.api.respond import Json
from logsense.api.schemas import SeriesItem
from logsense.workspace import Workspace


def router(workspace: Workspace) -> APIRouter:
    """``/metrics/series``."""
    routes = APIRouter(tags=["metrics"])

    @routes.get("/metrics/series", response_model=list[SeriesItem], responses=answers([examples.SERIES]))
    def series(
        span: Annotated[Window, Depends(window)],
        host: Annotated[str | None, Query(max_length=500, description="Only of this host", examples=["db1"])] = None,
        name: Annotated[
            str | None,
            Query(max_length=500, description="A series, with its labels", examples=["disk.util{device=sda}"]),
        ] = None,
        step: Annotated[int, Query(ge=0, le=86_400, description="Seconds to average over; 0: as recorded")] = 0,
    ) -> Json:
        """Which series there are; with `host` and `name`, the points of one."""
        if name and not host:
            raise BadParameter(
                "name needs host", why="series are kept per host", where="host", fix="add host=… to the request"
            )
        return Json(workspace.series(host, name, from_=span.from_ns, to=span.to_ns, step_s=step))

    return routes
