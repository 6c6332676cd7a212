"""Baselines: what is usual for a count or a number, and how improbable a new value is.

Counts follow a negative binomial whose mean and over-dispersion are learnt with forgetting; numbers are
compared with the causal 5-95 % spread of their past, and their tail with a generalised Pareto above the
past's own 90 % point (peaks over threshold). Both answer -log10 of a tail probability.
"""

from __future__ import annotations

import json
import math
import sqlite3
from dataclasses import dataclass, field

LOG10 = math.log(10.0)
MAX_SCORE = 300.0  # below 1e-300 floats end


def nb_tail(count: float, mean: float, variance: float) -> float:
    """-log10 P(X >= count) for a negative binomial with this mean and variance (> mean); 0 if below the mean.

    The sum of the tail is taken term by term and closed with a geometric bound, which never overstates.
    """
    if count <= mean or count <= 0:
        return 0.0
    mean = max(mean, 1e-12)
    size = mean * mean / max(variance - mean, mean * 1e-6)
    q = mean / (size + mean)
    log_pmf = (
        math.lgamma(count + size)
        - math.lgamma(size)
        - math.lgamma(count + 1.0)
        + size * math.log(size / (size + mean))
        + count * math.log(q)
    )
    total, term, k = 1.0, 1.0, count
    for _ in range(60):
        term *= q * (k + size) / (k + 1.0)
        total += term
        k += 1.0
        if term < 1e-9 * total:
            break
    ratio = max(q, q * (k + size) / (k + 1.0))
    total += term * ratio / max(1.0 - ratio, 1e-9)
    return max(0.0, min(MAX_SCORE, -(log_pmf + math.log(total)) / LOG10))


@dataclass(slots=True)
class CountState:
    """Decayed sums of one key's counts. ``seen`` is the window number of the last update.

    ``gaps``, ``gap_sum``, ``gap_max`` and ``gap_square`` (sum of squares) describe the pauses between windows in which
    the key occurred.
    ``since`` is the window in which the current episode of the key began (-1: none), ``mark`` its last one,
    ``peak`` its best score.
    ``recent`` are (window, count, what was added to the sums for it) of the last minute.
    """

    total: float = 0.0
    square: float = 0.0
    seen: int = -1
    first: int = -1
    gaps: int = 0
    gap_sum: int = 0
    gap_max: int = 0
    since: int = -1
    mark: int = -1
    peak: float = 0.0
    gap_square: int = 0
    recent: list[tuple[int, float, float]] = field(default_factory=list)

    def decayed(self, number: int, decay: float) -> tuple[float, float]:
        """The sums as they are in window ``number``."""
        if self.seen < 0 or number <= self.seen:
            return self.total, self.square
        factor = decay ** (number - self.seen)
        return self.total * factor, self.square * factor


@dataclass(frozen=True, slots=True)
class CountModel:
    """Turns sums into a predictive mean and variance.

    ``prior_rate`` is the rate per window that a key is credited with before it was ever seen, worth
    ``prior_windows`` windows of observation. Real counts are bursty and follow load: ``dispersion`` is the
    least variance-to-mean ratio and ``swing`` the least relative deviation.
    """

    prior_windows: float = 10.0
    dispersion: float = 2.0
    swing: float = 0.35

    def predict(self, total: float, square: float, windows: float, prior_rate: float) -> tuple[float, float]:
        """(mean, variance) of the next count after ``windows`` (decayed) windows of observation."""
        windows = max(windows, 1.0)
        mean = (total + prior_rate * self.prior_windows) / (windows + self.prior_windows)
        plain = total / windows
        ratio = (square / windows - plain * plain) / plain if plain > 0 else 0.0
        # the ratio of a key that was seen a few times only says little: pull it towards the least one
        events = min(windows, total)
        ratio = (self.dispersion * 5.0 + max(ratio, 0.0) * events) / (5.0 + events)
        ratio = max(self.dispersion, ratio)
        return mean, mean * ratio + (self.swing * mean) ** 2


def silence_score(gap: int, state: CountState) -> float:
    """-log10 P(pause >= gap): exponential beyond the longest pause so far, whose own chance is 1/(n+1)."""
    if state.gaps < 20 or gap <= state.gap_max:
        return 0.0
    scale = max(state.gap_sum / state.gaps, state.gap_max / 3.0, 1.0)
    return math.log10(state.gaps + 1.0) + (gap - state.gap_max) / scale / LOG10


