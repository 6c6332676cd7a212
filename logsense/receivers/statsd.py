"""StatsD: counters, gauges, timers and sets over UDP and TCP, summed up every ten seconds (with Datadog's tags)."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import Any

from logsense import errors
from logsense.deliver import accept_patiently
from logsense.receivers._events import decode_text
from logsense.receivers._sockets import Connection, LineConnection, Parsed, SocketOptions, SocketReceiver, now_ns
from logsense.record import MetricPoint
from logsense.stages import Intake

EVERY_S = 10.0
#: Series kept between two sums; further new ones are counted as dropped, so that a sender cannot fill the memory.
MAX_SERIES = 100_000
_MAX_VALUES = 10_000  # of one timer or set between two sums

Key = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class _Timer:
    count: float = 0.0
    total: float = 0.0
    values: list[float] = field(default_factory=list)


class StatsdReceiver(SocketReceiver):
    """``name:value|type|@rate|#tag:value``. Sums live in memory for up to ten seconds; a gauge keeps its last value."""

    name = "statsd"
    udp = True

    def __init__(self, options: SocketOptions | None = None, every_s: float = EVERY_S) -> None:
        super().__init__(options)
        self._every_s = every_s
        self._counters: dict[Key, float] = {}
        self._gauges: dict[Key, float] = {}
        self._changed: set[Key] = set()
        self._timers: dict[Key, _Timer] = {}
        self._sets: dict[Key, set[str]] = {}
        self.left_out = 0

    def connection(self, address: str) -> Connection:
        return _Statsd(address, self.options, self)

    def datagram(self, data: bytes, address: str) -> Parsed:
        for line in data.split(b"\n"):
            if line.strip():
                self.add(decode_text(line), address)
        return [], []

    async def tick(self, intake: Intake) -> None:
        try:
            while True:
                await asyncio.sleep(self._every_s)
                await self._flush(intake)
        finally:  # being stopped: what was summed up so far is kept, if there is room
            points = self.sums()
            try:
                await intake.accept([], points)
            except errors.Overloaded:
                intake.dropped(f"{self.name}:udp", len(points))

    async def _flush(self, intake: Intake) -> None:
        points, self.left_out, dropped = self.sums(), 0, self.left_out
        if dropped:
            intake.dropped(f"{self.name}:udp", dropped)
        if points:
            await accept_patiently(intake, [], points)

    def add(self, line: str, address: str) -> None:
        """One line; what is no StatsD is counted."""
        head, *parts = line.strip().split("|")
        name, _, text = head.rpartition(":")
        kind = parts[0] if parts else ""
        rate, tags = 1.0, {}
        try:
            for part in parts[1:]:
                if part.startswith("@"):
                    rate = float(part[1:])
                elif part.startswith("#"):
                    tags = {k: v for k, _, v in (tag.partition(":") for tag in part[1:].split(",")) if k}
            value = 0.0 if kind == "s" else float(text)
        except ValueError:
            self.left_out += 1
            return
        if not name or kind not in ("c", "g", "ms", "h", "d", "s") or not 0 < rate <= 1 or not math.isfinite(value):
            self.left_out += 1
            return
        host = tags.pop("host", "") or address
        key: Key = (name, host, tuple(sorted(tags.items())))
        if self._full(key):
            self.left_out += 1
        elif kind == "c":
            self._counters[key] = self._counters.get(key, 0.0) + value / rate
        elif kind == "g":
            self._gauges[key] = self._gauges.get(key, 0.0) + value if text[:1] in "+-" else value
            self._changed.add(key)
        elif kind == "s":
            seen = self._sets.setdefault(key, set())
            if len(seen) < _MAX_VALUES:
                seen.add(text)
        else:
            timer = self._timers.setdefault(key, _Timer())
            timer.count += 1 / rate
            timer.total += value / rate
            if len(timer.values) < _MAX_VALUES:
                timer.values.append(value)

    def _full(self, key: Key) -> bool:
        tables: tuple[dict[Key, Any], ...] = (self._counters, self._gauges, self._timers, self._sets)
        return sum(len(table) for table in tables) >= MAX_SERIES and not any(key in table for table in tables)

    def sums(self) -> list[MetricPoint]:
        """What came since the last call: counters as their rate per second, timers as mean, p95, max and count."""
        stamp = now_ns()
        rows: list[tuple[Key, str, float]] = []
        rows += [(key, "", total / self._every_s) for key, total in self._counters.items()]
        rows += [(key, "", self._gauges[key]) for key in self._changed]
        rows += [(key, "", float(len(seen))) for key, seen in self._sets.items()]
        for key, timer in self._timers.items():
            ordered = sorted(timer.values)
            p95 = ordered[min(len(ordered) - 1, math.ceil(0.95 * len(ordered)) - 1)]
            rows += [(key, ".count", timer.count), (key, ".mean", timer.total / timer.count)]
            rows += [(key, ".p95", p95), (key, ".max", ordered[-1])]
        self._counters, self._timers, self._sets, self._changed = {}, {}, {}, set()
        return [MetricPoint(name + suffix, host, stamp, v, dict(tags)) for (name, host, tags), suffix, v in rows]


class _Statsd(LineConnection):
    def __init__(self, address: str, options: SocketOptions, receiver: StatsdReceiver) -> None:
        super().__init__(address, options)
        self._receiver = receiver

    def message(self, data: bytes) -> Parsed:
        return self._receiver.datagram(data, self.address)
