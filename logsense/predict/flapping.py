"""A service that falls down again and again, faster and faster, until nobody starts it any more."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from logsense.predict import families
from logsense.predict.history import COLUMN, HostHistory
from logsense.predict.options import ForecastOptions
from logsense.predict.outlook import FLAPPING, Outlook

_RESTART_WORDS = frozenset(["restart", "restarts", "restarted", "crash", "crashes", "respawns"])
#: Fewer falls than this within the look-back are bad luck.
MIN_FALLS = 3
#: P(it falls down for good | falls seen): from one more to the next the odds of recovery halve.
_FIRST_CHANCE = 0.5


def restarts(history: HostHistory, options: ForecastOptions) -> Iterator[Outlook]:
    """Services that failed at least ``MIN_FALLS`` times within the second look-back, not getting rarer.

    Falls are counted by counters of restarts and, where none counts any, in the logs (failed units).
    """
    spans = options.lookbacks_s
    steps = max(2, spans[min(1, len(spans) - 1)] // options.step_s)
    counted: dict[str, np.ndarray] = {}
    for column, metric in enumerate(history.names):
        if frozenset(families.words(metric)) & _RESTART_WORDS:
            counted[metric] = _increments(history.values(steps + 1)[:, column].astype(np.float64))[-steps:]
    if not any(falls.any() for falls in counted.values()):
        counted = {"failed units": _episodes(history.counts(steps)[:, COLUMN["unit_signals"]] > 0)}
    for name, falls in counted.items():
        chance, evidence = _chance(falls)
        if chance > 0:
            yield Outlook(FLAPPING, name, float(falls.sum()), chance, options.horizon_s,
                          float(evidence * options.step_s), now=float(falls.sum()))  # fmt: skip


def _chance(falls: np.ndarray) -> tuple[float, int]:
    """P(it falls for good) and since how many steps it falls, from falls per step."""
    at, seen = np.flatnonzero(falls > 0), float(falls.sum())
    if seen < MIN_FALLS or len(at) < 2:
        return 0.0, 0
    gaps, since = np.diff(at), len(falls) - 1 - int(at[-1])
    if gaps[-1] > gaps[0] or since > 1.5 * gaps[-1] + 1:
        return 0.0, 0  # getting rarer, or over
    return 1 - _FIRST_CHANCE * 0.5 ** (seen - MIN_FALLS + 1), len(falls) - int(at[0])


def _episodes(failed: np.ndarray) -> np.ndarray:
    """One fall a run of steps: the exit and the restart of one fall may lie in neighbouring windows."""
    before = np.concatenate([[False], failed[:-1]])
    return (failed & ~before).astype(np.float64)


def _increments(values: np.ndarray) -> np.ndarray:
    """Steps up of a counter from one known value to the next; a reset counts as none.

    A window's mean lies between two counts when one of them is new; that counts in the next window.
    """
    out = np.zeros(len(values))
    known = np.flatnonzero(np.isfinite(values))
    if len(known) > 1:
        out[known[1:]] = np.maximum(np.diff(np.floor(values[known] + 1e-3)), 0.0)
    return out
