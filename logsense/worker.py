"""The worker process: spool → pipeline, for as long as its server lives.

Live, windows close by the clock. After a start, or while old files are read in, lines of long ago arrive in
any order of sources: then windows wait until the spool is empty, so that none closes before its lines came.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from logsense.config import Settings, WorkerOptions
from logsense.detect import FOREVER
from logsense.errors import IndexUnavailable
from logsense.pipeline import Pipeline, Told
from logsense.predict.windows import HostWindow
from logsense.spool import DiskSpool
from logsense.waiting import HEARTBEAT, Waiting

log = logging.getLogger(__name__)

SECOND = 1_000_000_000
IDLE_S = 0.05
#: The spool must have been empty for this long before windows of the past are closed.
QUIET_S = 2.0


class Worker:
    """Owns the pipeline of one data folder. ``run`` serves; ``drain`` empties the spool once and returns."""

    def __init__(
        self, data: Path, settings: Settings, *, models: bool = True, told: Told | None = None,
        observe: Callable[[list[HostWindow]], None] | None = None,
    ) -> None:  # fmt: skip
        self.data = data
        self.options: WorkerOptions = settings.section("worker")
        self._ending: Callable[[], bool] = lambda: False
        self._alive_at = 0.0
        self._waiting = Waiting(data)
        self.pipeline = Pipeline(data, settings, models=models, told=told, observe=observe, waiting=self._index_is_away)
        self.spool = DiskSpool(data / "spool", settings.section("spool"))
        self.reader = self.spool.open_reader(self.pipeline.position)
        self.lines = self.points = 0
        self._position: str | None = None
        self._last_received_ns = 0
        self._replay = True  # until the spool was read to its end once, entries may be in the index already
        self._stop = False

    def run(self) -> None:
        """Until SIGTERM, SIGINT or the death of the parent process; what was read is committed before the end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        parent = os.getppid()
        self.run_until(lambda: self._stop or os.getppid() != parent)

    def run_until(self, stop: Callable[[], bool]) -> None:
        """Move lines and analyse until ``stop`` says so; then commit and let go of everything.

        While the index is away this waits. Asked to stop then, it ends without a commit: what was read since the
        last one is still in the spool, and the next worker begins there.
        """
        self._ending = stop
        try:
            self._move(stop)
        except IndexUnavailable as error:
            log.warning("stopped while the index was away, what is not indexed waits in the spool: %s", error.what)
            self.pipeline.close()
            self.spool.close()

    def _move(self, stop: Callable[[], bool]) -> None:
        committed = busy = time.monotonic()
        unsaved = False
        while not stop():
            read = self.step()
            now = time.monotonic()
            if read:
                busy, unsaved = now, True
            if now - committed >= self.options.commit_every_s:
                unsaved |= self.flush_live()
                if unsaved or self.pipeline.has_news():
                    self.commit()
                    unsaved = False
                (self.data / HEARTBEAT).touch()
                self._waiting.over()
                committed = time.monotonic()
                if now - busy >= QUIET_S or self._is_live():
                    unsaved = self.pipeline.analyse(time.time_ns() - int(self.options.lateness_s * SECOND)) > 0
            if not read:
                time.sleep(IDLE_S)
        self.close()

    def step(self) -> int:
        """One batch from the spool; the number of its entries."""
        events, points, position = self.spool.read(self.options.batch_lines)
        if not events and not points:
            self._replay = False
            return 0
        self.pipeline.process(events, points, replay=self._replay)
        self._last_received_ns = events[-1].received_ns if events else time.time_ns()
        self._position = position
        self.lines += len(events)
        self.points += len(points)
        return len(events) + len(points)

    def drain(self, progress: Callable[[int], None] | None = None) -> None:
        """Everything that is in the spool now, then all windows, then keywords and vectors."""
        committed = time.monotonic()
        while self.step():
            if progress is not None:
                progress(self.spool.backlog_bytes())
            if time.monotonic() - committed >= 5 * self.options.commit_every_s:
                self.commit()
                committed = time.monotonic()
        self.pipeline.flush()
        self.commit()

    def analyse(self, progress: Callable[[int], None] | None = None) -> None:
        """All windows up to the last line, as if time had passed them."""
        self.pipeline.analyse(FOREVER, progress)
        self.commit()

    def flush_live(self) -> bool:
        """Pass on records that waited long enough for a continuation; True if there were any."""
        return bool(self.pipeline.flush(time.time_ns()))

    def commit(self) -> None:
        self.pipeline.commit(self._position)
        if self._position is not None:
            self.spool.checkpoint(self._position)

    def close(self) -> None:
        self.pipeline.flush()
        self.commit()
        self.pipeline.close()
        self.spool.close()

    def _index_is_away(self, reason: IndexUnavailable) -> bool:
        """Called while the index is waited for: the worker lives and says what it waits for. True: give up."""
        self._waiting.on(reason)
        if time.monotonic() - self._alive_at >= 1:
            self._alive_at = time.monotonic()
            (self.data / HEARTBEAT).touch()
        return self._ending()

    def _is_live(self) -> bool:
        """True when the newest batch was received moments ago: there is no backlog to wait for."""
        return time.time_ns() - self._last_received_ns < 2 * QUIET_S * SECOND and not self._replay

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop = True
