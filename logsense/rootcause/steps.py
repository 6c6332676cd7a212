"""Requests that take other steps than usual: a service that goes on differently, or is not reached any more.

Within a service's share of a request each message leads to the next; how often to which is counted in normal times
and compared by the G-test (log-likelihood ratio against independence; Sokal and Rohlf, Biometry). A called service
that fails before it writes anything shows in its caller's lines: what used to follow there does not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from logsense.rootcause.requests import Line, Place, Requests, whole

START, END, STAY, AWAY = "", "(end)", "(stays)", "(elsewhere)"
State = tuple[Place, str]  # a place and the message just written there
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


@dataclass(slots=True)
class _Counts:
    steps: dict[State, Counter[str]] = field(default_factory=dict)
    calls: dict[State, Counter[Place | str]] = field(default_factory=dict)
    examples: dict[tuple[State, object], list[str]] = field(default_factory=dict)


def changes(requests: Requests) -> dict[Place, Change]:
    """The strongest change of each place that has any."""
    before, now = _count(requests.normal, examples=False), _count(requests.during, examples=True)
    best: dict[Place, Change] = {}
    for change in [*_steps(before, now), *_unreached(before, now)]:
        known = best.get(change.place)
        if known is None or change.gain > known.gain:
            best[change.place] = change
    return best


def _count(lines: Sequence[Line], *, examples: bool) -> _Counts:
    counts = _Counts()

    def add(table: dict[State, Counter], state: State, to: object, line: Line) -> None:
        table.setdefault(state, Counter())[to] += 1
        if examples and len(shown := counts.examples.setdefault((state, to), [])) < 3:
            shown.append(line.id)

    for mine, ended in whole(lines):
        last: dict[tuple[Place, str], Line] = {}
        for number, line in enumerate(mine):
            key = (line.place, line.span)
            before = last.get(key)
            add(counts.steps, (line.place, before.template if before else START), line.template, line)
            last[key] = line
            after = mine[number + 1] if number + 1 < len(mine) else None
            if after is None:
                if ended:
                    add(counts.calls, (line.place, line.template), END, line)
            elif after.place != line.place:
                add(counts.calls, (line.place, line.template), after.place, line)
            else:
                add(counts.calls, (line.place, line.template), STAY if after.span == line.span else AWAY, line)
        if ended:
            for line in last.values():
                add(counts.steps, (line.place, line.template), END, line)
    return counts


def _steps(before: _Counts, now: _Counts) -> list[Change]:
    found = []
    for state, after in now.steps.items():
        usual = before.steps.get(state)
        if not usual:
            continue
        place, template = state
        if template == START:  # what a place is asked for is its callers' affair; only beginnings never seen count
            known = sum(count for name, count in after.items() if name in usual)
            new = Counter({name: count for name, count in after.items() if name not in usual})
            gain = _g({START: sum(usual.values())}, {START: known, END: sum(new.values())}) - 1
            if not new or gain <= 0:
                continue
            to = max(new, key=lambda name: (new[name], name))
            found.append(_change(place, gain, "start", template, to, usual, after, now))
            continue
        freedom = len(usual.keys() | after.keys()) - 1
        gain = _g(usual, after) - freedom
        if freedom < 1 or gain <= 0:
            continue
        to = max(after, key=lambda name: (_share(after, name) - _share(usual, name), name))
        found.append(_change(place, gain, "steps", template, to, usual, after, now))
    return found


def _change(
    place: Place, gain: float, kind: str, template: str, to: str, usual: Counter[str], after: Counter[str], now: _Counts
) -> Change:
    was, is_now = (usual[to], sum(usual.values())), (after[to], sum(after.values()))
    return Change(place, gain, kind, template, to, was, is_now, tuple(now.examples.get(((place, template), to), ())))


def _unreached(before: _Counts, now: _Counts) -> list[Change]:
    """Calls that no longer arrive, given that the caller has written the line which they used to follow."""
    found = []
    for (caller, template), after in now.calls.items():
        usual = before.calls.get((caller, template))
        if not usual:
            continue
        total, count = sum(usual.values()), sum(after.values())
        for called, times in usual.items():
            if not isinstance(called, tuple) or times < USUAL_CALL * total or after[called] * total >= times * count:
                continue
            gain = _g({1: times, 0: total - times}, {1: after[called], 0: count - after[called]}) - 1
            if gain <= 0:
                continue
            instead = max((to for to in after if to != called), key=lambda to: (after[to], str(to)))
            shown = tuple(now.examples.get(((caller, template), instead), ()))
            found.append(
                Change(called, gain, "unreached", template, "", (times, total), (after[called], count), shown, caller)
            )
    return found


def _share(counts: Counter[str], name: str) -> float:
    return counts[name] / max(sum(counts.values()), 1)


def _g(one: Mapping, two: Mapping) -> float:
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
