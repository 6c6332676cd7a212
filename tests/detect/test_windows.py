"""Windows: every line counted once, in time order, whatever the clocks say."""

import math
import random
import sqlite3
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logsense.detect import FOREVER, WindowOptions, Windows, derived_points
from logsense.detect.windows import LevelKey, LogKey, SeriesKey, effective_rank
from logsense.record import LEVEL_RANK, LogRecord, MetricPoint

S = 1_000_000_000
T0 = 1_764_000_000 * S


def record(at_s: float, template: str = "t1", *, level: str = "info", ingested_s: float = 0, **fields) -> LogRecord:
    return LogRecord(
        id=f"{template}-{at_s}", timestamp_ns=T0 + int(at_s * S), message=f"message {template}", source="test",
        ingested_ns=T0 + int(ingested_s * S) if ingested_s else 0, host="h1", service="svc", level=level,
        pipeline="p", template_id=template, fields=fields,
    )  # fmt: skip


def test_counts_every_line_once_and_in_time_order():
    windows = Windows()
    times = [random.Random(3).uniform(0, 600) for _ in range(2000)]
    windows.add([record(at) for at in times])
    closed = list(windows.closed(FOREVER))
    assert sum(window.lines() for window in closed) == 2000
    starts = [window.start_ns for window in closed]
    assert starts == sorted(set(starts))
    assert all(b - a == 10 * S for a, b in pairwise(starts))
    assert list(windows.closed(FOREVER)) == []


def test_only_windows_that_ended_are_closed():
    windows = Windows()
    windows.add([record(1), record(11), record(25)])
    assert [w.start_ns for w in windows.closed(T0 + 20 * S)] == [T0, T0 + 10 * S]
    windows.add([record(5)])
    assert windows.late == 1
    assert [(w.start_ns, w.lines()) for w in windows.closed(T0 + 30 * S)] == [(T0 + 20 * S, 1)]


def test_pauses_are_filled_only_up_to_the_bound():
    windows = Windows(options=WindowOptions(max_gap_s=100))
    windows.add([record(0), record(60), record(86_400 * 3)])
    closed = list(windows.closed(FOREVER))
    assert [(w.start_ns - T0) // S for w in closed] == [0, 10, 20, 30, 40, 50, 60, 86_400 * 3]
    assert [w.gap for w in closed] == [False] * 7 + [True]


def test_live_silence_comes_out_as_empty_windows():
    windows = Windows()
    windows.add([record(0)])
    closed = list(windows.closed(T0 + 50 * S))
    assert [w.empty for w in closed] == [False, True, True, True, True]


@pytest.mark.parametrize("wrong_s", [-1_764_000_000, 86_400 * 365 * 70])
def test_a_wrong_clock_neither_stalls_nor_hides_the_rest(wrong_s):
    windows = Windows()
    windows.add([record(at, f"t{at % 3}") for at in range(0, 300, 2)])
    windows.add([record(wrong_s, "clock")])
    started = time.perf_counter()
    closed = list(windows.closed(FOREVER))
    assert time.perf_counter() - started < 1
    assert sum(window.lines() for window in closed) == 150
    assert windows.isolated == 1
    windows.add([record(400)])
    assert sum(window.lines() for window in windows.closed(FOREVER)) == 1, "the wrong clock must not make others late"


def test_events_from_after_their_arrival_are_counted_apart():
    windows = Windows()
    windows.add([record(10, ingested_s=20), record(90_000, ingested_s=20)])
    assert windows.future == 1
    assert [w.lines() for w in windows.closed(FOREVER)] == [1]


def test_lines_without_a_time_of_their_own_stay_with_their_neighbours():
    def one(at: float, arrived: float, **fields) -> LogRecord:
        return record(at, ingested_s=arrived, **fields)

    backlog, live = Windows(), Windows()
    backlog.add([one(5, 9000), one(9000, 9000, **{"event.created": "now"}), one(12, 9000)])
    assert [(w.start_ns, w.lines()) for w in backlog.closed(FOREVER)] == [(T0, 2), (T0 + 10 * S, 1)]
    live.add([one(5, 6), one(95, 95, **{"event.created": "now"})])
    assert [w.lines() for w in live.closed(FOREVER) if not w.empty] == [1, 1]


def test_metrics_are_aggregated_and_garbage_is_counted():
    windows = Windows()
    values = [1.0, 3.0, math.nan, math.inf, 1e308, -1e308]
    windows.add_metrics([MetricPoint("m", "h", T0 + i * S, v, {"b": "2", "a": "1"}) for i, v in enumerate(values)])
    (window,) = windows.closed(FOREVER)
    cell = window.metrics[SeriesKey("h", "m{a=1,b=2}")]
    assert (cell.count, cell.last, windows.bad) == (4, -1e300, 2)
    assert math.isfinite(cell.mean) and (cell.low, cell.high) == (-1e300, 1e300)


def test_levels_and_outcomes():
    assert effective_rank(record(0, level="")) == -1
    assert effective_rank(record(0, level="info", **{"http.response.status_code": 502})) == LEVEL_RANK["error"]
    assert effective_rank(record(0, level="", **{"http.response.status_code": "not a number"})) == -1
    assert effective_rank(record(0, level="", **{"dns.response_code": "SERVFAIL"})) == LEVEL_RANK["error"]
    windows = Windows()
    windows.add([record(0, **{"http.response.status_code": 502}), record(1)])
    (window,) = windows.closed(FOREVER)
    assert window.levels[LevelKey("p", "h1", "svc", "error")].count == 1
    assert window.logs[LogKey("p", "h1", "svc", "t1")].count == 2


def test_durations_become_a_series():
    windows = Windows()
    windows.add([record(1, **{"event.duration": 2 * S}), record(2, **{"event.duration": 4 * S})])
    windows.add([record(3, **{"event.duration": "soon"}), record(4, **{"event.duration": math.nan})])
    (window,) = windows.closed(FOREVER)
    (point,) = derived_points(window)
    assert (point.name, point.host, point.labels, point.value) == ("log.duration", "h1", {"service": "svc"}, 3.0)
    assert windows.bad == 2


def test_memory_is_bounded():
    windows = Windows(options=WindowOptions(max_open_cells=100))
    windows.add([record(i * 10, f"t{i}") for i in range(500)])
    closed = list(windows.closed(T0))
    assert len(closed) >= 400 and closed[0].start_ns == T0
    assert sum(w.lines() for w in closed) + sum(w.lines() for w in windows.closed(FOREVER)) == 500


def test_open_windows_survive_a_restart():
    db = sqlite3.connect(":memory:")
    before = Windows()
    before.add([record(1), record(12, level="error")])
    before.add_metrics([MetricPoint("m", "h", T0 + 3 * S, 2.5)])
    list(before.closed(T0 + 10 * S))
    before.save(db)
    before.add([record(13)])
    before.save(db)
    after = Windows()
    after.load(db)
    after.add([record(2)])
    assert after.late == 1
    assert list(after.closed(FOREVER)) == list(before.closed(FOREVER))
    db.close()


@given(st.lists(st.integers(-(2**62), 2**62), max_size=30), st.lists(st.floats(), max_size=10))
def test_never_raises_and_never_loops_long(times, values):
    windows = Windows()
    windows.add([record((at - T0) / S) for at in times])
    windows.add_metrics([MetricPoint("m", "h", at, value) for at, value in zip(times, values, strict=False)])
    closed = list(windows.closed(FOREVER))
    assert len(closed) <= (len(times) + 1) * 361
    assert sum(w.lines() for w in closed) + windows.isolated >= len(times)
