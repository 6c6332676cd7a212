"""Read the lines of requests, and remember those of the minutes read last.

An incident that grows is explained again and again, and several at once are compared with the same normal time: what
was read and parsed for one serves the next. A minute is remembered with its number of lines and read anew when that
has changed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import islice

from logsense.record import Query
from logsense.rootcause.requests import SECOND, Line, line_of
from logsense.stages import Index

MINUTE = 60 * SECOND
KEPT = 40_000  # lines at most in memory, some 400 bytes each


class RequestLines:
    """A reader for one index; any thread may call it. ``kept`` bounds the lines that it remembers, 0 for none."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._minutes: OrderedDict[int, tuple[int, list[Line]]] = OrderedDict()  # start -> (lines of any kind, those)
        self._size = 0

    def read(self, index: Index, from_ns: int, to_ns: int, most: int) -> list[Line]:
        """The first ``most`` lines of ``from_ns <= t < to_ns`` that state their request, in time order."""
        if to_ns <= from_ns or most <= 0:
            return []
        begun_ns = from_ns // MINUTE * MINUTE
        held = dict(index.histogram(Query(from_ns=begun_ns, to_ns=-(-to_ns // MINUTE) * MINUTE), MINUTE))
        out: list[Line] = []
        fresh_ns: int | None = None  # since here nothing is remembered
        for minute in range(begun_ns, to_ns, MINUTE):
            known = self._recall(minute, held.get(minute, 0))
            if known is None:
                fresh_ns = minute if fresh_ns is None else fresh_ns
                continue
            if fresh_ns is not None:
                out += self._fresh(index, max(fresh_ns, from_ns), minute, held, most - len(out))
                fresh_ns = None
            out += (
                known
                if from_ns <= minute and minute + MINUTE <= to_ns
                else (line for line in known if from_ns <= line.at_ns < to_ns)
            )
            if len(out) >= most:
                break
        if fresh_ns is not None and len(out) < most:
            out += self._fresh(index, max(fresh_ns, from_ns), to_ns, held, most - len(out))
        return out[:most]

    def _recall(self, minute: int, lines: int) -> list[Line] | None:
        if not lines:
            return []
        with self._lock:
            known = self._minutes.get(minute)
            if known is None or known[0] != lines:
                return None
            self._minutes.move_to_end(minute)
            return known[1]

    def _fresh(self, index: Index, from_ns: int, to_ns: int, held: Mapping[int, int], most: int) -> list[Line]:
        """Read from the index; every minute that was read whole is remembered."""
        found = list(islice(_lines(index, from_ns, to_ns), most))
        end_ns = to_ns if len(found) < most else found[-1].at_ns  # the rest was not looked at
        by_minute: dict[int, list[Line]] = {
            minute: []
            for minute in range(-(-from_ns // MINUTE) * MINUTE, end_ns - MINUTE + 1, MINUTE)
            if held.get(minute)
        }
        for line in found:
            if (mine := by_minute.get(line.at_ns // MINUTE * MINUTE)) is not None:
                mine.append(line)
        for minute, mine in by_minute.items():
            self._remember(minute, held[minute], mine)
        return found

    def _remember(self, minute: int, lines: int, found: list[Line]) -> None:
        with self._lock:
            if known := self._minutes.pop(minute, None):
                self._size -= len(known[1])
            if len(found) > self._kept:
                return
            self._minutes[minute] = (lines, found)
            self._size += len(found)
            while self._size > self._kept:
                self._size -= len(self._minutes.popitem(last=False)[1][1])


def _lines(index: Index, from_ns: int, to_ns: int) -> Iterator[Line]:
    for record in index.scan(Query(from_ns=from_ns, to_ns=to_ns)):
        if (line := line_of(record)) is not None:
            yield line
