"""What follows what in requests, counted.

Requests are independent of each other, the lines of one are not: what a request repeats counts for less (Kish's design
effect).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logsense.rootcause.requests import Place
from logsense.rootcause.unsteady import dispersion

State = tuple[Place, str]  # a place and the message just written there
EXAMPLES = 3
ALIKE = 0.1  # correlation within a request; anything from 0.05 to 0.3 ranks the same
PARTS = 8  # of the time, compared with each other: what varies among them varies by itself


class Transitions:
    """For each state what follows it: ``times`` as often as seen, ``weight`` as many independent observations.

    ``requests`` come in the order of time, each as (state and what follows, line id) in its own order.
    """

    def __init__(self, requests: Iterable[Iterable[tuple[tuple[State, Any], str]]]) -> None:
        self._ids: dict[tuple[State, Any], int] = {}
        self._lines: list[str] = []
        seen: list[int] = []
        sizes: list[int] = []
        for request in requests:
            before = len(seen)
            for transition, line in request:
                seen.append(self._ids.setdefault(transition, len(self._ids)))
                self._lines.append(line)
            sizes.append(len(seen) - before)
        self._seen = np.asarray(seen, np.int64)
        self._count(np.repeat(np.arange(len(sizes)), np.asarray(sizes, np.int64)), max(len(sizes), 1))

    def _count(self, request_of: NDArray[np.int64], requests: int) -> None:
        states: dict[State, int] = {}
        state_of = np.asarray([states.setdefault(state, len(states)) for state, _ in self._ids], np.int64)
        visits = request_of * len(states) + state_of[self._seen] if len(self._seen) else self._seen
        _, which, repeated = np.unique(visits, return_inverse=True, return_counts=True)
        weights = 1.0 / (1.0 + (repeated - 1) * ALIKE)[which]
        known = len(self._ids)
        times = np.bincount(self._seen, minlength=known).tolist()
        part = self._seen * PARTS + request_of * PARTS // requests
        counted = np.bincount(part, weights, minlength=known * PARTS).astype(np.float64)
        self._parts = counted.reshape(known, PARTS)
        weight = self._parts.sum(axis=1).tolist()
        self.times: dict[State, dict[Any, int]] = {state: {} for state in states}
        self.weight: dict[State, dict[Any, float]] = {state: {} for state in states}
        for (state, to), number in self._ids.items():
            self.times[state][to], self.weight[state][to] = times[number], weight[number]

    def examples(self, state: State, to: Any) -> tuple[str, ...]:
        """Ids of the first lines after which ``to`` followed."""
        number = self._ids.get((state, to))
        if number is None:
            return ()
        return tuple(self._lines[at] for at in np.flatnonzero(self._seen == number)[:EXAMPLES])

    def unsteady(self, state: State, one: Any = None) -> float:
        """How many times more than by chance what follows varies from time to time; of ``one``, whether it follows."""
        counts = self._parts[[self._ids[state, to] for to in self.weight[state]]].T
        if one is not None:
            that = self._parts[self._ids[state, one]]
            counts = np.stack([that, counts.sum(axis=1) - that], axis=1)
        return dispersion(counts)
