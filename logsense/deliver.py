"""Handing over to the intake when the sender can wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from logsense import errors
from logsense.record import MetricPoint, RawEvent
from logsense.stages import Intake


async def accept_patiently(intake: Intake, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
    """``intake.accept``, tried again for as long as the spool is full."""
    while True:
        try:
            await intake.accept(events, metrics)
            return
        except errors.Overloaded as overloaded:
            await asyncio.sleep(overloaded.retry_after_s)
