"""The recent past of one host: a ring of steps and a longer baseline of what is usual.

Shapes: W = steps of the longest look-back, M = metrics of the host, C = ``len(COUNTS)``, B = baseline blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: What is counted per step. Within a step and over look-backs, ``MAXIMA`` are maxima and all others sums.
COUNTS = (
    "lines",
    "warnings",
    "errors",
    "critical",
    "new_templates",
    "new_error_templates",
    "error_kinds",
    "log_signals",
    "log_score",
    "metric_signals",
    "metric_score",
    "unit_signals",
)
COLUMN = {name: i for i, name in enumerate(COUNTS)}
MAXIMA = ("error_kinds", "log_score", "metric_score")
_MAXIMA = np.array([name in MAXIMA for name in COUNTS])
#: Log counts whose usual rate is learnt like a metric's.
USUAL = ("lines", "warnings", "errors")
_USUAL = [COLUMN[name] for name in USUAL]
#: Blocks of baseline before "usual" is known.
MIN_BASELINE = 10
#: 5th to 95th percentile of a normal distribution, in standard deviations.
_SPREAD = 3.29


class HostHistory:
    """Steps are numbered by ``start_ns // step_ns``. Memory is bounded by W, B and ``max_metrics``."""

    __slots__ = (
        "_base",
        "_base_end",
        "_block",
        "_block_id",
        "_counts",
        "_end",
        "_per_block",
        "_steps",
        "_usual",
        "_values",
        "base_blocks",
        "changed",
        "columns",
        "first",
        "last",
        "max_metrics",
        "names",
        "saved_blocks",
        "saved_columns",
        "seen",
    )

    def __init__(self, steps: int, blocks: int, steps_per_block: int, max_metrics: int) -> None:
        self._steps, self._per_block, self.max_metrics = steps, steps_per_block, max_metrics
        self.names: list[str] = []
        self.columns: dict[str, int] = {}
        self.first = self.last = -1
        self.seen = -1  # last step in which the host said anything
        self.base_blocks = 0  # blocks seen, never falls
        self.saved_blocks = self.saved_columns = 0  # what is on disk
        self.changed: set[int] = set()  # steps since the last save
        self._end = 0
        self._counts = np.zeros((2 * steps, len(COUNTS)), np.float32)
        self._values = np.full((2 * steps, 0), np.nan, np.float32)
        self._base = np.full((blocks, len(USUAL)), np.nan, np.float32)
        self._base_end = 0
        self._block: list[Array] = []
        self._block_id = -1
        self._usual: tuple[Array, Array] | None = None

    def put(self, step: int, counts: Sequence[float], metrics: Mapping[str, float]) -> bool:
        """Add a step, or to a step that is still in the ring. False when it is too old to matter."""
        if self.last >= 0 and step <= self.last:
            row = self._end - 1 - (self.last - step)
            if row < max(0, self._end - self._steps) or step < self.first:
                return False
        else:
            row = self._advance(step)
        values = np.asarray(counts, np.float32)
        self._counts[row] = np.where(_MAXIMA, np.maximum(self._counts[row], values), self._counts[row] + values)
        for name, value in metrics.items():
            column = self._column(name)
            if column is not None and abs(value) < 1e30:  # NaN and infinities fail this too
                self._values[row, column] = value
        self.changed.add(step)
        self.seen = max(self.seen, step)
        return True

    def silent_until(self, step: int) -> None:
        """Steps up to ``step`` are over and nothing came: they count as empty ones."""
        if self.last >= 0 and step > self.last:
            self._advance(step)
            self.changed.add(step)

    def _advance(self, step: int) -> int:
        if self.last >= 0 and step - self.last <= self._steps:
            for missed in range(self.last, step):
                self._to_baseline(missed)
                self._push()
        else:  # first step, or a pause longer than the ring: nothing of it is recent any more
            self._counts[:] = 0
            self._values[:] = np.nan
            self._end = 0
            self.first = step
            self._push()
        self.last = step
        return self._end - 1

    def _push(self) -> None:
        if self._end == len(self._counts):  # the ring is two rings long, so that a look-back is one slice
            self._counts[: self._steps] = self._counts[self._steps :]
            self._values[: self._steps] = self._values[self._steps :]
            self._end = self._steps
        self._counts[self._end] = 0
        self._values[self._end] = np.nan
        self._end += 1

    def _column(self, name: str) -> int | None:
        column = self.columns.get(name)
        if column is None and len(self.names) < self.max_metrics:
            column = self.columns[name] = len(self.names)
            self.names.append(name)
            self._values = _widen(self._values)
            self._base = _widen(self._base)
            self._usual = None
        return column

    def _to_baseline(self, step: int) -> None:
        """Called once a step, when it is complete: its values count towards the block it lies in."""
        if step // self._per_block != self._block_id and self._block:
            self.add_block(self._block_mean())
        self._collect(step)

    def _collect(self, step: int) -> None:
        if step // self._per_block != self._block_id:
            self._block = []
        self._block_id = step // self._per_block
        self._block.append(np.concatenate([self._counts[self._end - 1, _USUAL], self._values[self._end - 1]]))

    def restore(self, step: int, counts: Array, values: Array) -> None:
        """Put back a saved step, oldest first; the baseline blocks of these steps come from ``add_block``."""
        if self.last < 0:
            self.first = step
            self._push()
        else:
            for missed in range(self.last, step):
                self._collect(missed)
                self._push()
        self.last = self.seen = step
        self._counts[self._end - 1, : len(counts)] = counts
        self._values[self._end - 1, : len(values)] = values[: len(self.names)]

    def reserve(self, names: Sequence[str]) -> None:
        """Give these metrics the first columns, in this order."""
        for name in names:
            self._column(name)

    def _block_mean(self) -> Array:
        width = len(USUAL) + len(self.names)
        rows = np.full((len(self._block), width), np.nan, np.float32)
        for i, row in enumerate(self._block):
            rows[i, : len(row)] = row
        known = np.isfinite(rows)
        total = np.where(known, rows, 0).sum(0)
        return np.where(known.any(0), total / np.maximum(known.sum(0), 1), np.nan).astype(np.float32)

    def add_block(self, mean: Array) -> None:
        """Append a block of the baseline; the oldest one makes room."""
        row = self._base[self._base_end]
        row[:] = np.nan
        row[: len(mean)] = mean[: len(row)]
        self._base_end = (self._base_end + 1) % len(self._base)
        self.base_blocks += 1
        self._usual = None

    def last_blocks(self, count: int) -> list[Array]:
        """The newest ``count`` blocks, oldest first."""
        count = min(count, self.base_blocks, len(self._base))
        return [self._base[(self._base_end - count + i) % len(self._base)] for i in range(count)]

    def usual(self) -> tuple[Array, Array]:
        """Usual level and spread (standard deviations) of ``USUAL`` then the metrics; NaN before enough is known.

        The level of a metric is its median. Log counts are mostly 0, so theirs is the mean, with blocks above the
        95th percentile cut down to it: a failure's burst of lines is not usual. The 5-95 % range is the scale: it
        survives the few blocks that a failure fills, and unlike the median absolute deviation it is not zero for a
        metric that is constant most of the time.
        """
        if self._usual is None:
            ordered = np.sort(self._base, axis=0)  # NaN sorts last
            known = np.isfinite(self._base).sum(0)
            columns = np.arange(ordered.shape[1])
            top = np.maximum(known - 1, 0)
            low, level, high = (ordered[np.rint(top * q).astype(int), columns] for q in (0.05, 0.5, 0.95))
            counts = slice(0, len(USUAL))
            cut = np.minimum(self._base[:, counts], high[counts])
            level[counts] = np.where(np.isfinite(cut), cut, 0).sum(0) / np.maximum(known[counts], 1)
            enough = known >= MIN_BASELINE
            self._usual = (
                np.where(enough, level, np.nan).astype(np.float32),
                np.where(enough, (high - low) / _SPREAD, np.nan).astype(np.float32),
            )
        return self._usual

    def seen_max(self) -> Array:
        """Largest known value per metric, shape (M,); NaN where none is."""
        both = np.concatenate([self._base[:, len(USUAL) :], self.values(self._steps)])
        known = np.isfinite(both)
        return np.where(known.any(0), np.where(known, both, -np.inf).max(0, initial=-np.inf), np.nan).astype(np.float32)

    def counts(self, steps: int) -> Array:
        """The last ``steps`` rows of counts, shape (≤ steps, C), oldest first."""
        return self._counts[max(0, self._end - min(steps, self._steps)) : self._end]

    def values(self, steps: int) -> Array:
        """The last ``steps`` rows of metrics, shape (≤ steps, M), oldest first, NaN where nothing was measured."""
        return self._values[max(0, self._end - min(steps, self._steps)) : self._end]

    def row(self, step: int) -> tuple[Array, Array] | None:
        """Counts and metrics of one step that is still in the ring."""
        row = self._end - 1 - (self.last - step)
        if self.last < 0 or not max(0, self._end - self._steps) <= row < self._end:
            return None
        return self._counts[row], self._values[row]


def _widen(array: Array) -> Array:
    """One more column of NaN."""
    return np.concatenate([array, np.full((len(array), 1), np.nan, np.float32)], axis=1)
