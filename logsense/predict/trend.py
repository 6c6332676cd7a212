"""Least-squares trends of many series at once, and when a bounded one reaches its limit.

All functions take ``values`` of shape (n steps, m series), oldest first, NaN where nothing was measured, and work
on the m series at once; times are seconds with the newest step at 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Fewer points than this make no trend.
MIN_POINTS = 4
#: A single step (a restart) fits a line with r2 up to 0.8; only clearer lines count as a trend.
MIN_R2 = 0.85
#: A curve that flattens (a cache warming up) has a late slope well below its overall slope.
MIN_LATE_SHARE = 0.5
#: Smaller probabilities are noise around a slope of nearly nothing, and count as none.
MIN_CHANCE = 0.02
#: Prediction errors below one percent of the limit are not believable.
MIN_SD = 0.01


@dataclass(frozen=True, slots=True)
class Trend:
    """One straight line a series, arrays of length m. ``level`` is the fitted value now, ``slope`` is per second."""

    slope: Floats
    level: Floats
    r2: Floats
    points: NDArray[np.int64]
    late_slope: Floats
    residual_sd: Floats
    effective: Floats  # sample size after the lag-1 autocorrelation of the residuals (Bartlett 1935)
    mean_t: Floats
    sxx: Floats


def _line(values: Floats, t: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats, NDArray[np.bool_]]:
    mask = np.isfinite(values)
    n = mask.sum(0).astype(np.float64)
    safe = np.maximum(n, 1.0)
    filled = np.where(mask, values, 0.0)
    mean_t = (mask * t).sum(0) / safe
    mean_v = filled.sum(0) / safe
    dt = np.where(mask, t - mean_t, 0.0)
    sxx = (dt * dt).sum(0)
    slope = (dt * filled).sum(0) / np.maximum(sxx, 1e-12)
    return slope, mean_v - slope * mean_t, mean_t, sxx, n, mask


def fit(values: Floats, step_s: float) -> Trend:
    """A trend per column. Columns with fewer than ``MIN_POINTS`` values get slope 0 and r2 0."""
    steps = values.shape[0]
    t = ((np.arange(steps) - (steps - 1)) * step_s).reshape(-1, 1)
    slope, level, mean_t, sxx, n, mask = _line(values, t)
    residual = np.where(mask, values - (level + slope * t), 0.0)
    sse = (residual * residual).sum(0)
    sst = sse + slope * slope * sxx
    enough = n >= MIN_POINTS
    r2 = np.where(enough & (sst > 1e-18), 1.0 - sse / np.maximum(sst, 1e-18), 0.0)
    rho = np.clip((residual[1:] * residual[:-1]).sum(0) / np.maximum(sse, 1e-18), 0.0, 0.9)
    late_slope = _line(values[steps // 2 :], t[steps // 2 :])[0]
    return Trend(
        slope=np.where(enough, slope, 0.0),
        level=level,
        r2=r2,
        points=n.astype(np.int64),
        late_slope=np.where(enough, late_slope, 0.0),
        residual_sd=np.sqrt(sse / np.maximum(n - 2, 1.0)),
        effective=np.maximum(n * (1 - rho) / (1 + rho), 2.0),
        mean_t=mean_t,
        sxx=np.maximum(sxx, 1e-12),
    )


@dataclass(frozen=True, slots=True)
class Reach:
    """When a share of a limit reaches 1: arrays of length m; ``seconds`` is inf where nothing points there.

    ``earliest`` and ``latest`` are two standard errors of level and slope away.
    """

    seconds: Floats
    earliest: Floats
    latest: Floats
    probability: Floats  # that it happens within the horizon, from the regression's prediction error


def reach(trend: Trend, horizon_s: float) -> Reach:
    """Extrapolate shares of a limit (1.0 = full). Only clear, rising, not flattening lines are extrapolated.

    The prediction error is the textbook one of simple regression, Student's t with variance
    s2 (1 + 1/n + (h - mean t)2 / sxx), with the effective sample size in place of n, because neighbouring residuals
    of a real metric are alike.
    """
    clear = (trend.r2 >= MIN_R2) & (trend.slope > 0) & (trend.late_slope >= MIN_LATE_SHARE * trend.slope)
    slope = np.where(clear, trend.slope, np.inf)
    inflate = np.maximum(trend.points, 1) / trend.effective
    slope_sd = trend.residual_sd * np.sqrt(inflate / trend.sxx)
    level_sd = trend.residual_sd * np.sqrt(1.0 / trend.effective + inflate * trend.mean_t**2 / trend.sxx)
    missing = 1.0 - trend.level
    with np.errstate(divide="ignore", invalid="ignore"):
        seconds = np.where(clear, np.maximum(missing, 0) / slope, np.inf)
        earliest = np.where(clear, np.maximum(missing - 2 * level_sd, 0) / (slope + 2 * slope_sd), np.inf)
        steady = clear & (slope > 2 * slope_sd)
        latest = np.where(steady, np.maximum(missing + 2 * level_sd, 0) / (slope - 2 * slope_sd), np.inf)
    spread = 1.0 / trend.effective + inflate * (horizon_s - trend.mean_t) ** 2 / trend.sxx
    sd = np.maximum(trend.residual_sd * np.sqrt(1.0 + spread), MIN_SD)
    expected = trend.level + np.where(clear, trend.slope, 0.0) * horizon_s
    chance = np.array([_student(t, n - 2) for t, n in zip((expected - 1.0) / sd, trend.points, strict=True)])
    return Reach(seconds, earliest, latest, np.where(clear & (chance >= MIN_CHANCE), chance, 0.0))


def _student(t: float, freedom: int) -> float:
    """P(T <= t) of Student's t, by Wallace's approximation (1959) through the normal: within 0.01 from 2 degrees on."""
    n = max(freedom, 1)
    z = (8 * n + 1) / (8 * n + 3) * sqrt(n * np.log1p(t * t / n))
    half = 0.5 * erf(z / sqrt(2.0))
    return 0.5 + half if t > 0 else 0.5 - half
