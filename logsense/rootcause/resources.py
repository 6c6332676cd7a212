"""Which place has a resource that is suddenly taken up: CPU, memory, disk, whatever the series are called.

A share is judged by its rise in percentage points rather than by z: a service that idles at 1 % has so little spread
that any blip is many sigmas, while a CPU that goes from 1 % to 90 % is what fails. Where the limit is not known, the
ratio to the usual value decides. Where others crowd the machine out a share cannot rise far: one that grew many times
over is kept as ``partial``, which counts only together with other evidence at the same place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from logsense.rootcause.cues import SeriesChange, series_change, service_of_series
from logsense.rootcause.evidence import Evidence, SeriesExcerpt
from logsense.rootcause.requests import Place


@dataclass(frozen=True, slots=True)
class Resource:
    """``rise`` is the least rise of a share (1 is all of it) that counts, ``level`` what it must reach; ``factor`` the
    least growth of a value without a known limit, ``size`` its least difference in its own unit."""

    kind: str
    title: str
    share: re.Pattern[str]
    rise: float
    level: float
    amount: re.Pattern[str]
    factor: float
    size: float
    steps: tuple[str, ...]


def _named(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


#: A share that grew so many times over, by so much of the whole, is a partial sign.
PARTIAL_FACTOR, PARTIAL_RISE, PARTIAL_Z = 4.0, 0.03, 6.0
LEAST_SHARE = 0.005  # a share below this is none
#: The machine under many services: its load is nobody's in particular.
_SHARED = _named(r"^node|^cluster")
_PERCENT = _named(r"%|percent|pct")
RESOURCES = (
    Resource(
        "cpu_starvation", "CPU of {service} on {host} is taken up",
        _named(r"cpu[\w.]*?(util|usage_?rate|percent|pct)|cpu\.usage$"), 0.2, 0.4,
        _named(r"cpu[\w.]*(seconds|cores)"), 4.0, 0.2,
        ("what takes the CPU on {host}: top -H, pidstat 1", "what was deployed or scheduled just before",
         "raise the CPU limit of {service}, or move what competes with it"),
    ),
    Resource(
        "memory_growth", "Memory of {service} on {host} grows",
        _named(r"mem(ory)?[\w.]*?(util|usage_?rate|percent|pct)"), 0.15, 0.4,
        _named(r"mem(ory)?[\w.]*(rss|usage|used|working|resident)"), 1.8, 32 * 2.0**20,
        ("memory of {service} over the last hours: a steady rise is a leak",
         "restart {service}, then find what it keeps"),
    ),
    Resource(
        "disk_load", "Disk of {service} on {host} is busy or fills",
        _named(r"(disk|filesystem|fs)[\w.]*?(util|used_percent|percent|pct|busy)"), 0.2, 0.5,
        _named(r"(disk|blkio|fs)[\w.]*(write|read|bytes|iops|used|usage)"), 5.0, 2 * 2.0**20,
        ("what writes on {host}: iotop -o, lsof +L1", "df -h on {host}"),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Use:
    """One resource at one place: ``strength`` 0…1; ``series`` and ``change`` are what shows it."""

    place: Place
    resource: Resource
    strength: float
    series: SeriesExcerpt
    change: SeriesChange
    partial: bool = False

    @property
    def evidence(self) -> str:
        return f"metric:{self.series.host}/{self.series.name}@{self.change.onset_ns}"


def taken_up(evidence: Evidence) -> list[Use]:
    """The strongest series of each place and resource that rose far enough, strongest first."""
    best: dict[tuple[Place, str], Use] = {}
    for series in evidence.series:
        name = series.name.partition("{")[0]
        if _SHARED.search(name):
            continue
        for resource in RESOURCES:
            share = resource.share.search(name) is not None
            if not share and not resource.amount.search(name):
                continue
            change = series_change(series, evidence)
            whole = _whole(series) if share else 0.0
            strength = _strength(resource, change, whole) if change else 0.0
            partial = bool(change and whole and strength == 0 and _partial(change, whole))
            if change and (strength > 0 or partial):
                place = (series.host, service_of_series(series.name) or _only_service(series.host, evidence))
                known = best.get((place, resource.kind))
                if known is None or strength > known.strength:
                    best[place, resource.kind] = Use(place, resource, strength, series, change, partial)
            break
    return sorted(best.values(), key=lambda use: (-use.strength, use.place, use.resource.kind))


def _whole(series: SeriesExcerpt) -> float:
    """What all of a resource is: 100 where the name or a value says that these are percents, else 1."""
    return 100.0 if _PERCENT.search(series.name) or any(value > 1.6 for _, value in series.points) else 1.0


def _strength(resource: Resource, change: SeriesChange, whole: float) -> float:
    """0 … 1; ``whole`` is 0 where no limit is known."""
    if change.z < 4:
        return 0.0
    if whole:
        rise, level = (change.extreme - change.usual) / whole, change.extreme / whole
        return min(1.0, rise / (3 * resource.rise)) if rise >= resource.rise and level >= resource.level else 0.0
    if change.extreme - change.usual < resource.size or change.extreme < resource.factor * max(change.usual, 0.0):
        return 0.0
    if change.usual <= 0:
        return 0.5  # out of nothing: by how many times cannot be said
    return min(1.0, math.log(change.extreme / change.usual) / (3 * math.log(resource.factor)))


def _partial(change: SeriesChange, whole: float) -> bool:
    rise = (change.extreme - change.usual) / whole
    usual = max(change.usual / whole, LEAST_SHARE)
    return change.z >= PARTIAL_Z and rise >= PARTIAL_RISE and change.extreme / whole >= PARTIAL_FACTOR * usual


def _only_service(host: str, evidence: Evidence) -> str:
    """The service of a host that runs one: a container."""
    services: Sequence[str] = evidence.services.get(host, ())
    return services[0] if len(services) == 1 else ""
