"""Server machines with labelled anomalies (SMD, ASD): the host model beside simple detectors, no point adjustment.

    PYTHONPATH=. python -m benchmarks.machines [../shared/data/metrics] [--labels FOLDER] [--seed 1]

Each machine is ``<kind>/<machine>.npz`` with ``train``, ``test`` (rows, metrics) and ``test_label`` (rows,). Every
detector sees the training rows only, also for scaling, and its scores are averaged over the last ``TRAILING`` rows.
"logsense" is ``logsense.detect.hostmodel``, the class that the service fits on each host's own past; "as served" is it
as the service runs it: on means of five minutes, fitted on the newest ``course_ticks`` of them and again every
``REFIT_TICKS``, test rows included as they pass. VUS-PR and AUC-PR are means over machines. Blame: in how many labelled
anomalies the metric blamed most is one of those that people named; it needs ``<machine>.txt`` in the folder of labels
(lines such as ``246-252:1,2,3``).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.machine_score import auc_pr, read_blame, vus_pr
from logsense.detect.hostmodel import HostModel
from logsense.detect.metric_courses import REFIT_TICKS
from logsense.detect.options import MetricAnomalyOptions

TRAILING = 5
BEFORE = 60  # rows before an anomaly that blame compares with
PER_TICK = {"smd": 5, "asd": 1}  # rows that make five minutes
Method = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def logsense(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    return fitted(train).score(test)


def as_served(rows_a_tick: int) -> Method:
    def scores(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        known, new = ticks(train, rows_a_tick), ticks(test, rows_a_tick)
        past = MetricAnomalyOptions().course_ticks
        rows, found = np.concatenate([known[-past:], new]), []
        first = len(rows) - len(new)
        for start in range(0, len(new), REFIT_TICKS):
            model = fitted(rows[max(0, first + start - past) : first + start])
            found.append(model.score(new[start : start + REFIT_TICKS]))
        spread = np.repeat(np.concatenate(found), rows_a_tick)
        return np.pad(spread, (0, len(test) - len(spread)), mode="edge")

    return scores


def ticks(rows: np.ndarray, each: int) -> np.ndarray:
    """Means of ``each`` rows; what is left at the end is no tick yet."""
    whole = len(rows) // each
    return rows[: whole * each].reshape(whole, each, -1).mean(axis=1)


def fitted(rows: np.ndarray) -> HostModel:
    model = HostModel.fit(rows)
    if model is None:
        raise SystemExit("too few rows to fit a model")
    return model


def isolation_forest(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.ensemble import IsolationForest

    return -IsolationForest(random_state=seed).fit(train).score_samples(test)


def pca(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Squared residual of the components that explain nine tenths, metrics standardised."""
    from sklearn.decomposition import PCA

    mean, deviation = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-3)
    known, new = (train - mean) / deviation, (test - mean) / deviation
    model = PCA(n_components=0.9, svd_solver="full").fit(known)
    return ((new - model.inverse_transform(model.transform(new))) ** 2).sum(axis=1)


def chance(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(len(test))


METHODS: dict[str, Method] = {
    "logsense": logsense, "isolation forest": isolation_forest, "PCA": pca, "random": chance,
}  # fmt: skip


def trailing(scores: np.ndarray) -> np.ndarray:
    """The mean of each score and those before it."""
    sums = np.concatenate([[0.0], np.cumsum(scores)])
    ends = np.arange(1, len(scores) + 1)
    starts = np.maximum(ends - TRAILING, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def blamed(test: np.ndarray, path: Path, weigh: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> list[bool]:
    """For each labelled anomaly whether the metric with the most weight is a named one.

    ``weigh`` gets the rows of the anomaly and the hour of rows before it.
    """
    return [
        int(np.argmax(weigh(test[first : last + 1], test[max(0, first - BEFORE) : first]))) in named
        for first, last, named in read_blame(path)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("../shared/data/metrics"))
    parser.add_argument("--labels", type=Path, help="folder of interpretation labels [beside the machines]")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for kind in ("smd", "asd"):
        paths = sorted((arguments.folder / kind).glob("*.npz"))
        if not paths:
            print(f"{kind}: no machines in {arguments.folder / kind}")
            continue
        methods = {"logsense, as served": as_served(PER_TICK[kind]), **METHODS}
        table: dict[str, list[tuple[float, float, float]]] = {name: [] for name in methods}
        hits: dict[str, list[bool]] = {"robust |z| (logsense)": [], "raw |z|": [], "residual of the components": []}
        for path in paths:
            data = np.load(path, allow_pickle=False)
            train, test = data["train"].astype(float), data["test"].astype(float)
            labels = data["test_label"].astype(float)
            for name, method in methods.items():
                begin = time.process_time()
                scores = trailing(method(train, test, arguments.seed))
                spent = 1e6 * (time.process_time() - begin) / len(test)
                table[name].append((auc_pr(labels, scores), vus_pr(labels, scores), spent))
            named = (arguments.labels or path.parent) / f"{path.stem}.txt"
            if named.exists():
                model = fitted(train)
                mean, deviation = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-3)
                hits["robust |z| (logsense)"] += blamed(test, named, model.blame)
                hits["raw |z|"] += blamed(
                    test, named, lambda r, _, m=mean, d=deviation: (np.abs(r - m) / d).mean(axis=0)
                )  # type: ignore[misc]
                hits["residual of the components"] += blamed(
                    test, named, lambda r, _, m=model: m.residuals(r).mean(axis=0)
                )
        print(f"\n{kind.upper()}: {', '.join(path.stem for path in paths)}")
        print(f"{'':28}{'AUC-PR':>8}{'VUS-PR':>8}{'µs a row':>10}   AUC-PR of each machine")
        for name, rows in table.items():
            each = " ".join(f"{row[0]:.2f}" for row in rows)
            print(f"{name:28}{np.mean([r[0] for r in rows]):8.3f}{np.mean([r[1] for r in rows]):8.3f}"
                  f"{np.mean([r[2] for r in rows]):10.0f}   {each}")  # fmt: skip
        if hits["raw |z|"]:
            print(f"metric blamed first is a named one, of {len(hits['raw |z|'])} anomalies:")
            for name, found in hits.items():
                print(f"    {name:28}{np.mean(found):6.2f}")
        else:
            print("no interpretation labels: blame is not measured (--labels FOLDER)")


if __name__ == "__main__":
    main()
