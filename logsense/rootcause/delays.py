"""Which service makes requests wait, from the times of their lines.

Between two lines of a request that follow each other lies a hop: on the network between two places, or work within
one; what a service waits for lies in the hops of those that it called, so each hop is time of its own. A slow place
delays the hops that leave it (its answers, its own calls), its own work, and often the hops that reach it; a slow link
in front of it those from and to its callers alone, want of CPU those that reach it. Each kind of hop is compared with
normal times by its ranks (Mann-Whitney), which neither the unit nor a few stalls of many seconds can move; constant
differences between clocks cancel out. A machine that is short of time makes all hops longer: a place is judged by how
much more its hops grew than those of all others.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from logsense.rootcause.requests import Line, Place, Requests, by_request, callers

LEAST_NORMAL = 4  # times that a hop must have been seen in normal times
LEAST_DELAY_NS = 15_000_000  # below 15 ms and half of what is usual, a difference troubles nobody
LEAST_SHARE = 0.5
CAP = 4.0  # z beyond which a hop is just "slow": it is the number of slow hops that tells
FLOOR = -2.0
EXPECTED = 1.2  # z that a hop of a slow place is expected to exceed; below it, it speaks against the place
INWARD = 0.8  # hops towards a place say less: its caller may be late
TELLS = 1.5  # z from which a slow hop is worth telling
FEW = 4  # hops of others from which they say how slow everything is
TIE = 0.25  # scores this close decide nothing: then the called place comes first


@dataclass(frozen=True, slots=True)
class Hop:
    """One kind of hop: the gap between two messages, in normal times (median) and by how much it grew (ns)."""

    origin: Place
    target: Place
    templates: tuple[str, str]
    above: float  # how much more often than not a time of now exceeds a normal one, -0.5 ... 0.5
    error: float  # standard deviation of that by chance
    usual_ns: float
    delay_ns: float
    times: int
    lines: tuple[str, str]  # one example: the line before and the line after
    grown_ns: float = 0.0  # by how much the hops of others grew; ``delay_ns`` is what comes on top
    gaps: tuple[Sequence[int], Sequence[int]] = field(default=((), ()), repr=False)  # in normal times and now, sorted

    @property
    def within(self) -> bool:
        return self.origin == self.target

    @property
    def z(self) -> float:
        return self.above / self.error

    @property
    def slow(self) -> bool:
        return self.delay_ns >= max(LEAST_DELAY_NS, LEAST_SHARE * (self.usual_ns + self.grown_ns))

    def weight(self) -> float:
        """How clearly slow (positive) or not slow (negative)."""
        if self.z > 0 and not self.slow:
            # longer by half and surely so, but too little to trouble anybody: neither for nor against
            grew = self.z > TELLS and self.delay_ns >= LEAST_SHARE * (self.usual_ns + self.grown_ns)
            return min(self.z, EXPECTED if grew else 0.5)
        return max(FLOOR, min(self.z, CAP))

    def beyond(self, grown_ns: float) -> Hop:
        """What is left when that by which others grew is taken off each time; growing less than they is no merit."""
        if grown_ns <= 0:
            return self
        before, now = self.gaps
        above, error = _ranks(before, now, int(grown_ns))
        return replace(self, above=above, error=error, delay_ns=self.delay_ns - grown_ns, grown_ns=grown_ns)


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
    calls = callers([*requests.normal, *requests.during])
    everything = _mass(_beyond(hops, hops))
    found = []
    for place in sorted({hop.origin for hop in hops} | {hop.target for hop in hops}):
        others = [hop for hop in hops if place not in (hop.origin, hop.target)]
        mine = _beyond([hop for hop in hops if place in (hop.origin, hop.target)], others)
        share = min(1.0, _mass(mine) / everything) if everything else 0.0
        raw = max(_of_place(place, mine), _of_link(place, mine, calls), _of_starved(place, mine))
        slow = sorted((hop for hop in mine if hop.slow and hop.z > TELLS), key=lambda h: (-h.z, h.templates))
        if raw > 0 and slow:
            quiet = [hop for hop in mine if hop.origin == place != hop.target and not hop.slow]
            found.append(Delay(place, raw * share, share, slow, quiet))
    found.sort(key=lambda d: (-d.score, d.place))
    return _called_first(found, calls)


def _beyond(hops: Sequence[Hop], others: Sequence[Hop]) -> list[Hop]:
    usual = {within: common_growth(others, within=within) for within in (False, True)}
    return [hop.beyond(usual[hop.within]) for hop in hops]


def common_growth(hops: Sequence[Hop], *, within: bool) -> float:
    """By how many ns ``hops`` grew, in the middle: of work within places, or between them; of all where few are alike.

    0 where hops are too few to say, or did not grow.
    """
    alike = [hop for hop in hops if hop.within is within]
    if len(alike) < FEW:
        alike = list(hops)
    return max(0.0, _median(sorted(hop.delay_ns for hop in alike))) if len(alike) >= FEW else 0.0


def _of_place(place: Place, hops: Sequence[Hop]) -> float:
    """Everything that leaves it is late; what it does itself and what reaches it may be."""
    out = [hop for hop in hops if hop.origin == place != hop.target]
    inward = [hop for hop in hops if hop.target == place != hop.origin]
    own = [hop for hop in hops if hop.within]
    return _excess(out) + INWARD * max(0.0, _excess(inward)) + max(0.0, _excess(own))


def _of_link(place: Place, hops: Sequence[Hop], calls: Mapping[tuple[Place, Place], int]) -> float:
    """Only the network in front of it: calls that reach it and its answers, both; its own calls are as usual."""

    def called_by(other: Place) -> bool:
        return calls.get((other, place), 0) > calls.get((place, other), 0)

    asked = _excess([hop for hop in hops if hop.target == place != hop.origin and called_by(hop.origin)])
    answered = _excess([hop for hop in hops if hop.origin == place != hop.target and called_by(hop.target)])
    return asked + answered if asked > 0 and answered > 0 else 0.0


def _of_starved(place: Place, hops: Sequence[Hop]) -> float:
    """It is late to take up whatever reaches it, from several others: it gets no time. What it sends leaves at once."""
    inward = [hop for hop in hops if hop.target == place != hop.origin]
    late = {hop.origin for hop in inward if hop.slow and hop.z > TELLS}
    return INWARD * max(0.0, _excess(inward)) if len(late) > 1 else 0.0


def _mass(hops: Sequence[Hop]) -> float:
    return sum(min(hop.z, CAP) for hop in hops if hop.slow and hop.z > TELLS)


def _called_first(found: list[Delay], calls: Mapping[tuple[Place, Place], int]) -> list[Delay]:
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
            Hop(origin, target, (first, second), *_ranks(usual, values), _median(usual),
                _median(values) - _median(usual), len(values), slowest[1], gaps=(usual, values))
        )  # fmt: skip
    return found


def _gaps(lines: Sequence[Line]) -> dict[tuple[Place, str, Place, str], list[tuple[int, tuple[str, str]]]]:
    gaps: dict[tuple[Place, str, Place, str], list[tuple[int, tuple[str, str]]]] = {}
    for mine in by_request(lines).values():
        for one, two in pairwise(mine):
            key = (one.place, one.template, two.place, two.template)
            gaps.setdefault(key, []).append((two.at_ns - one.at_ns, (one.id, two.id)))
    return gaps


def _ranks(usual: Sequence[int], values: Sequence[int], less: int = 0) -> tuple[float, float]:
    """Mann-Whitney's U as a share of all pairs less its mean of a half, and its deviation. Both are sorted; ``less`` is
    taken off each value."""
    above = sum((bisect_left(usual, value - less) + bisect_right(usual, value - less)) / 2 for value in values)
    n, m = len(usual), len(values)
    return above / (n * m) - 0.5, math.sqrt((n + m + 1) / (12 * n * m))


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    return float(ordered[middle]) if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
