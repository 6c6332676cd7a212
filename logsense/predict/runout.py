"""Bounded resources that fill up, and queues that grow without a bound that anything states."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from logsense.predict import families, ramp
from logsense.predict.bounds import ToShare
from logsense.predict.history import USUAL, HostHistory
from logsense.predict.options import ForecastOptions
from logsense.predict.outlook import GROWTH, LIMIT, Outlook

#: A series that has used up less than this part of what was left at its lowest is not looked at.
MIN_FILLED = 0.12
#: What is fuller than this is full: that is no forecast any more.
FULL = 0.995
#: The exponent of "what has lasted goes on" for bounded resources and for queues: chosen on the recordings of seed 1.
STAYING, STAYING_QUEUE = 0.66, 0.46
#: A host's resource has come back by itself from this share of a limit or more: then it may have been a failure.
MAX_HARMLESS = 0.7
#: A rise that is still inside what came back by itself before is believed this much.
WITHIN_USUAL = 0.4
#: A queue is long when it is this many times its usual length, and holds at least so much (jobs, seconds; bytes).
LONG_QUEUE, MIN_QUEUE, MIN_QUEUE_BYTES = 4.0, 4.0, 4e6
_BYTES = frozenset(("bytes", "byte", "size", "wal", "data"))


def limits(history: HostHistory, columns: np.ndarray, to_share: ToShare, options: ForecastOptions) -> Iterator[Outlook]:
    """Bounded resources on a ramp to their limit, by the newest look-back and by the baseline's longer memory."""
    usable = np.array([_runs_out(history.names[c]) for c in columns], bool)
    if not usable.any():
        return
    shares = to_share(history.values(options.ring_steps)[:, columns].astype(np.float64))
    blocks = to_share(_blocks(history)[:, columns].astype(np.float64))
    with np.errstate(all="ignore"):
        low = np.fmin(_low(shares), _low(blocks))
        newest = _newest(shares)
        filled = (newest - low) / np.maximum(1.0 - low, 1e-9)
    for i in np.flatnonzero(usable & (filled >= MIN_FILLED) & (newest < FULL)):
        found = [
            (found, found.probability(1.0, options.limit_horizon_s, STAYING))
            for found in (
                ramp.find(shares[:, i], options.step_s),
                ramp.find(np.append(blocks[:, i], shares[-1, i]), options.baseline_step_s),
            )
            if found is not None and found.level < 1.0
        ]
        if not found:
            continue
        best, chance = max(found, key=lambda pair: pair[1])
        if newest[i] <= _harmless_peak(np.concatenate([blocks[:, i], shares[:, i]])):
            chance *= WITHIN_USUAL
        seconds, earliest, latest = best.seconds_to(1.0)
        name = history.names[columns[i]]
        yield Outlook(LIMIT, name, float(newest[i]), chance, options.limit_horizon_s, best.evidence_s,
                      seconds, earliest, latest)  # fmt: skip


def growth(history: HostHistory, bounded: np.ndarray, options: ForecastOptions) -> Iterator[Outlook]:
    """Queues, backlogs and lags that only grow and are far longer than usual; when they break is not known."""
    known = set(bounded.tolist())
    columns = [
        i for i, name in enumerate(history.names)
        if i not in known and families.family(name) == "queue" and families.bound_kind(name) == ""
        and not families.states_limit(name)
    ]  # fmt: skip
    if not columns:
        return
    recent = history.values(options.ring_steps)[:, columns].astype(np.float64)
    usual = np.nan_to_num(history.usual()[0][len(USUAL) :][columns])
    for i, column in enumerate(columns):
        newest = float(recent[-1, i])
        in_bytes = _BYTES & frozenset(families.words(history.names[column]))
        long = max(LONG_QUEUE * float(usual[i]), MIN_QUEUE_BYTES if in_bytes else MIN_QUEUE)
        if not newest >= long:
            continue
        found = ramp.find(recent[:, i], options.step_s)
        if found is None or found.rise < 0.5 * newest:
            continue
        staying = (found.evidence_s / (found.evidence_s + options.growth_horizon_s)) ** STAYING_QUEUE
        share = newest / max(float(usual[i]), 1.0)
        yield Outlook(GROWTH, history.names[column], share, staying, options.growth_horizon_s, found.evidence_s,
                      now=newest)  # fmt: skip


def _runs_out(name: str) -> bool:
    return families.family(name) in families.EXHAUSTIBLE and not families.is_rate(name)


def _blocks(history: HostHistory) -> np.ndarray:
    """The baseline's blocks of metrics, oldest first, shape (≤ B, M)."""
    blocks = history.last_blocks(history.base_blocks)
    return np.stack(blocks)[:, len(USUAL) :] if blocks else np.zeros((0, len(history.names)), np.float32)


def _low(values: np.ndarray) -> np.ndarray:
    """Smallest known value per column; inf where there is none."""
    return np.where(np.isfinite(values), values, np.inf).min(0, initial=np.inf)


def _newest(values: np.ndarray) -> np.ndarray:
    """Newest known value of the last three steps per column, NaN where there is none."""
    out = np.full(values.shape[1], np.nan)
    for row in values[-3:]:
        out = np.where(np.isfinite(row), row, out)
    return out


def _harmless_peak(values: np.ndarray) -> float:
    """The highest level from which the series has come back by itself, at most ``MAX_HARMLESS``; -1 if never.

    "Come back" means that it gave up half of its climb from the lowest level before.
    """
    best, low, top = -1.0, np.inf, -np.inf
    for v in values[np.isfinite(values)].tolist():
        if v < low:
            low, top = v, v
        top = max(top, v)
        if top - low > 0.02 and v <= low + 0.5 * (top - low):
            best = max(best, top) if top <= MAX_HARMLESS else best
            low = top = v
    return best
