"""``/hosts`` and ``/hosts/{host}``: risk and metrics."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from logsense.api.params import Window, window
from logsense.errors import NotFound
from logsense.riskview import view as risk_view
from logsense.timefmt import iso
from logsense.ui import pictures
from logsense.ui.format import SECOND, nanoseconds, risk_class
from logsense.ui.overview_page import RANGES
from logsense.ui.rendering import page, worded
from logsense.ui.sparks import thin
from logsense.workspace import Workspace

#: Sparklines are for a glance: this many metrics a host, on this many hosts.
SPARKS, SPARK_HOSTS, CHARTS = 4, 24, 60
#: What people look at first, by the words in a metric's name.
_FIRST = ("cpu", "mem", "disk", "load", "swap", "net", "io")
_FULLNESS = ("util", "usage", "used", "percent")
_RISK_ORDER = {"high": 0, "medium": 1, "low": 2, "unknown": 3}


def router(workspace: Workspace) -> APIRouter:
    """Hosts."""
    routes = APIRouter()

    @routes.get("/hosts")
    def hosts(request: Request) -> Response:
        found = sorted(
            workspace.hosts(),
            key=lambda h: (-h["open_incidents"], _RISK_ORDER[risk_class(h["risk"])], h["host"]),
        )
        sparks = {h["host"]: _sparks(workspace, h["host"]) for h in found[:SPARK_HOSTS] if h["metrics"]}
        return page(request, "hosts.html", section="hosts", hosts=found, sparks=sparks)

    @routes.get("/hosts/{host:path}")
    def host(request: Request, host: str, span: Annotated[Window, Depends(window)]) -> Response:
        known = next((h for h in workspace.hosts() if h["host"] == host), None)
        if known is None:
            raise NotFound(
                f"There is no host {host[:200]!r}", why="nothing arrived from it", where="host", fix="see /hosts"
            )
        names = sorted({s["name"] for s in workspace.series(host)}, key=_rank)
        odd = _odd(workspace, host, span)
        names.sort(key=lambda name: -odd.get(name, 0))  # stable: what stood out first, then as before
        charts = [{**_chart(workspace, host, name, span), "odd": odd.get(name, 0)} for name in names[:CHARTS]]
        concerned = [i for i in worded(workspace.incidents(limit=500)) if host in i["hosts"]]
        shown = risk_view(workspace, host, span.from_ns, span.to_ns)
        course = shown["course"]
        reasons = (known["risk"] or {}).get("reasons") or []
        return page(
            request,
            "host.html",
            section="hosts",
            host=known,
            charts=[c for c in charts if c["points"]],
            left_out=max(0, len(names) - CHARTS),
            incidents=concerned[:10],
            risk_points=course,
            risk=pictures.risk({**shown, "incidents": worded(shown["incidents"])}, host) if course else None,
            risk_to=iso((nanoseconds(course[-1][0]) or 0) + SECOND) if course else "",
            reason_most=max((abs(r["weight"]) for r in reasons), default=0) or 1,
            ranges=RANGES,
            chosen=request.query_params.get("from", ""),
        )

    return routes


def _odd(workspace: Workspace, host: str, span: Window) -> dict[str, int]:
    """Metric -> anomalies of the span, among the strongest that the overview holds."""
    counts: dict[str, int] = {}
    for anomaly in workspace.overview(from_=span.from_ns, to=span.to_ns)["anomalies"]:
        if anomaly["host"] == host and anomaly.get("metric"):
            counts[anomaly["metric"]] = counts.get(anomaly["metric"], 0) + 1
    return counts


def _rank(name: str) -> tuple[int, bool, str]:
    """Kind of metric, then how full or busy before all else, then the alphabet."""
    lowered = name.lower()
    kind = next((at for at, word in enumerate(_FIRST) if word in lowered), len(_FIRST))
    return kind, not any(word in lowered for word in _FULLNESS), name


def _sparks(workspace: Workspace, host: str) -> list[dict[str, Any]]:
    """One series for each of the first kinds of metric, so that not all four are of the CPU."""
    names = sorted((s["name"] for s in workspace.series(host)), key=_rank)
    chosen: dict[int, str] = {}
    for name in names:
        chosen.setdefault(_rank(name)[0], name)
    return [
        {"name": name, "points": _points(workspace, host, name, Window(None, None), 60)}
        for name in list(chosen.values())[:SPARKS]
    ]


def _chart(workspace: Workspace, host: str, name: str, span: Window) -> dict[str, Any]:
    points = _points(workspace, host, name, span, 200)
    values = [p[1] for p in points if p[1] is not None]
    return {"host": host, "metric": name, "points": points, "last": values[-1] if values else None}


def _points(workspace: Workspace, host: str, name: str, span: Window, most: int) -> list[list[Any]]:
    found = workspace.series(host, name, from_=span.from_ns, to=span.to_ns, step_s=60)
    return thin(found[0]["points"], most) if found else []
