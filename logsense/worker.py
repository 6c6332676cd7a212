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

from logsense.collector import collect_seldom
from logsense.config import Settings, WorkerOptions
from logsense.detect import FOREVER
from logsense.errors import IndexUnavailable
from logsense.front import Front, LocalFront, Parsed
from logsense.front_process import FrontProcess
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
    """Owns the pipeline of one data folder. ``run`` serves; ``drain`` empties the spool once and returns."""

    def __init__(
        self, data: Path, settings: Settings, *, models: bool = True, told: Told | None = None,
        observe: Callable[[list[HostWindow]], None] | None = None, beside: bool = False, config: Path | None = None,
    ) -> None:  # fmt: skip
        """``beside``: lines are parsed in another process, which reads the settings from ``config``, unless they say
        that one process shall do."""
        self.data = data
        self.options: WorkerOptions = settings.section("worker")
        self._ending: Callable[[], bool] = lambda: False
        self._alive_at = 0.0
        self.pipeline = Pipeline(data, settings, models=models, told=told, observe=observe, waiting=self._index_is_away)
        self.spool = DiskSpool(data / "spool", settings.section("spool"))
        place = self.pipeline.position, self.pipeline.held
        self.front: Front
        if beside and self.options.processes > 1:
            self.front = FrontProcess(data, config, *place)
        else:
            self.front = LocalFront(self.spool, settings, *place)
        self.lines = self.points = 0
        self._position: str | None = None
        self._last_received_ns = 0
        self._catching_up = True  # until the spool was read to its end once
        self._unsaved = False
        self._stop = False

    def run(self) -> None:
        """Until SIGTERM, SIGINT or the death of the parent process; what was read is committed before the end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        collect_seldom()
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
            self._let_go()

    def _move(self, stop: Callable[[], bool]) -> None:
        committed = busy = time.monotonic()
        while not stop():
            read = self.step()
            now = time.monotonic()
            if read or not self.front.idle:
                busy = now
            if now - committed >= self.options.commit_every_s:
                self._take(self.front.flush(time.time_ns()))
                if self._unsaved or self.pipeline.has_news():
                    self.commit()
                (self.data / HEARTBEAT).touch()
                committed = time.monotonic()
                if now - busy >= QUIET_S or self._is_live():
                    self._unsaved |= self.pipeline.analyse(time.time_ns() - int(self.options.lateness_s * SECOND)) > 0
            if not read and self.front.idle:
                time.sleep(IDLE_S)
        self.close()

    def step(self) -> int:
        """One batch, if there is one; the number of its entries, and 1 for one that only ends what was held back."""
        return self._take(self.front.read())

    def _take(self, parsed: Parsed | None) -> int:
        if parsed is None:
            self._catching_up &= not self.front.idle
            return 0
        self.pipeline.take(parsed)
        self._unsaved, self._catching_up = True, parsed.catching_up
        self._position = parsed.position or self._position
        self._last_received_ns = parsed.received_ns or self._last_received_ns
        self.lines += parsed.lines
        self.points += len(parsed.points)
        return parsed.lines + len(parsed.points) or 1

    def drain(self, progress: Callable[[int], None] | None = None) -> None:
        """Everything that is in the spool now, then all windows, then keywords and vectors."""
        committed = time.monotonic()
        while self.step() or not self.front.idle:
            if progress is not None:
                progress(self.spool.backlog_bytes())
            if time.monotonic() - committed >= 5 * self.options.commit_every_s:
                self.commit()
                committed = time.monotonic()
        self._take(self.front.flush())
        self.commit()

    def analyse(self, progress: Callable[[int], None] | None = None) -> None:
        """All windows up to the last line, as if time had passed them."""
        self.pipeline.analyse(FOREVER, progress)
        self.commit()

    def commit(self) -> None:
        self.pipeline.commit(self._position)
        self._unsaved = False
        if self._position is not None:
            self.front.checkpoint(self._position)

    def close(self) -> None:
        for parsed in self.front.finish():
            self._take(parsed)
        self.commit()
        self._let_go()

    def _let_go(self) -> None:
        self.front.close()
        self.pipeline.close()
        self.spool.close()

    def _index_is_away(self, reason: str) -> bool:
        """Called while the index is waited for: the worker lives; /readyz asks the index itself. True: give up."""
        if time.monotonic() - self._alive_at >= 1:
            self._alive_at = time.monotonic()
            (self.data / HEARTBEAT).touch()
        return self._ending()

    def _is_live(self) -> bool:
        """True when the newest batch was received moments ago: there is no backlog to wait for."""
        return time.time_ns() - self._last_received_ns < 2 * QUIET_S * SECOND and not self._catching_up

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop = True
