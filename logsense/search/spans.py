"""A stretch of time, and the way between clock times and nanoseconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of time; None is unbounded. ``said`` are the words, ``start``/``end`` where they stand."""

    low: datetime | None
    high: datetime | None
    said: str
    start: int
    end: int

    @property
    def from_ns(self) -> int | None:
        return None if self.low is None else to_ns(self.low)

    @property
    def to_ns(self) -> int | None:
        return None if self.high is None else to_ns(self.high)


def to_ns(moment: datetime) -> int:
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND_NS + delta.microseconds * 1000


def from_ns(ns: int, zone: tzinfo) -> datetime:
    """To the microsecond; times outside the calendar are moved to its ends."""
    seconds = min(max(ns // SECOND_NS, -62_000_000_000), 253_000_000_000)
    return (
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=ns % SECOND_NS // 1000)
    ).astimezone(zone)


def midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
