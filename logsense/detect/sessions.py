"""Sessions that go wrong: an event that never belonged to one, one that does not come, too many of one, another order.

A session is whatever shares an identifier: the lines of a block, a request, a trace, a connection. Lines arrive in
windows; a session is followed until it has been silent longer than it ever was at that point, then judged by the
courses of its kind (``courses``). How often sessions of a kind deviate in which way has a baseline of its own, so that
systems whose sessions never quite repeat raise nothing, and a deviation that is frequent already says nothing new.
Where no line has an identifier there are no steps, and this costs and says nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

from logsense.detect.counted import Counted, budget
from logsense.detect.facts import TEXT, Place, Step, sampled
from logsense.detect.options import SessionAnomalyOptions
from logsense.detect.session_courses import SECOND, Courses, Deviation, Session
from logsense.detect.signals import order, plain_number, shorten, signal_id
from logsense.detect.windows import Window
from logsense.record import Signal

#: Rate per window at which sessions of a kind deviate in *some* way that was never seen, before it is learnt.
UNSEEN = 0.01
MAX_KINDS = 50  # of sessions
MAX_LINES = 3  # sessions a signal cites

Kind = tuple[str, str]  # (pipeline, family)
Key = tuple[str, str, str]  # (pipeline, family, identifier)
Observer = Callable[[str, Session, "Deviation | None"], None]


@dataclass(slots=True)
class Deviating:
    """Sessions of one window that deviate in one way at one place, with example lines."""

    kind: Kind
    deviation: Deviation
    place: Place
    sessions: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    last_ns: int = 0  # their newest line: the end of a session is only known a good while after it

    @property
    def key(self) -> str:
        one = self.deviation
        return "\x1f".join((*self.kind, *self.place, one.kind, one.event, one.other if one.kind == "order" else ""))


@dataclass(slots=True)
class _Judged:
    """What both ``learn`` and ``score`` need of a window: the ended sessions, and who deviates."""

    ended: list[tuple[Key, Deviation | None]] = field(default_factory=list)
    gone: list[Key] = field(default_factory=list)
    early: dict[Key, Deviation] = field(default_factory=dict)  # by an event that is in the window
    groups: dict[str, Deviating] = field(default_factory=dict)
    tails: dict[str, tuple[float, float]] = field(default_factory=dict)


class SessionAnomaly:
    """The detector. ``text_of`` gives a template's text; ``observe`` hears of every session that ends."""

    name = "session_anomaly"

    def __init__(
        self,
        options: SessionAnomalyOptions | None = None,
        text_of: Callable[[str], str] | None = None,
        observe: Observer | None = None,
    ) -> None:
        self.options = options or SessionAnomalyOptions()
        self.text_of, self.observe = text_of, observe
        o = self.options
        self._counted = Counted(window_s=o.window_s, half_life_s=o.half_life_s / 7, adopt_after_s=o.adopt_after_s,
                                max_keys=20_000)  # fmt: skip
        self._courses: dict[Kind, Courses] = {}
        self._open: OrderedDict[Key, Session] = OrderedDict()
        self._due: dict[int, list[Key]] = {}  # window number since 1970 -> sessions that may have ended by then
        self._last: tuple[Window, _Judged] | None = None
        self._dirty = False

    # -- the contract ----------------------------------------------------------------------------------

    def score(self, window: Window) -> list[Signal]:
        """Signals of the sessions that ended or met an event they never met, best first."""
        judged = self._evaluate(window)
        need = self._need()
        return order([
            self._signal(group, judged.tails[key], window)
            for key, group in judged.groups.items() if judged.tails[key][0] >= need
        ])  # fmt: skip

    def learn(self, window: Window) -> None:
        """Take the window in: close what ended, go on with what did not."""
        facts = window.facts
        if not facts.steps and not self._open:
            return
        judged, need = self._evaluate(window), self._need()
        unusual = {key: tail for key, tail in judged.tails.items() if tail[0] >= need}
        counts = {key: float(len(group.sessions)) for key, group in judged.groups.items()}
        for kind in {group.kind for key, group in judged.groups.items() if key not in self._counted}:
            counts[_fresh_key(kind)] = 1.0
        self._counted.learn(counts, unusual)
        # What raises an alarm just now is not learnt, however young the detector is.
        alarmed = {(*judged.groups[name].kind, one) for name in unusual for one in judged.groups[name].sessions}
        for key, deviation in judged.ended:
            self._end(key, deviation, window.end_ns, key not in alarmed)
        for key in judged.gone:
            del self._open[key]
        number = self._number(window.end_ns)
        for bucket in [bucket for bucket in self._due if bucket <= number]:
            del self._due[bucket]
        for key, _ in judged.ended:
            self._schedule(key)
        if facts.unsettled or facts.modulus > 1:
            self._sift(facts.modulus, facts.unsettled)
        for step in facts.steps:
            self._step(step)
        for key in {(s.place.pipeline, s.family, s.session) for s in facts.steps}:
            self._schedule(key)
        for key in judged.early:
            if key in self._open:
                self._open[key].told = True
        while len(self._open) > self.options.max_open:
            self._open.popitem(last=False)
        self._last, self._dirty = None, True

    def _need(self) -> float:
        return budget(self.options.window_s, self.options.false_alarms_per_day)

    # -- evaluation (no state is changed) --------------------------------------------------------------

    def _evaluate(self, window: Window) -> _Judged:
        if self._last is not None and self._last[0] is window:
            return self._last[1]
        judged = _Judged()
        touched = {(s.place.pipeline, s.family, s.session) for s in window.facts.steps}
        self._judge_ended(judged, window, touched)
        self._judge_steps(judged, window)
        since_new = {kind: self._counted.tail(_fresh_key(kind), 1.0, UNSEEN)[1]
                     for kind in {group.kind for group in judged.groups.values()}}  # fmt: skip
        for key, group in judged.groups.items():
            prior = since_new[group.kind]
            judged.tails[key] = self._counted.tail(key, float(len(group.sessions)), prior)
        self._last = (window, judged)
        return judged

    def _judge_ended(self, judged: _Judged, window: Window, touched: set[Key]) -> None:
        number = self._number(window.end_ns)
        seen: set[Key] = set()
        for bucket in [bucket for bucket in self._due if bucket <= number]:
            for key in self._due[bucket]:
                session = self._open.get(key)
                if session is None or key in seen or key in touched or session.due > number:
                    continue
                seen.add(key)
                if session.judged:  # nothing came since: it is forgotten now
                    judged.gone.append(key)
                    continue
                courses = self._courses[key[:2]]
                deviation = None
                # After a gap nobody knows whether the session or the reading of its lines stopped.
                if courses.ended >= self.options.warmup_sessions and not window.gap:
                    deviation = courses.judge(session, window.end_ns - session.last_ns)
                judged.ended.append((key, deviation))
                if deviation is not None and not session.told:
                    self._group(judged, key, deviation, session)

    def _judge_steps(self, judged: _Judged, window: Window) -> None:
        unheard: dict[tuple[Kind, str], bool] = {}
        for step in window.facts.steps:
            kind = (step.place.pipeline, step.family)
            known = unheard.get((kind, step.template))
            if known is None:
                courses = self._courses.get(kind)
                ripe = courses is not None and courses.ended >= self.options.warmup_sessions
                known = unheard[kind, step.template] = bool(ripe and courses and courses.unheard(step.template))
            if not known:
                continue
            key = (*kind, step.session)
            session = self._open.get(key)
            if key in judged.early or (session is not None and session.told):
                continue
            judged.early[key] = Deviation("new", step.template)
            self._group(judged, key, judged.early[key], session, step)

    def _group(
        self, judged: _Judged, key: Key, deviation: Deviation, session: Session | None, step: Step | None = None
    ) -> None:
        if step is not None:
            place, line = step.place, step.line
        else:
            assert session is not None
            courses = self._courses[key[:2]]
            about = deviation.other if deviation.kind == "missing" else deviation.event
            at = courses.number(about) if about else -1
            at = at if at in session.places else next(iter(session.places))
            place, line = Place(*session.places[at]), session.lines[at]
        group = Deviating(key[:2], deviation, place)
        group = judged.groups.setdefault(group.key, group)
        group.sessions.append(key[2])
        group.last_ns = max(group.last_ns, step.at_ns if step is not None else session.last_ns if session else 0)
        if len(group.lines) < MAX_LINES:
            group.lines.append(line)

    # -- signals ---------------------------------------------------------------------------------------

    def _signal(self, group: Deviating, tail: tuple[float, float], window: Window) -> Signal:
        score, expected = tail
        lasted, peak = self._counted.episode(group.key)
        start_ns = window.start_ns - lasted * self.options.window_s * SECOND
        count, deviation = len(group.sessions), group.deviation
        step_ns = self.options.window_s * SECOND
        ago_ns = max(0, window.start_ns - group.last_ns + step_ns - 1) // step_ns * step_ns  # noticed so much later
        who = shorten(group.sessions[0], 60)
        what = "Session" if group.kind[1] == TEXT else group.kind[1]
        some = f"{what} {who}" if count == 1 else f"{plain_number(count)} sessions such as {who}"
        templates = [name for name in (deviation.event, deviation.other) if name]
        return Signal(
            id=signal_id("log.session", start_ns, group.key), kind="log.session", start_ns=start_ns - ago_ns,
            end_ns=window.end_ns - ago_ns, score=max(score, peak), host=group.place.host, service=group.place.service,
            pipeline=group.place.pipeline, template_id=deviation.event, value=float(count), expected=expected,
            text=f"{some}: {self._said(deviation)}",
            evidence=[*(f"line:{line}" for line in group.lines), *(f"template:{name}" for name in templates)],
        )  # fmt: skip

    def _said(self, deviation: Deviation) -> str:
        event, other = self._show(deviation.event), self._show(deviation.other)
        if deviation.kind == "new":
            return f"`{event}` never belonged to one before"
        if deviation.kind == "missing":
            return f"`{event}` did not come after `{other}`" if other else f"`{event}` did not come"
        if deviation.kind == "count":
            return f"`{event}` {deviation.now} times, usually {deviation.usual}"
        if deviation.kind == "order":
            return f"`{event}` came before `{other}`, which is always first"
        return f"`{event}` does not belong to what else it did"

    def _show(self, template: str) -> str:
        return shorten((self.text_of(template) if self.text_of is not None and template else "") or template)

    # -- learning --------------------------------------------------------------------------------------

    def _step(self, step: Step) -> None:
        kind = (step.place.pipeline, step.family)
        courses = self._courses.get(kind)
        if courses is None:
            if len(self._courses) >= MAX_KINDS:
                return
            courses = self._courses[kind] = self._new_courses()
        key = (*kind, step.session)
        session = self._open.get(key)
        if session is None:
            session = self._open[key] = Session()
        event = courses.number(step.template)
        if courses.ended < self.options.warmup_sessions:
            courses.hear(event)
        courses.step(session, event, step.at_ns)
        count = session.counts.get(event, 0)
        session.counts[event] = count + 1
        if not count or step.at_ns < session.first[event]:
            session.first[event] = step.at_ns
            session.lines[event], session.places[event] = step.line, (*step.place,)
        session.last_ns = max(session.last_ns, step.at_ns)
        session.judged = False

    def _new_courses(self) -> Courses:
        o = self.options
        return Courses(min_share=o.min_share, adopt_share=o.adopt_share, adopt_last=o.adopt_last,
                       adopt_after_s=o.adopt_after_s, half_life_s=o.half_life_s)  # fmt: skip

    def _schedule(self, key: Key) -> None:
        session = self._open.get(key)
        if session is None:
            return
        step, wait = self.options.window_s * SECOND, self.options.idle_s * SECOND
        if not session.judged:
            self._open.move_to_end(key)
            wait = self._courses[key[:2]].patience_ns(session, 3 * step, wait)
        session.due = self._number(session.last_ns + wait) + 1
        self._due.setdefault(session.due, []).append(key)

    def _end(self, key: Key, deviation: Deviation | None, now_ns: int, calm: bool) -> None:
        session, courses = self._open[key], self._courses[key[:2]]
        courses.end(session, now_ns, learn=calm and courses.ended < self.options.learn_sessions)
        if self.observe is not None:
            self.observe(key[2], session, deviation)

    def _sift(self, modulus: int, unsettled: bool) -> None:
        """Leave out sessions that are no longer of the sample, or whose first lines were not told apart yet."""
        for key in list(self._open):
            if (unsettled and key[1] == TEXT) or not sampled(key[2], modulus):
                del self._open[key]

    def _number(self, at_ns: int) -> int:
        return at_ns // (self.options.window_s * SECOND)

    def finish(self, now_ns: int, *, learn: bool = True) -> None:
        """Judge and end every open session as if nothing more came: for data that is read to its end."""
        for key in list(self._open):
            courses = self._courses[key[:2]]
            ripe = courses.ended >= self.options.warmup_sessions
            deviation = courses.judge(self._open[key], now_ns - self._open[key].last_ns) if ripe else None
            self._end(key, deviation, now_ns, calm=learn)
        self._open.clear()
        self._due.clear()

    # -- state -----------------------------------------------------------------------------------------

    def load(self, db: sqlite3.Connection) -> None:
        """Read what was learnt and what is open; the table is made if it is missing."""
        db.execute("CREATE TABLE IF NOT EXISTS session_anomaly_state (id INTEGER PRIMARY KEY, body BLOB)")
        row = db.execute("SELECT body FROM session_anomaly_state WHERE id = 0").fetchone()
        if not row:
            return
        body = json.loads(row[0])
        self._counted.restore(body["counted"])
        self._courses = {}
        for pipeline, family, state in body["courses"]:
            courses = self._courses[pipeline, family] = self._new_courses()
            courses.restore(state)
        self._open, self._due = OrderedDict(), {}
        for key, values in body["open"]:
            session = self._open[tuple(key)] = _session(values)
            self._due.setdefault(session.due, []).append(tuple(key))

    def save(self, db: sqlite3.Connection) -> None:
        """Write everything if a window was learnt since the last time. Does not commit."""
        db.execute("CREATE TABLE IF NOT EXISTS session_anomaly_state (id INTEGER PRIMARY KEY, body BLOB)")
        if not self._dirty:
            return
        body = {
            "counted": self._counted.state(),
            "courses": [[*kind, courses.state()] for kind, courses in self._courses.items()],
            "open": [[key, _plain(session)] for key, session in self._open.items()],
        }
        db.execute("INSERT OR REPLACE INTO session_anomaly_state VALUES (0, ?)", (json.dumps(body),))
        self._dirty = False


def _fresh_key(kind: Kind) -> str:
    return "\x1f".join((*kind, "a new way to deviate"))


def _plain(session: Session) -> list[Any]:
    values = [list(value.items()) if isinstance(value, dict) else value for value in astuple(session)[:-1]]
    return [*values, sorted(session.learnt)]


def _session(values: Sequence[Any]) -> Session:
    parts: list[Any] = [dict(value) if isinstance(value, list) else value for value in values[:-1]]
    session = Session(*parts)
    session.learnt = frozenset(values[-1])
    session.places = {event: (place[0], place[1], place[2]) for event, place in session.places.items()}
    return session
