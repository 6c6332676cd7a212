"""Metric anomalies of a closed window: single series, filling up towards a limit, and the host as a whole.

Each series is judged against its own causal past (``series.py``). The host as a whole is judged by how many
of its series deviate together, again against its own past. An episode is one signal, updated while it lasts,
and is taken for the new normal when it outlasts ``adopt_after_s``. That is the view of seconds against an hour;
``metric_courses.py`` adds the one of minutes against days.
"""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass, field

from logsense.detect import series_state
from logsense.detect.baseline import Season
from logsense.detect.metric_courses import Courses
from logsense.detect.options import MetricAnomalyOptions
from logsense.detect.series import Episode, Series, Verdict, base_name
from logsense.detect.signals import order, plain_number, signal_id
from logsense.detect.windows import SeriesCell, SeriesKey, Window
from logsense.record import Signal

CALM_WINDOWS = 3  # an episode ends after this many windows that do not stand out
# decades that an episode gains with each further window, and at most: a minute of the same is no blip
LONGER, LONGEST = 0.4, 2.0
# first parts of metric names that name no service
GENERIC = frozenset(
    ("system", "tcp", "process", "host", "net", "network", "disk", "cpu", "memory", "http", "db", "dns", "ping", "log")
)
HOST = ""  # name under which the host as a whole is kept


@dataclass(slots=True)
class _Judged:
    """One series of the window after counters became rates."""

    value: float
    verdict: Verdict | None
    limit: tuple[float, float] | None = None  # (seconds left, limit)
    settled: bool = False  # it is known whether the series is a counter


@dataclass(slots=True)
class _Scored:
    series: dict[SeriesKey, _Judged] = field(default_factory=dict)
    hosts: dict[str, tuple[float, Verdict | None]] = field(default_factory=dict)  # host -> (joint deviation, verdict)

    def values(self) -> dict[SeriesKey, float]:
        """What each series is at, counters as rates; only of series that are decided to be a counter or none."""
        return {key: judged.value for key, judged in self.series.items() if judged.settled}


