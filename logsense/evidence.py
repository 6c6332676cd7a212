"""What the ids that summaries cite stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logsense.errors import NotFound
from logsense.shapes import parse_metric_id, signal_dict
from logsense.timefmt import SECOND, iso

if TYPE_CHECKING:
    from logsense.workspace import Workspace

#: What a metric's evidence shows around the point itself, on either side, in nanoseconds.
MARGIN = 600 * SECOND


def resolve(space: Workspace, evidence_id: str) -> dict[str, Any]:
    """The thing behind ``line:…``, ``template:…``, ``signal:…``, ``incident:…``, ``metric:host/name@ns``.

    Raises NotFound.
    """
    kind, _, rest = evidence_id.partition(":")
    if kind == "line":
        shown = space.log(rest)
        return {"id": evidence_id, "type": "line", "title": shown["hit"]["message"], **shown}
    if kind == "template":
        template = space.template(rest)
        return {"id": evidence_id, "type": "template", "title": template["template"], "template": template}
    if kind == "signal":
        signals = space.index.signals(ids=[rest])
        if signals:
            return {
                "id": evidence_id,
                "type": "signal",
                "title": signals[0].text,
                "signal": signal_dict(signals[0]),
            }
    if kind == "incident":
        earlier = space.incident(rest)
        return {"id": evidence_id, "type": "incident", "title": earlier["title"], "incident": earlier}
    if kind == "metric" and (parsed := parse_metric_id(rest)):
        host, name, at = parsed
        points = space.index.metric_series(host, name, at - MARGIN, at + MARGIN)
        if points:
            return {
                "id": evidence_id, "type": "metric", "title": f"{name} on {host}", "host": host, "metric": name,
                "at": iso(at), "from": iso(at - MARGIN), "to": iso(at + MARGIN),
                "points": [[iso(t), v] for t, v in points],
            }  # fmt: skip
    raise NotFound(f"There is no evidence {evidence_id!r}.", fix="ids come from incidents and diagnoses")
