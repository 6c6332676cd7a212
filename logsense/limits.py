"""How fast one source may send: a token bucket each for lines and bytes, by key or by the sender's address.

A request is taken as a whole or not at all. One that is larger than the burst is taken when the bucket is full and
leaves it in debt, or it could never be taken. https://en.wikipedia.org/wiki/Token_bucket
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from logsense.errors import Overloaded
from logsense.record import MetricPoint, RawEvent

#: Sources that are remembered; the one that sent longest ago is forgotten first.
MAX_SOURCES = 10_000
#: What one metric point counts in bytes: about what it takes in the spool.
POINT_BYTES = 64
_LONGEST_WAIT_S = 3600


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """``[limits]``: what one source may send. A source is an API key, or without one the sender's address."""

    #: Lines (and metric points) a second; 0 is no limit.
    lines_per_s: float = 0.0
    #: Bytes of text a second; 0 is no limit.
    bytes_per_s: float = 0.0
    #: Seconds' worth that may come at once: a shipper that was away sends what it kept.
    burst_s: float = 10.0
    #: Sources that are not limited: addresses, or `key NAME`.
    exempt: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.lines_per_s < 0 or self.bytes_per_s < 0 or not 0 < self.burst_s <= 86_400:
            raise ValueError("lines_per_s and bytes_per_s are zero or above, burst_s between 0 and 86400")


class Limiter:
    """The buckets of all sources. Safe to use from several threads."""

    def __init__(self, options: LimitOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self.options, self._clock = options, clock
        self._rates = (options.lines_per_s, options.bytes_per_s)
        self._lock = threading.Lock()
        #: source → (time, lines left, bytes left)
        self._buckets: OrderedDict[str, tuple[float, list[float]]] = OrderedDict()

    @property
    def active(self) -> bool:
        return any(self._rates)

    def take(self, source: str, lines: int, size: int) -> float:
        """Take so much from the source's buckets and return 0; or take nothing and return the seconds to wait."""
        if not self.active or source in self.options.exempt:
            return 0.0
        with self._lock:
            now = self._clock()
            full = [rate * self.options.burst_s for rate in self._rates]
            then, left = self._buckets.pop(source, (now, full))
            passed = max(0.0, now - then)  # a clock set back gives nothing and takes nothing
            left = [min(f, n + passed * r) for n, r, f in zip(left, self._rates, full, strict=True)]
            cost = (float(lines), float(size))
            wait = 0.0
            for n, r, f, c in zip(left, self._rates, full, cost, strict=True):
                if r and n < min(c, f):
                    wait = max(wait, (min(c, f) - n) / r)
            if not wait:
                left = [n - c if r else n for n, r, c in zip(left, self._rates, cost, strict=True)]
            self._buckets[source] = (now, left)
            while len(self._buckets) > MAX_SOURCES:
                self._buckets.popitem(last=False)
        return wait

    def give_back(self, source: str, lines: int, size: int) -> None:
        """What was taken for a request that was then refused for another reason."""
        with self._lock:
            if source in self._buckets:
                then, left = self._buckets[source]
                self._buckets[source] = (then, [left[0] + lines, left[1] + size])

    def check(self, source: str, lines: int, size: int) -> None:
        """``take``, or raise Overloaded with the time to wait."""
        wait = self.take(source, lines, size)
        if wait:
            rates = [f"{self._rates[0]:g} lines/s"] * bool(self._rates[0])
            rates += [f"{self._rates[1]:g} bytes/s"] * bool(self._rates[1])
            raise Overloaded(
                "This source sends faster than it may.",
                retry_after_s=min(max(1, math.ceil(wait)), _LONGEST_WAIT_S),
                why=f"the limit is {' and '.join(rates)} for each key or address",
                where="[limits]",
                fix="send again after Retry-After; to allow more, raise the limit or name the source in exempt",
            )


def size_of(events: Sequence[RawEvent], points: Sequence[MetricPoint]) -> int:
    """Bytes of text, as limits count them: messages, stated texts, and a flat price for a metric point."""
    size = POINT_BYTES * len(points)
    for event in events:
        size += len(event.message)
        for value in event.fields.values():
            if value.__class__ is str:
                size += len(value)
    return size
