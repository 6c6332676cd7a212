"""The durable queue: appended to by any number of processes, read by one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from logsense.record import MetricPoint, RawEvent
from logsense.spool import codec
from logsense.spool.frames import encode_frame
from logsense.spool.options import SpoolOptions
from logsense.spool.reader import SpoolReader, backlog, read_hint
from logsense.spool.segment import remove_leftovers
from logsense.spool.writer import GroupWriter

#: Entries in one frame: the grain of reading and of positions.
FRAME_ENTRIES = 1000
#: A larger payload is cut further, so that a reader's memory stays bounded whatever the lines' length.
FRAME_BYTES = 16 * 1024**2


class DiskSpool:
    """The ``Spool`` in ``directory``. Opening it costs nothing until something is appended or read.

    ``append`` and ``append_async`` may be called from any thread or task; ``read`` and ``checkpoint`` from one.
    """

    def __init__(self, directory: Path, options: SpoolOptions | None = None) -> None:
        self.directory = directory
        self.options = options or SpoolOptions()
        directory.mkdir(parents=True, exist_ok=True)
        remove_leftovers(directory)
        self._writer = GroupWriter(directory, self.options)
        self._reader: SpoolReader | None = None

    def append(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        """Return when all of it is on disk. Raises ``Overloaded``: then nothing of it was kept."""
        future = self._submit(events, metrics)
        if future is not None:
            future.result()

    async def append_async(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        """``append`` for the event loop: concurrent calls share one fsync."""
        future = self._submit(events, metrics)
        if future is not None:
            # Shielded: a client that hangs up must not turn a batch into a half-decided one.
            await asyncio.shield(asyncio.wrap_future(future))

    def open_reader(self, position: str | None = None) -> SpoolReader:
        """Read on from a stored position; ``read`` and ``checkpoint`` use this reader from now on."""
        if self._reader is not None:
            self._reader.close()
        self._reader = SpoolReader(self.directory, position)
        return self._reader

    def read(self, limit: int) -> tuple[list[RawEvent], list[MetricPoint], str]:
        """About ``limit`` entries and the position behind them; empty lists when there is nothing new."""
        return (self._reader or self.open_reader()).read(limit)

    def checkpoint(self, position: str) -> None:
        """Everything up to ``position`` is indexed: finished segments are deleted."""
        (self._reader or self.open_reader(position)).checkpoint(position)

    def backlog_bytes(self) -> int:
        """Bytes accepted and not yet checkpointed, as far as this process can know."""
        if self._reader is not None:
            return self._reader.backlog_bytes()
        return waiting_bytes(self.directory)

    def close(self) -> None:
        """Write what is queued and let go of all files."""
        self._writer.close()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _submit(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint]) -> Future[None] | None:
        if not events and not metrics:
            return None
        return self._writer.submit(b"".join(_frames(events, metrics)))


def waiting_bytes(directory: Path) -> int:
    """Bytes in a spool that were not checkpointed, without opening it."""
    return backlog(directory, read_hint(directory))


def _frames(events: Sequence[RawEvent], metrics: Sequence[MetricPoint]) -> list[bytes]:
    frames: list[bytes] = []
    for start in range(0, len(events), FRAME_ENTRIES):
        frames += _cut(events[start : start + FRAME_ENTRIES])
    for start in range(0, len(metrics), FRAME_ENTRIES):
        frames.append(encode_frame(codec.encode((), metrics[start : start + FRAME_ENTRIES])))
    return frames


def _cut(events: Sequence[RawEvent]) -> list[bytes]:
    payload = codec.encode(events)
    if len(payload) <= FRAME_BYTES or len(events) == 1:
        return [encode_frame(payload)]
    half = len(events) // 2
    return _cut(events[:half]) + _cut(events[half:])
