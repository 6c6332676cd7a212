"""Database statements that take longer, or come more often, than by their own history.

Executions are counted together by the fingerprint that the parser gives every statement (PostgreSQL's durations,
MySQL's slow log, audit logs: ``db.query.fingerprint``). The duration of a statement in a window is its geometric mean,
since durations spread over decades; its own past windows say how much that varies. One slow window proves little, as
the first execution after a pause is slow everywhere: like metrics, a statement has to stay slow in the next window in
which it runs, or be out of all proportion.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from logsense.detect.baseline import gpd_tail
from logsense.detect.counted import Counted, budget
from logsense.detect.facts import Place, Queries
from logsense.detect.options import QueryAnomalyOptions
from logsense.detect.signals import order, plain_number, shorten, signal_id, usually
from logsense.detect.windows import SECOND, Window
from logsense.record import Signal

HISTORY = 360  # windows of a statement's own past
LEAST_SPREAD = math.log(1.3)
LEAST_EXTRA_S = 0.002  # what a slow statement must take more than usual: less is nobody's trouble
FAR = 50.0  # times the usual duration that count at once
PRIOR = 0.05  # executions a window that a statement is credited with before it was ever seen
PAUSE = 6  # windows with a calm statement after which its episode is over


@dataclass(slots=True)
class Statement:
    """The past of one statement: logarithms of its mean durations, newest last, and the last one, usual or not."""

    past: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    last: float | None = None
    windows: int = 0
    first: int = 0
    seen: int = 0
    since: int = -1
    mark: int = -1


@dataclass(slots=True)
class Run:
    """One statement in one window."""

    place: Place
    fingerprint: str
    text: str
    count: int = 0
    logs: list[float] = field(default_factory=list)
    slowest: float = -1.0
    line: str = ""

    @property
    def key(self) -> str:
        return "\x1f".join((*self.place, self.fingerprint))

    @property
    def mean(self) -> float | None:
        return sum(self.logs) / len(self.logs) if self.logs else None


@dataclass(slots=True)
class _Judged:
    runs: list[Run]
    slow: dict[str, tuple[float, float]] = field(default_factory=dict)  # key -> (score, usual seconds)
    often: dict[str, tuple[float, float]] = field(default_factory=dict)  # key -> (score, usual count)


class QueryAnomaly:
    """The detector. It needs no texts of templates: statements carry their own."""

    name = "query_anomaly"

    def __init__(self, options: QueryAnomalyOptions | None = None, text_of: Callable[[str], str] | None = None) -> None:
        self.options = options or QueryAnomalyOptions()
        o = self.options
        self._counted = Counted(window_s=o.window_s, half_life_s=o.half_life_s, adopt_after_s=o.adopt_after_s,
                                max_keys=o.max_statements)  # fmt: skip
        self._statements: dict[str, Statement] = {}
        self._last: tuple[Window, _Judged] | None = None
        self._dirty = False

    # -- the contract ----------------------------------------------------------------------------------

    def score(self, window: Window) -> list[Signal]:
        """Signals of statements that are slow or frequent, best first."""
        judged, need = self._evaluate(window), self._need()
        signals = []
        for run in judged.runs:
            slow, often = judged.slow.get(run.key), judged.often.get(run.key)
            if slow is not None and slow[0] >= need:
                signals.append(self._slow_signal(run, slow, window))
            if often is not None and often[0] >= need:
                signals.append(self._often_signal(run, often, window))
        return order(signals)

    def learn(self, window: Window) -> None:
        """Take the window in; what stands out only once it has lasted."""
        if not window.facts.queries and not self._statements:
            return
        judged, need = self._evaluate(window), self._need()
        number = self._counted.number
        for run in judged.runs:
            statement = self._statements.get(run.key)
            if statement is None:
                statement = self._statements[run.key] = Statement(first=number)
            self._take(statement, run, judged.slow.get(run.key, (0.0, 0.0))[0] >= need, number)
        unusual = {key: tail for key, tail in judged.often.items() if tail[0] >= need}
        self._counted.learn({run.key: float(run.count) for run in judged.runs}, unusual)
        if len(self._statements) > self.options.max_statements:
            oldest = sorted(self._statements, key=lambda key: self._statements[key].seen)
            for key in oldest[: len(oldest) - self.options.max_statements * 9 // 10]:
                del self._statements[key]
        self._last, self._dirty = None, True

    def _need(self) -> float:
        return budget(self.options.window_s, self.options.false_alarms_per_day, max(len(self._statements), 10))

    # -- evaluation (no state is changed) --------------------------------------------------------------

    def _evaluate(self, window: Window) -> _Judged:
        if self._last is not None and self._last[0] is window:
            return self._last[1]
        judged = _Judged(_runs(window.facts.queries))
        number = self._counted.number
        for run in judged.runs:
            statement = self._statements.get(run.key)
            if statement is None or number - statement.first < self.options.warmup_windows:
                continue
            judged.often[run.key] = self._counted.tail(run.key, float(run.count), PRIOR, statement.first)
            if run.mean is not None and len(statement.past) >= self.options.warmup_windows:
                judged.slow[run.key] = self._slower(statement, run.mean)
        self._last = (window, judged)
        return judged

    def _slower(self, statement: Statement, mean: float) -> tuple[float, float]:
        """(score, usual seconds): peaks over the past's own 90 % point, which the window before must confirm."""
        past = sorted(statement.past)
        middle, high = past[len(past) // 2], past[len(past) * 9 // 10]
        usual = math.exp(middle)
        if math.exp(mean) < usual * self.options.slower or math.exp(mean) - usual < LEAST_EXTRA_S:
            return 0.0, usual
        beyond = [value - high for value in past if value > high][:-1]  # one outlier must not blind it
        scale = max(sum(beyond) / len(beyond) if beyond else 0.0, (high - middle) / 2, LEAST_SPREAD)
        score = gpd_tail(mean - high, scale, shape=0.05)
        if statement.last is not None and mean - middle < math.log(FAR):
            before = gpd_tail(statement.last - high, scale, shape=0.05)
            score = max(min(score, before), score - 2.0)
        return score, usual

    # -- signals ---------------------------------------------------------------------------------------

    def _slow_signal(self, run: Run, found: tuple[float, float], window: Window) -> Signal:
        score, usual = found
        statement, number = self._statements[run.key], self._counted.number
        running = statement.since >= 0 and number - statement.mark <= PAUSE
        start_ns = window.start_ns - (number - statement.since if running else 0) * self.options.window_s * SECOND
        now = math.exp(run.mean or 0.0)
        text = f"`{shorten(run.text or run.fingerprint)}` takes {_seconds(now)}, usually {_seconds(usual)}"
        if run.count > 1:
            text += f" ({plain_number(run.count)} times in {self.options.window_s} s)"
        return self._signal("db.slow", run, score, start_ns, window.end_ns, now, usual, text)

    def _often_signal(self, run: Run, found: tuple[float, float], window: Window) -> Signal:
        score, usual = found
        lasted, peak = self._counted.episode(run.key)
        start_ns = window.start_ns - lasted * self.options.window_s * SECOND
        text = (f"`{shorten(run.text or run.fingerprint)}` {plain_number(run.count)} times in "
                f"{self.options.window_s} s, {usually(usual)}")  # fmt: skip
        return self._signal("db.rate", run, max(score, peak), start_ns, window.end_ns, float(run.count), usual, text)

    @staticmethod
    def _signal(
        kind: str, run: Run, score: float, start_ns: int, end_ns: int, value: float, expected: float, text: str
    ) -> Signal:
        return Signal(
            id=signal_id(kind, start_ns, run.key), kind=kind, start_ns=start_ns, end_ns=end_ns, score=score,
            host=run.place.host, service=run.place.service, pipeline=run.place.pipeline, value=value,
            expected=expected, text=text, evidence=[f"line:{run.line}"],
        )  # fmt: skip

    # -- learning --------------------------------------------------------------------------------------

    def _take(self, statement: Statement, run: Run, slow: bool, number: int) -> None:
        statement.seen = number
        statement.windows += 1
        if slow:
            if statement.since < 0 or number - statement.mark > PAUSE:
                statement.since = number
            statement.mark = number
        elif number - statement.mark > PAUSE:
            statement.since = -1
        mean = run.mean
        if mean is None:
            return
        statement.last = mean
        lasts = (
            statement.since >= 0 and (number - statement.since) * self.options.window_s >= self.options.adopt_after_s
        )
        if lasts and slow:  # it stays slow: that is how it is now
            statement.past.clear()
            statement.past.extend([mean] * self.options.warmup_windows)
            statement.since = -1
        elif not slow:
            statement.past.append(mean)

    # -- state -----------------------------------------------------------------------------------------

    def load(self, db: sqlite3.Connection) -> None:
        """Read the statements; the table is made if it is missing."""
        db.execute("CREATE TABLE IF NOT EXISTS query_anomaly_state (id INTEGER PRIMARY KEY, body BLOB)")
        row = db.execute("SELECT body FROM query_anomaly_state WHERE id = 0").fetchone()
        if row:
            body = json.loads(row[0])
            self._counted.restore(body["counted"])
            self._statements = {
                key: Statement(deque(past, maxlen=HISTORY), *rest) for key, past, rest in body["statements"]
            }

    def save(self, db: sqlite3.Connection) -> None:
        """Write the statements if a window was learnt since the last time. Does not commit."""
        db.execute("CREATE TABLE IF NOT EXISTS query_anomaly_state (id INTEGER PRIMARY KEY, body BLOB)")
        if not self._dirty:
            return
        rows = [
            [key, list(s.past), [s.last, s.windows, s.first, s.seen, s.since, s.mark]]
            for key, s in self._statements.items()
        ]
        body = json.dumps({"counted": self._counted.state(), "statements": rows})
        db.execute("INSERT OR REPLACE INTO query_anomaly_state VALUES (0, ?)", (body,))
        self._dirty = False


def _runs(rows: list[Queries]) -> list[Run]:
    runs: dict[str, Run] = {}
    for row in rows:
        run = Run(row.place, row.fingerprint, row.text)
        run = runs.setdefault(run.key, run)
        run.count += row.times
        run.logs += [math.log(max(seconds, 1e-6)) for seconds in row.seconds]
        if row.slowest > run.slowest:
            run.slowest, run.line = row.slowest, row.line
    return list(runs.values())


def _seconds(value: float) -> str:
    return f"{plain_number(value * 1e3)} ms" if value < 1 else f"{plain_number(value)} s"
