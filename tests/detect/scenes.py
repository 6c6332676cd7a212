"""Synthetic streams with realistic noise, shared by the tests of the detectors."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator

from logsense.detect import FOREVER, LogAnomaly, MetricAnomaly, Window, Windows
from logsense.record import LogRecord, MetricPoint, Signal

S = 1_000_000_000
T0 = 1_764_000_000 * S


def line(
    at_s: float, template: str, text: str, *, level: str = "info", host: str = "db1", service: str = "app", **fields
):
    return LogRecord(
        id=f"{template}@{at_s:.3f}", timestamp_ns=T0 + int(at_s * S), message=text, source="test", ingested_ns=0,
        host=host, service=service, level=level, pipeline="p", template_id=template, fields=fields,
    )  # fmt: skip


def traffic(seconds: int, rng: random.Random, **place) -> Iterator[LogRecord]:
    """Poisson requests around a rate that swells and ebbs, a warning now and then, an hourly-like job."""
    at = 0.0
    while at < seconds:
        at += rng.expovariate(2.0 * (1 + 0.4 * math.sin(at / 90)))
        yield line(at, "get", f"GET /orders/{rng.randint(1, 99)} -> 200 in {rng.randint(2, 9)} ms", **place)
        if rng.random() < 0.03:
            yield line(at, "retry", "payment provider answered late, retrying", level="warning", **place)
    for tick in range(0, seconds, 60):
        yield line(tick + 1, "cron", "(root) CMD (/usr/bin/test -d /srv)", **place)


def load(seconds: int, rng: random.Random, host: str = "db1") -> Iterator[MetricPoint]:
    """Seven series of a host once a second: busy, constant, counting and noisy ones."""
    counter = 5_000.0
    for at in range(seconds):
        counter += rng.randint(0, 40)
        swell = 1 + 0.3 * math.sin(at / 90)
        values = {
            "system.cpu.utilization": max(0.0, 0.2 * swell + rng.gauss(0, 0.03)),
            "system.load": float(rng.choice((0, 0, 0, 1, 1, 2))),
            "system.memory.utilization": 0.4 + 0.01 * math.sin(at / 50),
            "system.disk.utilization": 0.31,
            "system.network.io.receive": 20_000 * swell + rng.gauss(0, 3000),
            "requests_total": counter,
            "http.client.latency": abs(rng.gauss(0.03, 0.01)) + (0.2 if rng.random() < 0.01 else 0.0),
        }
        for name, value in values.items():
            yield MetricPoint(name, host, T0 + at * S, value)


def cut(records: Iterable[LogRecord] = (), points: Iterable[MetricPoint] = ()) -> list[Window]:
    windows = Windows()
    windows.add(records)
    windows.add_metrics(points)
    return list(windows.closed(FOREVER))


def signals_of(windows: Iterable[Window], *detectors: LogAnomaly | MetricAnomaly) -> list[Signal]:
    """Latest version of each signal, in order of first appearance."""
    found: dict[str, Signal] = {}
    for window in windows:
        for detector in detectors:
            for signal in detector.score(window):
                found[signal.id] = signal
            detector.learn(window)
    return list(found.values())
