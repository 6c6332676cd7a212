"""What the metric detectors cost: hosts × metrics every window, by simulation through the real detector stage.

    PYTHONPATH=. python -m benchmarks.metrics_cost [--hosts 1000] [--metrics 40] [--days 1.1] [--measure 60]

Points go through ``Windows`` and ``MetricAnomaly`` as the worker calls them, score then learn, and the state is saved
to SQLite after every window. The slow view is filled first with ``--days`` of five-minute means, so that it is measured
with a past; then whole windows are measured, ticks of the slow view among them. CPU seconds of this process, per second
of simulated time, are the share of one core.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from logsense.detect import FOREVER, MetricAnomaly, MetricAnomalyOptions, Windows
from logsense.detect.windows import SeriesKey, Window
from logsense.record import MetricPoint

SECOND = 1_000_000_000
START = 1_764_000_000 * SECOND // (300 * SECOND) * 300 * SECOND
NAMES = ("system.cpu.utilization", "system.network.io", "app.latency", "system.memory.usage", "app.requests")


def values_at(at_s: float, base: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A day's swing and noise of each series, (hosts * metrics,)."""
    return base * (1.0 + 0.3 * np.sin(at_s / 86_400 * 2 * np.pi) + rng.normal(0, 0.05, len(base)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--metrics", type=int, default=40)
    parser.add_argument("--days", type=float, default=1.1, help="past of the slow view")
    parser.add_argument("--measure", type=int, default=60, help="windows that are measured")
    arguments = parser.parse_args()
    rng, process = np.random.default_rng(1), psutil.Process()
    keys = [
        SeriesKey(f"host{h}", f"{NAMES[m % len(NAMES)]}{{n={m}}}")
        for h in range(arguments.hosts) for m in range(arguments.metrics)
    ]  # fmt: skip
    base = rng.uniform(0.2, 100.0, len(keys))
    options, empty = MetricAnomalyOptions(), process.memory_info().rss
    detector, windows = MetricAnomaly(options), Windows()
    step, tick = options.window_s * SECOND, options.course_s * SECOND
    ticks = int(arguments.days * 86_400 * SECOND / tick)
    at = START
    for _ in range(ticks):  # the slow view alone: a window a tick
        means = dict(zip(keys, values_at(at / SECOND, base, rng), strict=True))
        detector.courses.learn(Window(at + tick - step, at + tick), means)
        at += tick
    spent = {"windows": 0.0, "detect": 0.0, "save": 0.0}
    slowest, signals, measured = 0.0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(Path(folder) / "state.db")
        warm = 70  # statistics of a series are taken seldom from its 60th window on
        for number in range(warm + arguments.measure):
            now = values_at(at / SECOND, base, rng)
            points = [
                MetricPoint(key.name, key.host, at + SECOND, float(value)) for key, value in zip(keys, now, strict=True)
            ]
            clock = [time.process_time()]
            windows.add_metrics(points)
            closed = list(windows.closed(at + step if number < warm + arguments.measure - 1 else FOREVER))
            clock.append(time.process_time())
            for window in closed:
                signals += len(detector.score(window))
                detector.learn(window)
            clock.append(time.process_time())
            detector.save(db)
            db.commit()
            clock.append(time.process_time())
            at += step
            if number >= warm:
                measured += 1
                for name, begin, end in zip(spent, clock, clock[1:], strict=False):
                    spent[name] += end - begin
                slowest = max(slowest, clock[-1] - clock[0])
        size = (Path(folder) / "state.db").stat().st_size
    seconds = measured * options.window_s
    total = sum(spent.values())
    print(f"{arguments.hosts:,} hosts x {arguments.metrics} metrics every {options.window_s} s, {measured} windows, "
          f"{ticks} ticks of past")  # fmt: skip
    for name, used in spent.items():
        print(
            f"  {name:8} {100 * used / seconds:6.1f} % of a core, {1e6 * used / measured / len(keys):6.1f} µs a point"
        )
    print(f"  all      {100 * total / seconds:6.1f} % of a core, {1e6 * total / measured / len(keys):6.1f} µs a point")
    print(f"slowest window {slowest:.1f} s of CPU; memory {(process.memory_info().rss - empty) / 2**20:,.0f} MB, "
          f"state on disk {size / 2**20:,.0f} MB; signals {signals}")  # fmt: skip


if __name__ == "__main__":
    main()
