"""``/charts/…``: the data of the interactive charts, fetched when a chart scrolls into view."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from logsense.api.params import Window, window
from logsense.api.respond import Json
from logsense.errors import LogsenseError
from logsense.riskview import view as risk_view
from logsense.ui import charts
from logsense.ui.format import nanoseconds, path, plain
from logsense.ui.language import gettext
from logsense.ui.sparks import Point, clean, thin
from logsense.workspace import Workspace

Theme = Literal["light", "dark"]
#: More points than pixels only cost time.
MOST_POINTS = 1200
_SPAN = Annotated[Window, Depends(window)]


def router(workspace: Workspace) -> APIRouter:
    """Bokeh documents as JSON. Errors are those of the API."""
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
        band: bool = False,
    ) -> Json:
        seconds = (span.to_ns - span.from_ns) / 1e9 if span.from_ns is not None and span.to_ns is not None else 0
        step = int(seconds // MOST_POINTS)
        step_s = step if step > 1 else 0
        usual: list[tuple[int, float, float]] = []
        spans: list[charts.Span] = []
        noticed: list[dict[str, Any]] = []
        about = _incident(workspace, incident) if incident else None
        if band:
            view = workspace.metric(host, name, from_=span.from_ns, to=span.to_ns, step_s=step_s)
            points = clean(thin(view["points"], MOST_POINTS))
            usual = [(ns, low, high) for t, low, high in view["band"] if (ns := nanoseconds(t)) is not None]
            spans = [_span(i) for i in view["incidents"]]
            noticed = view["anomalies"]
        else:
            found = workspace.series(host, name, from_=span.from_ns, to=span.to_ns, step_s=step_s)
            points = clean(thin(found[0]["points"], MOST_POINTS)) if found else []
        moment = nanoseconds(at)
        marks = _anomalies(about["timeline"] if about else noticed, host, name, points)
        if moment is not None and points:  # at the value of the nearest point, so that the mark lies on the line
            marks.append(min(points, key=lambda p: abs(p[0] - moment)))
        return Json(
            charts.metric_chart(
                points,
                name,
                theme,
                window=_window(span.from_ns, span.to_ns),
                spans=[_span(about)] if about else spans,
                band=usual,
                anomalies=marks,
                expected=_expected(about, host, name) if about else [],
            )
        )

    @routes.get("/charts/risk")
    def risk(span: _SPAN, host: Annotated[str, Query(max_length=500)], theme: Theme = "light") -> Json:
        shown = risk_view(workspace, host, span.from_ns, span.to_ns)
        points, meanwhile = clean(shown["course"]), shown["incidents"]
        return Json(
            charts.metric_chart(
                points, gettext("risk"), theme, window=_window(span.from_ns, span.to_ns),
                spans=[_span(i) for i in meanwhile], share=True,
            )
        )  # fmt: skip

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


def _anomalies(entries: list[dict[str, Any]], host: str, name: str, points: list[Point]) -> list[Point]:
    """For each anomaly of this series the point that lies farthest from what was expected then."""
    marked = []
    for entry in entries:
        start, end = nanoseconds(entry["@timestamp"]), nanoseconds(entry.get("end"))
        if entry.get("metric") != name or entry["host"] != host or start is None:
            continue
        usual = _usual(entry)
        meanwhile = [p for p in points if start <= p[0] <= (end or start)]
        if meanwhile:
            marked.append(meanwhile[0] if usual is None else max(meanwhile, key=lambda p: abs(p[1] - usual)))
    return marked


def _expected(incident: dict[str, Any], host: str, name: str) -> list[tuple[int, int, float]]:
    """What the detector had expected meanwhile."""
    lines = []
    for entry in incident["timeline"]:
        start, end = nanoseconds(entry["@timestamp"]), nanoseconds(entry.get("end"))
        value = _usual(entry)
        if entry.get("metric") == name and entry["host"] == host and value is not None and start and end:
            lines.append((start, end, value))
    return lines


def _usual(entry: dict[str, Any]) -> float | None:
    """The value that was expected; of a joint change of many series it is not one of this series."""
    expected = entry.get("expected")
    return float(expected) if expected is not None and entry["kind"] in ("metric.high", "metric.low") else None
