"""Event-time tumbling windows: counts per template and level, aggregates per metric series.

Data may come in any order until a window is closed; closing is driven by the caller's watermark. In batch
use all files are added first and one ``closed(FOREVER)`` follows; live, the watermark is the clock minus
the allowed lateness.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from logsense.detect.facts import FactCollector, Facts
from logsense.detect.facts_store import FactStore
from logsense.detect.options import WindowOptions
from logsense.record import LEVEL_RANK, LEVELS, LogRecord, MetricPoint

SECOND = 1_000_000_000
FOREVER = 2**63 - 1
MAX_SAMPLES = 3  # distinct example lines a cell keeps: enough to name two units that fail together
SAMPLE_CHARS = 300
BACKLOG_S = 60  # a source whose lines arrive later than this is being caught up with
MAX_SOURCES = 10_000
HUGE = 1e300  # values are clipped here so that sums and differences stay finite
DURATION = "log.duration"  # derived series: mean of event.duration per service, in seconds
_ERROR, _WARNING = LEVEL_RANK["error"], LEVEL_RANK["warning"]
_BAD_RCODES = {"SERVFAIL", "REFUSED", "NOTIMP", "FORMERR"}


class LogKey(NamedTuple):
    """Where a message type was seen. An empty ``template`` stands for all lines of the service."""

    pipeline: str
    host: str
    service: str
    template: str


class LevelKey(NamedTuple):
    """Lines of one level; only ``warning`` and worse are counted."""

    pipeline: str
    host: str
    service: str
    level: str


class SeriesKey(NamedTuple):
    """One time series; labels are part of the name: ``disk.util{device=sda}``."""

    host: str
    name: str


@dataclass(slots=True)
class LogCell:
    """Lines of one key in one window. ``rank`` is the worst level seen (-1: none stated)."""

    count: int = 0
    rank: int = -1
    samples: list[tuple[str, str]] = field(default_factory=list)  # (line id, text)
    #: Records of the batch being added, until their facts are taken.
    fresh: list[LogRecord] = field(default_factory=list, compare=False, repr=False)

    def add(self, line_id: str, text: str, rank: int) -> None:
        self.count += 1
        if rank > self.rank:
            self.rank = rank
        if len(self.samples) < MAX_SAMPLES:
            text = text[:SAMPLE_CHARS]
            for _, known in self.samples:
                if text == known:
                    return
            self.samples.append((line_id, text))


@dataclass(slots=True)
class SeriesCell:
    """Samples of one series in one window. ``example`` is a line id for series derived from logs."""

    count: int = 0
    mean: float = 0.0
    last: float = 0.0
    last_ns: int = -1
    low: float = math.inf
    high: float = -math.inf
    example: str = ""

    def add(self, value: float, at_ns: int, example: str = "") -> None:
        self.count += 1
        self.mean += (value - self.mean) / self.count
        if at_ns >= self.last_ns:
            self.last, self.last_ns = value, at_ns
        self.low = min(self.low, value)
        if value > self.high:
            self.high, self.example = value, example


@dataclass(slots=True)
class Window:
    """Half-open ``[start_ns, end_ns)``. ``gap`` says that windows before this one were jumped over."""

    start_ns: int
    end_ns: int
    logs: dict[LogKey, LogCell] = field(default_factory=dict)
    levels: dict[LevelKey, LogCell] = field(default_factory=dict)
    metrics: dict[SeriesKey, SeriesCell] = field(default_factory=dict)
    gap: bool = False
    facts: Facts = field(default_factory=Facts)

    @property
    def empty(self) -> bool:
        return not (self.logs or self.metrics)

    def cells(self) -> int:
        return len(self.logs) + len(self.levels) + len(self.metrics)

    def lines(self) -> int:
        return sum(cell.count for cell in self.logs.values())

    def size(self) -> int:
        """Lines and metric samples."""
        return self.lines() + sum(cell.count for cell in self.metrics.values())


def effective_rank(record: LogRecord) -> int:
    """The record's level, raised where the outcome says more than the level: HTTP 5xx, DNS SERVFAIL."""
    rank = LEVEL_RANK.get(record.level, -1)
    fields = record.fields
    if not fields:
        return rank
    status = fields.get("http.response.status_code")
    if status is not None and rank < _ERROR:
        try:
            code = int(status)
        except (TypeError, ValueError, OverflowError):
            code = 0
        if 500 <= code <= 599:
            return _ERROR
        if code == 429:
            return max(rank, _WARNING)
    rcode = fields.get("dns.response_code")
    if rcode is not None and rank < _ERROR and isinstance(rcode, str) and rcode in _BAD_RCODES:
        return _ERROR
    return rank


