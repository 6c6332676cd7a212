"""Can the failures of the Blue Gene/L log be forecast? No: nothing before them beats the same forecast at other times.

    python -m benchmarks.forecast_bgl ../shared/data/logad/bgl_first60k/bgl.log.gz

An onset is an alert line (the label of the data set) after half an hour without one; only those can be forecast at
all. Forecasters see only what was logged before. Each is scored by the quantile, among all quiet time, of its highest
score in the quarter of an hour before an onset: 0.5 is chance. The null moves all onsets together around the quiet
time, which keeps everything but the connection between lines and onsets; p is the share of moves that do as well.
Minutes are not counted as if they were independent, and nothing is scored inside a burst that has begun.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from logsense.mine import mine_lines
from logsense.predict.baselines import BASELINES
from logsense.predict.failure import FailureModel
from logsense.predict.features import FeatureBuilder
from logsense.predict.options import ForecastOptions
from logsense.predict.windows import HostWindow, TemplateCount

SECOND = 1_000_000_000
QUIET_S, AHEAD_S = 1800, 900
OPTIONS = ForecastOptions(step_s=60, horizon_s=AHEAD_S, lookbacks_s=(300, 900, 3600), baseline_step_s=300)
LEVELS = {
    "INFO": "info",
    "WARNING": "warning",
    "ERROR": "error",
    "SEVERE": "error",
    "FAILURE": "critical",
    "FATAL": "critical",
}
SHIFTS = 2000
Floats = NDArray[np.float64]


def read(path: Path) -> tuple[list[int], list[bool], list[str], list[str]]:
    """Seconds, alert or not, level and message of each line, in time order."""
    rows = []
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        for line in file:
            parts = line.rstrip("\n").split(" ", 9)
            if len(parts) == 10 and parts[1].isdigit():
                rows.append((int(parts[1]), parts[0] != "-", LEVELS.get(parts[8], ""), parts[9]))
    rows.sort(key=lambda row: row[0])
    times, alerts, levels, messages = zip(*rows, strict=True)
    return list(times), list(alerts), list(levels), list(messages)


def features(times: list[int], levels: list[str], messages: list[str]) -> tuple[Floats, Floats, tuple[str, ...]]:
    """(end of each minute in seconds, features of what was known then, names)."""
    builder = FeatureBuilder(OPTIONS)
    mined = [template for template, _ in mine_lines(messages)]
    seen: set[str] = set()
    rows, ends, at = [], [], 0
    for start in range(times[0] // 60 * 60, times[-1], 60):
        window = HostWindow("bgl", start * SECOND, (start + 60) * SECOND)
        while at < len(times) and times[at] < start + 60:
            level, template = levels[at], mined[at]
            window.levels[level] = window.levels.get(level, 0) + 1
            before = window.templates.get(template, TemplateCount(0, template not in seen, level))
            window.templates[template] = before._replace(lines=before.lines + 1)
            seen.add(template)
            at += 1
        builder.learn(window)
        rows.append(builder.vector("bgl", (start + 60) * SECOND).values.astype(np.float64))
        ends.append(start + 60)
    return np.array(ends, np.float64), np.stack(rows), builder.names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="bgl.log.gz")
    times, alerts, levels, messages = read(parser.parse_args().path)
    alert_times = np.array([t for t, alert in zip(times, alerts, strict=True) if alert], np.float64)
    onsets = alert_times[np.diff(alert_times, prepend=-np.inf) >= QUIET_S]
    onsets = onsets[onsets - times[0] >= QUIET_S]
    ends, x, names = features(times, levels, messages)
    last = np.searchsorted(alert_times, ends, side="right") - 1
    quiet = np.where(last >= 0, ends - alert_times[np.maximum(last, 0)], ends - times[0]) >= QUIET_S
    print(f"{len(times)} lines, {(times[-1] - times[0]) / 3600:.1f} h, {len(alert_times)} alert lines, "
          f"{len(onsets)} onsets after half an hour without any; {quiet.sum() / 60:.1f} h of quiet time\n")  # fmt: skip
    kept, columns = ends[quiet], x[quiet]
    half = kept[len(kept) // 2]
    scorers: dict[str, Callable[[], Floats]] = {
        name: (lambda score=score: score(columns.astype(np.float32), names)) for name, score in BASELINES.items()
    }
    scorers["any line at all"] = lambda: columns[:, names.index("log.volume:rise.300")]
    scorers["new message types"] = lambda: columns[:, names.index("log.new:count.900")]
    print(f"{'forecaster':34} {'onsets':>6} {'quantile':>8} {'null':>6} {'p':>6}")
    worst = 1.0
    for name, scorer in scorers.items():
        worst = min(worst, _report(name, scorer(), kept, onsets))
    model = _fitted(columns, names, kept, onsets[onsets < half], half)
    later = kept >= half
    if model is None:
        print("the classifier has nothing to learn from in the first half")
    else:
        scores = model.probabilities(columns[later].astype(np.float32))
        worst = min(worst, _report("classifier, later half", scores, kept[later], onsets[onsets >= half]))
    tried = len(scorers) + (model is not None)
    chance = 1 - (1 - worst) ** tried
    print(
        f"\nbest p of {tried} forecasters: {worst:.3f}; "
        f"by chance alone one of {tried} is as good in {chance:.0%} of cases"
    )
    print("no forecast beats the null: none is claimed" if chance > 0.05 else "a forecast beats the null: look closer")


def _fitted(x: Floats, names: tuple[str, ...], at: Floats, onsets: Floats, half: float) -> FailureModel | None:
    """The service's classifier on the first half of the time."""
    early = at < half - AHEAD_S
    next_one = np.searchsorted(onsets, at, side="right")
    left = np.append(onsets, np.inf)[next_one] - at
    y = ((left <= AHEAD_S) & early).astype(np.int8)
    if not y.any():
        return None
    index = np.where(y == 1, next_one, -1).astype(np.int64)
    return FailureModel.fit(x[early].astype(np.float32), y[early], index[early], OPTIONS, names)


def _report(name: str, score: Floats, at: Floats, onsets: Floats) -> float:
    """Print a row; the p-value."""
    before = [np.flatnonzero((at >= t - AHEAD_S) & (at <= t)) for t in onsets]
    before = [rows for rows in before if len(rows)]
    if not before:
        print(f"{name:34} {0:6}   no quiet step before any onset")
        return 1.0
    rng = np.random.default_rng(0)
    peak = _moving_peak(score, AHEAD_S // 60)
    ranks = np.array([(peak < v).mean() + 0.5 * (peak == v).mean() for v in peak])
    ends = np.array([rows[-1] for rows in before])
    found = float(ranks[ends].mean())
    null = np.array([ranks[(ends + rng.integers(len(ranks))) % len(ranks)].mean() for _ in range(SHIFTS)])
    p = float((null >= found).mean())
    print(f"{name:34} {len(before):6} {found:8.2f} {null.mean():6.2f} {p:6.3f}")
    return p


def _moving_peak(score: Floats, steps: int) -> Floats:
    """The highest of the newest ``steps`` scores."""
    padded = np.concatenate([np.full(steps - 1, -np.inf), score])
    return np.lib.stride_tricks.sliding_window_view(padded, steps).max(1)


if __name__ == "__main__":
    main()
