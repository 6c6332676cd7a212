"""Scores of step-wise forecasts, with intervals from resampled failures. Pure numpy; arrays have the shape (n,)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
#: Edges of the reliability curve: finer where forecasts of rare events are.
RELIABILITY_EDGES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 90 % bootstrap interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        return {"value": round(self.value, 4), "low": round(self.low, 4), "high": round(self.high, 4)}


def average_precision(y: Labels, score: Floats, weight: Floats | None = None) -> float:
    """Area under the precision-recall curve as a sum of steps; equal scores are one step. NaN without positives."""
    weight = np.ones(len(y)) if weight is None else weight
    order = np.argsort(-score, kind="stable")
    ranked, positive = score[order], (y[order] == 1) * weight[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(y) - 1) if len(y) else np.zeros(0, int)
    hits, all_ = np.cumsum(positive)[ends], np.cumsum(weight[order])[ends]
    total = hits[-1] if len(hits) else 0.0
    if total <= 0:
        return float("nan")
    return float((np.diff(hits, prepend=0.0) * hits / np.maximum(all_, 1e-12)).sum() / total)


def brier(y: Labels, probability: Floats, weight: Floats | None = None) -> float:
    """Mean squared error of the probability (Brier 1950)."""
    if not len(y):
        return float("nan")
    return float(np.average((probability - (y == 1)) ** 2, weights=weight))


def reliability(y: Labels, probability: Floats) -> list[dict[str, float]]:
    """Mean forecast and observed share per bin that holds steps."""
    bins = _bins(probability)
    return [
        {
            "forecast": round(float(probability[bins == b].mean()), 4),
            "observed": round(float((y[bins == b] == 1).mean()), 4),
            "steps": int((bins == b).sum()),
        }
        for b in range(len(RELIABILITY_EDGES) - 1)
        if (bins == b).any()
    ]


def reliability_with_intervals(
    y: Labels, probability: Floats, onset: NDArray[np.int64], block: NDArray[np.int64], *, rounds: int = 200
) -> list[dict[str, float]]:
    """``reliability`` with the 90 % bootstrap interval of each observed share (``low``, ``high``)."""
    bins, rows = _bins(probability), reliability(y, probability)
    held = [b for b in range(len(RELIABILITY_EDGES) - 1) if (bins == b).any()]
    for b, row in zip(held, rows, strict=True):

        def share(weight: Floats, here: NDArray[np.bool_] = bins == b) -> float:
            total = weight[here].sum()
            return float((weight[here] * (y[here] == 1)).sum() / total) if total else float("nan")

        low, high = bootstrap(share, onset, block, rounds=rounds)
        row |= {"low": round(low, 4), "high": round(high, 4)}
    return rows


def precision_recall(y: Labels, score: Floats, most: int = 40) -> list[list[float]]:
    """[recall, precision, threshold] from the highest score down, at most about ``most`` points of the curve."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(y) - 1) if len(y) else np.zeros(0, int)
    hits = np.cumsum(y[order] == 1)[ends]
    if not len(hits) or not hits[-1]:
        return []
    recall = hits / hits[-1]
    # Evenly spaced in recall: that is how the curve is looked at.
    kept = np.unique(np.searchsorted(recall, np.linspace(recall[0], 1.0, most)))
    return [
        [round(float(recall[i]), 4), round(float(hits[i] / (ends[i] + 1)), 4), round(float(score[order][ends[i]]), 6)]
        for i in kept.tolist()
    ]


def _bins(probability: Floats) -> NDArray[np.int64]:
    return np.clip(np.digitize(probability, RELIABILITY_EDGES) - 1, 0, len(RELIABILITY_EDGES) - 2)


def bootstrap(
    score: Callable[[Floats], float],
    onset: NDArray[np.int64],
    block: NDArray[np.int64],
    *,
    rounds: int = 200,
    seed: int = 0,
) -> tuple[float, float]:
    """5 and 95 % of ``score(weights)`` when failures, and blocks of quiet steps, are drawn with replacement.

    Steps are no independent observations: all steps before one failure are drawn together, and so are the quiet
    steps of one ``block``. ``onset`` is -1 for quiet steps.
    """
    rng = np.random.default_rng(seed)
    unit = np.where(onset >= 0, onset, block + onset.max(initial=-1) + 1)
    kinds = (onset >= 0, onset < 0)
    units = [(mask, *np.unique(unit[mask], return_inverse=True)) for mask in kinds if mask.any()]
    drawn = []
    for _ in range(rounds):
        weight = np.zeros(len(onset))
        for mask, names, inverse in units:
            weight[mask] = rng.multinomial(len(names), np.full(len(names), 1 / len(names)))[inverse]
        value = score(weight)
        if value == value:
            drawn.append(value)
    if not drawn:
        return float("nan"), float("nan")
    low, high = np.quantile(drawn, (0.05, 0.95))
    return float(low), float(high)
