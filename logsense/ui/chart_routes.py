"""``/charts/…``: the data of the interactive charts, fetched when a chart scrolls into view."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from logsense.api.params import Window, window
from logsense.api.respond import Json
from logsense.errors import LogsenseError
from logsense.ui import charts
from logsense.ui.format import nanoseconds, path, plain
from logsense.ui.sparks import clean, thin
from logsense.workspace import Workspace

Theme = Literal["light", "dark"]
#: More points than pixels only cost time.
MOST_POINTS = 1200
_SPAN = Annotated[Window, Depends(window)]


def router(workspace: Workspace) -> APIRouter:
    """Bokeh documents as JSON."""
    routes = APIRouter()

    @routes.get("/charts/volume")
    def volume(span: _SPAN, theme: Theme = "light") -> Json:
        state = workspace.overview(from_=span.from_ns, to=span.to_ns)
        histogram = state["histogram"]
        anomalies = [(nanoseconds(a["@timestamp"]), plain(f"{a['host']} {a['text']}")) for a in state["anomalies"]]
        return Json(
            charts.volume_chart(
                {level: clean(points) for level, points in histogram["series"].items()},
                int(histogram["step_s"] * 1e9) or 1,
                theme,
                window=_window(nanoseconds(state["from"]), nanoseconds(state["to"])),
                spans=[_span(i) for i in state["incidents"]],
                anomalies=[(at, text) for at, text in anomalies if at is not None],
            )
        )

    @routes.get("/charts/metric")
    def metric(
        span: _SPAN,
        host: Annotated[str, Query(max_length=500)],
        name: Annotated[str, Query(max_length=500)],
        theme: Theme = "light",
        incident: str = "",
        at: Annotated[str, Query(description="A moment to mark, RFC 3339")] = "",
    ) -> Json:
        seconds = (span.to_ns - span.from_ns) / 1e9 if span.from_ns is not None and span.to_ns is not None else 0
        step = int(seconds // MOST_POINTS)
        found = workspace.series(host, name, from_=span.from_ns, to=span.to_ns, step_s=step if step > 1 else 0)
        points = clean(thin(found[0]["points"], MOST_POINTS)) if found else []
        about = _incident(workspace, incident) if incident else None
        moments = [nanoseconds(at), *(_moments(about, host, name) if about else ())]
        return Json(
            charts.metric_chart(
                points,
                name,
                theme,
                window=_window(span.from_ns, span.to_ns),
                spans=[_span(about)] if about else [],
                # At the value of the nearest point, so that the marks lie on the line.
                anomalies=[min(points, key=lambda p: abs(p[0] - m)) for m in moments if m is not None and points],
                expected=_expected(about, host, name) if about else [],
            )
        )

    return routes


def _window(start: int | None, end: int | None) -> tuple[int, int] | None:
    return (start, end) if start is not None and end is not None and start < end else None


def _incident(workspace: Workspace, incident_id: str) -> dict[str, Any] | None:
    """A chart without its shading is better than none, so an unknown id is no error."""
    try:
        return workspace.incident(incident_id)
    except LogsenseError:
        return None


def _span(incident: dict[str, Any]) -> charts.Span:
    start = nanoseconds(incident["start"]) or 0
    end = nanoseconds(incident["end"] or incident["last"]) or start
    return charts.Span(start, end, plain(incident["title"]), f"/incidents/{path(incident['id'])}")


def _moments(incident: dict[str, Any], host: str, name: str) -> list[int | None]:
    """When this series was anomalous."""
    return [
        nanoseconds(entry["@timestamp"])
        for entry in incident["timeline"]
        if entry.get("metric") == name and entry["host"] == host
    ]


def _expected(incident: dict[str, Any], host: str, name: str) -> list[tuple[int, int, float]]:
    """What the detector had expected meanwhile."""
    lines = []
    for entry in incident["timeline"]:
        start, end = nanoseconds(entry["@timestamp"]), nanoseconds(entry.get("end"))
        value = entry.get("expected")
        if entry.get("metric") == name and entry["host"] == host and value is not None and start and end:
            lines.append((start, end, float(value)))
    return lines