def series_name(point: MetricPoint) -> str:
    """``name{k=v,…}`` with the labels sorted, as the index names series."""
    if not point.labels:
        return point.name
    return f"{point.name}{{{','.join(f'{k}={v}' for k, v in sorted(point.labels.items()))}}}"


class Windows:
    """Collects records and points into windows and hands out the closed ones, each once, in time order.

    Not thread-safe. Counters: ``late`` (came after their window was closed), ``future`` (claim to be from
    after their arrival), ``isolated`` (far from the bulk of the data), ``refused`` (limits), ``bad`` (NaN).
    """

    def __init__(self, options: WindowOptions | None = None, collector: FactCollector | None = None) -> None:
        self.options = options or WindowOptions()
        self.collector = collector or FactCollector()
        self._touched: list[tuple[Window, LogKey, LogCell]] = []
        self._store = FactStore()
        self.step_ns = self.options.window_s * SECOND
        self.late = self.future = self.isolated = self.refused = self.bad = 0
        self.closed_ns = -(2**63)  # windows that end at or before this are closed
        self._open: dict[int, Window] = {}
        self._dirty: set[int] = set()
        self._gone: set[int] = set()
        self._series: set[SeriesKey] = set()
        self._backlog: dict[str, int] = {}  # source ("" is any) -> time of its newest line if that came late, else 0
        self._cells = 0

    # -- adding ---------------------------------------------------------------------------------------

    def add(self, records: Iterable[LogRecord]) -> None:
        """Count a batch of records. Never raises on content."""
        window: Window | None = None
        start = end = 0  # of the window of the line before, which is usually that of this line too
        for record in records:
            at_ns = self._time_of(record)
            if not start <= at_ns < end or at_ns > record.ingested_ns or window is None:
                window = self._window(at_ns, record.ingested_ns)
                if window is None:
                    continue
                start, end = window.start_ns, window.end_ns
            rank = effective_rank(record)
            self._cell(window, record, rank)
            duration = record.fields.get("event.duration") if record.fields else None
            if duration is not None:
                self._duration(window, record, duration)
        leads = self.collector.identifiers.leads
        for touched, key, cell in sorted(self._touched, key=lambda one: not leads(one[1].template)):
            self.collector.take(touched.facts, key, cell.fresh)
            cell.fresh = []
        self._touched.clear()

    def _time_of(self, record: LogRecord) -> int:
        """The record's time. One that states none carries that of its arrival (``event.created``): in a backlog,
        which arrives long after it was written, the time of the line before it (of its source, or of any) is
        nearer to the truth."""
        if "event.created" not in record.fields:
            if len(self._backlog) < MAX_SOURCES or record.source in self._backlog:
                lag = record.ingested_ns - record.timestamp_ns
                known = record.timestamp_ns if lag > BACKLOG_S * SECOND else 0
                self._backlog[record.source] = self._backlog[""] = known
            return record.timestamp_ns
        return self._backlog.get(record.source, self._backlog.get("", 0)) or record.timestamp_ns

    def _cell(self, window: Window, record: LogRecord, rank: int) -> None:
        key = record.pipeline, record.host, record.service, record.template_id
        cell = window.logs.get(key)  # type: ignore[call-overload]  # equal to a LogKey, and made in a third of the time
        if cell is None:
            cell = window.logs[LogKey(*key)] = LogCell()
            self._cells += 1
        cell.add(record.id, record.message, rank)
        if not cell.fresh:
            self._touched.append((window, LogKey(*key), cell))
        cell.fresh.append(record)
        if rank >= _WARNING:
            level = LevelKey(record.pipeline, record.host, record.service, LEVELS[rank])
            worse = window.levels.get(level)
            if worse is None:
                worse = window.levels[level] = LogCell()
                self._cells += 1
            worse.add(record.id, record.message, rank)

    def _duration(self, window: Window, record: LogRecord, duration: object) -> None:
        if not isinstance(duration, int | float) or not math.isfinite(duration) or duration < 0:
            self.bad += 1
            return
        name = f"{DURATION}{{service={record.service}}}"
        self._series_cell(window, SeriesKey(record.host, name)).add(
            min(float(duration), HUGE) / SECOND, record.timestamp_ns, record.id
        )

    def add_metrics(self, points: Iterable[MetricPoint]) -> None:
        """Aggregate metric samples. NaN, infinity and impossible times are counted as ``bad`` and left out."""
        for point in points:
            value = point.value
            if not isinstance(value, int | float) or not math.isfinite(value) or abs(point.timestamp_ns) >= 2**63:
                self.bad += 1
                continue
            key = SeriesKey(point.host, series_name(point))
            if key not in self._series:
                if len(self._series) >= self.options.max_series:
                    self.refused += 1
                    continue
                self._series.add(key)
            window = self._window(point.timestamp_ns, 0)
            if window is not None:
                self._series_cell(window, key).add(max(-HUGE, min(HUGE, float(value))), point.timestamp_ns)

    def _series_cell(self, window: Window, key: SeriesKey) -> SeriesCell:
        cell = window.metrics.get(key)
        if cell is None:
            cell = window.metrics[key] = SeriesCell()
            self._cells += 1
        return cell

    def _window(self, at_ns: int, arrived_ns: int) -> Window | None:
        start = at_ns - at_ns % self.step_ns
        if start + self.step_ns <= self.closed_ns:
            self.late += 1
            return None
        if arrived_ns > 0 and at_ns > arrived_ns + self.options.max_future_s * SECOND:
            self.future += 1
            return None
        self._dirty.add(start)
        window = self._open.get(start)
        if window is None:
            window = self._open[start] = Window(start, start + self.step_ns)
        return window

    # -- closing --------------------------------------------------------------------------------------

    def closed(self, until_ns: int) -> Iterator[Window]:
        """Windows that end at or before ``until_ns``, oldest first, each once.

        Pauses up to ``max_gap_s`` come out as empty windows, so that silence can be noticed; after a longer
        one the next window has ``gap`` set. A few lines that lie a day or more from everything else are a
        wrong clock: their windows are dropped and counted as ``isolated``.
        """
        due = sorted(start for start in self._open if start + self.step_ns <= until_ns)
        self._isolate(due)
        max_gap = self.options.max_gap_s * SECOND
        for start in due:
            window = self._open.get(start)
            if window is None:
                continue  # isolated
            yield from self._empty_before(start, max_gap)
            window.gap = self.closed_ns > 0 and start > self.closed_ns
            self._drop(start)
            self.closed_ns = window.end_ns
            yield window
        trailing = until_ns - until_ns % self.step_ns
        if self.closed_ns > 0 and trailing - self.closed_ns <= max_gap:
            yield from self._empty_before(trailing, max_gap)
        while self._cells > self.options.max_open_cells and self._open:
            yield self._force()

    def _empty_before(self, start: int, max_gap: int) -> Iterator[Window]:
        if self.closed_ns <= 0 or start - self.closed_ns > max_gap:
            return
        while self.closed_ns < start:
            window = Window(self.closed_ns, self.closed_ns + self.step_ns)
            self.closed_ns = window.end_ns
            yield window

    def _force(self) -> Window:
        start = min(self._open)
        window = self._open[start]
        self._drop(start)
        self.closed_ns = max(self.closed_ns, window.end_ns)
        return window

    def _isolate(self, due: list[int]) -> None:
        """Drop stragglers at both ends: a few lines that lie a day away from all the rest."""
        if len(due) < 2:
            return
        day, sizes = 86_400 * SECOND, {start: self._open[start].size() for start in due}
        total = sum(sizes.values())
        few = max(total / 100, min(3, total / 10))
        for ordered, sign in ((due, 1), (due[::-1], -1)):
            seen, cut = 0, 0
            for number, (here, there) in enumerate(pairwise(ordered), 1):
                seen += sizes[here]
                if seen > few:
                    break
                if (there - here) * sign > day:
                    cut = number
            for start in ordered[:cut]:
                self.isolated += sizes[start]
                self._drop(start)

    def _drop(self, start: int) -> None:
        window = self._open.pop(start)
        self._cells -= window.cells()
        self._dirty.discard(start)
        self._gone.add(start)

    # -- state ----------------------------------------------------------------------------------------

    def load(self, db: sqlite3.Connection) -> None:
        """Read the open windows; tables are made if they are missing."""
        _tables(db)
        row = db.execute("SELECT body FROM windows_state WHERE id = 0").fetchone()
        if row:
            state = json.loads(row[0])
            self.closed_ns = state["closed_ns"]
            self.late, self.future, self.isolated = state["late"], state["future"], state["isolated"]
            self.refused, self.bad = state["refused"], state["bad"]
            self._series = {SeriesKey(*key) for key in state["series"]}
            self.collector.identifiers.restore(state.get("identifiers", {}))
            self.collector.modulus = state.get("modulus", 1)
        for (body,) in db.execute("SELECT body FROM windows_open ORDER BY start_ns"):
            window = _decode(json.loads(body))
            self._open[window.start_ns] = window
            self._cells += window.cells()
        self._store.load(db, lambda start: window.facts if (window := self._open.get(start)) else None)

    def save(self, db: sqlite3.Connection) -> None:
        """Write what changed since the last save. Does not commit."""
        _tables(db)
        db.executemany("DELETE FROM windows_open WHERE start_ns = ?", [(start,) for start in self._gone - self._dirty])
        rows = [(start, json.dumps(_encode(self._open[start]))) for start in self._dirty]
        db.executemany("INSERT OR REPLACE INTO windows_open VALUES (?, ?)", rows)
        counters = {name: getattr(self, name) for name in ("closed_ns", "late", "future", "isolated", "refused", "bad")}
        self._store.save(db, [(start, self._open[start].facts) for start in self._dirty], self._gone)
        found = {"identifiers": self.collector.identifiers.state(), "modulus": self.collector.modulus}
        state = json.dumps({**counters, **found, "series": sorted(self._series)})
        db.execute("INSERT OR REPLACE INTO windows_state VALUES (0, ?)", (state,))
        self._dirty.clear()
        self._gone.clear()


