"""Requests that take longer from one of their lines to the next: delay, before it shows in an error or a metric.

Two lines of a session that follow each other are a hop: a message of one service, then one of the same or another.
What a service waits for lies between the lines of those that it called, so each hop is time of its own. Its median of
a window is held against its own past; what the hops of the same kind (within a service, between services) grew by in
the middle is taken off first, since a machine that is short of time makes all of them longer.

A single hop jumps about. What is judged is how much longer the hops took together, in the geometric mean, that leave a
service, that reach it, that lie within it, or that lie between two services, each against its own past windows. One
slow window proves little: the window before has to confirm it. A service whose hops are slow in several of these ways
says so once; which end of a link is to blame is for the ranking of causes to say. Where no line has an identifier there
are no steps, and this costs and says nothing.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from logsense.detect.baseline import gpd_tail
from logsense.detect.counted import budget
from logsense.detect.facts import Place, Step, sampled
from logsense.detect.options import RequestPaceOptions
from logsense.detect.signals import order, plain_number, shorten, signal_id
from logsense.detect.windows import SECOND, Window
from logsense.record import Signal

HISTORY = 360  # windows of the past
MILLISECOND = 1_000_000
LEARNT = 6  # windows from which a hop's usual gap is known well enough to compare with
LEAST_GAPS = 2  # of a hop in a window
LEAST_IN_ALL = 4  # of what is judged together
LEAST_EXTRA_NS = 15 * MILLISECOND  # what the slowest hop must take more than usual: less troubles nobody
LEAST_SPREAD = math.log(1.2)
FAR = math.log(50.0)  # times longer that count at once
FEW = 4  # hops from which they say how slow everything is
NEAR = 0.75  # share of the most that is slow at one place from which another is about as slow
PAUSE = 3  # windows without a slow hop after which an episode is over
MOST_STEPS = 10_000  # of a window; beyond it, sessions are sampled
BURST = 2.0  # decades that a window loses which the one before does not confirm: what disturbs comes in bursts
SUSPECT = 1.5  # decades below an alarm from which a window is not taken for usual either
PENDING = 2  # windows that wait before they are taken for usual
FORGET = 6  # windows after which a session's last line is no start of a hop any more
# decades that an episode gains with each further window, and at most: a minute of the same is no blip
LONGER, LONGEST = 0.4, 2.0

Session = tuple[str, str, str]  # (pipeline, family, identifier)


@dataclass(slots=True)
class Past:
    """Logarithms of the past, newest last: of a hop's medians (ns), or of how much longer hops took together.

    ``last`` is the newest, usual or not; ``since`` the window from which it has been unusual (-1: it is not).
    """

    past: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    pending: list[float] = field(default_factory=list)  # the newest: they may turn out to be the begin of a delay
    last: float | None = None
    seen: int = 0
    since: int = -1


@dataclass(slots=True)
class Run:
    """One hop in one window; ``longer`` is the logarithm of how many times longer it took than usual."""

    origin: Place
    target: Place
    templates: tuple[str, str]
    gaps: list[tuple[int, str, str]] = field(default_factory=list)  # (ns, line before, line after)
    median_ns: float = 0.0
    usual_ns: float = 0.0
    extra_ns: float = 0.0
    longer: float = 0.0
    calls: int = 0  # sessions that came to the target's place for the first time

    @property
    def key(self) -> str:
        return "\x1f".join((*self.origin, self.templates[0], *self.target, self.templates[1]))

    @property
    def within(self) -> bool:
        return self.origin == self.target


@dataclass(slots=True)
class Together:
    """Hops that are judged together: what they have in common, how much longer they took, how improbable that is."""

    places: tuple[Place, ...]
    runs: list[Run] = field(default_factory=list)
    longer: float = 0.0
    alone: float = 0.0  # score of this window by itself
    score: float = 0.0  # the same, confirmed by the window before


@dataclass(slots=True)
class _Judged:
    runs: list[Run]
    tails: dict[Session, Step]
    together: dict[str, Together] = field(default_factory=dict)
    slow: dict[Place, list[Together]] = field(default_factory=dict)


class RequestPace:
    """The detector. ``text_of`` gives a template's text."""

    name = "request_pace"

    def __init__(self, options: RequestPaceOptions | None = None, text_of: Callable[[str], str] | None = None) -> None:
        self.options, self.text_of = options or RequestPaceOptions(), text_of
        self._hops: dict[str, Past] = {}
        self._groups: dict[str, Past] = {}
        self._tails: OrderedDict[Session, Step] = OrderedDict()
        self._episodes: dict[Place, list[Any]] = {}  # place -> [start ns, last window, windows, best score]
        self._number = 0
        self._last: tuple[Window, _Judged] | None = None
        self._dirty = False

    # -- the contract ----------------------------------------------------------------------------------

    def score(self, window: Window) -> list[Signal]:
        """A signal for each place whose hops are slow, best first."""
        judged = self._evaluate(window)
        return order([self._signal(place, slow, window) for place, slow in judged.slow.items()])

    def learn(self, window: Window) -> None:
        """Take the window in; what is slow only once it has lasted."""
        if not window.facts.steps and not self._hops:
            return
        judged, need = self._evaluate(window), self._need()
        suspect = [one for one in judged.together.values() if one.alone >= need - SUSPECT]
        slow = {run.key for one in suspect for run in one.runs if run.extra_ns >= LEAST_EXTRA_NS}
        for run in judged.runs:
            value = math.log(max(run.median_ns, 0.0) + MILLISECOND)
            self._take(self._hops.setdefault(run.key, Past()), value, slow=run.key in slow)
        for key, one in judged.together.items():
            self._take(self._groups.setdefault(key, Past()), one.longer, slow=one.alone >= need - SUSPECT)
        for place, found in judged.slow.items():
            start_ns, _, windows, best = self._episodes.get(place, (window.start_ns, 0, 0, 0.0))
            self._episodes[place] = [start_ns, self._number, windows + 1, max(best, *(one.score for one in found))]
        self._episodes = {
            place: episode for place, episode in self._episodes.items() if self._number - episode[1] < PAUSE
        }
        self._follow(judged.tails, window)
        self._number += 1
        for kept in (self._hops, self._groups):
            self._forget(kept)
        self._last, self._dirty = None, True

    def _need(self) -> float:
        return budget(
            self.options.window_s,
            self.options.false_alarms_per_day,
            max(sum(key.startswith("from") for key in self._groups), 10),
        )

    # -- evaluation (no state is changed) --------------------------------------------------------------

    def _evaluate(self, window: Window) -> _Judged:
        if self._last is not None and self._last[0] is window:
            return self._last[1]
        judged = _Judged(*self._runs(window))
        known = self._compare(judged.runs)
        for run in known:
            for key, places in _belongs(run):
                judged.together.setdefault(key, Together(places)).runs.append(run)
        judged.together = {
            key: one for key, one in judged.together.items() if sum(len(r.gaps) for r in one.runs) >= LEAST_IN_ALL
        }
        for key, one in judged.together.items():
            self._judge(key, one)
        judged.slow = _by_place([one for one in judged.together.values() if one.score >= self._need()])
        self._last = (window, judged)
        return judged

    def _runs(self, window: Window) -> tuple[list[Run], dict[Session, Step]]:
        """The hops that end in this window, and the last line of each session in it."""
        steps, modulus = window.facts.steps, 1
        while len(steps) > MOST_STEPS * modulus:
            modulus *= 2
        runs: dict[tuple[Place, str, Place, str], Run] = {}
        tails: dict[Session, Step] = {}
        visited: dict[Session, set[Place]] = {}
        for step in sorted(steps, key=lambda one: one.at_ns):
            if modulus > 1 and not sampled(step.session, modulus):
                continue
            session = (step.place.pipeline, step.family, step.session)
            before = tails.get(session) or (None if window.gap else self._tails.get(session))
            tails[session] = step
            places = visited.setdefault(session, {before.place} if before is not None else set())
            arrives = step.place not in places
            places.add(step.place)
            if before is None or before.at_ns > step.at_ns:
                continue
            key = (before.place, before.template, step.place, step.template)
            run = runs.get(key)
            if run is None:
                run = runs[key] = Run(before.place, step.place, (before.template, step.template))
            run.gaps.append((step.at_ns - before.at_ns, before.line, step.line))
            run.calls += arrives
        return [run for run in runs.values() if len(run.gaps) >= LEAST_GAPS], tails

    def _compare(self, runs: Sequence[Run]) -> list[Run]:
        """Those whose usual gap is known, with how much longer they took beyond what all of their kind did."""
        known: list[Run] = []
        growth: dict[tuple[str, bool], list[float]] = {}
        for run in runs:
            run.median_ns = _median(sorted(gap for gap, _, _ in run.gaps))
            hop = self._hops.get(run.key)
            if hop is not None and len(hop.past) >= LEARNT:
                run.usual_ns = max(0.0, math.exp(_median(sorted(hop.past))) - MILLISECOND)
                growth.setdefault((run.target.pipeline, run.within), []).append(run.median_ns - run.usual_ns)
                known.append(run)
        for run in known:
            grown = sorted(growth[run.target.pipeline, run.within])
            if len(grown) < FEW:
                grown = sorted([*grown, *growth.get((run.target.pipeline, not run.within), ())])
            common = max(0.0, _median(grown)) if len(grown) >= FEW else 0.0
            run.extra_ns = run.median_ns - common - run.usual_ns
            run.longer = math.log((max(run.usual_ns + run.extra_ns, 0.0) + MILLISECOND) / (run.usual_ns + MILLISECOND))
        return known

    def _judge(self, key: str, one: Together) -> None:
        """Peaks over the past's own 90 % point, which the window before must confirm."""
        one.longer = sum(run.longer for run in one.runs) / len(one.runs)
        one.runs.sort(key=lambda run: (-run.longer, run.key))
        past = self._groups.get(key)
        lead = one.runs[0]
        if past is None or len(past.past) < self.options.warmup_windows:
            return
        if lead.extra_ns < max(LEAST_EXTRA_NS, (self.options.slower - 1) * lead.usual_ns):
            return
        values = sorted(past.past)
        middle, high = values[len(values) // 2], values[len(values) * 9 // 10]
        beyond = [value - high for value in values if value > high]
        # by the middle of what lies beyond: delays of the past that nobody called one must not blind it
        scale = max(_median(beyond) / math.log(2) if beyond else 0.0, (high - middle) / 2, LEAST_SPREAD)
        one.alone = one.score = gpd_tail(one.longer - high, scale, shape=0.05)
        if past.last is not None and one.longer - middle < FAR:
            before = gpd_tail(past.last - high, scale, shape=0.05)
            one.score = max(0.0, one.alone + before - BURST)

    # -- signals ---------------------------------------------------------------------------------------

    def _signal(self, place: Place, slow: Sequence[Together], window: Window) -> Signal:
        runs = {run.key: run for one in slow for run in one.runs if run.extra_ns >= LEAST_EXTRA_NS}
        lead = max(runs.values(), key=lambda run: (run.longer, run.key))
        start_ns, _, lasted, best = self._episodes.get(place, (window.start_ns, 0, 0, 0.0))
        _, before, after = max(lead.gaps)
        first, second = (f"`{shorten(self._text(name))}`" for name in lead.templates)
        now, usual = _duration(lead.median_ns), _duration(lead.usual_ns)
        text = f"requests take {now} from {first} to {second}, usually {usual}"
        if len(runs) > 1:
            text += f"; {len(runs) - 1} more of their steps are slow"
        return Signal(
            id=signal_id("log.slow", start_ns, *place), kind="log.slow", start_ns=start_ns, end_ns=window.end_ns,
            score=max(best, *(one.score for one in slow)) + min(LONGER * lasted, LONGEST), host=place.host,
            service=place.service, pipeline=place.pipeline, template_id=lead.templates[1],
            value=lead.median_ns / SECOND, expected=lead.usual_ns / SECOND, text=text,
            evidence=[f"line:{before}", f"line:{after}", *(f"template:{name}" for name in lead.templates)],
        )  # fmt: skip

    def _text(self, template: str) -> str:
        return (self.text_of(template) if self.text_of is not None else "") or template

    # -- learning --------------------------------------------------------------------------------------

    def _take(self, past: Past, value: float, *, slow: bool) -> None:
        past.seen, past.last = self._number, (value := round(value, 4))
        if not slow:
            past.since = -1
            past.pending.append(value)
            if len(past.pending) > PENDING:
                past.past.append(past.pending.pop(0))
        elif past.since < 0:
            past.since, past.pending = self._number, []
        elif (self._number - past.since) * self.options.window_s >= self.options.adopt_after_s:
            past.past.clear()  # it stays slow: that is how it is now
            past.past.extend([value] * self.options.warmup_windows)
            past.since = -1

    def _follow(self, tails: dict[Session, Step], window: Window) -> None:
        if window.gap:
            self._tails.clear()
        for session, step in tails.items():
            self._tails[session] = step
            self._tails.move_to_end(session)
        bar = window.end_ns - FORGET * self.options.window_s * SECOND
        while self._tails and (len(self._tails) > MOST_STEPS or next(iter(self._tails.values())).at_ns < bar):
            self._tails.popitem(last=False)

    def _forget(self, kept: dict[str, Past]) -> None:
        """The longest unseen go when there are too many."""
        if len(kept) > self.options.max_hops:
            oldest = sorted(kept, key=lambda key: kept[key].seen)
            for key in oldest[: len(oldest) - self.options.max_hops * 9 // 10]:
                del kept[key]

    # -- state -----------------------------------------------------------------------------------------

    def load(self, db: sqlite3.Connection) -> None:
        """Read what was learnt; the table is made if it is missing. Hops over a restart are not counted."""
        db.execute("CREATE TABLE IF NOT EXISTS request_pace_state (id INTEGER PRIMARY KEY, body BLOB)")
        row = db.execute("SELECT body FROM request_pace_state WHERE id = 0").fetchone()
        if row:
            body = json.loads(row[0])
            self._number = body["number"]
            self._hops, self._groups = _kept(body["hops"]), _kept(body["groups"])
            self._episodes = {Place(*place): episode for place, episode in body["episodes"]}

    def save(self, db: sqlite3.Connection) -> None:
        """Write it if a window was learnt since the last time. Does not commit."""
        db.execute("CREATE TABLE IF NOT EXISTS request_pace_state (id INTEGER PRIMARY KEY, body BLOB)")
        if not self._dirty:
            return
        body = {
            "number": self._number, "hops": _rows(self._hops), "groups": _rows(self._groups),
            "episodes": [[place, episode] for place, episode in self._episodes.items()],
        }  # fmt: skip
        db.execute("INSERT OR REPLACE INTO request_pace_state VALUES (0, ?)", (json.dumps(body),))
        self._dirty = False


def _rows(kept: dict[str, Past]) -> list[list[Any]]:
    return [[key, list(one.past), one.pending, one.last, one.seen, one.since] for key, one in kept.items()]


def _kept(rows: list[list[Any]]) -> dict[str, Past]:
    return {key: Past(deque(values, maxlen=HISTORY), *rest) for key, values, *rest in rows}


def _belongs(run: Run) -> Iterator[tuple[str, tuple[Place, ...]]]:
    """(key, places) of what the hop is judged together with."""
    if run.within:
        yield "\x1f".join(("within", *run.origin)), (run.origin,)
        return
    yield "\x1f".join(("from", *run.origin)), (run.origin,)
    yield "\x1f".join(("to", *run.target)), (run.target,)
    one, two = sorted((run.origin, run.target))
    yield "\x1f".join(("between", *one, *two)), (one, two)


def _by_place(slow: Sequence[Together]) -> dict[Place, list[Together]]:
    """What is slow by the place that has most of it, then of what is left, and so on; the clearest first."""
    left = sorted(slow, key=lambda one: (-one.score, one.places))
    found: dict[Place, list[Together]] = {}
    while left:
        mass: dict[Place, float] = {}
        for one in left:
            for place in one.places:
                mass[place] = mass.get(place, 0.0) + one.score
        # The caller of a slow service and that service look much alike: then it is the called one.
        near = [place for place in mass if mass[place] >= NEAR * max(mass.values())]
        called = dict.fromkeys(near, 0)
        for run in {run.key: run for one in left for run in one.runs if run.calls}.values():
            if run.origin in called and run.target in called:
                called[run.target] += run.calls
                called[run.origin] -= run.calls
        best = max(near, key=lambda place: (called[place], mass[place], place))
        found[best] = [one for one in left if best in one.places]
        told = {run.key for one in found[best] for run in one.runs}
        left = [one for one in left if best not in one.places and one.runs[0].key not in told]
    return found


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    return float(ordered[middle]) if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _duration(ns: float) -> str:
    return f"{plain_number(round(ns / 1e6, 1))} ms" if ns < 1e9 else f"{plain_number(ns / 1e9)} s"
