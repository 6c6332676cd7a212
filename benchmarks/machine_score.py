"""How the scores of a machine's rows are judged: AUC-PR, VUS-PR and the metric blamed first. No point adjustment.

VUS-PR is the volume under the surface of range-aware precision and recall: Paparrizos et al., "Volume under the
surface", PVLDB 15(11), 2022. Labels get ramps at both ends, a ramp of every length up to a buffer; recall counts half
the ramp as true, and falls with the share of anomalies that were touched at all; the area is averaged over the lengths.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

BUFFER = 100  # rows, the longest ramp
BUFFERS = 11  # lengths of the ramp that are averaged
THRESHOLDS = 250


def segments(labels: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) rows of each run of ones, both inside."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (labels > 0).astype(int), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def auc_pr(labels: np.ndarray, scores: np.ndarray) -> float:
    """Average precision; equal scores are one threshold."""
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order], np.cumsum(labels[order])
    last = np.append(np.flatnonzero(np.diff(ordered)), len(scores) - 1)
    precision, recall = hits[last] / (last + 1), hits[last] / max(hits[-1], 1)
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * precision))


def vus_pr(labels: np.ndarray, scores: np.ndarray, buffer: int = BUFFER) -> float:
    """The mean over ramp lengths 0 … ``buffer`` of the area under range-aware precision and recall."""
    lengths = np.unique(np.linspace(0, buffer, BUFFERS).astype(int))
    thresholds = np.sort(scores)[::-1][np.linspace(0, len(scores) - 1, THRESHOLDS).astype(int)]
    return float(np.mean([_range_auc(labels, scores, int(length), thresholds) for length in lengths]))


def _range_auc(labels: np.ndarray, scores: np.ndarray, length: int, thresholds: np.ndarray) -> float:
    soft = _ramped(labels, length)
    runs = segments(soft)
    order = np.argsort(-scores, kind="stable")
    true = np.concatenate([[0.0], np.cumsum(soft[order])])
    taken = np.searchsorted(-scores[order], -thresholds, side="right")
    best = np.sort([scores[start : end + 1].max() for start, end in runs])
    touched = (len(best) - np.searchsorted(best, thresholds, side="left")) / len(best)
    positives = (labels.sum() + soft.sum()) / 2.0
    recall = np.minimum(true[taken] / positives, 1.0) * touched
    precision = true[taken] / np.maximum(taken, 1)
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * precision))


def _ramped(labels: np.ndarray, length: int) -> np.ndarray:
    soft = labels.astype(float)
    reach = length // 2
    for start, end in segments(labels) if reach else ():
        away = np.arange(1, reach + 1)
        height = np.sqrt(1.0 - away / length)
        for rows in (start - away, end + away):
            inside = (rows >= 0) & (rows < len(soft))
            soft[rows[inside]] += height[inside]
    return np.minimum(soft, 1.0)


def read_blame(path: Path) -> list[tuple[int, int, set[int]]]:
    """(first row, last row, metrics from 0) of each line ``246-252:1,2,3`` of an interpretation file."""
    found = []
    for line in path.read_text(encoding="utf-8").split():
        span, _, metrics = line.partition(":")
        first, _, last = span.partition("-")
        found.append((int(first), int(last), {int(one) - 1 for one in metrics.split(",")}))
    return found
