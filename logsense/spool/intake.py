"""The ``Intake`` of sources and receivers: the spool, with counters per source."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from logsense import errors
from logsense.record import MetricPoint, RawEvent
from logsense.spool.disk import DiskSpool

#: Sources beyond this number are counted together, so that a sender cannot grow the table without end.
MAX_SOURCES = 10_000
OTHERS = "others"


class SpoolIntake:
    """Counts what the spool took and what was refused or lost, per ``RawEvent.source``."""

    def __init__(self, spool: DiskSpool) -> None:
        self._spool = spool
        self._lock = threading.Lock()
        self._stats: dict[str, dict[str, int]] = {}

    async def accept(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        """Return when all of it is durable. Raises ``Overloaded``: then nothing of it was kept."""
        try:
            await self._spool.append_async(events, metrics)
        except errors.Overloaded:
            self._count("refused", events, len(metrics))
            raise
        self._count("accepted", events, len(metrics))

    def accept_sync(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        """``accept`` for callers without an event loop."""
        try:
            self._spool.append(events, metrics)
        except errors.Overloaded:
            self._count("refused", events, len(metrics))
            raise
        self._count("accepted", events, len(metrics))

    def dropped(self, source: str, count: int) -> None:
        """Lines of ``source`` that are lost for good (UDP cannot wait)."""
        with self._lock:
            self._entry(source)["dropped"] += count

    def stats(self) -> dict[str, dict[str, int]]:
        """source → {"accepted", "refused", "dropped"} since the start; metric points are the source ``metrics``.

        Refused lines were not kept, but their sender was told and will usually try again.
        """
        with self._lock:
            return {source: dict(counts) for source, counts in self._stats.items()}

    def _count(self, outcome: str, events: Sequence[RawEvent], points: int) -> None:
        sources = Counter([event.source for event in events])
        with self._lock:
            for source, count in sources.items():
                self._entry(source)[outcome] += count
            if points:
                self._entry("metrics")[outcome] += points

    def _entry(self, source: str) -> dict[str, int]:
        if source not in self._stats:
            if len(self._stats) >= MAX_SOURCES:
                source = OTHERS
            self._stats.setdefault(source, {"accepted": 0, "refused": 0, "dropped": 0})
        return self._stats[source]