def gpd_tail(excess: float, scale: float, *, at: float = 0.1, shape: float = 0.2) -> float:
    """-log10 of the tail of a generalised Pareto that is entered with probability ``at`` at excess 0."""
    if excess <= 0:
        return 0.0
    return min(MAX_SCORE, -math.log10(at) + math.log1p(shape * excess / max(scale, 1e-12)) / (shape * LOG10))


@dataclass(slots=True)
class Inflation:
    """How much too bold a family of scores is on this data (genomic control).

    Healthy scores exceed s with probability 10**-s. The observed share of exceedances at ``LEVEL`` over all
    keys and windows tells by which factor scores must be divided; never less than 1, and never more than 3,
    since faults are in the data too.
    """

    LEVELS = (1.0, 1.5, 2.0)
    seen: float = 0.0
    over: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    def learn(self, scores: list[float], keys: int, decay: float) -> None:
        """One window's scores; keys without a score count as 0."""
        self.seen = self.seen * decay + max(keys, len(scores))
        for number, level in enumerate(self.LEVELS):
            self.over[number] = self.over[number] * decay + sum(score >= level for score in scores)

    def factor(self) -> float:
        worst = 1.0
        for level, over in zip(self.LEVELS, self.over, strict=True):
            if over >= 10 and self.seen >= 300:
                worst = max(worst, level / max(-math.log10(over / self.seen), 1e-3))
        return min(worst, 3.0)


class Season:
    """Relative height of a key in each of 96 parts of a season (a day unless configured).

    The mean of a part is folded into the profile when the part ends, with weight 1/2 for each later season.
    ``factor`` stays 1 until the part and three quarters of all were seen in three seasons, so that short
    histories are unaffected. At most ``max_keys`` keys are followed. ``dirty`` says that a profile changed.
    """

    PARTS = 96

    def __init__(self, season_s: int, max_keys: int = 5_000) -> None:
        self.part_ns = max(season_s, 0) * 1_000_000_000 // self.PARTS
        self.max_keys = max_keys
        self.profiles: dict[str, tuple[list[float], list[int]]] = {}  # key -> (mean, seasons seen) per part
        self.dirty = False
        self._now: dict[str, tuple[int, float, int]] = {}  # key -> (part since 1970, sum, count)

    def learn(self, key: str, at_ns: int, value: float) -> None:
        """Take one value into the part that it belongs to."""
        if not self.part_ns or (key not in self._now and len(self._now) >= self.max_keys):
            return
        part = at_ns // self.part_ns
        current, total, count = self._now.get(key, (part, 0.0, 0))
        if part != current:
            self._fold(key, current % self.PARTS, total / count)
            current, total, count = part, 0.0, 0
        self._now[key] = (current, total + value, count + 1)

    def _fold(self, key: str, part: int, mean: float) -> None:
        means, seasons = self.profiles.setdefault(key, ([0.0] * self.PARTS, [0] * self.PARTS))
        means[part] = mean if not seasons[part] else (means[part] + mean) / 2
        seasons[part] += 1
        self.dirty = True

    def factor(self, key: str, at_ns: int) -> float:
        """How high this time of the season usually is, relative to the season's mean; within 1/20 and 20."""
        profile = self.profiles.get(key)
        if profile is None or not self.part_ns:
            return 1.0
        means, seasons = profile
        part = at_ns // self.part_ns % self.PARTS
        ripe = [mean for mean, seen in zip(means, seasons, strict=True) if seen >= 3]
        if seasons[part] < 3 or len(ripe) < self.PARTS * 3 // 4:
            return 1.0
        mean = sum(ripe) / len(ripe)
        return max(0.05, min(20.0, means[part] / mean)) if mean > 0 else 1.0

    def forget(self, key: str) -> None:
        self._now.pop(key, None)
        self.profiles.pop(key, None)

    def load(self, db: sqlite3.Connection, table: str) -> None:
        """Read the profiles from ``table``, which is made if it is missing."""
        db.execute(f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, body TEXT)")
        for key, body in db.execute(f"SELECT key, body FROM {table}"):  # noqa: S608 - a constant of the caller
            means, seasons = json.loads(body)
            self.profiles[key] = (means, seasons)

    def save(self, db: sqlite3.Connection, table: str) -> None:
        """Write the profiles if one changed since the last time. Does not commit."""
        db.execute(f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, body TEXT)")
        if self.dirty:
            db.execute(f"DELETE FROM {table}")  # noqa: S608
            rows = [(key, json.dumps(profile)) for key, profile in self.profiles.items()]
            db.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)  # noqa: S608
            self.dirty = False
