"""Lines from standard input, as long as it lasts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from logsense.sources._deliver import accept_patiently
from logsense.sources.lines import MAX_LINE_BYTES, LineSplitter, events_from_lines
from logsense.stages import Intake

_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class StdinOptions:
    """Reading a pipe: ``journalctl -f | logsense …``."""

    #: Fields that are stated for every line.
    fields: dict[str, Any] = field(default_factory=dict)
    #: Bytes of a line that are kept.
    max_line_bytes: int = MAX_LINE_BYTES


class StdinSource:
    """Reads to the end of input and then returns. What has arrived is handed over at once, without waiting for more.

    While the spool is full nothing is read, so the pipe holds its writer back.
    """

    name = "stdin"

    def __init__(self, options: StdinOptions | None = None, stream: BinaryIO | None = None) -> None:
        self.options = options or StdinOptions()
        self._stream = stream or sys.stdin.buffer

    async def run(self, intake: Intake) -> None:
        splitter = LineSplitter(0, self.options.max_line_bytes)
        async with self._reader() as read:
            while True:
                chunk = await read(_CHUNK)
                last = None if chunk else splitter.flush()
                lines = splitter.feed(chunk) if chunk else [last] if last else []
                events = events_from_lines(lines, self.name, time.time_ns(), self.options.fields, None)
                if events:
                    await accept_patiently(intake, events)
                if not chunk:
                    return

    @contextlib.asynccontextmanager
    async def _reader(self) -> AsyncIterator[Callable[[int], Awaitable[bytes]]]:
        """A function that waits for bytes, and gives none at the end."""
        if stat.S_ISREG(os.fstat(self._stream.fileno()).st_mode):
            # A regular file never blocks, and the loop cannot watch one.
            yield lambda size: asyncio.to_thread(self._stream.read, size)
            return
        reader = asyncio.StreamReader(limit=_CHUNK)
        # A duplicate: closing the transport must not close the process's own standard input.
        pipe = os.fdopen(os.dup(self._stream.fileno()), "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            yield reader.read
        finally:
            transport.close()
