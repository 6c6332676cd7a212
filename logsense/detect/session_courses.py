"""What the sessions of one kind usually do: which events, how many of each, in which order, and how long between.

The signature of a session is its set of events; sets (and counts on top of them) carry nearly all that published
models find in the HDFS blocks, and a set says in words what is new or missing. A session whose set is a beginning of
a known course and whose next event may still come by the pauses learnt is unfinished, not abnormal: that is what a
benign "the deletion comes hours later" needs, not a new model.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MAX_COURSES = 3_000
MAX_WAITS = 10_000
MAX_PAIRS = 50_000
MAX_EVENTS = 5_000
LEARNT = 20  # sessions from which a count or a pause is trusted
REPEATING = 0.7  # share of the sessions that must take a course which is known already
ALWAYS = 500  # sessions in which one event came before another, and never the other way round
SECOND = 1_000_000_000
Events = frozenset[int]


class Deviation(NamedTuple):
    """How a session differs. ``kind``: new, missing, unusual (an event that does not belong), count, order.

    ``event`` and ``other`` (what usually comes first) are templates; ``now`` and ``usual`` are words.
    """

    kind: str
    event: str
    other: str = ""
    now: str = ""
    usual: str = ""


@dataclass(slots=True)
class Session:
    """One session so far. ``first`` maps each event to the time of its first line, in order of appearance."""

    first: dict[int, int] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    lines: dict[int, str] = field(default_factory=dict)
    places: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    last_ns: int = 0
    due: int = 0
    told: bool = False
    judged: bool = False  # it seems to have ended; a further line takes that back
    counted: bool = False  # it seemed so at least once
    learnt: Events = frozenset()  # as what it was learnt when it seemed to have ended


@dataclass(slots=True)
class Course:
    """Sessions with one set of events: their weight, their number, and the least and most of each event."""

    weight: float = 0.0
    seen: int = 0
    low: dict[int, int] = field(default_factory=dict)
    high: dict[int, int] = field(default_factory=dict)


class Courses:
    """The courses of one kind of session. ``min_share`` … as in ``SessionAnomalyOptions``."""

    def __init__(self, *, min_share: float, adopt_share: float, adopt_last: int, adopt_after_s: int,
                 half_life_s: int) -> None:  # fmt: skip
        self.ended = 0  # sessions learnt or judged
        self._min_share, self._adopt_share = min_share, adopt_share
        self._adopt_after_ns, self._half_life_ns = adopt_after_s * SECOND, max(half_life_s, 1) * SECOND
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._courses: dict[Events, Course] = {}
        self._total = 0.0
        self._again = 0  # sessions whose course was known when they ended
        self._heard: set[int] = set()
        self._begun_ns = 0
        #: Events so far -> (times, longest pause) before the next new event, and before any next line.
        self._waits: dict[Events, tuple[int, int]] = {}
        self._pauses: dict[Events, tuple[int, int]] = {}
        self._awaited: dict[int, int] = {}  # event -> longest pause before it, wherever a session stood
        self._before: Counter[tuple[int, int]] = Counter()
        self._recent: deque[Events] = deque(maxlen=adopt_last)
        self._fresh: dict[Events, int] = {}  # courses that are not known -> when they were first seen
        self._adopted: dict[int, int] = {}  # events that no known course has -> when they were first seen
        self._known: dict[Events, None] | None = None
        self._everything: Events | None = None
        self._now_ns = 0  # end of the latest session

    # -- events ----------------------------------------------------------------------------------------

    def number(self, template: str) -> int:
        """The event's number, given when it is first seen; all beyond ``MAX_EVENTS`` share one."""
        found = self._numbers.get(template)
        if found is None:
            if len(self._names) >= MAX_EVENTS:
                return MAX_EVENTS - 1
            found = self._numbers[template] = len(self._names)
            self._names.append(template)
        return found

    def unheard(self, template: str) -> bool:
        """Whether no known course has this event."""
        number = self._numbers.get(template)
        return self.repeats() and number not in self._heard and number not in self.vocabulary()

    def hear(self, event: int) -> None:
        """While the detector warms up: the event belongs to this kind of session, whether one of them ended or not."""
        self._heard.add(event)

    def repeats(self) -> bool:
        """Whether most sessions take a course that another took before them; else nothing can be said of any."""
        return self._again >= REPEATING * max(self.ended, 1)

    def vocabulary(self) -> Events:
        """The events of all known courses."""
        known = self.known()
        if self._everything is None:
            self._everything = frozenset().union(*known)
        return self._everything

    def known(self) -> dict[Events, None]:
        """The sets of events that enough sessions had, most frequent first."""
        if self._known is None:
            least = self._min_share * self._total
            ranked = sorted(self._courses.items(), key=lambda one: -one[1].weight)
            self._known = {events: None for events, course in ranked if course.weight >= least}
            self._everything = None
        return self._known

    # -- judging (nothing changes) ---------------------------------------------------------------------

    def judge(self, session: Session, waited_ns: int) -> Deviation | None:
        """How the session differs after ``waited_ns`` without a further line; None for a normal or unfinished one."""
        events = frozenset(session.counts)
        if not self.repeats():
            return None
        if events in self.known() and (course := self._courses.get(events)) is not None:
            return self._counts(session, course) or self._order(session)
        usual = self._usual_new_events(events)
        if usual and (events - usual) in self._courses:
            return None
        below = [course for course in self.known() if course > events]
        if below:
            missing = min(below, key=len) - events
            if self._may_go_on(events, missing, waited_ns):
                return None
            return self._missing(missing, session)
        return self._strange(events, session)

    def _may_go_on(self, events: Events, missing: Events, waited_ns: int) -> bool:
        """Whether what is missing may still come: by what was seen at this point, or of the event that is next."""
        if events not in self._waits:  # no session ever stood here and went on
            return False
        awaited = self._awaited.get(min(missing, key=self._rank), 0)
        return waited_ns <= max(_limit(*self._waits[events]), awaited)

    def _usual_new_events(self, events: Events) -> Events:
        """Events of no known course that a good share of the last sessions had."""
        if not self._adopted:
            return frozenset()
        need = self._adopt_share * (self._recent.maxlen or 1)
        return frozenset(
            event for event in events
            if event in self._adopted and sum(event in recent for recent in self._recent) >= need
            and self._now_ns - self._adopted[event] >= self._adopt_after_ns
        )  # fmt: skip

    def _missing(self, missing: Iterable[int], session: Session) -> Deviation:
        ordered = sorted(missing, key=self._rank)
        last = max(session.first, key=lambda event: session.first[event], default=None)
        return Deviation("missing", self._names[ordered[0]], self._names[last] if last is not None else "")

    def _rank(self, event: int) -> tuple[int, int]:
        """Early events first: those that come before many others."""
        return -sum(count for (first, _), count in self._before.items() if first == event), event

    def _strange(self, events: Events, session: Session) -> Deviation | None:
        known = self.known()
        if not known:
            return None
        everything = self.vocabulary()
        new = [event for event in session.first if event not in everything]
        if new:
            return Deviation("new", self._names[new[0]])
        nearest = min(known, key=lambda course: (len(course ^ events), -len(course & events)))
        extra = [event for event in session.first if event not in nearest]
        if extra:
            return Deviation("unusual", self._names[extra[0]])
        return self._missing(nearest - events, session)

    def _counts(self, session: Session, course: Course) -> Deviation | None:
        if course.seen < LEARNT:
            return None
        for event, count in session.counts.items():
            low, high = course.low.get(event, 1), course.high.get(event, count)
            if count > high + max(1.0, high / 2) or count < low - max(1.0, low / 2):
                usual = str(high) if low == high else f"{low} to {high}"
                return Deviation("count", self._names[event], now=str(count), usual=usual)
        return None

    def _order(self, session: Session) -> Deviation | None:
        times = list(session.first.items())
        if len(times) > 64:
            return None
        for place, (event, at_ns) in enumerate(times):
            for later, later_ns in times[place + 1 :]:
                if later_ns > at_ns and self._before[later, event] >= ALWAYS and not self._before[event, later]:
                    return Deviation("order", self._names[event], self._names[later])
        return None

    def patience_ns(self, session: Session, least_ns: int, most_ns: int) -> int:
        """How long to wait for the next line before the session is judged."""
        events = frozenset(session.counts)
        times, longest = self._pauses.get(events, (0, 0))
        if times >= LEARNT:
            return max(least_ns, min(most_ns, _limit(times, longest) + 1))
        return most_ns

    # -- learning --------------------------------------------------------------------------------------

    def step(self, session: Session, event: int, at_ns: int) -> None:
        """Before ``event`` is added to the session: learn how long the pauses are at this point."""
        if not session.counts:
            return
        events, pause = frozenset(session.counts), at_ns - session.last_ns
        for kept in (self._pauses,) if event in session.counts else (self._pauses, self._waits):
            if events in kept or len(kept) < MAX_WAITS:
                times, longest = kept.get(events, (0, 0))
                kept[events] = (times + 1, max(longest, pause))
        if event not in session.counts:
            self._awaited[event] = max(self._awaited.get(event, 0), pause)

    def end(self, session: Session, now_ns: int, *, learn: bool) -> None:
        """Take an ended session in: as a course if ``learn``, else only as one of the last ones.

        One that ended before and went on counts as what it is now.
        """
        events = frozenset(session.counts)
        if session.learnt and (before := self._courses.get(session.learnt)) is not None:
            before.weight, before.seen = before.weight - 1.0, before.seen - 1
            self._total -= 1.0
            if before.seen <= 0:
                del self._courses[session.learnt]
            self._known = None if before.seen <= 1 else self._known
        if not session.counted:
            self.ended += 1
            self._again += events in self._courses
        session.judged, session.counted, session.learnt = True, True, frozenset()
        self._now_ns = max(self._now_ns, now_ns)
        self._recent.append(events)
        if learn or self._is_new_normal(events, now_ns):
            self._learn(session, events, now_ns)
            session.learnt = events

    def _is_new_normal(self, events: Events, now_ns: int) -> bool:
        """Whether an unknown course has become a good share of what is seen, for long enough."""
        if events in self._courses:
            return True
        if len(self._fresh) >= MAX_COURSES:
            self._fresh.pop(next(iter(self._fresh)))
        since = self._fresh.setdefault(events, now_ns)
        for event in events:
            if event not in self._adopted and len(self._adopted) < MAX_EVENTS and self.unheard(self._names[event]):
                self._adopted[event] = now_ns
        need = self._adopt_share * (self._recent.maxlen or 1)
        return now_ns - since >= self._adopt_after_ns and self._recent.count(events) >= need

    def _learn(self, session: Session, events: Events, now_ns: int) -> None:
        self._begun_ns = self._begun_ns or now_ns
        gain = 2.0 ** ((now_ns - self._begun_ns) / self._half_life_ns)  # newer sessions weigh more
        if gain > 1e9:
            self._rescale(gain)
            self._begun_ns, gain = now_ns, 1.0
        course = self._courses.get(events)
        if course is None:
            self._known = None
            if len(self._courses) >= MAX_COURSES:
                del self._courses[min(self._courses, key=lambda one: self._courses[one].weight)]
            course = self._courses[events] = Course()
        self._fresh.pop(events, None)
        course.weight += gain
        course.seen += 1
        self._total += gain
        if course.seen < 200 or self.ended % 500 == 0:
            self._known = None
        for event, count in session.counts.items():
            course.low[event] = min(course.low.get(event, count), count)
            course.high[event] = max(course.high.get(event, count), count)
        if course.seen <= 1_000 and len(session.first) <= 64:
            self._learn_order(session)

    def _learn_order(self, session: Session) -> None:
        times = list(session.first.items())
        for place, (event, at_ns) in enumerate(times):
            for later, later_ns in times[place + 1 :]:
                if later_ns > at_ns and ((event, later) in self._before or len(self._before) < MAX_PAIRS):
                    self._before[event, later] += 1

    def _rescale(self, gain: float) -> None:
        for course in self._courses.values():
            course.weight /= gain
        self._total /= gain

    # -- state -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "ended": self.ended, "names": self._names, "total": self._total, "begun": self._begun_ns,
            "now": self._now_ns, "again": self._again, "heard": sorted(self._heard),
            "courses": [[sorted(e), c.weight, c.seen, list(c.low.items()), list(c.high.items())]
                        for e, c in self._courses.items()],
            "waits": [[sorted(e), *values] for e, values in self._waits.items()],
            "pauses": [[sorted(e), *values] for e, values in self._pauses.items()],
            "awaited": list(self._awaited.items()),
            "before": [[*pair, count] for pair, count in self._before.items()],
            "recent": [sorted(e) for e in self._recent],
            "fresh": [[sorted(e), at] for e, at in self._fresh.items()],
            "adopted": list(self._adopted.items()),
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        self.ended, self._names, self._total = state["ended"], list(state["names"]), state["total"]
        self._begun_ns, self._now_ns = state["begun"], state["now"]
        self._again, self._heard = state["again"], set(state["heard"])
        self._numbers = {name: number for number, name in enumerate(self._names)}
        for events, weight, seen, low, high in state["courses"]:
            self._courses[frozenset(events)] = Course(weight, seen, dict(low), dict(high))
        self._waits = {frozenset(events): (times, longest) for events, times, longest in state["waits"]}
        self._pauses = {frozenset(events): (times, longest) for events, times, longest in state["pauses"]}
        self._awaited = dict(state["awaited"])
        self._before.update({(a, b): count for a, b, count in state["before"]})
        self._recent.extend(frozenset(events) for events in state["recent"])
        self._fresh = {frozenset(events): at for events, at in state["fresh"]}
        self._adopted = dict(state["adopted"])


def _limit(times: int, longest: int) -> int:
    """The pause that may still be normal: the longest of n is exceeded once in n + 1 times, so few leave more room."""
    return round(longest * (1.25 + 10.0 / max(times, 10)))
