"""An intake that keeps what it accepted, and can be told to refuse."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from logsense import errors
from logsense.record import MetricPoint, RawEvent


class MemoryIntake:
    def __init__(self) -> None:
        self.events: list[RawEvent] = []
        self.points: list[MetricPoint] = []
        self.drops: Counter[str] = Counter()
        self.refuse = 0  # how many of the next batches are refused

    async def accept(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        await asyncio.sleep(0)
        self.accept_sync(events, metrics)

    def accept_sync(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        if self.refuse:
            self.refuse -= 1
            raise errors.Overloaded("full", retry_after_s=0)
        self.events += events
        self.points += metrics

    def dropped(self, source: str, count: int) -> None:
        self.drops[source] += count

    def messages(self) -> list[str]:
        return [event.message for event in self.events]

    async def wait_for(self, count: int, timeout_s: float = 10) -> list[str]:
        """The messages, once there are ``count`` of them (or the time is up)."""
        async with asyncio.timeout(timeout_s):
            while len(self.events) < count:
                await asyncio.sleep(0.01)
        return self.messages()


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture
async def running() -> AsyncIterator[Callable[..., Any]]:
    """``stop = running(source, intake)`` runs a source until ``await stop()`` or the end of the test."""
    tasks: list[asyncio.Task[None]] = []

    async def stop(task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def start(source: Any, intake: Any) -> Callable[[], Any]:
        task = asyncio.create_task(source.run(intake))
        tasks.append(task)
        return lambda: stop(task)

    yield start
    for task in tasks:
        failed = task.done() and not task.cancelled() and task.exception()
        await stop(task)
        if failed:
            raise failed