def _tables(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE IF NOT EXISTS windows_state (id INTEGER PRIMARY KEY, body TEXT)")
    db.execute("CREATE TABLE IF NOT EXISTS windows_open (start_ns INTEGER PRIMARY KEY, body TEXT)")


def _encode(window: Window) -> dict[str, object]:
    return {
        "start": window.start_ns,
        "end": window.end_ns,
        "logs": [[*key, cell.count, cell.rank, cell.samples] for key, cell in window.logs.items()],
        "levels": [[*key, cell.count, cell.rank, cell.samples] for key, cell in window.levels.items()],
        "metrics": [
            [*key, c.count, c.mean, c.last, c.last_ns, c.low, c.high, c.example] for key, c in window.metrics.items()
        ],
    }


def _decode(body: dict) -> Window:
    window = Window(body["start"], body["end"])
    for target, make in (("logs", LogKey), ("levels", LevelKey)):
        cells = getattr(window, target)
        for *key, count, rank, samples in body[target]:
            cells[make(*key)] = LogCell(count, rank, [(line, text) for line, text in samples])
    for host, name, *values in body["metrics"]:
        window.metrics[SeriesKey(host, name)] = SeriesCell(*values)
    return window


def derived_points(window: Window) -> list[MetricPoint]:
    """The series that were made of log fields, as points at the start of the window (to be kept in the index)."""
    return [
        MetricPoint(DURATION, key.host, window.start_ns, cell.mean, {"service": key.name[len(DURATION) + 9 : -1]})
        for key, cell in window.metrics.items()
        if key.name.startswith(DURATION + "{service=")
    ]
