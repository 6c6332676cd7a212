"""The scoring of the Numenta Anomaly Benchmark, written from its published description.

Lavin & Ahmad, "Evaluating Real-Time Anomaly Detection Algorithms – the Numenta Anomaly Benchmark", ICMLA 2015
(arXiv:1510.03336). A detection inside a window of an anomaly earns by how early it is (a scaled sigmoid over the
window, only the earliest counts), one outside loses by how far it lies behind the last window; a window without a
detection loses 1. The sum over all series is normalised so that a detector that never fires has 0 and one that
fires at the start of every window has 100. The first 15 % of a series (of at most 5,000 rows) are probation and
count for nothing.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

PROBATION, PROBATION_ROWS = 0.15, 5000
FALSE_ALARM = 0.11  # what a detection outside costs in the standard profile, as a share of a window


@dataclass(frozen=True, slots=True)
class NabSeries:
    """One file: ``values`` of shape (rows,), ``windows`` as (first row, last row), both inside."""

    name: str
    folder: str
    values: np.ndarray
    windows: tuple[tuple[int, int], ...]
    step_s: float

    @property
    def probation(self) -> int:
        """Rows at the start that count for nothing."""
        return math.floor(PROBATION * min(len(self.values), PROBATION_ROWS))


def read(root: Path) -> list[NabSeries]:
    """All series below ``root/data`` with the windows of ``root/labels/combined_windows.json``, by name."""
    labels = json.loads((root / "labels/combined_windows.json").read_text(encoding="utf-8"))
    found = []
    for path in sorted((root / "data").rglob("*.csv")):
        name = f"{path.parent.name}/{path.name}"
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(datetime.fromisoformat(row["timestamp"]), float(row["value"])) for row in csv.DictReader(file)]
        times = np.array([at.timestamp() for at, _ in rows])
        windows = []
        for start, end in labels[name]:
            inside = np.flatnonzero((times >= _seconds(start)) & (times <= _seconds(end)))
            windows.append((int(inside[0]), int(inside[-1])))
        values = np.array([value for _, value in rows])
        step = float(np.median(np.diff(times)))
        found.append(NabSeries(name, path.parent.name, values, tuple(sorted(windows)), step))
    return found


def sigmoid(position: float) -> float:
    """1 at the start of a window (-1), 0 at its end (0), towards -1 behind it."""
    return -1.0 if position > 3.0 else 2.0 / (1.0 + math.exp(5.0 * position)) - 1.0


def raw_score(series: NabSeries, detections: Sequence[int]) -> float:
    """What the rows ``detections`` earn and cost in one series, and what missed windows cost."""
    hits: dict[tuple[int, int], float] = {}
    cost = 0.0
    for row in detections:
        if row < series.probation:
            continue
        inside = next((window for window in series.windows if window[0] <= row <= window[1]), None)
        if inside is not None:
            width = inside[1] - inside[0] + 1
            earned = sigmoid(-(inside[1] - row + 1) / width) / sigmoid(-1.0)
            hits[inside] = max(hits.get(inside, -1.0), earned)
            continue
        before = [window for window in series.windows if window[1] < row]
        if before:
            start, end = before[-1]
            cost += FALSE_ALARM * sigmoid((row - end) / max(end - start, 1))
        else:
            cost -= FALSE_ALARM
    return sum(hits.values()) - (len(series.windows) - len(hits)) + cost


def score(series: Sequence[NabSeries], detections: Mapping[str, Sequence[int]]) -> float:
    """The normalised score of the standard profile: 0 for silence, 100 for a perfect detector."""
    windows = sum(len(one.windows) for one in series)
    total = sum(raw_score(one, detections.get(one.name, ())) for one in series)
    return 100.0 * (total + windows) / (2.0 * windows)


def perfect(series: Sequence[NabSeries]) -> dict[str, list[int]]:
    """Detections at the first row of every window."""
    return {one.name: [start for start, _ in one.windows] for one in series}


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
