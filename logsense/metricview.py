"""A metric of a host as a chart shows it: its course, what was usual, and what was noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logsense.shapes import signal_dict
from logsense.timefmt import SECOND, iso

if TYPE_CHECKING:
    from logsense.workspace import Workspace

#: How much of the past before a chart is read, so that its first point already has a band.
BEFORE_NS = 3600 * SECOND


def view(space: Workspace, host: str, name: str, from_: int | None, to: int | None, step_s: int) -> dict[str, Any]:
    """{"points": [[t, v]], "band": [[t, low, high]], "anomalies": [signals of the series], "incidents": [briefs]}."""
    from logsense.detect.band import usual

    start = None if from_ is None else max(0, from_ - BEFORE_NS)
    points = space.index.metric_series(host, name, start, to, step_s * SECOND)
    shown = [(t, v) for t, v in points if from_ is None or t >= from_]
    if not shown:
        return {"points": [], "band": [], "anomalies": [], "incidents": []}
    first, last = shown[0][0], shown[-1][0]
    signals = [s for s in space.index.signals(first, last + 1) if s.host == host and s.metric == name]
    return {
        "points": [[iso(t), v] for t, v in shown],
        "band": [[iso(t), low, high] for t, low, high in usual(name, points) if t >= first],
        "anomalies": [signal_dict(s) for s in signals],
        "incidents": [i for i in space.incidents(from_=first, to=last + 1, limit=50) if host in i["hosts"]],
    }
