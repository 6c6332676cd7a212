"""Log anomalies of a closed window: rates, novelty, severity, unit failures, silence.

Every counted thing (a template on a host, the error lines of a service, the failures of a unit) has a
negative-binomial baseline. Novelty has the rate at which new templates of that gravity appear on the
service. A signal is emitted when its score passes the threshold that the false-alarm budget sets for the
number of things watched.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable
from dataclasses import astuple, dataclass, field

from logsense.detect.baseline import CountModel, CountState, Inflation, Season, nb_tail
from logsense.detect.heartbeat import overdue_score
from logsense.detect.options import LogAnomalyOptions
from logsense.detect.signals import order, plain_number, shorten, signal_id, usually
from logsense.detect.units import failed_units
from logsense.detect.windows import SECOND, LogCell, Window
from logsense.detect.words import ERROR, FATAL, NEUTRAL, WARNING, concern
from logsense.record import Signal

#: Rate per window that a thing is credited with besides what was seen of it, by gravity.
PRIOR_RATE = {NEUTRAL: 0.2, WARNING: 0.05, ERROR: 0.02, FATAL: 0.005}
#: Rate per window at which *some* message appears that was never seen, on a healthy service. There are many
#: unseen messages, so that one of them comes is not as rare as each of them: some 25 new errors a day.
UNSEEN_RATE = {NEUTRAL: 0.03, WARNING: 0.01, ERROR: 0.0025, FATAL: 0.0005}
MINUTE = 6  # windows over which a slow drip of errors is summed

Key = tuple[str, str, str, str, str]  # (family, pipeline, host, service, name)


@dataclass(slots=True)
class Seen:
    """One counted thing of a window: what is counted, how often, how grave, and an example."""

    key: Key
    count: int
    gravity: int
    cell: LogCell
    template: str = ""


@dataclass(slots=True)
class _Scored:
    """What both ``learn`` and ``score`` need of a window."""

    seen: list[Seen]
    scores: dict[Key, tuple[float, float]] = field(default_factory=dict)  # key -> (raw score, expected)
    fresh: list[Seen] = field(default_factory=list)  # templates their service never wrote before
    silent: list[tuple[Key, float, int]] = field(default_factory=list)  # (key, score, windows without it)


class LogAnomaly:
    """The log detector. ``text_of`` gives a template's text; without it the example line is shown."""

    name = "log_anomaly"

    def __init__(self, options: LogAnomalyOptions | None = None, text_of: Callable[[str], str] | None = None) -> None:
        self.options = options or LogAnomalyOptions()
        self.text_of = text_of
        self.model = CountModel()
        self.number = 0  # windows learnt so far
        self._states: dict[Key, CountState] = {}
        self._known: dict[tuple[str, str, str], int] = {}  # (pipeline, service, template) -> window first seen
        self._new: dict[tuple[str, str, int], float] = {}  # (pipeline, service, gravity) -> decayed arrivals
        self._hosts: dict[tuple[str, str], int] = {}  # (pipeline, host) -> window first seen
        self._metric_hosts: dict[str, int] = {}
        self._gravity: dict[str, int] = {}
        self._inflation = Inflation()
        self._season = Season(self.options.season_s)
        self._decay = 0.5 ** (self.options.window_s / max(self.options.half_life_s, 1))
        self._last: tuple[Window, _Scored] | None = None  # so that learning does not score again
        self._dirty = False

    # -- the contract ----------------------------------------------------------------------------------

    def score(self, window: Window) -> list[Signal]:
        """Signals of this window, best first; empty during the warm-up of a host."""
        scored = self._evaluate(window)
        need, factor = self.threshold(), self._inflation.factor()
        signals = [self._rate_signal(one, scored, window, factor) for one in scored.seen]
        signals += self._novelty(scored, window)
        signals += [self._silence(key, value, gap, window, need) for key, value, gap in scored.silent]
        found = [signal for signal in signals if signal]
        # what a template says is not said again by the count of its level or service
        precise = {(s.host, s.service, s.kind) for s in found if s.template_id}
        whole = ("log.severity", "log.rate")
        return order(
            [s for s in found if s.template_id or s.kind not in whole or (s.host, s.service, s.kind) not in precise]
        )

    def learn(self, window: Window) -> None:
        """Take the window into the baselines; what stood out is taken in at a capped height."""
        scored = self._evaluate(window)
        factor = self._inflation.factor()
        raw = []
        for one in scored.seen:
            score, expected = scored.scores.get(one.key, (0.0, 0.0))
            stands_out = score / factor >= self._need(one)
            if not stands_out:  # faults say nothing about how bold the scores of healthy data are
                raw.append(score)
            self._update(one, window, score / factor if stands_out else None, expected)
        self._inflation.learn(raw, len(self._states), self._decay)
        for one in scored.fresh:
            _, pipeline, _, service, _ = one.key
            group = (pipeline, service, one.gravity)
            self._new[group] = self._new.get(group, 0.0) + 1.0
        for one in scored.seen:
            family, pipeline, host, service, template = one.key
            self._hosts.setdefault((pipeline, host), self.number)
            if family == "template":
                self._known.setdefault((pipeline, service, template), self.number)
                if len(self._gravity) < self.options.max_keys:
                    self._gravity.setdefault(f"{template}\x1f{one.cell.rank}", one.gravity)
        for group in self._new:
            self._new[group] *= self._decay
        for series in window.metrics:
            self._metric_hosts.setdefault(series.host, self.number)
        self.number += 1
        self._forget()
        self._last, self._dirty = None, True

    def threshold(self) -> float:
        """Score above which all watched things together stay within the false-alarm budget."""
        return max(2.0, self._budget() + math.log10(max(len(self._states), 10)))

    def _budget(self) -> float:
        """The same for errors: they are few, and ``UNSEEN_RATE`` counts those that never came yet as one."""
        return math.log10(86_400 / self.options.window_s / max(self.options.false_alarms_per_day, 1e-3))

    def _need(self, one: Seen) -> float:
        return self._budget() if one.gravity >= ERROR else self.threshold()

    # -- evaluation (no state is changed) --------------------------------------------------------------

    def _evaluate(self, window: Window) -> _Scored:
        if self._last is not None and self._last[0] is window:
            return self._last[1]
        scored = _Scored(self._count(window))
        for one in scored.seen:
            windows = self._observed(one.key)
            if windows < self.options.warmup_windows:
                continue
            scored.scores[one.key] = self._tail(one, windows, window.start_ns)
            family, pipeline, _, service, template = one.key
            if family == "template" and (pipeline, service, template) not in self._known:
                scored.fresh.append(one)
        if not window.empty and not window.gap:
            scored.silent = self._missing({one.key for one in scored.seen})
        self._last = (window, scored)
        return scored

    def _tail(self, one: Seen, windows: int, at_ns: int) -> tuple[float, float]:
        """(-log10 tail probability, expected count) of this window's count, or of the last minute's if rarer."""
        state = self._states.get(one.key) or CountState()
        total, square = state.decayed(self.number, self._decay)
        recent = [(count, taken) for number, count, taken in state.recent if number > self.number - MINUTE]
        # the last minute is judged by the time before it
        total = max(0.0, total - sum(taken for _, taken in recent))
        square = max(0.0, square - sum(taken * taken for _, taken in recent))
        effective = (1 - self._decay**windows) / (1 - self._decay)
        mean, variance = self.model.predict(total, square, effective, PRIOR_RATE[one.gravity])
        if total < 0.5:
            mean = max(mean, UNSEEN_RATE[one.gravity])
            variance = max(variance, mean * self.model.dispersion)
        if self._season.profiles:
            factor = self._season.factor("\x1f".join(one.key), at_ns)
            mean, variance = mean * factor, variance * factor * max(factor, 1.0)
        if one.count <= mean:
            return 0.0, mean
        score = nb_tail(one.count, mean, variance)
        if recent and score >= 1.0:  # a burst that is over must not echo for a minute
            minute = one.count + sum(count for count, _ in recent)
            swing = variance - mean if mean > 1 else 0.0  # the part that does not average out within a minute
            over_minute = nb_tail(minute, mean * MINUTE, variance * MINUTE + swing * MINUTE * (MINUTE - 1) / 2)
            score = max(score, over_minute - math.log10(2.0))
        return score, mean

    def _count(self, window: Window) -> list[Seen]:
        seen: list[Seen] = []
        totals: dict[Key, Seen] = {}
        units: dict[Key, Seen] = {}
        for key, cell in window.logs.items():
            gravity = self._gravity_of(key.template, cell)
            seen.append(Seen(("template", *key), cell.count, gravity, cell, key.template))
            whole = ("service", key.pipeline, key.host, key.service, "")
            total = totals.setdefault(whole, Seen(whole, 0, NEUTRAL, cell))
            total.count += cell.count
            if gravity >= WARNING:
                for unit in failed_units((text for _, text in cell.samples), key.service):
                    name: Key = ("unit", key.pipeline, key.host, unit, "")
                    failure = units.setdefault(name, Seen(name, 0, FATAL, cell, key.template))
                    failure.count += 1
        for level, cell in window.levels.items():
            gravity = {"warning": WARNING, "alert": FATAL, "emergency": FATAL}.get(level.level, ERROR)
            seen.append(Seen(("level", *level), cell.count, gravity, cell))
        return [*seen, *totals.values(), *units.values()]

    def _gravity_of(self, template: str, cell: LogCell) -> int:
        """From the level and the words of the first example; ``learn`` remembers it per template."""
        known = self._gravity.get(f"{template}\x1f{cell.rank}")
        if known is None:
            known = concern(cell.rank, cell.samples[0][1] if cell.samples else "")
        return known

    def _observed(self, key: Key) -> int:
        """Windows for which this key's host has been watched, whether by logs or by metrics."""
        _, pipeline, host, _, _ = key
        first = self._hosts.get((pipeline, host))
        metric_first = self._metric_hosts.get(host) if host else None
        known = [number for number in (first, metric_first) if number is not None]
        return self.number - min(known) if known else 0

    def _missing(self, present: set[Key]) -> list[tuple[Key, float, int]]:
        missing = []
        longest = self.options.adopt_after_s // self.options.window_s
        for key, state in self._states.items():
            if state.gaps < 20 or key in present or key[0] not in ("template", "service"):
                continue
            gap = self.number - state.seen
            if gap - state.gap_max <= longest and (value := overdue_score(gap, state)) > 0:
                missing.append((key, value, gap))
        quiet = {key[1:4] for key, _, _ in missing if key[0] == "service"}
        return [one for one in missing if one[0][0] == "service" or one[0][1:4] not in quiet]

    # -- signals ---------------------------------------------------------------------------------------

    def _rate_signal(self, one: Seen, scored: _Scored, window: Window, factor: float) -> Signal | None:
        raw, expected = scored.scores.get(one.key, (0.0, 0.0))
        value, kind = raw / factor, _kind(one)
        if value < self._need(one):
            return None
        state = self._states.get(one.key)
        lasting = state is not None and state.since >= 0 and self.number - state.mark <= MINUTE
        since, peak = (state.since, state.peak) if state is not None and lasting else (self.number, 0.0)
        start_ns = window.start_ns - (self.number - since) * self.options.window_s * SECOND
        often = "once" if one.count == 1 else f"{plain_number(one.count)} times"
        times = f"{often} in {self.options.window_s} s, {usually(expected)}"
        _, pipeline, host, service, _ = one.key
        if one.key[0] == "service":
            text = f"{service or 'log'} lines {times}"
        elif one.key[0] == "level":
            text = f"{one.key[4]} lines such as `{self._show(one)}` {times}"
        elif one.key[0] == "unit":
            text = f"{service} failed: {self._show(one)}"
        else:
            text = f"`{self._show(one)}` {times}"
        return Signal(
            id=signal_id(kind, start_ns, *one.key), kind=kind, start_ns=start_ns, end_ns=window.end_ns,
            score=max(value, peak), host=host, service=service, pipeline=pipeline, template_id=one.template,
            value=float(one.count), expected=expected, text=text, evidence=_evidence(one),
        )  # fmt: skip

    def _novelty(self, scored: _Scored, window: Window) -> list[Signal]:
        groups: dict[tuple[str, str, str, int], list[Seen]] = {}
        for one in scored.fresh:
            _, pipeline, host, service, _ = one.key
            groups.setdefault((pipeline, host, service, one.gravity), []).append(one)
        signals = []
        for (pipeline, host, service, gravity), fresh in sorted(groups.items()):
            windows = self._observed(fresh[0].key)
            effective = (1 - self._decay**windows) / (1 - self._decay)
            arrived = self._new.get((pipeline, service, gravity), 0.0)
            mean, variance = self.model.predict(arrived, arrived, effective, UNSEEN_RATE[gravity])
            mean = max(mean, UNSEEN_RATE[gravity])
            variance = max(variance, mean * self.model.dispersion)
            # messages that come together mostly tell of one event: a reload prints twenty new harmless lines
            events = 1.0 + math.log2(len(fresh)) if gravity >= ERROR else 1.0
            value = nb_tail(events, mean, variance)
            if value < self._need(fresh[0]):
                continue
            for one in fresh[:5]:
                signals.append(
                    Signal(
                        id=signal_id("log.new", window.start_ns, *one.key),
                        kind="log.new",
                        start_ns=window.start_ns,
                        end_ns=window.end_ns,
                        score=value,
                        host=host,
                        service=service,
                        pipeline=pipeline,
                        template_id=one.template,
                        value=float(one.count),
                        expected=0.0,
                        text=f"never seen before: `{self._show(one)}`",
                        evidence=_evidence(one),
                    )
                )
        return signals

    def _silence(self, key: Key, value: float, gap: int, window: Window, need: float) -> Signal | None:
        if value < need:
            return None
        family, pipeline, host, service, template = key
        start_ns = window.start_ns - (gap - 1) * self.options.window_s * SECOND
        what = service or "log" if family == "service" else f"`{shorten(self._text(template) or template)}`"
        return Signal(
            id=signal_id("log.silence", start_ns, *key), kind="log.silence", start_ns=start_ns, end_ns=window.end_ns,
            score=value, host=host, service=service, pipeline=pipeline, template_id=template, value=0.0,
            text=f"{what} silent for {gap * self.options.window_s} s, the longest pause before was "
            f"{self._states[key].gap_max * self.options.window_s} s",
            evidence=[f"template:{template}"] if template else [],
        )  # fmt: skip

    def _text(self, template: str) -> str:
        return self.text_of(template) if self.text_of is not None and template else ""

    def _show(self, one: Seen) -> str:
        """The example line when there is one kind of it, otherwise the template."""
        if one.cell.samples and (len(one.cell.samples) == 1 or not one.template):
            return shorten(one.cell.samples[0][1])
        return shorten(self._text(one.template) or (one.cell.samples[0][1] if one.cell.samples else one.template))

    # -- learning --------------------------------------------------------------------------------------

    def _update(self, one: Seen, window: Window, score: float | None, expected: float) -> None:
        """``score`` is that of an anomaly; None when the count is ordinary."""
        state = self._states.setdefault(one.key, CountState(first=self.number))
        total, square = state.decayed(self.number, self._decay)
        value = float(one.count)
        if score is not None:
            if state.since < 0 or self.number - state.mark > MINUTE:
                state.since, state.peak = self.number, 0.0
            state.mark, state.peak = self.number, max(state.peak, score)
            lasted = (self.number - state.since) * self.options.window_s
            if lasted < self.options.adopt_after_s:
                value = min(value, 2.0 * expected + 1.0)
            else:  # a change that stays is the new normal: the past counts as if it had been like this
                windows = 1 / (1 - self._decay)
                total, square, state.since = value * windows, value * value * windows, -1
        elif self.number - state.mark > MINUTE:
            state.since = -1
        if state.seen >= 0:
            pause = self.number - state.seen
            state.gaps, state.gap_sum, state.gap_max = state.gaps + 1, state.gap_sum + pause, max(state.gap_max, pause)
            state.gap_square += pause * pause
        state.total, state.square, state.seen = total + value, square + value * value, self.number
        kept = [row for row in state.recent if row[0] > self.number - MINUTE]
        state.recent = [*kept, (self.number, float(one.count), value)]
        if state.gaps >= 200:  # what is rare has no daily profile worth its memory
            self._season.learn("\x1f".join(one.key), window.start_ns, value)

    def _forget(self) -> None:
        """Keep the most recently seen keys when there are too many."""
        limit = self.options.max_keys
        if len(self._states) > limit:
            for key in sorted(self._states, key=lambda k: self._states[k].seen)[: len(self._states) - limit * 9 // 10]:
                del self._states[key]
                self._season.forget("\x1f".join(key))
        if len(self._known) > limit * 2:
            for known in sorted(self._known, key=self._known.__getitem__)[: len(self._known) - limit * 9 // 5]:
                del self._known[known]

    # -- state -----------------------------------------------------------------------------------------

    def load(self, db: sqlite3.Connection) -> None:
        """Read the baselines; the table is made if it is missing."""
        db.execute("CREATE TABLE IF NOT EXISTS log_anomaly_state (id INTEGER PRIMARY KEY, body TEXT)")
        self._season.load(db, "log_anomaly_season")
        row = db.execute("SELECT body FROM log_anomaly_state WHERE id = 0").fetchone()
        if not row:
            return
        body = json.loads(row[0])
        self.number = body["number"]
        self._states = {tuple(key): _state(values) for key, values in body["states"]}
        self._known = {(p, s, t): number for p, s, t, number in body["known"]}
        self._new = {(p, s, g): value for p, s, g, value in body["new"]}
        self._hosts = {(p, h): number for p, h, number in body["hosts"]}
        self._metric_hosts = body["metric_hosts"]
        self._gravity = body["gravity"]
        self._inflation = Inflation(*body["inflation"])

    def save(self, db: sqlite3.Connection) -> None:
        """Write the baselines as JSON if a window was learnt since the last time. Does not commit."""
        db.execute("CREATE TABLE IF NOT EXISTS log_anomaly_state (id INTEGER PRIMARY KEY, body TEXT)")
        self._season.save(db, "log_anomaly_season")
        if not self._dirty:
            return
        body = {
            "number": self.number,
            "states": [[list(key), list(astuple(state))] for key, state in self._states.items()],
            "known": [[*key, number] for key, number in self._known.items()],
            "new": [[*key, value] for key, value in self._new.items()],
            "hosts": [[*key, number] for key, number in self._hosts.items()],
            "metric_hosts": self._metric_hosts,
            "gravity": self._gravity,
            "inflation": [self._inflation.seen, self._inflation.over],
        }
        db.execute("INSERT OR REPLACE INTO log_anomaly_state VALUES (0, ?)", (json.dumps(body),))
        self._dirty = False


def _state(values: list) -> CountState:
    state = CountState(*values[:-1])
    state.recent = [(number, count, taken) for number, count, taken in values[-1]]
    return state


def _kind(one: Seen) -> str:
    if one.key[0] == "unit":
        return "log.unit"
    return "log.severity" if one.gravity >= ERROR else "log.rate"


def _evidence(one: Seen) -> list[str]:
    lines = [f"line:{line}" for line, _ in one.cell.samples]
    return [*lines, f"template:{one.template}"] if one.template else lines
