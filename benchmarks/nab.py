"""The Numenta Anomaly Benchmark, standard profile: the slow view's detector beside simple ones, streaming.

    PYTHONPATH=. python -m benchmarks.nab [../shared/data/metrics/nab] [--verbose]

The detector is ``logsense.detect.novelty``, the very class that the service runs: all series in lockstep, one value a
tick, each scored before it is learnt; one setting for all, alarms muted as the service mutes them. Every detector gets
the same muting and the threshold that is best for it. "left out" is the honest figure: for each folder, threshold and
the fading share (``novelty.FADE``) are chosen on the other folders. Beside the score: real alarms a day over the series
without an anomaly, and windows found. A silent and a perfect detector are scored first and must give 0 and 100.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.nab_score import NabSeries, perfect, raw_score, read, score
from logsense.detect import novelty
from logsense.detect.metric_courses import muted

FADES = (1 / 2, 1 / 3, 1 / 5)
SMOOTH = 5  # thresholds over which the choice is smoothed: a lucky one is not taken


@dataclass(frozen=True, slots=True)
class Run:
    """Scores of one detector in one setting, one array a series, and the thresholds that are tried."""

    name: str
    setting: str
    scores: list[np.ndarray]
    thresholds: np.ndarray

    def raw(self, series: Sequence[NabSeries]) -> np.ndarray:
        """(series, thresholds) raw scores."""
        return np.array(
            [[raw_score(one, alarms(s, t, one.probation)) for t in self.thresholds]
             for one, s in zip(series, self.scores, strict=True)]
        )  # fmt: skip


def alarms(scores: np.ndarray, threshold: float, start: int) -> list[int]:
    """Rows at which an alarm is raised: not before ``start``, and none while an earlier one mutes."""
    raised, until = [], start
    for row in np.flatnonzero(scores >= threshold):
        if row >= until:
            raised.append(int(row))
            until = row + muted(int(row))
    return raised


def ours(series: Sequence[NabSeries]) -> tuple[list[Run], float]:
    """Our detector with each fading share, and its CPU seconds; the novelty is the same for all of them."""
    length = max(len(one.values) for one in series)
    values = np.full((length, len(series)), np.nan)
    for column, one in enumerate(series):
        values[: len(one.values), column] = one.values
    bank, found = novelty.Novelty(len(series)), np.full(values.shape, np.nan)
    begin = time.process_time()
    for row in range(length):
        found[row] = bank.novelty(values[row])
        bank.learn(values[row], found[row])
    spent = time.process_time() - begin
    runs = []
    chosen = novelty.FADE
    for fade in FADES:
        novelty.FADE = fade
        bank, z = novelty.Novelty(len(series), past=1), np.full(values.shape, np.nan)
        for row in range(length):
            z[row] = bank.likelihood(found[row])
            bank.learn(values[row], found[row])
        scores = [novelty.tail(z[: len(one.values), column]) for column, one in enumerate(series)]
        mark = "*" if fade == chosen else ""
        runs.append(Run("logsense", f"fade 1/{1 / fade:.0f}{mark}", scores, np.arange(1.7, 5.0, 0.1)))
    novelty.FADE = chosen
    return runs, spent


def gaussian(values: np.ndarray, window: int = 1000) -> np.ndarray:
    """|z| of each value against the ``window`` values before it."""
    scores = np.zeros(len(values))
    sums, squares = (np.concatenate([[0.0], np.cumsum(v)]) for v in (values - values[0], (values - values[0]) ** 2))
    for row in range(10, len(values)):
        low = max(0, row - window)
        mean = (sums[row] - sums[low]) / (row - low)
        spread = np.sqrt(max((squares[row] - squares[low]) / (row - low) - mean**2, 0.0))
        scores[row] = abs(values[row] - values[0] - mean) / max(spread, 1e-6 * abs(mean) + 1e-9)
    return scores


def last_value(values: np.ndarray) -> np.ndarray:
    """|step| against the steps before it."""
    steps = np.abs(np.diff(values, prepend=values[0]))
    return gaussian(steps)


def choose(curve: np.ndarray) -> int:
    """The threshold whose neighbourhood is best."""
    half = SMOOTH // 2
    return int(np.argmax(np.convolve(np.pad(curve, half, mode="edge"), np.ones(SMOOTH) / SMOOTH, "valid")))


def normalised(raw: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Raw scores (series, …) as 0 to 100."""
    return 100.0 * (raw.sum(axis=0) + windows.sum()) / (2.0 * windows.sum())


def left_out(raws: list[np.ndarray], folders: np.ndarray, windows: np.ndarray) -> float:
    """Each folder with the setting and threshold chosen on the others."""
    total = 0.0
    for folder in np.unique(folders):
        rest = folders != folder
        best = max(((normalised(raw[rest], windows[rest])[choose(normalised(raw[rest], windows[rest]))], i)
                    for i, raw in enumerate(raws)))[1]  # fmt: skip
        at = choose(normalised(raws[best][rest], windows[rest]))
        total += raws[best][~rest, at].sum()
    return float(100.0 * (total + windows.sum()) / (2.0 * windows.sum()))


def simple(name: str, series: Sequence[NabSeries], method: Callable[[np.ndarray], np.ndarray]) -> Run:
    return Run(name, "", [method(one.values) for one in series], np.arange(2.0, 12.0, 0.5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data/metrics/nab"))
    parser.add_argument("--verbose", action="store_true", help="the score of each series")
    arguments = parser.parse_args()
    series = read(arguments.folder)
    windows = np.array([len(one.windows) for one in series])
    folders = np.array([one.folder for one in series])
    print(f"{len(series)} series, {windows.sum()} windows, {sum(len(one.values) for one in series):,} rows")
    print(f"silent detector {score(series, {}):.1f}, perfect detector {score(series, perfect(series)):.1f}\n")
    runs, spent = ours(series)
    rows = sum(len(one.values) for one in series)
    families = [runs, [simple("windowed Gaussian", series, gaussian)], [simple("last value", series, last_value)]]
    print(f"{'':20}{'score':>8}{'left out':>10}{'threshold':>11}{'within 2 points':>17}{'found':>9}{'alarms':>8}")
    for family in families:
        raws = [run.raw(series) for run in family]
        for run, raw in zip(family, raws, strict=True):
            curve = normalised(raw, windows)
            at = choose(curve)
            near = run.thresholds[curve >= curve[at] - 2.0]
            raised = [alarms(s, run.thresholds[at], one.probation) for s, one in zip(run.scores, series, strict=True)]
            found = sum(any(a <= r <= b for r in rows_) for one, rows_ in zip(series, raised, strict=True)
                        for a, b in one.windows)  # fmt: skip
            ruled = "*" in run.setting or not run.setting
            rest = f"{left_out(raws, folders, windows):10.1f}" if ruled else " " * 10
            label, around = f"{run.name} {run.setting}", f"{near.min():.1f}-{near.max():.1f}"
            print(f"{label:20}{curve[at]:8.1f}{rest}{run.thresholds[at]:11.1f}{around:>17}{found:6}", end="")
            print(f"/{windows.sum()}{sum(map(len, raised)):8}")
            if "*" in run.setting and arguments.verbose:
                for one, value in zip(series, raw[:, at], strict=True):
                    print(f"    {one.name:60} {value:6.2f} of {len(one.windows)}")
    print(f"\n{1e6 * spent / rows:.0f} µs of CPU a value (score and learn)")
    print("published on all 58 series: ARTime 74.9, HTM 70.1, random cut forest 51.7, windowed Gaussian 39.6")


if __name__ == "__main__":
    main()
