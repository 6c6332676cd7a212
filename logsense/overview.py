"""The state of everything at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logsense.record import Query
from logsense.shapes import signal_dict
from logsense.timefmt import SECOND, iso, nice_step_ns
from logsense.volume import volume

if TYPE_CHECKING:
    from logsense.workspace import Workspace

BARS = 60  # bars of the histogram: what fits on a phone and still shows a burst
ANOMALIES = 50


def overview(space: Workspace, from_ns: int, to_ns: int) -> dict[str, Any]:
    """{"from", "to", "lines": n, "histogram": {"step_s", "series": {"info": [[t, n]], "error": …}},
    "incidents": [briefs], "open": n, "risk": [latest forecast per host], "signals": n, "hosts": n, "templates": n,
    "anomalies": [{"@timestamp", "text", "score", "host"}], "silenced": [maintenance and suppression now]}."""
    index = space.index
    step = nice_step_ns(from_ns, to_ns, BARS)
    signals = index.signals(from_ns, to_ns)
    strongest = sorted(signals, key=lambda s: (-s.score, s.start_ns))[:ANOMALIES]
    total, _ = index.search(Query(from_ns=from_ns, to_ns=to_ns), limit=0)
    hosts = space.hosts()
    incidents = space.incidents(from_=from_ns, to=to_ns)
    return {
        "from": iso(from_ns), "to": iso(to_ns), "lines": total,
        "histogram": {"step_s": step // SECOND, "series": volume(index, from_ns, to_ns, step)},
        "incidents": incidents, "open": sum(i["status"] != "resolved" for i in incidents),
        "risk": [h["risk"] for h in hosts if h["risk"]], "signals": len(signals), "hosts": len(hosts),
        "templates": sum(not t.alias_of for t in index.templates()),
        "anomalies": [signal_dict(s) for s in sorted(strongest, key=lambda s: s.start_ns)],
        "silenced": space.silenced(),
    }  # fmt: skip
