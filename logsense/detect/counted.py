"""Counts of named things per window, each with a learnt baseline: what detectors of rare things share.

The baseline of a thing is that of ``baseline.CountModel`` (a negative binomial with forgetting). A thing that never
came is credited with a rate that its detector states. What stands out is taken in at a capped height, until it has
lasted so long that it is the new normal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from logsense.detect.baseline import CountModel, CountState, nb_tail

MINUTE_S = 60


class Counted:
    """``tail`` judges a count by the past, ``learn`` takes one window in. Times are numbers of windows learnt."""

    def __init__(
        self, *, window_s: int, half_life_s: float, adopt_after_s: int, max_keys: int, model: CountModel | None = None
    ) -> None:
        self.number = 0
        self.model = model or CountModel()
        self._window_s, self._adopt_after_s, self._max_keys = window_s, adopt_after_s, max_keys
        self._decay = 0.5 ** (window_s / max(half_life_s, 1))
        self._states: dict[str, CountState] = {}
        self._pause = max(1, MINUTE_S // window_s)

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, key: str) -> bool:
        return key in self._states

    def tail(self, key: str, count: float, prior: float, since: int = 0) -> tuple[float, float]:
        """(-log10 P(count or more), expected count) after watching since window ``since``."""
        state = self._states.get(key)
        total, square = state.decayed(self.number, self._decay) if state is not None else (0.0, 0.0)
        windows = (1 - self._decay ** max(self.number - since, 0)) / (1 - self._decay)
        mean, variance = self.model.predict(total, square, windows, prior)
        if total < 0.5:
            mean = max(mean, prior)
            variance = max(variance, mean * self.model.dispersion)
        return (nb_tail(count, mean, variance) if count > mean else 0.0), mean

    def learn(self, counts: Mapping[str, float], unusual: Mapping[str, tuple[float, float]]) -> None:
        """Take in one window; ``unusual`` are (score, expected) of the keys that stood out."""
        for key, count in counts.items():
            state = self._states.setdefault(key, CountState(first=self.number))
            total, square = state.decayed(self.number, self._decay)
            value = float(count)
            if key in unusual:
                value, total, square = self._capped(state, value, total, square, unusual[key])
            elif self.number - state.mark > self._pause:
                state.since = -1
            state.total, state.square, state.seen = total + value, square + value * value, self.number
        self.number += 1
        if len(self._states) > self._max_keys:
            oldest = sorted(self._states, key=lambda key: self._states[key].seen)
            for key in oldest[: len(oldest) - self._max_keys * 9 // 10]:
                del self._states[key]

    def _capped(
        self, state: CountState, value: float, total: float, square: float, found: tuple[float, float]
    ) -> tuple[float, float, float]:
        score, expected = found
        if state.since < 0 or self.number - state.mark > self._pause:
            state.since, state.peak = self.number, 0.0
        state.mark, state.peak = self.number, max(state.peak, score)
        if (self.number - state.since) * self._window_s < self._adopt_after_s:
            return min(value, 2.0 * expected + 1.0), total, square
        windows = 1 / (1 - self._decay)  # it stays: the past counts as if it had been like this
        state.since = -1
        return value, value * windows, value * value * windows

    def episode(self, key: str) -> tuple[int, float]:
        """(windows since the running episode of the key began, its best score); (0, 0.0) when none runs."""
        state = self._states.get(key)
        if state is None or state.since < 0 or self.number - state.mark > self._pause:
            return 0, 0.0
        return self.number - state.since, state.peak

    def state(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"number": self.number, "states": {key: list(astuple(one))[:-1] for key, one in self._states.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.number = state["number"]
        self._states = {key: CountState(*values) for key, values in state["states"].items()}


def budget(window_s: int, per_day: float, watched: int = 1) -> float:
    """Score above which ``watched`` things together raise at most ``per_day`` false alarms."""
    return max(2.0, math.log10(86_400 / window_s / max(per_day, 1e-3)) + math.log10(max(watched, 1)))
