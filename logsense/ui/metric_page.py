"""``/metric``: one series at its full size, drawn by the server with what is usual for it, with its numbers as a table;
and the same pictures as files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from logsense.api.params import Window, window
from logsense.errors import NotFound
from logsense.pictures.curves import precision_recall_picture, reliability_picture
from logsense.pictures.frame import Picture
from logsense.pictures.series import metric_picture, risk_picture
from logsense.riskview import view as risk_view
from logsense.ui import pictures
from logsense.ui.overview_page import RANGES
from logsense.ui.rendering import page, worded
from logsense.workspace import Workspace

_Span = Annotated[Window, Depends(window)]
_Host = Annotated[str, Query(max_length=500)]
#: Points of a picture; a longer span is shown as means of longer steps.
_POINTS = 1000


def router(workspace: Workspace) -> APIRouter:
    """The page and the pictures as SVG files."""
    routes = APIRouter()

    @routes.get("/metric")
    def metric(request: Request, span: _Span, host: _Host, name: _Host) -> Response:
        view = _metric(workspace, host, name, span)
        picture = pictures.metric(view, host, name) if view["points"] else None
        return page(
            request, "metric.html", section="hosts", host=host, name=name, picture=picture,
            anomalies=worded(view["anomalies"]), incidents=worded(view["incidents"]), ranges=RANGES,
            chosen=request.query_params.get("from", ""), until=request.query_params.get("to", ""),
        )  # fmt: skip

    @routes.get("/pictures/metric.svg")
    def metric_file(span: _Span, host: _Host, name: _Host) -> Response:
        view = _metric(workspace, host, name, span)
        if not view["points"]:
            raise NotFound("There is no value in this span.", fix="choose another span")
        return _file(metric_picture(view, host, name))

    @routes.get("/pictures/risk.svg")
    def risk_file(span: _Span, host: _Host) -> Response:
        shown = risk_view(workspace, host, span.from_ns, span.to_ns)
        return _file(risk_picture(shown["course"], host, shown["incidents"], shown["threshold"]))

    @routes.get("/pictures/{kind}/{name}/{version}.svg")
    def curve_file(kind: str, name: str, version: str) -> Response:
        draw = {"reliability": reliability_picture, "pr": precision_recall_picture}.get(kind)
        return _file(draw(workspace.desk.model(name, version)["card"]) if draw else None)

    return routes


def _metric(workspace: Workspace, host: str, name: str, span: Window) -> dict[str, Any]:
    seconds = (span.to_ns - span.from_ns) / 1e9 if span.from_ns is not None and span.to_ns is not None else 0
    step_s = int(seconds // _POINTS)
    view = workspace.metric(host, name, from_=span.from_ns, to=span.to_ns, step_s=step_s if step_s > 1 else 0)
    if not view["points"] and not workspace.metric(host, name, from_=None, to=None, step_s=0)["points"]:
        raise NotFound(f"There is no series {name[:200]!r} of {host[:200]!r}.", fix="see /hosts")
    return view


def _file(picture: Picture | None) -> Response:
    if picture is None:
        raise NotFound("There is no such picture.", why="the card of this model holds no curve", fix="train it anew")
    return Response(picture.svg(standalone=True), media_type="image/svg+xml", headers={
        # A picture that is opened by itself must not load or run anything; its own style is all it needs.
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
        "cache-control": "no-store", "content-disposition": "inline; filename=picture.svg",
    })  # fmt: skip
