"""Requests that take other steps than usual: a service that goes on differently, or is not reached any more.

Within a service's share of a request each message leads to the next; how often to which is counted in normal times
and compared by the G-test (log-likelihood ratio against independence; Sokal and Rohlf, Biometry), less what varies
from time to time anyway. A called service that fails before it writes anything shows in its caller's lines: what used
to follow there does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from logsense.rootcause.requests import Line, Place, Requests, whole
from logsense.rootcause.transitions import State, Transitions

START, END, STAY, AWAY, BACK = "", "(end)", "(stays)", "(elsewhere)", "(answer)"
Share = tuple[Place, str]  # a service's share of a request: its place and span
DEEPEST = 30  # calls within calls that are followed upwards
USUAL_CALL = 0.2  # share of times that a message is followed by a call, below which a missing one says nothing


@dataclass(frozen=True, slots=True)
class Change:
    """A place whose requests go on differently after ``template``.

    ``gain`` is the G statistic less its degrees of freedom: about 0 by chance, and additive like a log-likelihood.
    ``kind``: ``steps`` (the place itself), ``unreached`` (its caller's lines are no longer followed by it) or ``start``
    (requests begin there with messages never seen as the first). ``next`` is what has become more frequent,
    ``was`` and ``now`` are (times, of) for the share that changed most, ``lines`` examples of the incident.
    """

    place: Place
    gain: float
    kind: str
    template: str
    next: str
    was: tuple[int, int]
    now: tuple[int, int]
    lines: tuple[str, ...]
    caller: Place | None = None


def changes(requests: Requests) -> dict[Place, Change]:
    """The strongest change of each place that has any."""
    (steps, calls), (now_steps, now_calls) = _tables(requests.normal), _tables(requests.during)
    best: dict[Place, Change] = {}
    for change in [*_steps(steps, now_steps), *_unreached(calls, now_calls)]:
        known = best.get(change.place)
        if known is None or change.gain > known.gain:
            best[change.place] = change
    return best


def _tables(lines: Sequence[Line]) -> tuple[Transitions, Transitions]:
    """What follows a message in the same service's share of a request, and what in the whole request."""
    requests = list(whole(lines))
    steps = Transitions(_within(mine, begun=begun, ended=ended) for mine, begun, ended in requests)
    return steps, Transitions(_across(mine, ended=ended) for mine, _, ended in requests)


def _within(mine: Sequence[Line], *, begun: bool, ended: bool) -> Iterator[tuple[tuple[State, object], str]]:
    last: dict[tuple[Place, str], Line] = {}
    for line in mine:
        before = last.get((line.place, line.span))
        if before or begun:
            yield ((line.place, before.template if before else START), line.template), line.id
        last[line.place, line.span] = line
    if ended:
        for line in last.values():
            yield ((line.place, line.template), END), line.id


def _across(mine: Sequence[Line], *, ended: bool) -> Iterator[tuple[tuple[State, object], str]]:
    """An answer goes to whoever asked: where it goes says who that was, not that anybody is reached."""
    asked_by: dict[Share, Share | None] = {(mine[0].place, mine[0].span): None}
    for line, after in pairwise(mine):
        state = line.place, line.template
        here, there = (line.place, line.span), (after.place, after.span)
        if here == there:
            yield (state, STAY), line.id
            continue
        back = _waits(there, here, asked_by)
        if not back:
            asked_by.setdefault(there, here)
        if line.place == after.place:
            yield (state, AWAY), line.id
        else:
            yield (state, BACK if back else after.place), line.id
    if ended:
        yield ((mine[-1].place, mine[-1].template), END), mine[-1].id


def _waits(one: Share, here: Share, asked_by: Mapping[Share, Share | None]) -> bool:
    """Whether ``one`` asked ``here``, directly or through others."""
    for _ in range(DEEPEST):
        above = asked_by.get(here)
        if above is None:
            return False
        if above == one:
            return True
        here = above
    return False


def _steps(before: Transitions, now: Transitions) -> list[Change]:
    found = []
    for state, after in now.weight.items():
        usual = before.weight.get(state)
        if not usual:
            continue
        place, template = state
        if template == START:  # what a place is asked for is its callers' affair; only beginnings never seen count
            new = [name for name in after if name not in usual]
            known = sum(weight for name, weight in after.items() if name in usual)
            gain = _g({0: sum(usual.values())}, {0: known, 1: sum(after[name] for name in new)}) - 1
            rose = new
        else:
            gain = _gain(_g(usual, after), len(usual.keys() | after.keys()) - 1, partial(before.unsteady, state))
            rose = list(after)
        if rose and gain > 0:
            to = max(rose, key=lambda name: (_share(after, name) - _share(usual, name), name))
            was = (before.times[state].get(to, 0), sum(before.times[state].values()))
            is_now = (now.times[state][to], sum(now.times[state].values()))
            shown = now.examples(state, to)
            kind = "start" if template == START else "steps"
            found.append(Change(place, gain, kind, template, to, was, is_now, shown))
    return found


def _unreached(before: Transitions, now: Transitions) -> list[Change]:
    """Calls that no longer arrive, given that the caller has written the line which they used to follow."""
    found = []
    for state, after in now.weight.items():
        caller, template = state
        usual = before.weight.get(state)
        if not usual:
            continue
        total, count = sum(usual.values()), sum(after.values())
        for called, weight in usual.items():
            if (
                not isinstance(called, tuple)
                or weight < USUAL_CALL * total
                or after.get(called, 0.0) * total >= weight * count
            ):
                continue
            arrived = after.get(called, 0.0)
            gain = _g({1: weight, 0: total - weight}, {1: arrived, 0: count - arrived})
            gain = _gain(gain, 1, partial(before.unsteady, state, called))
            if gain <= 0:
                continue
            instead = max((to for to in after if to != called), key=lambda to: (after[to], str(to)))
            was = (before.times[state][called], sum(before.times[state].values()))
            is_now = (now.times[state].get(called, 0), sum(now.times[state].values()))
            shown = now.examples(state, instead)
            found.append(Change(called, gain, "unreached", template, "", was, is_now, shown, caller))
    return found


def _gain(g: float, freedom: int, unsteady: Callable[[], float]) -> float:
    """What ``g`` says beyond chance, and beyond what varies from time to time anyway."""
    return g / unsteady() - freedom if g > freedom else 0.0


def _share(counts: Mapping[Any, float], name: str) -> float:
    return counts.get(name, 0.0) / (sum(counts.values()) or 1.0)


def _g(one: Mapping[Any, float], two: Mapping[Any, float]) -> float:
    """Twice the log-likelihood ratio that two samples of outcomes come from one distribution."""
    n, m = sum(one.values()), sum(two.values())
    if not n or not m:
        return 0.0
    total = 0.0
    for outcome in one.keys() | two.keys():
        both = one.get(outcome, 0) + two.get(outcome, 0)
        for seen, size in ((one.get(outcome, 0), n), (two.get(outcome, 0), m)):
            if seen:
                total += 2 * seen * math.log(seen * (n + m) / (both * size))
    return total
