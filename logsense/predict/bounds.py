"""Which metrics of a host are bounded, and what share of the bound is in use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from logsense.predict import families
from logsense.predict.history import HostHistory


class ToShare(NamedTuple):
    """Turns values (n, columns) into used shares of the limit; what is ``remaining`` counts backwards."""

    limits: np.ndarray
    remaining: np.ndarray

    def __call__(self, values: np.ndarray) -> np.ndarray:
        share = values / self.limits
        return np.where(self.remaining, 1.0 - share, share)


def bounded(history: HostHistory, known: Mapping[str, float]) -> tuple[np.ndarray, ToShare]:
    """Columns of bounded metrics, and the function that turns their values into used shares of the limit.

    ``known`` are limits that people stated, by metric name.
    """
    top = history.seen_max()
    stated = families.limit_series(tuple(history.names))
    columns: list[int] = []
    limits: list[float] = []
    remaining: list[bool] = []
    for column, name in enumerate(history.names):
        most = float(top[column])
        kind = families.bound_kind(name)
        if (limit := known.get(name, 0.0)) > 0:
            kind = ""
        elif name in stated:
            limit = float(top[history.columns[stated[name]]])
        elif kind == "share":
            limit = 1.0 if most <= 1.5 else 100.0  # exporters use both; multi-core shares pass 1 slightly
        elif kind == "remaining":
            limit = most  # of a total that may be larger: the time until zero is the same
        if limit > 0 and most == most:
            columns.append(column)
            limits.append(limit)
            remaining.append(kind == "remaining")
    return np.array(columns, int), ToShare(np.array(limits), np.array(remaining, bool))
