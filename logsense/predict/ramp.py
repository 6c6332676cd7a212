"""Is a series on a steady way up, since when, and when does it reach a level?

One series at a time, and only series that have risen much (``runout.py`` looks first), so the robust methods cost
little: the line is Theil and Sen's median of pairwise slopes (Sen 1968), over the longest newest stretch that is one
line, that is, since the last change point.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, inf, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Fewer points than this are no line: two windows after a restart are always one.
MIN_POINTS = 4
#: Longer stretches are thinned out to this many points: the median of pairwise slopes costs their square.
MAX_POINTS = 60
#: Typical and large distances from the line, as shares of the rise, up to which it still is one.
MAX_SPREAD, MAX_OUTLIER = 0.10, 0.25
#: The newest third must climb at least at this share of the pace: a curve that flattens out reaches nothing.
MIN_LATE_SHARE = 0.5
#: The newest third is believed about the pace when it differs from the whole by more than this share.
CHANGED_PACE = 0.2
#: A pace is never known better than this: whatever leaks does not keep an exact time.
MIN_PACE_ERROR = 0.12
_SHRINK = 1.35


@dataclass(frozen=True, slots=True)
class Ramp:
    """``slope`` per second now and its standard error, ``level`` on the line now, ``evidence_s`` since it began."""

    slope: float
    slope_sd: float
    level: float
    spread: float
    rise: float
    evidence_s: float

    def seconds_to(self, limit: float) -> tuple[float, float, float]:
        """(expected, earliest, latest) seconds until ``limit``, the bounds two standard errors away."""
        missing = max(limit - self.level, 0.0)
        fast, slow = self.slope + 2 * self.slope_sd, self.slope - 2 * self.slope_sd
        near, far = max(missing - 2 * self.spread, 0.0), missing + 2 * self.spread
        return missing / self.slope, near / fast, far / slow if slow > 0 else inf

    def probability(self, limit: float, horizon_s: float, staying: float) -> float:
        """P(``limit`` is reached within ``horizon_s``).

        That the line, if it goes on, gets there in time, times that it goes on: what has lasted ``a`` seconds lasts
        ``tau`` more with probability (a / (a + tau)) ** ``staying`` (the Pareto law of durations, "Lindy's law").
        """
        tau, _, _ = self.seconds_to(limit)
        sd = max(tau * self.slope_sd / self.slope, self.spread / self.slope, 1.0)
        in_time = 0.5 * (1 + erf((horizon_s - tau) / sd / sqrt(2)))
        return in_time * (self.evidence_s / (self.evidence_s + tau)) ** staying if self.evidence_s > 0 else 0.0


def find(values: NDArray[np.float64], step_s: float) -> Ramp | None:
    """The ramp that ``values`` (oldest first, NaN where unknown, the newest now) end in, or None."""
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < MIN_POINTS:
        return None
    # a value is the mean of its step, so it is half a step old at the step's end
    t, v = ((known - (len(values) - 0.5)) * step_s).astype(np.float64), values[known].astype(np.float64)
    if -t[-1] > 3.5 * max(step_s, float(np.median(np.diff(t)))):
        return None  # it stopped reporting
    size = len(v)
    while size >= MIN_POINTS:
        found = _line(t[-size:], v[-size:])
        if found is not None:
            return found
        size = min(size - 1, int(size / _SHRINK))
    return None


def _line(t: Floats, v: Floats) -> Ramp | None:
    if len(t) > MAX_POINTS:
        keep = np.unique(np.linspace(0, len(t) - 1, MAX_POINTS).round().astype(int))
        t, v = t[keep], v[keep]
    slope = _theil_sen(t, v)
    span = float(t[-1] - t[0])
    rise = slope * span
    if not rise > 1e-9:
        return None
    level = float(np.median(v - slope * t))
    off = v - (level + slope * t)
    spread = 1.4826 * float(np.median(np.abs(off)))
    late = max(MIN_POINTS, len(t) // 3)
    if spread > MAX_SPREAD * rise or float(np.abs(off).max()) > MAX_OUTLIER * rise or v[-1] < v[-2] - 0.2 * rise:
        return None
    if _sideways(v, rise) or (late_slope := _theil_sen(t[-late:], v[-late:])) < MIN_LATE_SHARE * slope:
        return None
    pace, used = slope, len(t)
    if late < len(t) and abs(late_slope - slope) > CHANGED_PACE * slope:
        pace, used = late_slope, late
        level = float(np.median(v[-late:] - pace * t[-late:]))
    inside = t[-used:]
    sxx = float(((inside - inside.mean()) ** 2).sum())
    sd = max(spread / sqrt(sxx), MIN_PACE_ERROR * pace) if sxx > 0 else inf
    # a slow beginning is no evidence for the pace of now: what counts is how long the climb would have taken at it
    climbed = max(level - float(np.median(v[:2])), 0.0)
    return Ramp(pace, sd, level, spread, rise, min(span, climbed / pace))


def _sideways(v: Floats, rise: float) -> bool:
    """One jump makes a line of few points: no single step may be most of the rise."""
    return float(np.diff(v).max()) > 0.6 * rise


def _theil_sen(t: Floats, v: Floats) -> float:
    i, j = np.triu_indices(len(t), 1)
    return float(np.median((v[j] - v[i]) / (t[j] - t[i])))
