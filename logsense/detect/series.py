"""The state of one metric series and how improbable its newest window is."""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from logsense.detect.baseline import MAX_SCORE, gpd_tail

#: Endings of names whose values are shares of a whole: their limit is 1 (or 100).
SHARES = ("utilization", "ratio", "percent", "pct", "util", "usage_percent", "throttled")
#: Endings of names whose values are sizes, times or failures: what is constant and then moves far has moved.
LEVELS = ("usage", "used", "free", "rss", "size", "latency", "duration", "rtt", "delay", "errors", "failures", "5xx")
#: Endings of shares for which reaching the limit is a failure by itself (a busy CPU may be fine).
FILLING = ("disk.utilization", "filesystem.utilization", "fs.utilization", "memory.utilization", "swap.utilization")
LAG = 6  # windows that a value waits before it joins the past, so that a slow ramp cannot become its own baseline
#: The least deviation that people would call a change, where the unit is known from the name.
UNITS = (
    (re.compile(r"\.io\.|bytes|throughput"), 65_536.0),  # bytes or bytes a second
    (re.compile(r"memory\.(usage|used|cache|rss)|\.free$"), 4 * 2.0**20),  # bytes
    (re.compile(r"packets"), 25.0),
    (re.compile(r"errors|failures|5xx|rejected|timeouts"), 0.1),  # a second
    (re.compile(r"latency|duration|rtt|response_time|lag_seconds|delay"), 0.02),  # seconds
    (re.compile(r"open_fds|file_descriptors"), 8.0),
    (re.compile(r"threads|process\.count|connections|established|time_wait|backends|clients"), 2.0),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``score`` with the usual value and the robust z over its own 99 % quantile (for blame)."""

    score: float
    expected: float
    z: float
    blame: float


@dataclass(slots=True)
class Episode:
    """Windows from ``start_ns`` on in which the series stood out; ``left`` counts calm windows since."""

    start_ns: int
    windows: int = 0
    calm: int = 0
    best: float = 0.0


def base_name(name: str) -> str:
    """Without labels: ``disk.util{device=sda}`` -> ``disk.util``."""
    return name.partition("{")[0]


def _quantile(ordered: np.ndarray, share: float) -> float:
    """The quantile of sorted values by linear interpolation; a tenth of the time of ``numpy.quantile``."""
    at = share * (len(ordered) - 1)
    below = int(at)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    return low + (high - low) * (at - below)


@dataclass(slots=True)
class Series:
    """Accepted window means of the past (``history``) and the raw newest ones (``recent``)."""

    name: str
    size: int = 360
    history: deque[float] = field(default_factory=deque)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=12))
    pending: deque[float] = field(default_factory=deque)  # values that wait to join the history
    episode: Episode | None = None
    counter: bool | None = None  # None: not decided yet
    previous: float | None = None  # last raw value, for counters
    previous_ns: int = 0
    integral: bool = True
    seen: int = 0
    cached: tuple[int, float, float, float, float, float] | None = None
    unsaved: list[float] | None = None  # what joined the history since all of it was saved; None: it never was

    def decide_counter(self) -> None:
        """Cumulative counters never fall (but for resets), nearly always rise, and are no share or level."""
        if self.name.endswith(("_total", ".total", "_count", ".count_total")):
            self.counter = True
            return
        values = list(self.history)
        steps = [b - a for a, b in pairwise(values)]
        rising = sum(step > 0 for step in steps)
        short = base_name(self.name)
        level = short.endswith((*SHARES, "free", "used", "usage", "cache", "size", "count", "bytes", "latency", "lag"))
        self.counter = (
            not level and len(steps) >= 10 and rising >= 0.95 * len(steps) and min(steps) >= 0 and values[0] > 100
        )

    def rate(self, value: float, at_ns: int) -> float | None:
        """The per-second increase since the last window; None at the start and after a reset."""
        before, before_ns = self.previous, self.previous_ns
        if before is None or value < before or at_ns <= before_ns:
            return None
        return (value - before) / ((at_ns - before_ns) / 1e9)

    def floor(self, median: float, top: float) -> float:
        """The least deviation worth a unit of z: what people would not call a change."""
        short = base_name(self.name)
        if not short:
            return 0.3  # the joint deviation of a host: less is noise of single series
        if short.endswith(SHARES):
            return 0.03 if max(abs(top), abs(median)) <= 1.6 else 3.0
        known = next((least for pattern, least in UNITS if pattern.search(short)), 1.0 if self.integral else 1e-9)
        return max(known, 0.1 * abs(median), 0.0 if self.integral else 0.05 * abs(top))

    def stats(self) -> tuple[float, float, float, float, float]:
        """(median, spread, |z| at 90 %, mean excess above it, |z| at 99 %) of the history.

        The spread is that of a normal with the same 5-95 % range, floored. Recomputed only every few windows:
        quantiles of hundreds of values do not move in ten seconds.
        """
        every = 1 if self.seen < 60 else 6
        if self.cached is None or self.seen - self.cached[0] >= every:
            values = np.fromiter(self.history, float, len(self.history))
            values.sort()
            low, median, high = (_quantile(values, share) for share in (0.05, 0.5, 0.95))
            top = max(abs(float(values[0])), abs(float(values[-1])))
            spread = max((high - low) / 3.29, self.floor(median, top))
            z = np.minimum(np.abs(values - median) / spread, 1e6)
            z.sort()
            at90, at99 = _quantile(z, 0.9), _quantile(z, 0.99)
            beyond = z[np.searchsorted(z, at90, side="right") :][
                :-1
            ]  # without the largest: one outlier must not blind the series
            excess = float(np.mean(beyond - at90)) if beyond.size else 0.0
            self.cached = (self.seen, median, spread, max(at90, 1.0), max(excess, 0.5), max(at99, 1.0))
        return self.cached[1:]

    def judge(self, value: float, factor: float = 1.0) -> Verdict:
        """Score ``value``: the smaller of its own tail and that of the window before, so a blip costs two decades.

        ``factor`` is the season's relative height now; the median is scaled by it.
        """
        median, spread, at90, excess, at99 = self.stats()
        expected = median * factor
        z = max(-1e6, min(1e6, (value - expected) / spread))
        score = gpd_tail(abs(z) - at90, excess)
        if score > math.log10(len(self.history) + 1.0):  # the least that ``most`` can be
            score = min(score, self.most())
        if self.recent:
            before = max(-1e6, min(1e6, (self.recent[-1] - expected) / spread))
            same_side = gpd_tail(abs(before) - at90, excess) if before * z > 0 else 0.0
            score = max(min(score, same_side), score - 2.0)
        else:
            score -= 2.0
        return Verdict(max(0.0, min(MAX_SCORE, score)), expected, z, abs(z) / at99)

    def most(self) -> float:
        """The highest score that the past allows.

        A series that never varied (all zero, say) has no scale: that it moves at all is as rare as one in all
        windows seen, and half as much again for each further window in which it stays away.
        """
        short = base_name(self.name)
        if short.endswith((*SHARES, *LEVELS)) or not self.history:
            return MAX_SCORE
        usual = self.history[len(self.history) // 2]
        if sum(value != usual for value in self.history) > 0.1 * len(self.history):
            return MAX_SCORE
        run = 0
        for value in reversed(self.recent):
            if value == usual:
                break
            run += 1
        return math.log10(len(self.history) + 1.0) * (1.0 + 0.5 * run)

    def time_to_limit(self, window_s: int) -> tuple[float, float] | None:
        """(seconds until the limit, limit) of a share that fills up steadily; None for all others.

        Theil-Sen slope over the newest windows; steady means that nine of ten steps go up.
        """
        if not base_name(self.name).endswith(FILLING) or len(self.recent) < 4:
            return None
        values = list(self.recent)[-6:]
        limit = 1.0 if max(values) <= 1.6 else 100.0
        ups = sum(b > a for a, b in pairwise(values))
        if ups < 0.9 * (len(values) - 1):
            return None
        slopes = [(values[j] - values[i]) / (j - i) for i in range(len(values)) for j in range(i + 1, len(values))]
        slope = float(np.median(slopes)) / window_s
        left = limit - values[-1]
        return (max(left, 0.0) / slope, limit) if slope > 0 and math.isfinite(slope) else None

    def accept(self, value: float) -> None:
        """Queue an ordinary value; it joins the history ``LAG`` windows later."""
        self.pending.append(value)
        if len(self.pending) > LAG:
            if len(self.history) >= self.size:
                self.history.popleft()
            self.history.append(self.pending.popleft())
            if self.unsaved is not None:
                self.unsaved.append(self.history[-1])

    def distrust(self) -> None:
        """An episode begins: what was queued just before may belong to it."""
        self.pending.clear()

    def restart(self) -> None:
        """Forget the past: the newest windows are the new normal."""
        self.history.clear()
        self.history.extend(self.recent)
        self.unsaved = None
        self.pending.clear()
        self.cached = None
        self.episode = None
