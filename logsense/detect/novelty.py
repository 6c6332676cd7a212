"""How unlike its own past the course of a series is: many series in lockstep, one value each a tick.

The newest ``LAGS`` values of a series are compared with every stretch of that length in its past (nearest neighbour of
delay embeddings, as discord search does; a stretch becomes comparable one length late, so that nothing is its own
neighbour). Distances are in units of the causal 5-95 % spread and count up to one spread; what leaves the range of the
past counts on top. That novelty is then seen against its own history: the z score of the newest value (the anomaly
likelihood of Ahmad et al., Neurocomputing 262, 2017, for one step). ``tail`` makes a probability of it.

All arrays are columns of one tick, rows are series. Memory is ``4 * (past + REACHED + SLACK)`` bytes a series and some
hundred more; a tick costs about 300 float operations for each tick of the past.
"""

from __future__ import annotations

import numpy as np

#: (points, ticks between them) of the stretches that are compared; their distances are averaged. With a tick of five
#: minutes they are two hours, four hours, and a day seen at every half hour: what is odd only for the time of day.
SHAPES = ((24, 1), (48, 1), (48, 6))
SHORTEST = min(points * every for points, every in SHAPES)
LONGEST = 48
REACHED = max(points * every for points, every in SHAPES)
#: Distances count up to so many spreads: a far outlier says no more than a clear one.
NEAR = 1.0
#: A step out of the past's range weighs this much for each spread, up to ``NEAR`` and a half of them.
BEYOND, MOST_BEYOND = 1.5, 1.5
#: Ticks whose novelty makes the history that a newest novelty is compared with.
MEMORY = 4000
#: … and no more than this share of the series' life, so that its first days, in which everything was new, fade.
FADE = 1 / 3
#: Ticks before a series' novelty is history: with so little past everything is new.
EARLY = 120
#: The least deviation of the novelty: less is noise of a nearly periodic series.
LEAST = 0.02
#: The spread is taken anew every so many ticks, for another part of the series each.
REFRESH = 16
#: A pause longer than this many ticks hides the course: nothing is said for ``LONGEST`` ticks after it.
PAUSE = 6
SLACK = 128  # columns that are filled before the older ones are moved
CHUNK = 64  # series at a time: their past fits the processor's cache
FAR = np.float32(1e18)  # stands for "no value": its square is far above every distance and still finite
REACH = 1e15  # values are cut to this distance from the first one


