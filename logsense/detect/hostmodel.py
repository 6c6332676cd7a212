"""A host's metrics together: how far one row of values lies from what the host's own past makes usual.

Three views of the same robustly scaled row, because they fail differently (averaging them follows Aggarwal & Sathe,
"Theoretical foundations and algorithms for outlier ensembles", 2015): what the principal components of the past cannot
explain (absolute residuals, so that one wild metric does not drown the rest), the Mahalanobis distance (a combination
that never occurred, though each value did), and the distance to the nearest rows of the past (several modes of
operation). Each is divided by its own 99 % quantile over rows of the past, and the three are averaged: 1 is about as
odd as one row in a hundred.

Blame is the robust |z| of each metric over its own high quantile, more where it was quiet just before. It is not the
residual of the components, which spreads the deviation of one metric over all that usually move with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

#: Rows of the past that a fit looks at; more say little more.
MOST_ROWS = 4000
#: Rows among which nearest ones are searched.
REFERENCES = 1000
NEAREST = 5
#: Share of the variance that the components explain.
EXPLAINED = 0.9
#: Robust deviations count up to so many spreads.
CUT = 20.0
#: Added to the covariance's diagonal (Ledoit-Wolf style shrinkage towards the identity).
RIDGE = 0.1
#: … and for blame up to so many, so that ties are rare.
FARTHEST = 1e9
LEAST_ROWS = 60
#: The least mean excess that the tail of the oddness is credited with.
LEAST_BEYOND = 0.25


@dataclass(frozen=True, slots=True)
class HostModel:
    """What was usual; arrays over the host's ``m`` metrics. Made by ``fit``; ``score`` and ``blame`` change nothing."""

    middle: np.ndarray  # (m,)
    spread: np.ndarray  # (m,)
    top: np.ndarray  # (m,) |z| that is unusual, see ``fit``
    components: np.ndarray  # (k, m)
    whiten: np.ndarray  # (m, m) inverse root of the covariance
    references: np.ndarray  # (r, m) scaled rows of the past
    scales: np.ndarray  # (3,) 99 % quantiles of the three distances
    beyond: float  # mean excess of ``score`` above 1 on held-out rows

    @classmethod
    def fit(cls, rows: np.ndarray, floor: np.ndarray | float = 0.0) -> HostModel | None:
        """Learn from ``rows`` (n, m), oldest first, NaN where a value is missing; None if there are too few.

        ``floor`` is the least spread of each metric that people would call a change.
        """
        rows = rows[np.isfinite(rows).mean(axis=1) > 0.5] if rows.size else rows
        if len(rows) < LEAST_ROWS:
            return None
        step = -(-len(rows) // MOST_ROWS)
        rows = np.where(np.isfinite(rows), rows, np.nan)[::-1][::step][::-1]
        with np.errstate(all="ignore"):
            clean = np.clip(rows, -1e150, 1e150)
            low, middle, high = _quantiles(clean, (0.05, 0.5, 0.95))
            far_low, far_high = _quantiles(clean, (0.001, 0.999))
        spread = np.maximum(np.maximum((high - low) / 3.29, (far_high - far_low) / 20.0), floor)
        spread = np.maximum(spread, 1e-3 * np.abs(middle) + 1e-9)
        scaled = _scaled(clean, middle, spread)
        # Between the quantiles of one in a hundred and one in a thousand: what is often a little odd is not to blame.
        wide = np.abs(_scaled(clean, middle, spread, cut=FARTHEST))
        top = np.sqrt(np.prod(np.maximum(np.quantile(wide, (0.99, 0.999), axis=0), 1.0), axis=0))
        covariance = scaled.T @ scaled / len(scaled)
        values, vectors = np.linalg.eigh(covariance)
        order = np.argsort(values)[::-1]
        share = np.cumsum(values[order]) / max(float(values.sum()), 1e-12)
        kept = int(np.searchsorted(share, EXPLAINED)) + 1
        whiten = vectors / np.sqrt(np.maximum(values, 0.0) + RIDGE)
        stride = -(-len(scaled) // REFERENCES)
        references = scaled[::stride].astype(np.float32)
        model = cls(middle, spread, top, vectors[:, order[:kept]].T, whiten, references, np.ones(3), 1.0)
        distances = model._distances(scaled[stride // 2 :: stride], itself=stride == 1)
        scales = np.maximum(np.quantile(distances, 0.99, axis=0), 1e-3)
        above = np.sort((distances / scales).mean(axis=1))
        above = above[above > 1.0][:-1] - 1.0  # without the largest: one outlier must not blind the host
        beyond = max(float(above.mean()), LEAST_BEYOND) if above.size else LEAST_BEYOND
        return replace(model, scales=scales, beyond=beyond)

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Oddness of each of ``rows`` (n, m): 1 is as odd as one in a hundred of the past."""
        return (self._distances(_scaled(rows, self.middle, self.spread)) / self.scales).mean(axis=1)

    def blame(self, rows: np.ndarray, before: np.ndarray) -> np.ndarray:
        """(m,) how much each metric is to blame for ``rows`` (n, m), against the rows just ``before`` them (b, m).

        What was as odd an hour ago already is not what happened now.
        """
        with np.errstate(all="ignore"):
            earlier = self._unusual(before).mean(axis=0) if len(before) else 0.0
        return self._unusual(rows).mean(axis=0) / (1.0 + earlier)

    def _unusual(self, rows: np.ndarray) -> np.ndarray:
        return np.abs(_scaled(rows, self.middle, self.spread, cut=FARTHEST)) / self.top

    def residuals(self, rows: np.ndarray) -> np.ndarray:
        """(n, m) what the components leave unexplained of each metric; blame by it misleads, see above."""
        scaled = _scaled(rows, self.middle, self.spread)
        return np.abs(scaled - (scaled @ self.components.T) @ self.components)

    def _distances(self, scaled: np.ndarray, *, itself: bool = False) -> np.ndarray:
        """(n, 3): residual of the components, Mahalanobis, mean of the nearest rows; all per metric."""
        count = np.sqrt(scaled.shape[1])
        residual = np.abs(scaled - (scaled @ self.components.T) @ self.components).mean(axis=1)
        mahalanobis = np.sqrt(((scaled @ self.whiten) ** 2).sum(axis=1)) / count
        squares = (self.references.astype(np.float64) ** 2).sum(axis=1)
        near = np.empty(len(scaled))
        for start in range(0, len(scaled), 512):
            part = scaled[start : start + 512]
            distance = squares + (part**2).sum(axis=1)[:, None] - 2.0 * (part @ self.references.T)
            nearest = min(NEAREST + itself, distance.shape[1])
            best = np.sort(np.partition(distance, nearest - 1, axis=1)[:, :nearest], axis=1)
            near[start : start + 512] = np.sqrt(np.maximum(best[:, int(itself) :], 0.0)).mean(axis=1)
        return np.stack([residual, mahalanobis, near / count], axis=1)


def _scaled(rows: np.ndarray, middle: np.ndarray, spread: np.ndarray, cut: float = CUT) -> np.ndarray:
    with np.errstate(all="ignore"):
        scaled = np.clip((np.clip(rows, -1e150, 1e150) - middle) / spread, -cut, cut)
    return np.nan_to_num(scaled, nan=0.0)


def _quantiles(rows: np.ndarray, shares: tuple[float, ...]) -> np.ndarray:
    """Quantiles of each column over its finite values, 0 for a column without any; (shares, m)."""
    ordered = np.sort(rows, axis=0)  # NaN sorts behind
    held = np.maximum(np.isfinite(ordered).sum(axis=0), 1)
    picked = [np.take_along_axis(ordered, np.round(q * (held - 1)).astype(int)[None, :], axis=0)[0] for q in shares]
    return np.nan_to_num(np.stack(picked), nan=0.0)