class MetricAnomaly:
    """The metric detector: state per (host, series name), bounded by what ``Windows`` lets through."""

    name = "metric_anomaly"

    def __init__(self, options: MetricAnomalyOptions | None = None) -> None:
        self.options = options or MetricAnomalyOptions()
        self._series: dict[SeriesKey, Series] = {}
        self._season = Season(self.options.season_s)
        self.courses = Courses(self.options, self._floor)
        self._last: tuple[Window, _Scored] | None = None  # so that learning does not score again
        self._dirty = False

    # -- the contract ----------------------------------------------------------------------------------

    def score(self, window: Window) -> list[Signal]:
        """Signals of this window, best first; nothing about a series before its warm-up is over."""
        scored, signals = self._evaluate(window), []
        sizes = self._sizes()
        for key, judged in scored.series.items():
            if judged.verdict is None:
                continue
            need = self.threshold(sizes[key.host])
            if self._near_limit(judged):
                signals.append(self._limit_signal(key, judged, window, need))
            elif self._stands_out(key, judged.verdict, need):
                signals.append(self._signal(key, judged.value, judged.verdict, window, window.metrics[key]))
        for host, (value, verdict) in scored.hosts.items():
            if verdict is not None and verdict.z > 0 and verdict.score >= self.threshold(1):
                signals.append(self._host_signal(host, value, verdict, window, scored))
        for signal in self.courses.score(window, scored.values()):
            signal.service = _service(signal.metric)
            signals.append(signal)
        return order(signals)

    def learn(self, window: Window) -> None:
        """Take the window into the histories; an episode's values stay out until they are the new normal."""
        scored = self._evaluate(window)
        sizes = self._sizes()
        for key, cell in window.metrics.items():
            series = self._series.get(key)
            if series is None:
                series = self._series[key] = Series(key.name, self.options.history_windows)
            judged = scored.series.get(key)
            self._take(key, series, cell, judged, window, self.threshold(sizes.get(key.host, 1)))
        for host, (value, verdict) in scored.hosts.items():
            key = SeriesKey(host, HOST)
            series = self._series.setdefault(key, Series(HOST, self.options.history_windows, integral=False))
            out = verdict is not None and verdict.score >= self.threshold(1)
            self._follow(series, value, verdict, out, window.start_ns)
        self.courses.learn(window, scored.values())
        self._last, self._dirty = None, True

    def _floor(self, key: SeriesKey, median: float, top: float) -> float:
        series = self._series.get(key)
        return series.floor(median, top) if series is not None else 0.0

    def threshold(self, series: int) -> float:
        """Score above which a host with so many series stays within its false-alarm budget."""
        per_day = 86_400 / self.options.window_s * max(series, 1)
        return max(2.0, math.log10(per_day / max(self.options.false_alarms_per_day, 1e-3)))

    # -- evaluation (no state is changed) --------------------------------------------------------------

    def _evaluate(self, window: Window) -> _Scored:
        if self._last is not None and self._last[0] is window:
            return self._last[1]
        scored = _Scored()
        together: dict[str, list[float]] = {}
        for key, cell in window.metrics.items():
            series = self._series.get(key)
            if series is None:
                continue
            value = series.rate(cell.last, cell.last_ns) if series.counter else cell.mean
            if value is None or not math.isfinite(value):
                continue
            verdict = None
            if len(series.history) >= self.options.warmup_windows:
                verdict = series.judge(value, self._season.factor(_flat(key), window.start_ns))
                together.setdefault(key.host, []).append(min(verdict.blame, 10.0))
            scored.series[key] = _Judged(
                value, verdict, series.time_to_limit(self.options.window_s), series.counter is not None
            )
        for host, blames in together.items():
            if len(blames) >= 5 and sum(blame > 1.5 for blame in blames) != 1:  # one alone speaks for itself
                joint = sum(max(0.0, blame - 1.0) for blame in blames) / math.sqrt(len(blames))
                whole = self._series.get(SeriesKey(host, HOST))
                ripe = whole is not None and len(whole.history) >= self.options.warmup_windows
                scored.hosts[host] = (joint, whole.judge(joint) if whole is not None and ripe else None)
        self._last = (window, scored)
        return scored

    def _near_limit(self, judged: _Judged) -> bool:
        return judged.limit is not None and judged.limit[0] <= self.options.limit_horizon_s

    def _stands_out(self, key: SeriesKey, verdict: Verdict, need: float) -> bool:
        series = self._series[key]
        lasting = series.episode is not None and verdict.score >= need - 1.5  # hysteresis keeps an episode whole
        return verdict.score >= need or lasting

    def _sizes(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for key in self._series:
            sizes[key.host] = sizes.get(key.host, 0) + 1
        return sizes

    # -- signals ---------------------------------------------------------------------------------------

    def _start(self, series: Series | None, window: Window) -> int:
        return series.episode.start_ns if series is not None and series.episode is not None else window.start_ns

    def _best(self, key: SeriesKey, verdict: Verdict) -> float:
        """An episode is as bad as its worst window, and the less of an accident the longer it lasts."""
        series = self._series.get(key)
        if series is None or series.episode is None:
            return verdict.score
        lasted = series.episode.windows - series.episode.calm
        return max(verdict.score, series.episode.best) + min(LONGER * lasted, LONGEST)

    def _signal(self, key: SeriesKey, value: float, verdict: Verdict, window: Window, cell: SeriesCell) -> Signal:
        start_ns = self._start(self._series.get(key), window)
        high = verdict.z > 0
        kind = "metric.high" if high else "metric.low"
        word = "rose" if high else "fell"
        text = f"{key.name} {word} to {plain_number(value)}, usually {plain_number(verdict.expected)}"
        evidence = [f"metric:{key.host}/{key.name}@{cell.last_ns}"]
        if cell.example:
            evidence.append(f"line:{cell.example}")
        return Signal(
            id=signal_id("metric", start_ns, *key), kind=kind, start_ns=start_ns, end_ns=window.end_ns,
            score=self._best(key, verdict), host=key.host, service=_service(key.name), metric=key.name, value=value,
            expected=verdict.expected, text=text, evidence=evidence,
        )  # fmt: skip

    def _limit_signal(self, key: SeriesKey, judged: _Judged, window: Window, need: float) -> Signal:
        assert judged.verdict is not None and judged.limit is not None
        seconds, limit = judged.limit
        signal = self._signal(key, judged.value, judged.verdict, window, window.metrics[key])
        # a limit that is a minute away is worth what an improbable value is; far away it is worth less
        urgency = need + 1.0 - math.log10(max(seconds, 30.0) / 30.0) * 2.0
        signal.kind, signal.score = "metric.high", max(signal.score, urgency)
        signal.text = (
            f"{key.name} is at {plain_number(judged.value)} and reaches {plain_number(limit)} in about "
            f"{max(1, round(seconds / 60))} min at this pace"
        )
        return signal

    def _host_signal(self, host: str, value: float, verdict: Verdict, window: Window, scored: _Scored) -> Signal:
        start_ns = self._start(self._series.get(SeriesKey(host, HOST)), window)
        blamed = sorted(
            ((j.verdict.blame, key.name) for key, j in scored.series.items() if key.host == host and j.verdict),
            reverse=True,
        )
        out = [(blame, name) for blame, name in blamed if blame > 1.5] or blamed[:1]
        shown = ", ".join(name for _, name in out[:3])
        text = f"{len(out)} of {len(blamed)} metrics changed together, most of all {shown}"
        return Signal(
            id=signal_id("metric.change", start_ns, host), kind="metric.change", start_ns=start_ns,
            end_ns=window.end_ns, score=self._best(SeriesKey(host, HOST), verdict), host=host, metric=out[0][1],
            value=value, expected=verdict.expected, text=text,
            evidence=[f"metric:{host}/{name}@{window.metrics[SeriesKey(host, name)].last_ns}" for _, name in out[:3]],
        )  # fmt: skip

    # -- learning --------------------------------------------------------------------------------------

    def _take(
        self, key: SeriesKey, series: Series, cell: SeriesCell, judged: _Judged | None, window: Window, need: float
    ) -> None:
        series.integral = series.integral and cell.last == int(cell.last)
        value = judged.value if judged is not None else None
        if series.counter is None and len(series.history) >= self.options.warmup_windows - 1:
            series.decide_counter()
            if series.counter:
                series.history.clear()
                series.unsaved = None
                series.recent.clear()
                series.pending.clear()
                value = None
        if value is None and not series.counter:
            value = cell.mean
        series.previous, series.previous_ns = cell.last, cell.last_ns
        if value is None or not math.isfinite(value):
            return
        if series.counter is None:
            value = cell.last  # what decides on counters
        verdict = judged.verdict if judged is not None else None
        near = judged is not None and self._near_limit(judged)
        out = verdict is not None and (near or self._stands_out(key, verdict, need))
        self._follow(series, value, verdict, out, window.start_ns)
        self._season.learn(_flat(key), window.start_ns, value)

    def _follow(self, series: Series, value: float, verdict: Verdict | None, out: bool, start_ns: int) -> None:
        series.seen += 1
        series.recent.append(value)
        episode = series.episode
        if out and episode is None:
            episode = series.episode = Episode(start_ns)
            series.distrust()
        if episode is not None:
            episode.windows += 1
            episode.calm = 0 if out else episode.calm + 1
            episode.best = max(episode.best, verdict.score if verdict else 0.0)
            if episode.windows * self.options.window_s >= self.options.adopt_after_s:
                series.restart()
            elif episode.calm >= CALM_WINDOWS:
                series.episode = None
        if not out:
            series.accept(value)

    # -- state -----------------------------------------------------------------------------------------

    def load(self, db: sqlite3.Connection) -> None:
        """Read the histories; tables are made if they are missing."""
        self._series.update(series_state.load(db, self.options.history_windows))
        self._season.load(db, "metric_anomaly_season")
        self.courses.load(db)

    def save(self, db: sqlite3.Connection) -> None:
        """Write what was learnt since the last time. Does not commit."""
        self._season.save(db, "metric_anomaly_season")
        if self._dirty:
            series_state.save(self._series, db)
            self.courses.save(db)
            self._dirty = False


def _flat(key: SeriesKey) -> str:
    return f"{key.host}\x1f{key.name}"


def _service(name: str) -> str:
    """The service label of a series, or the service that its name starts with (``redis.memory.used``)."""
    labels = name.partition("{")[2].rstrip("}")
    for label in labels.split(","):
        if label.startswith("service="):
            return label[8:]
    first = base_name(name).partition(".")[0]
    return "" if first in GENERIC else first
