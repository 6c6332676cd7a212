"""Which service makes requests wait, from the times of their lines.

Between two lines of a request that follow each other lies a hop: on the network between two places, or work within
one. A slow place delays the hops that leave it (its answers, its own calls), its own work, and often the hops that
reach it. Each kind of hop is compared with normal times by its ranks (Mann-Whitney), which neither the unit nor a few
stalls of many seconds can move; constant differences between clocks cancel out.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from logsense.rootcause.requests import Line, Place, Requests, by_request, callers

LEAST_NORMAL = 4  # times that a hop must have been seen in normal times
LEAST_DELAY_NS = 15_000_000  # below 15 ms and half of what is usual, a difference troubles nobody
LEAST_SHARE = 0.5
CAP = 4.0  # z beyond which a hop is just "slow": it is the number of slow hops that tells
FLOOR = -2.0
EXPECTED = 1.2  # z that a hop of a slow place is expected to exceed; below it, it speaks against the place
INWARD = 0.8  # hops towards a place say less: its caller may be late
TIE = 0.1  # scores this close decide nothing: then the called place comes first


@dataclass(frozen=True, slots=True)
class Hop:
    """One kind of hop: the gap between two messages, in normal times (median) and by how much it grew (ns)."""

    origin: Place
    target: Place
    templates: tuple[str, str]
    z: float
    usual_ns: float
    delay_ns: float
    times: int
    lines: tuple[str, str]  # one example: the line before and the line after

    @property
    def slow(self) -> bool:
        return self.delay_ns >= LEAST_DELAY_NS and self.delay_ns >= LEAST_SHARE * self.usual_ns

    def weight(self) -> float:
        """How clearly slow (positive) or not slow (negative)."""
        if self.z > 0 and not self.slow:
            return min(self.z, 0.5)
        return max(FLOOR, min(self.z, CAP))


@dataclass(slots=True)
class Delay:
    """A place as the cause of the delays. ``score`` is what its own hops say, times its share of all that is slow."""

    place: Place
    score: float = 0.0
    share: float = 0.0
    hops: list[Hop] = field(default_factory=list)  # slow ones, the clearest first
    quiet: list[Hop] = field(default_factory=list)  # hops that leave it and are not slow


def delays(requests: Requests) -> list[Delay]:
    """Places by how well "this one is slow" explains the hops, best first; those that explain nothing are left out."""
    hops = compare(requests)
    everything = sum(min(hop.z, CAP) for hop in hops if hop.slow and hop.z > 1.5 and hop.origin != hop.target)
    everything += sum(min(hop.z, CAP) for hop in hops if hop.slow and hop.z > 1.5 and hop.origin == hop.target)
    found = []
    for place in sorted({hop.origin for hop in hops} | {hop.target for hop in hops}):
        out = [hop for hop in hops if hop.origin == place != hop.target]
        inward = [hop for hop in hops if hop.target == place != hop.origin]
        own = [hop for hop in hops if hop.origin == place == hop.target]
        raw = _excess(out) + INWARD * max(0.0, _excess(inward)) + max(0.0, _excess(own))
        slow = sorted((h for h in [*out, *inward, *own] if h.slow and h.z > 1.5), key=lambda h: (-h.z, h.templates))
        share = sum(min(hop.z, CAP) for hop in slow) / everything if everything else 0.0
        if raw > 0 and slow:
            found.append(Delay(place, raw * share, share, slow, [h for h in out if not h.slow]))
    calls = callers([*requests.normal, *requests.during])
    found.sort(key=lambda d: (-d.score, d.place))
    return _called_first(found, calls)


def _called_first(found: list[Delay], calls: dict[tuple[Place, Place], int]) -> list[Delay]:
    """Of the two ends of one slow hop, which the figures cannot tell apart, the called one comes first."""
    if len(found) > 1:
        one, two = found[0], found[1]
        close = one.score - two.score <= TIE * one.score
        if close and calls.get((one.place, two.place), 0) > calls.get((two.place, one.place), 0):
            found[0], found[1] = two, one
    return found


def _excess(hops: Sequence[Hop]) -> float:
    return sum(hop.weight() - EXPECTED for hop in hops)


def compare(requests: Requests) -> list[Hop]:
    """Every kind of hop that both times know."""
    before, now = _gaps(requests.normal), _gaps(requests.during)
    found = []
    for key, gaps in sorted(now.items()):
        usual = sorted(gap for gap, _ in before.get(key, ()))
        if len(usual) < LEAST_NORMAL:
            continue
        values = sorted(gap for gap, _ in gaps)
        origin, first, target, second = key
        slowest = max(gaps)
        found.append(
            Hop(origin, target, (first, second), _rank_z(usual, values), _median(usual),
                _median(values) - _median(usual), len(values), slowest[1])
        )  # fmt: skip
    return found


def _gaps(lines: Sequence[Line]) -> dict[tuple[Place, str, Place, str], list[tuple[int, tuple[str, str]]]]:
    gaps: dict[tuple[Place, str, Place, str], list[tuple[int, tuple[str, str]]]] = {}
    for mine in by_request(lines).values():
        for one, two in pairwise(mine):
            key = (one.place, one.template, two.place, two.template)
            gaps.setdefault(key, []).append((two.at_ns - one.at_ns, (one.id, two.id)))
    return gaps


def _rank_z(usual: Sequence[int], values: Sequence[int]) -> float:
    """Mann-Whitney's U as a standard normal; positive when ``values`` are larger. Both are sorted."""
    above = sum((bisect_left(usual, value) + bisect_right(usual, value)) / 2 for value in values)
    n, m = len(usual), len(values)
    return (above - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)


def _median(ordered: Sequence[int]) -> float:
    middle = len(ordered) // 2
    return float(ordered[middle]) if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
