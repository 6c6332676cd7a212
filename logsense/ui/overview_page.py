"""``/``: is anything wrong, since when, where."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from logsense.api.params import Window
from logsense.ui.format import nanoseconds, risk_class
from logsense.ui.rendering import page, worded
from logsense.ui.service_pages import shipper_address
from logsense.workspace import Workspace

#: The spans on offer: (label, value of ``from``); '' is all that is held.
RANGES = (("1 h", "-1h"), ("6 h", "-6h"), ("24 h", "-24h"), ("7 d", "-7d"), ("All", ""))
#: Incidents that are looked through for open ones.
MOST = 1000
_RISK_ORDER = {"high": 0, "medium": 1, "low": 2, "unknown": 3}


def render(workspace: Workspace, request: Request, span: Window) -> Response:
    """The overview of ``span``; what is still open is shown whenever it began."""
    state = workspace.overview(from_=span.from_ns, to=span.to_ns)
    every = worded(workspace.incidents(limit=MOST))
    unresolved = [i for i in every if i["status"] != "resolved"]
    unresolved.sort(key=lambda i: (i["status"] != "open", _SEVERITY.get(i["severity"], 9)))
    risk = sorted(state["risk"], key=lambda f: (_RISK_ORDER[risk_class(f)], -(f["probability"] or 0)))
    anomalies = sorted(worded(state["anomalies"]), key=lambda a: a["@timestamp"], reverse=True)
    return page(
        request,
        "overview.html",
        section="overview",
        state=state,
        unresolved=unresolved,
        risk=risk[:12],
        anomalies=anomalies[:8],
        earlier=earlier(every),
        spans=incident_spans(state),
        ranges=RANGES,
        chosen=request.query_params.get("from", ""),
        empty=not state["lines"] and not state["hosts"] and not unresolved,
        **shipper_address(request),
    )


_SEVERITY = {"critical": 0, "high": 1, "medium": 2, "low": 3}


def earlier(incidents: list[dict[str, Any]]) -> dict[str, Any]:
    """What was, when nothing is open: a quiet page over data that is full of incidents would mislead."""
    over = sorted((i for i in incidents if i["status"] == "resolved"), key=lambda i: i["start"])
    if not over:
        return {"count": 0, "first": "", "last": "", "latest": []}
    last = max(i["end"] or i["last"] for i in over)
    return {"count": len(over), "first": over[0]["start"], "last": last, "latest": over[:-6:-1]}


def incident_spans(state: dict[str, Any]) -> list[tuple[int, int, str]]:
    """(start, end, title) of the incidents of an overview, cut to its span, for shading the picture."""
    first, last = nanoseconds(state["from"]), nanoseconds(state["to"])
    if first is None or last is None:
        return []
    spans = []
    for incident in state["incidents"]:
        start, end = nanoseconds(incident["start"]), nanoseconds(incident["end"] or incident["last"])
        if start is not None and end is not None and start < last and end > first:
            spans.append((max(start, first), min(end, last), f"{incident['id']}: {incident['title']}"))
    return spans
