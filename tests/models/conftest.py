"""A small estate in an index of its own: disks that fill and break the host, in quiet between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from logsense.index.embedded import EmbeddedIndex
from logsense.record import Forecast, Incident, LogRecord, MetricPoint, Signal

SECOND = 10**9
START = 1_789_999_980 * SECOND  # a multiple of the steps
HOURS, STEP = 4, 30
#: When one host fails (irregularly: at shifted times a rhythm would be forecast too); its disk fills for five minutes
#: before.
FAILS_AT_S = (1200, 2100, 3660, 4470, 6030, 7140, 7950, 9540, 10470, 11910, 12690, 13980)
FILLS_S, DOWN_S = 300, 60


def onsets() -> list[int]:
    """When h0 fails, in nanoseconds."""
    return [START + at * SECOND for at in FAILS_AT_S]


def fill(index: EmbeddedIndex) -> None:
    """Metrics, lines and signals of ``HOURS`` hours of two hosts."""
    rng = np.random.default_rng(7)
    points: list[MetricPoint] = []
    lines: list[LogRecord] = []
    for at in range(0, HOURS * 3600, STEP):
        to_next = min((t - at for t in FAILS_AT_S if t > at), default=10**6)
        down = any(t <= at < t + DOWN_S for t in FAILS_AT_S)
        ns = START + at * SECOND
        for host in ("h0", "h1"):
            use = 0.4 + rng.normal(0, 0.003)
            if host == "h0":
                use = 1.0 if down else max(use, 1 - to_next / FILLS_S * 0.6)
            points.append(MetricPoint("system.disk.utilization", host, ns, float(use)))
            points.append(MetricPoint("system.cpu.utilization", host, ns, float(rng.uniform(0.1, 0.4))))
            level = "critical" if down and host == "h0" else "info"
            text = "No space left on device" if level == "critical" else "request served"
            lines.append(
                LogRecord(f"{host}-{at}", ns, text, "test", ns, host=host, service="app", level=level,
                          template_id="t-full" if level == "critical" else "t-ok")
            )  # fmt: skip
    index.write_metrics(points)
    index.write_logs(lines)
    index.commit()


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    """A data folder whose index holds the estate."""
    index = EmbeddedIndex(tmp_path / "index", writer=True)
    fill(index)
    index.close()
    return tmp_path


def incident(name: str, start_ns: int, end_ns: int, hosts: list[str]) -> Incident:
    return Incident(name, name, "resolved", "high", start_ns, end_ns, end_ns, hosts=hosts)


def signal(name: str, kind: str, host: str, start_ns: int, end_ns: int) -> Signal:
    return Signal(name, kind, start_ns, end_ns, 5.0, host=host)


def forecast(host: str, made_ns: int, probability: float, model: str) -> Forecast:
    return Forecast(f"{host}-{made_ns}", host, made_ns, 300, probability, model, True)
