"""The risk of a host as a chart shows it: its course, the incidents meanwhile, and where alarms begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logsense.errors import NotFound
from logsense.timefmt import parse_time

if TYPE_CHECKING:
    from logsense.workspace import Workspace

#: Forecasts of a host that its course shows.
FORECASTS = 2000


def view(space: Workspace, host: str, from_: int | None, to: int | None) -> dict[str, Any]:
    """{"course": [[time, probability]] oldest first, "incidents": [briefs], "threshold": 0 where none is known}.

    Forecasts that knew too little are left out.
    """
    made = [f for f in reversed(space.forecasts(host=host, from_=from_, limit=FORECASTS)) if f["state"] == "ok"]
    course = [[f["made"], f["probability"]] for f in made if to is None or parse_time(f["made"]) < to]
    if not course:
        return {"course": [], "incidents": [], "threshold": 0.0}
    first, last = parse_time(course[0][0]), parse_time(course[-1][0])
    meanwhile = [i for i in space.incidents(from_=first, to=last + 1, limit=200) if host in i["hosts"]]
    return {"course": course, "incidents": meanwhile, "threshold": _threshold(space)}


def _threshold(space: Workspace) -> float:
    try:
        return float(space.desk.model("failure")["card"].get("threshold", 0.0))
    except (NotFound, TypeError, ValueError):
        return 0.0
