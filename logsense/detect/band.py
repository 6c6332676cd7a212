"""What a series' own past makes usual at each of its points: the band that charts show behind a metric.

The same history and spread that the detector judges by (``series.Series``: median, 5-95 % range, the past's own 99 %
deviation), walked over the points of one chart. It explains the eye what the detector compares with; the detector's
own verdicts are its signals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from logsense.detect.series import Series

#: Seconds of the past that count, as in ``MetricAnomalyOptions`` (360 windows of 10 s).
HISTORY_S = 3600
#: Points before there is a band; fewer say nothing about a spread.
WARM_UP = 12
#: A value this many times outside the band is an episode: it does not become its own normal at once …
FAR = 2.0
#: … but after this many points in a row.
ADOPT = 30


def usual(name: str, points: Sequence[tuple[int, float]]) -> list[tuple[int, float, float]]:
    """(time, low, high) for each point that has a past, in the points' own order; times in nanoseconds.

    Counters that only rise have no usual range of their own: for them the list is empty.
    """
    if len(points) <= WARM_UP:
        return []
    step_s = max(1.0, (points[-1][0] - points[0][0]) / 1e9 / (len(points) - 1))
    series = Series(name, size=max(4 * WARM_UP, round(HISTORY_S / step_s)))
    series.integral = all(float(value).is_integer() for _, value in points)
    _fill(series, [value for _, value in points])
    if series.counter:
        return []
    series.history.clear()
    band: list[tuple[int, float, float]] = []
    outside = 0
    for at, value in points:
        if not math.isfinite(value):
            continue
        far = False
        if len(series.history) >= WARM_UP:
            median, spread, _, _, at99 = series.stats()
            reach = spread * at99
            band.append((at, median - reach, median + reach))
            far = abs(value - median) > FAR * reach
        series.seen += 1
        series.recent.append(value)
        outside = outside + 1 if far else 0
        if outside >= ADOPT:
            series.restart()
            outside = 0
        elif not far:
            series.accept(value)
    return band


def _fill(series: Series, values: Sequence[float]) -> None:
    series.history.extend(value for value in values[: series.size] if math.isfinite(value))
    if series.history:
        series.decide_counter()