class Novelty:
    """State of ``rows`` series over the last ``past`` ticks. ``score`` changes nothing, ``learn`` takes a tick in.

    Both take ``values`` of shape (rows,), NaN or infinite where a series has none now. ``floor`` (rows,) is the least
    spread that people would call a change.
    """

    def __init__(self, rows: int = 0, past: int = 1500) -> None:
        self.past = past
        self._columns = np.full(
            (0, past + REACHED + SLACK), FAR, np.float32
        )  # time goes right; the right end is the newest
        self.used = 0  # columns that hold a tick
        self.first = np.empty(0)  # what is subtracted, so that float32 keeps small changes of large values
        self.last = np.empty(0)  # the newest value, subtracted, for filling pauses
        self.count = np.empty(0, np.int64)  # ticks since the series began
        self.missing = np.empty(0, np.int64)  # ticks without a value now
        self.blind = np.empty(0, np.int64)  # ticks for which nothing is said
        self.floor = np.empty(0)
        self.spread = np.empty(0)
        self.middle = np.empty(0)
        self.low = np.empty(0)
        self.high = np.empty(0)
        self.mean = np.empty(0)  # of the novelty, with its variance and the ticks behind both
        self.variance = np.empty(0)
        self.weight = np.empty(0)
        self.grow(rows)

    @property
    def rows(self) -> int:
        return len(self.first)

    def grow(self, rows: int) -> None:
        """Room for ``rows`` series in all; new ones have no past."""
        more = rows - self.rows
        if more <= 0:
            return
        old = self.rows
        self._columns = np.concatenate([self._columns, np.full((more, self._columns.shape[1]), FAR, np.float32)])
        for name in self.NUMBERS:
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros(more, column.dtype)]))
        self.reset(np.arange(old, rows))

    #: What besides the columns makes up the state; each has one number a series.
    NUMBERS = (
        "first", "last", "count", "missing", "blind", "floor", "spread", "middle", "low", "high", "mean", "variance",
        "weight",
    )  # fmt: skip

    def reset(self, rows: np.ndarray) -> None:
        """These series begin anew."""
        self._columns[rows] = FAR
        for name in self.NUMBERS:
            getattr(self, name)[rows] = 0
        self.first[rows] = np.nan

    def history(self, rows: np.ndarray, ticks: int) -> np.ndarray:
        """The last ``ticks`` values of these series, oldest first: (rows, up to ticks), NaN before their beginning."""
        columns = self._columns[rows, max(0, self.used - ticks) : self.used].astype(np.float64)
        columns[columns >= FAR] = np.nan
        return columns + self.first[rows, None]

    @property
    def kept(self) -> int:
        """Ticks that a restored state needs."""
        return self.past + REACHED

    def column(self, back: int) -> np.ndarray:
        """The stored values of all series ``back`` ticks from the end (-1 is the newest), (rows,)."""
        return self._columns[:, self.used + back]

    def restore(self, columns: list[np.ndarray]) -> None:
        """Take up columns that ``column`` gave, oldest first, after the numbers; those of fewer rows are filled up.

        What a column holds from before a series began was another's, whose row it has now.
        """
        columns = columns[-self.kept :]
        self._columns[:], self.used = FAR, len(columns)
        for number, column in enumerate(columns):
            self._columns[: len(column), number] = column[: self.rows]
            self._columns[self.count < self.used - number, number] = FAR

    # -- scoring (no state is changed) -----------------------------------------------------------------

    def score(self, values: np.ndarray) -> np.ndarray:
        """z of each series' novelty, (rows,); NaN where there is no value, or too little past."""
        return self.likelihood(self.novelty(values))

    def likelihood(self, novelty: np.ndarray) -> np.ndarray:
        """The same from what ``novelty`` answered."""
        alpha = 1.0 / np.minimum(self.weight + 1.0, self._most())
        away = novelty - self.mean
        mean = self.mean + alpha * away
        variance = (1.0 - alpha) * (self.variance + alpha * away * away)
        z = (novelty - mean) / np.maximum(np.sqrt(variance), LEAST)
        return np.where((self.weight > 0) & (self.blind <= 0), z, np.nan)

    def novelty(self, values: np.ndarray) -> np.ndarray:
        """0 (seen just like this) to about 3 (unlike all, and out of range); NaN without a value or a past."""
        novelty = np.full(self.rows, np.nan)
        with np.errstate(all="ignore"):
            ready = np.flatnonzero(np.isfinite(values) & (self.count > 2 * SHORTEST))
            for start in range(0, len(ready), CHUNK):
                rows = ready[start : start + CHUNK]
                novelty[rows] = self._novelty_of(rows, self._inner(values[rows], rows))
        return novelty

    def _inner(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.clip(values - self.first[rows], -REACH, REACH)

    def _novelty_of(self, rows: np.ndarray, newest: np.ndarray) -> np.ndarray:
        spread = self._unit(rows)
        seen = self._columns[rows, max(0, self.used - self.past - REACHED) : self.used]
        seen = np.concatenate([seen, newest[:, None].astype(np.float32)], axis=1)
        total, views = np.zeros(len(rows)), np.zeros(len(rows))
        for points, every in SHAPES:
            old = self.count[rows] >= 2 * points * every  # there is a stretch to compare with
            if old.any():
                nearest = np.minimum(_nearest(seen, points, every) / spread, NEAR)
                total, views = total + np.where(old, nearest, 0.0), views + old
        beyond = np.maximum(np.maximum(newest - self.high[rows], self.low[rows] - newest), 0.0) / spread
        return total / views + BEYOND * np.minimum(beyond, MOST_BEYOND)

    def _unit(self, rows: np.ndarray) -> np.ndarray:
        """The spread that distances are measured in."""
        level = np.abs(self.middle[rows] + self.first[rows])
        return np.maximum(np.maximum(self.spread[rows], self.floor[rows]), 1e-3 * level + 1e-9)

    # -- learning --------------------------------------------------------------------------------------

    def learn(self, values: np.ndarray, novelty: np.ndarray | None = None) -> None:
        """Take one tick in. A pause is filled with the last value; a series begins with its first one.

        ``novelty`` is that of these values, where the caller has asked for it already.
        """
        novelty = self.novelty(values) if novelty is None else novelty
        here = np.isfinite(values)
        fresh = here & np.isnan(self.first)
        self.first[fresh] = values[fresh]
        begun = ~np.isnan(self.first)
        with np.errstate(all="ignore"):
            inner = np.clip(values - self.first, -REACH, REACH)
        inner = np.where(here, inner, self.last)
        returned = here & (self.missing > PAUSE)
        self.blind = np.where(returned, LONGEST, np.maximum(self.blind - 1, 0))
        self.missing = np.where(here, 0, self.missing + begun)
        self.last = np.where(begun, inner, 0.0)
        if self.used == self._columns.shape[1]:
            keep = self.past + REACHED
            self._columns[:, :keep] = self._columns[:, self.used - keep :]
            self.used = keep
        self._columns[:, self.used] = np.where(begun, inner, FAR)
        self.used += 1
        self.count += begun
        self.low = np.where(here & (self.count > 1), np.minimum(self.low, inner), np.where(fresh, inner, self.low))
        self.high = np.where(here & (self.count > 1), np.maximum(self.high, inner), np.where(fresh, inner, self.high))
        self._remember(novelty)
        turn = (np.arange(self.rows) + self.used) % REFRESH == 0
        self._respread(np.flatnonzero(begun & (turn | (self.count <= EARLY))))

    def _most(self) -> np.ndarray:
        """Ticks that the history of the novelty may weigh."""
        return np.clip(self.count * FADE, 30.0, MEMORY)

    def _remember(self, novelty: np.ndarray) -> None:
        known = np.isfinite(novelty) & (self.count > EARLY) & (self.blind <= 0)
        self.weight[known] = np.minimum(self.weight[known] + 1.0, self._most()[known])
        alpha = 1.0 / self.weight[known]
        away = novelty[known] - self.mean[known]
        self.mean[known] += alpha * away
        self.variance[known] = (1.0 - alpha) * (self.variance[known] + alpha * away * away)

    def _respread(self, rows: np.ndarray) -> None:
        """Spread, median and range of the past of these series."""
        for start in range(0, len(rows), CHUNK):
            some = rows[start : start + CHUNK]
            ordered = np.sort(self._columns[some, max(0, self.used - self.past) : self.used], axis=1)
            held = np.minimum(self.count[some], ordered.shape[1]).astype(int)  # what is missing sorts behind

            def at(share: float, ordered: np.ndarray = ordered, held: np.ndarray = held) -> np.ndarray:
                index = np.round(share * (held - 1)).astype(int)
                return np.take_along_axis(ordered, index[:, None], axis=1)[:, 0].astype(np.float64)

            low, self.middle[some], high = at(0.05), at(0.5), at(0.95)
            self.spread[some] = high - low
            self.low[some], self.high[some] = at(0.0), at(1.0)


def _nearest(seen: np.ndarray, points: int, every: int) -> np.ndarray:
    """Distance per point of each row's newest stretch, which ends at its last column, to the nearest earlier one.

    A stretch has ``points`` values, ``every`` columns apart; one that overlaps the newest does not count. (rows,)
    """
    length = (points - 1) * every + 1
    ends = seen.shape[1] - 2 * length + 1
    if ends <= 0:
        return np.zeros(len(seen))
    right = seen.shape[1] - length  # one behind the newest end that counts
    distance = np.zeros((len(seen), ends), np.float32)
    step = np.empty_like(distance)
    for point in range(points):
        back = point * every
        np.subtract(seen[:, right - ends - back : right - back], seen[:, -1 - back, None], out=step)
        np.multiply(step, step, out=step)
        distance += step
    return np.sqrt(distance.min(axis=1) / points)


#: The tail of z on quiet series (``benchmarks/metrics_quiet.py``): the share ``TAIL_AT`` lies above ``TAIL_FROM``, and
#: beyond it the excess follows a generalised Pareto with this scale and shape.
TAIL_AT, TAIL_FROM, TAIL_SCALE, TAIL_SHAPE = 0.02, 2.0, 0.7, 0.2


def tail(z: np.ndarray) -> np.ndarray:
    """-log10 of the probability of such a z on quiet series; 0 below ``TAIL_FROM``, and for NaN."""
    excess = np.nan_to_num(z, nan=0.0) - TAIL_FROM
    beyond = np.log1p(TAIL_SHAPE * np.maximum(excess, 0.0) / TAIL_SCALE) / TAIL_SHAPE / np.log(10.0)
    return np.where(excess > 0, beyond - np.log10(TAIL_AT), 0.0)
