"""Alarms of a whole dataset: which failures they announced, how early, and how many were false."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from logsense.lifecycle.dataset import SECOND, Dataset
from logsense.lifecycle.scores import Floats
from logsense.predict.alarms import AlarmTracker
from logsense.predict.options import ForecastOptions

#: Thresholds tried when one is chosen.
_CANDIDATES = 40


@dataclass(frozen=True, slots=True)
class Alarms:
    """``on``: per step, shape (n,), is an alarm on. ``false``: alarms that no failure followed within the horizon."""

    on: NDArray[np.bool_]
    count: int
    false: int
    share_on: float


def sequences(dataset: Dataset) -> Iterator[NDArray[np.int64]]:
    """Row numbers of each host of each recording, in time order."""
    keys = [f"{r}\0{h}" for r, h in zip(dataset.recordings.tolist(), dataset.hosts.tolist(), strict=True)]
    names, inverse = np.unique(np.array(keys, object).astype(str), return_inverse=True)
    for number in range(len(names)):
        rows = np.flatnonzero(inverse == number)
        yield rows[np.argsort(dataset.at_ns[rows], kind="stable")]


def simulate(dataset: Dataset, score: Floats, threshold: float, options: ForecastOptions) -> Alarms:
    """Run the service's own alarm rules over steps that are in no failure; a pause interrupts an alarm."""
    on = np.zeros(len(dataset), np.bool_)
    steps = count = false = 0
    pause = 2 * dataset.options.step_s * SECOND
    for rows in sequences(dataset):
        tracker, times = AlarmTracker(options), dataset.at_ns[rows].tolist()
        for i, row in enumerate(rows.tolist()):
            if i and times[i] - times[i - 1] > pause:
                tracker.interrupt("", times[i])
            tracker.update("", times[i], float(score[row]), threshold)
            on[row] = tracker.active("")
        steps += len(rows)
        breaks = np.flatnonzero(np.diff(dataset.at_ns[rows]) > pause) + 1
        for start, end in pairwise([0, *breaks.tolist(), len(rows)]):
            for first, last in _runs(on[rows[start:end]]):
                count += 1
                false += not (dataset.y[rows[start + first : start + last]] == 1).any()
    return Alarms(on, count, false, float(on.sum() / steps) if steps else 0.0)


def choose_threshold(dataset: Dataset, score: Floats, false_per_host_day: float, options: ForecastOptions) -> float:
    """The threshold that announces most failures within the budget of false alarms; the highest of equals.

    A day's budget on an hour of data is no alarm at all; one false alarm is always allowed.
    """
    host_days = len(dataset) * dataset.options.step_s / 86_400
    allowed = max(1.0, false_per_host_day * host_days)
    at_onsets = [score[dataset.onset == i].max() for i in dataset.onsets()]
    candidates = np.unique(np.concatenate([np.quantile(score, np.linspace(0.5, 1, _CANDIDATES)), at_onsets]))
    best, most = float(np.nextafter(score.max(initial=0.0), 2.0)), 0
    for threshold in candidates[candidates > 0][::-1].tolist():
        alarms = simulate(dataset, score, threshold, options)
        if alarms.false > allowed:
            break
        found = len(np.unique(dataset.onset[alarms.on & (dataset.y == 1)]))
        if found > most:
            best, most = threshold, found
    return best


def _runs(on: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
