"""Spool → pipeline, for one data folder. ``workers.py`` runs one of these for each tenant.

Live, windows close by the clock. After a start, or while old files are read in, lines of long ago arrive in
any order of sources: then windows wait until the spool is empty, so that none closes before its lines came.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from logsense.config import Settings, WorkerOptions
from logsense.detect import FOREVER
from logsense.errors import IndexUnavailable
from logsense.pipeline import Pipeline, Told
from logsense.predict.windows import HostWindow
from logsense.spool import DiskSpool
from logsense.workspace import HEARTBEAT

log = logging.getLogger(__name__)

SECOND = 1_000_000_000
IDLE_S = 0.05
#: The spool must have been empty for this long before windows of the past are closed.
QUIET_S = 2.0


class Worker:
    """Owns the pipeline of one data folder. ``turn`` serves; ``drain`` empties the spool once and returns.

    ``enricher`` makes what computes keywords and vectors, where models are shared; ``ending`` says, while the index
    is away, that waiting for it shall end; ``root`` is the data folder whose heartbeat speaks for the whole process.
    """

    def __init__(
        self, data: Path, settings: Settings, *, models: bool = True, told: Told | None = None,
        observe: Callable[[list[HostWindow]], None] | None = None, enricher: Callable[[], Any] | None = None,
        ending: Callable[[], bool] = lambda: False, root: Path | None = None,
    ) -> None:  # fmt: skip
        self.data, self.ending = data, ending
        self._heartbeats = {data / HEARTBEAT, (root or data) / HEARTBEAT}
        self.options: WorkerOptions = settings.section("worker")
        self._alive_at = 0.0
        self.pipeline = Pipeline(
            data, settings, models=models, told=told, observe=observe, waiting=self._index_is_away, enricher=enricher
        )
        self.spool = DiskSpool(data / "spool", settings.section("spool"))
        self.reader = self.spool.open_reader(self.pipeline.position)
        self.lines = self.points = 0
        self._position: str | None = None
        self._last_received_ns = 0
        self._replay = True  # until the spool was read to its end once, entries may be in the index already
        self._committed = self._busy = time.monotonic()
        #: Whether something was read or found since the last commit.
        self.unsaved = False

    def run_until(self, stop: Callable[[], bool]) -> None:
        """Move lines and analyse until ``stop`` says so; then commit and let go of everything.

        While the index is away this waits. Asked to stop then, it ends without a commit: what was read since the
        last one is still in the spool, and the next worker begins there.
        """
        self.ending = stop
        try:
            while not stop():
                if not self.turn():
                    time.sleep(IDLE_S)
            self.close()
        except IndexUnavailable as error:
            log.warning("stopped while the index was away, what is not indexed waits in the spool: %s", error.what)
            self.abandon()

    def turn(self) -> bool:
        """One batch, and what is due: a commit, closed windows. Whether anything was read."""
        read = self.step() > 0
        now = time.monotonic()
        if read:
            self._busy, self.unsaved = now, True
        if now - self._committed >= self.options.commit_every_s:
            self.unsaved |= self.flush_live()
            if self.unsaved or self.pipeline.has_news():
                self.commit()
                self.unsaved = False
            self._beat()
            self._committed = time.monotonic()
            if now - self._busy >= QUIET_S or self._is_live():
                self.unsaved = self.pipeline.analyse(time.time_ns() - int(self.options.lateness_s * SECOND)) > 0
        return read

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

    def abandon(self) -> None:
        """Let go of everything without a commit: what was read since the last one is read again from the spool."""
        self.pipeline.close()
        self.spool.close()

    def _index_is_away(self, reason: str) -> bool:
        """Called while the index is waited for: the worker lives; /readyz asks the index itself. True: give up."""
        if time.monotonic() - self._alive_at >= 1:
            self._alive_at = time.monotonic()
            self._beat()
        return self.ending()

    def _beat(self) -> None:
        for file in self._heartbeats:
            file.touch()

    def _is_live(self) -> bool:
        """True when the newest batch was received moments ago: there is no backlog to wait for."""
        return time.time_ns() - self._last_received_ns < 2 * QUIET_S * SECOND and not self._replay
