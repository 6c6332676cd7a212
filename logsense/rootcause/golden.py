"""Who adds the latency or the failures, from the figures of services that call each other: no log line is needed.

A caller waits for those it calls and fails with them. So what a service adds is its own excess (requests x rise of
latency, or of failed share) less that of the services it calls; the deepest one that adds something beyond its noise
comes first. The level is that of the last samples before, since such figures drift; the noise is how far they
usually jump, taken from all the time before, so that services that always fluctuate or always fail say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from logsense.rootcause.evidence import Evidence, SeriesExcerpt

_LATENCY = re.compile(r"latency|duration|response_?time", re.IGNORECASE)
_AVAILABLE = re.compile(r"availability|success_?rate", re.IGNORECASE)
_FAILED = re.compile(r"(^|[._])(errors?|failures?|5xx|faults?)([._]|$)", re.IGNORECASE)
_REQUESTS = re.compile(r"(^|[._])(requests?|calls|throughput|workload|invocations)", re.IGNORECASE)
_MEAN = re.compile(r"average|mean|avg", re.IGNORECASE)
_QUANTILE = re.compile(r"p\d\d|quantile|max", re.IGNORECASE)
#: What only its callers measured (a load balancer, an address): the service behind it is nearer to the cause.
_SEEN_FROM_OUTSIDE = re.compile(r"_remote$|\.elb\.|^\d+(\.\d+){3}")
OUTSIDE = 0.5
LAST = 3  # samples before the incident that give the level
LEAST_BEFORE = 6
LEAST_Z = 2.0  # jumps of the usual size (their 90 % quantile) that a change must exceed
LEAST_FAILED = 0.005  # a failed share that rises by less is no trouble
FLOOR_SHARE = 0.05  # of the level: what is smaller is no change, however steady the series


@dataclass(frozen=True, slots=True)
class Excess:
    """What one service adds: ``own`` and ``whole`` in units of work (requests x seconds, or failed requests).

    ``z`` is its change in usual jumps; ``kind`` is ``latency`` or ``failures``; ``deeper`` are called services that
    changed too; ``cited`` is the evidence id, ``usual`` and ``now`` are the figure before and during.
    """

    host: str
    kind: str
    own: float
    whole: float
    z: float
    usual: float
    now: float
    name: str
    cited: str
    deeper: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """What it adds, less for endpoints that were only seen from outside."""
        return self.own * (OUTSIDE if _SEEN_FROM_OUTSIDE.search(self.host) else 1.0)


def excesses(evidence: Evidence) -> list[Excess]:
    """Services that add latency or failures, most first; of the kind that was alerted if the signals say one.

    Only among hosts that call each other: without calls nobody can tell a cause from who waits for it.
    """
    edges = {(caller, called) for caller, called in evidence.calls}
    found = []
    for kind in _kinds(evidence):
        changed = _changed(evidence, kind)
        reach = _reached(evidence, edges)
        for host, change in changed.items():
            if reach and host not in reach:
                continue
            below = [changed[called] for caller, called in edges if caller == host and called in changed]
            # two names of one call (the service, and its balancer as seen by the caller) explain it once
            inside = [one.whole for one in below if not _SEEN_FROM_OUTSIDE.search(one.host)]
            outside = [one.whole for one in below if _SEEN_FROM_OUTSIDE.search(one.host)]
            own = change.whole - max(sum(inside), sum(outside))
            if own > 0:
                deeper = tuple(sorted(one.host for one in below))
                found.append(
                    Excess(host, kind, own, change.whole, change.z, change.usual, change.now, change.name,
                           change.cited, deeper)
                )  # fmt: skip
    return sorted(found, key=lambda one: (-one.score, one.host))


def _kinds(evidence: Evidence) -> list[str]:
    alerted = [signal.metric for signal in evidence.signals if signal.metric]
    kinds = ["latency"] if any(_LATENCY.search(name) for name in alerted) else []
    if any(_AVAILABLE.search(name) or _FAILED.search(name) for name in alerted):
        kinds.append("failures")
    return kinds or ["latency", "failures"]


def _reached(evidence: Evidence, edges: set[tuple[str, str]]) -> set[str]:
    """Hosts that those with a signal call, directly or not, and themselves."""
    reached = {signal.host for signal in evidence.signals if signal.metric and signal.host}
    todo = list(reached)
    while todo:
        host = todo.pop()
        for caller, called in edges:
            if caller == host and called not in reached:
                reached.add(called)
                todo.append(called)
    return reached


def _changed(evidence: Evidence, kind: str) -> dict[str, Excess]:
    """Hosts whose figure rose beyond its noise."""
    linked = {host for edge in evidence.calls for host in edge}
    out = {}
    for host in sorted(linked & {series.host for series in evidence.series}):
        mine = [series for series in evidence.series if series.host == host]
        figure = _one(mine, _LATENCY) if kind == "latency" else _failed(mine)
        shift = _shift(figure, evidence, LEAST_FAILED if kind == "failures" else 0.0) if figure else None
        if figure is None or shift is None:
            continue
        usual, now, z, onset = shift
        work = _during(_one(mine, _REQUESTS), evidence)
        whole = (now - usual) * (work if work is not None and not _counts(figure) else 1.0)
        cited = f"metric:{host}/{figure.name}@{onset}"
        out[host] = Excess(host, kind, 0.0, whole, z, usual, now, figure.name, cited)
    return out


def _failed(mine: Sequence[SeriesExcerpt]) -> SeriesExcerpt | None:
    """The failed share of requests (0…1), made of the availability where that is given; else the failures."""
    available = _one(mine, _AVAILABLE)
    if available is None:
        return _one(mine, _FAILED)
    whole = 100.0 if max((value for _, value in available.points), default=0.0) > 1.6 else 1.0
    return replace(available, points=[(at, 1.0 - value / whole) for at, value in available.points])


def _one(mine: Sequence[SeriesExcerpt], pattern: re.Pattern[str]) -> SeriesExcerpt | None:
    """The mean if there is one: means add up along calls, quantiles do not."""
    named = [series for series in mine if pattern.search(series.name)]
    return min(named, key=lambda s: (not _MEAN.search(s.name), bool(_QUANTILE.search(s.name)), s.name), default=None)


def _counts(series: SeriesExcerpt) -> bool:
    return bool(_FAILED.search(series.name)) and not _AVAILABLE.search(series.name)


def _during(series: SeriesExcerpt | None, evidence: Evidence) -> float | None:
    if series is None:
        return None
    values = [value for at, value in series.points if evidence.start_ns <= at <= evidence.end_ns]
    return _median(values) if values else None


def _shift(series: SeriesExcerpt, evidence: Evidence, least: float) -> tuple[float, float, float, int] | None:
    """(level before, figure during, rise in usual jumps, onset); None unless it rose beyond its noise and ``least``."""
    before = [value for at, value in series.points if at < evidence.start_ns]
    during = [(at, value) for at, value in series.points if evidence.start_ns <= at <= evidence.end_ns]
    if len(before) < LEAST_BEFORE or not during:
        return None
    usual = _median(before[-LAST:])
    now = _median([value for _, value in during])
    jumps = sorted(abs(before[n] - _median(before[n - LAST : n])) for n in range(LAST, len(before)))
    noise = max(jumps[int(0.9 * (len(jumps) - 1))], FLOOR_SHARE * abs(usual) / LEAST_Z, least / LEAST_Z, 1e-9)
    z = (now - usual) / noise
    onset = next((at for at, value in during if value >= (usual + now) / 2), during[0][0])
    return (usual, now, z, onset) if z >= LEAST_Z else None


def _median(values: Sequence[float]) -> float:
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
