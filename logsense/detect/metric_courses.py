"""The slow view of a host's metrics: means of some minutes against days, where ``series.py`` sees seconds and an hour.

Each series' course is compared with its own past (``novelty.py``), and each host's metrics together with theirs
(``hostmodel.py``, fitted again every hour on the same past). Scores are tail probabilities, corrected by how often
healthy data exceeded them so far (``Inflation``); the threshold follows from the budget of alarms a day. An alarm
speaks once: it is told again for at most ``LONGEST_TICKS``, then the new course is the past that later ones are
compared with, and further alarms of the series wait for ``muted`` ticks. Where the level stays changed, the alarm says
so.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from logsense.detect.baseline import Inflation, gpd_tail
from logsense.detect.hostmodel import HostModel
from logsense.detect.novelty import Novelty, tail
from logsense.detect.options import MetricAnomalyOptions
from logsense.detect.signals import plain_number, signal_id
from logsense.detect.windows import SECOND, SeriesKey, Window
from logsense.record import Signal

LONGEST_TICKS = 12  # an alarm is told again for so long; then its course is the new normal
LEVEL_TICKS = 6  # one that was told so often, and is still far from where it was, is a change point
MUTED_TICKS, MUTED_SHARE = 60, 0.06  # no second alarm of a series for so long, or this share of its life
REFIT_TICKS = 12  # between two fits of a host's model
LEAST_METRICS = 5  # a host with fewer speaks through its single series
BLAMED = 5  # metrics that an alarm of a host names as evidence
NORMAL = 3.29  # width of a normal's 5-95 % range in standard deviations
DAY_S = 86_400

Floor = Callable[[SeriesKey, float, float], float]


def muted(life: int) -> int:
    """Ticks without a second alarm of a series that has lived for ``life`` ticks."""
    return max(MUTED_TICKS, int(MUTED_SHARE * life))


@dataclass(slots=True)
class Alarm:
    """An alarm of a series or a host (name ``""``): ``ticks`` since it began, its best score, the level before it."""

    start_ns: int
    until: int
    ticks: int = 0
    best: float = 0.0
    before: float = 0.0


@dataclass(slots=True)
class _Tick:
    """What one closed tick says; nothing of it is state."""

    values: np.ndarray
    novelty: np.ndarray
    scores: np.ndarray
    hosts: dict[str, tuple[float, np.ndarray]] = field(default_factory=dict)  # host -> (score, blame of its rows)


class Courses:
    """Means a tick of every series, their novelty and their hosts' models. Bounded by what ``Windows`` lets through."""

    def __init__(self, options: MetricAnomalyOptions, floor: Floor) -> None:
        self.options, self._floor = options, floor
        self.tick_ns = max(options.course_s, options.window_s) * SECOND
        self.novelty = Novelty(past=options.course_ticks)
        self.rows: dict[SeriesKey, int] = {}
        self.hosts: dict[str, list[SeriesKey]] = {}
        self.free: list[int] = []
        self.sums = np.zeros(0)
        self.counts = np.zeros(0)
        self.ticks = 0
        self.alarms: dict[SeriesKey, Alarm] = {}
        self.inflation = Inflation()
        self.raised = self.alarm_ticks = self.judged_ticks = 0
        self.models: dict[str, HostModel] = {}
        self.changed = True  # keys or rows, since the last save
        self.saved_ticks = 0
        self._last: tuple[Window, _Tick | None] | None = None

    # -- scoring (no state is changed) -----------------------------------------------------------------

    def score(self, window: Window, values: Mapping[SeriesKey, float]) -> list[Signal]:
        """Signals of the tick that this window ends; none for any other window."""
        tick = self._closing(window, values)
        if tick is None:
            return []
        signals = []
        for key, row in self._standing_out(tick):
            signals.append(self._series_signal(key, row, tick, window))
        for host, (score, blame) in tick.hosts.items():
            key = SeriesKey(host, "")
            if self._speaks(key, score, self._host_need()):
                signals.append(self._host_signal(host, score, blame, tick, window))
        return signals

    def need(self, series: int) -> float:
        """Score from which the ``series`` of a host stay within half of its budget; the host itself has the other."""
        per_day = DAY_S * SECOND / self.tick_ns * max(series, 1)
        return max(2.0, math.log10(per_day / max(self.options.course_false_alarms_per_day / 2.0, 1e-3)))

    def _host_need(self) -> float:
        return self.need(1)

    def _closing(self, window: Window, values: Mapping[SeriesKey, float]) -> _Tick | None:
        if self._last is not None and self._last[0] is window:
            return self._last[1]
        tick = None
        if window.end_ns // self.tick_ns > window.start_ns // self.tick_ns and self.rows:
            sums, counts = self._with(values)
            with np.errstate(all="ignore"):
                means = np.where(counts > 0, sums / counts, np.nan)
            novelty = self.novelty.novelty(means)
            scores = tail(self.novelty.likelihood(novelty)) / self.inflation.factor()
            # What never moved has no scale: that it moves at all is as rare as one in all ticks seen.
            still = self.novelty.spread <= 0.0
            scores = np.where(still, np.minimum(scores, np.log10(self.novelty.count + 1.0)), scores)
            scores[self.novelty.count < self.options.course_probation] = 0.0
            tick = _Tick(means, novelty, scores)
            for host, model in self.models.items():
                rows = self._rows_of(host)
                if len(rows) == len(model.middle) and np.isfinite(means[rows]).mean() > 0.5:
                    oddness = float(model.score(means[rows][None, :])[0])
                    tick.hosts[host] = gpd_tail(oddness - 1.0, model.beyond, at=0.01), self._blame(model, rows, means)
        self._last = (window, tick)
        return tick

    def _blame(self, model: HostModel, rows: np.ndarray, means: np.ndarray) -> np.ndarray:
        return model.blame(means[rows][None, :], self.novelty.history(rows, REFIT_TICKS).T)

    def _with(self, values: Mapping[SeriesKey, float]) -> tuple[np.ndarray, np.ndarray]:
        sums, counts = self.sums.copy(), self.counts.copy()
        for key, value in values.items():
            row = self.rows.get(key)
            if row is not None:
                sums[row] += value
                counts[row] += 1
        return sums, counts

    def _rows_of(self, host: str) -> np.ndarray:
        return np.fromiter((self.rows[key] for key in self.hosts[host]), np.int64, len(self.hosts[host]))

    def _standing_out(self, tick: _Tick) -> list[tuple[SeriesKey, int]]:
        if not np.any(tick.scores >= 1.0):
            return []
        return [
            (key, self.rows[key])
            for keys in self.hosts.values()
            for key in keys
            if tick.scores[self.rows[key]] >= 1.0
            and self._speaks(key, float(tick.scores[self.rows[key]]), self.need(len(keys)))
        ]

    def _speaks(self, key: SeriesKey, score: float, need: float) -> bool:
        alarm = self.alarms.get(key)
        if alarm is None or self.ticks >= alarm.until:
            return score >= need
        return alarm.ticks < LONGEST_TICKS and score >= need - 1.0  # the same alarm, told again

    def _begin(self, key: SeriesKey, window: Window) -> tuple[int, float]:
        """(start, best score so far) of the alarm that this tick belongs to."""
        alarm = self.alarms.get(key)
        if alarm is None or self.ticks >= alarm.until:
            return window.end_ns - self.tick_ns, 0.0
        return alarm.start_ns, alarm.best

    def _days(self, row: int) -> str:
        hours = min(int(self.novelty.count[row]), self.options.course_ticks) * self.tick_ns / SECOND / 3600
        return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"

    def _series_signal(self, key: SeriesKey, row: int, tick: _Tick, window: Window) -> Signal:
        start, best = self._begin(key, window)
        value = float(tick.values[row])
        usual = float(self.novelty.middle[row] + self.novelty.first[row])
        alarm = self.alarms.get(key)
        lasting = alarm is not None and alarm.start_ns == start and alarm.ticks >= LEVEL_TICKS
        if alarm is not None and lasting and abs(value - alarm.before) > self.novelty.spread[row]:
            text = (
                f"{key.name} stays at a new level of about {plain_number(value)}, before {plain_number(alarm.before)}"
            )
        else:
            text = (
                f"{key.name} takes a course that its last {self._days(row)} do not hold: now {plain_number(value)}, "
                f"usually about {plain_number(usual)}"
            )
        return Signal(
            id=signal_id("metric.course", start, *key), kind="metric.change", start_ns=start, end_ns=window.end_ns,
            score=max(float(tick.scores[row]), best), host=key.host, metric=key.name, value=value, expected=usual,
            text=text, evidence=[f"metric:{key.host}/{key.name}@{window.end_ns - 1}"],
        )  # fmt: skip

    def _host_signal(self, host: str, score: float, blame: np.ndarray, tick: _Tick, window: Window) -> Signal:
        start, best = self._begin(SeriesKey(host, ""), window)
        keys = self.hosts[host]
        worst = [keys[index] for index in np.argsort(-blame, kind="stable")[:BLAMED]]
        row = self.rows[worst[0]]
        names = ", ".join(key.name for key in worst[:3])
        return Signal(
            id=signal_id("metric.together", start, host), kind="metric.change", start_ns=start, end_ns=window.end_ns,
            score=max(score, best), host=host, metric=worst[0].name, value=float(tick.values[row]),
            expected=float(self.novelty.middle[row] + self.novelty.first[row]),
            text=f"the {len(keys)} metrics together are unlike the last {self._days(row)}, most of all {names}",
            evidence=[f"metric:{host}/{key.name}@{window.end_ns - 1}" for key in worst],
        )  # fmt: skip

    # -- learning --------------------------------------------------------------------------------------

    def learn(self, window: Window, values: Mapping[SeriesKey, float]) -> None:
        """Take a window in; the tick that it ends joins the past."""
        tick = self._closing(window, values)
        for key in values:
            if key not in self.rows:
                self._add(key)
        self.sums, self.counts = self._with(values)
        self._last = None
        if window.end_ns // self.tick_ns > window.start_ns // self.tick_ns and self.rows:
            self._end_tick(tick, window)

    def _add(self, key: SeriesKey) -> None:
        if not self.free:
            old = self.novelty.rows
            self.novelty.grow(max(64, old + old // 4))
            self.free = list(range(self.novelty.rows - 1, old - 1, -1))
            more = self.novelty.rows - old
            self.sums = np.concatenate([self.sums, np.zeros(more)])
            self.counts = np.concatenate([self.counts, np.zeros(more)])
        self.rows[key] = self.free.pop()
        self.hosts.setdefault(key.host, []).append(key)
        self.models.pop(key.host, None)
        self.changed = True

    def _end_tick(self, tick: _Tick | None, window: Window) -> None:
        with np.errstate(all="ignore"):
            means = np.where(self.counts > 0, self.sums / self.counts, np.nan)
        novelty = None
        if tick is not None:
            self._follow(tick, window)
            novelty = np.full(len(means), np.nan)
            novelty[: len(tick.novelty)] = tick.novelty
        self.novelty.learn(means, novelty)
        self.sums, self.counts = np.zeros(len(means)), np.zeros(len(means))
        self.ticks += 1
        self._forget()
        for number, host in enumerate(list(self.hosts)):
            if (self.ticks + number) % REFIT_TICKS == 0 or host not in self.models:
                self._fit(host)

    def _follow(self, tick: _Tick, window: Window) -> None:
        judged = tick.scores[np.isfinite(tick.novelty)]
        self.inflation.learn([float(s) for s in judged[judged >= Inflation.LEVELS[0]]], len(judged), 0.999)
        self.judged_ticks += len(judged)
        told = [(key, float(tick.scores[row]), float(self.novelty.middle[row] + self.novelty.first[row]),
                 int(self.novelty.count[row])) for key, row in self._standing_out(tick)]  # fmt: skip
        for host, (score, _) in tick.hosts.items():
            if self._speaks(SeriesKey(host, ""), score, self._host_need()):
                told.append((SeriesKey(host, ""), score, 0.0, self.ticks))
        for key, score, level, life in told:
            alarm = self.alarms.get(key)
            if alarm is None or self.ticks >= alarm.until:
                alarm = Alarm(window.end_ns - self.tick_ns, self.ticks + muted(life), before=level)
                self.alarms[key] = alarm
                self.raised += 1
            alarm.ticks, alarm.best = alarm.ticks + 1, max(alarm.best, score)
            self.alarm_ticks += 1
        for key in [key for key, alarm in self.alarms.items() if self.ticks >= alarm.until]:
            del self.alarms[key]

    def share_in_alarm(self) -> float:
        """Share of the judged ticks in which an alarm was told."""
        return self.alarm_ticks / max(self.judged_ticks, 1)

    def _forget(self) -> None:
        """Give up rows of series that have not been heard of for as long as the past reaches."""
        gone = [key for key, row in self.rows.items() if self.novelty.missing[row] > self.options.course_ticks]
        for key in gone:
            row = self.rows.pop(key)
            self.novelty.reset(np.array([row]))
            self.free.append(row)
            self.hosts[key.host].remove(key)
            self.models.pop(key.host, None)
            if not self.hosts[key.host]:
                del self.hosts[key.host]
            self.changed = True

    def _fit(self, host: str) -> None:
        """The host's model anew, and the least spreads of its series."""
        keys, rows = self.hosts[host], self._rows_of(host)
        for key, row in zip(keys, rows, strict=True):
            level = float(self.novelty.middle[row] + self.novelty.first[row])
            top = max(abs(level), abs(float(self.novelty.high[row] + self.novelty.first[row])))
            self.novelty.floor[row] = NORMAL * self._floor(key, level, top)
        ripe = int(self.novelty.count[rows].max(initial=0)) >= self.options.course_probation
        if len(keys) >= LEAST_METRICS and ripe:
            past = self.novelty.history(rows, self.options.course_ticks).T
            model = HostModel.fit(past, self.novelty.floor[rows] / NORMAL)
            if model is not None:
                self.models[host] = model

    # -- state -----------------------------------------------------------------------------------------

    def load(self, db: sqlite3.Connection) -> None:
        """Read what ``save`` wrote; models are fitted again."""
        from logsense.detect import metric_course_state

        metric_course_state.load(self, db)
        for host in self.hosts:
            self._fit(host)

    def save(self, db: sqlite3.Connection) -> None:
        """Write what changed since the last save. Does not commit."""
        from logsense.detect import metric_course_state

        metric_course_state.save(self, db)
