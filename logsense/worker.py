"""The worker process: spool → pipeline, for as long as its server lives.

Live, windows close by the clock. After a start, or while old files are read in, lines of long ago arrive in
any order of sources: then windows wait until the spool is empty, so that none closes before its lines came.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from logsense import alive
from logsense.collector import collect_seldom
from logsense.config import Settings, WorkerOptions
from logsense.detect import FOREVER
from logsense.errors import IndexUnavailable
from logsense.front import Front, LocalFront, Parsed
from logsense.front_process import FrontProcess
from logsense.pipeline import Pipeline, Told
from logsense.predict.windows import HostWindow
from logsense.spool import DiskSpool
from logsense.waiting import Waiting

log = logging.getLogger(__name__)

SECOND = 1_000_000_000
IDLE_S = 0.05
#: The spool must have been empty for this long before windows of the past are closed.
QUIET_S = 2.0
#: Bytes that must be free before a worker tries again to write an index that refused: a commit of some batches.
ROOM_BYTES = 8 * 1024**2
#: Seconds between two looks for that room.
LOOK_EVERY_S = 1.0


def work(data: Path, settings: Settings, parent: int = 0, config: Path | None = None) -> None:
    """Until SIGTERM, SIGINT or the death of ``parent`` (by default of whoever started this process).

    A worker that cannot write the index (the disk is full, read-only or failing) is let go with all that it has not
    committed, which is still in the spool; once there is room another one begins where the last commit ended.
    ``parent`` is stated because it may have died while this process was loading.
    """
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: asked.append(number))
    parent = parent or os.getppid()
    collect_seldom()

    def stop() -> bool:
        return bool(asked) or os.getppid() != parent

    while not stop():
        try:
            Worker(data, settings, beside=True, config=config, ending=stop).run_until(stop)
            return
        except IndexUnavailable as error:
            log.warning("waiting for the index: %s", error)
            problem = f"{error.what}: {error.why}"
        _wait_for_room(data, problem, stop)  # outside: what the error still held is let go


def _wait_for_room(data: Path, problem: str, stop: Callable[[], bool]) -> None:
    """Until a file of ``ROOM_BYTES`` can be written beside the index and in the data folder, or ``stop``."""
    while not stop():
        alive.beat(data, problem)
        time.sleep(LOOK_EVERY_S)
        try:
            for folder in filter(Path.is_dir, (data, data / "index")):
                _try_to_write(folder / "room.probe")
            return
        except OSError as error:
            problem = f"the index cannot be written: {error.strerror}"


def _try_to_write(path: Path) -> None:
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)
            os.fsync(file.fileno())
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


class Worker:
    """Owns the pipeline of one data folder. ``run_until`` serves; ``drain`` empties the spool once and returns."""

    def __init__(
        self, data: Path, settings: Settings, *, models: bool = True, told: Told | None = None,
        observe: Callable[[list[HostWindow]], None] | None = None, beside: bool = False, config: Path | None = None,
        ending: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """``beside``: lines are parsed in another process, which reads the settings from ``config``, unless they say
        that one process shall do. ``ending`` is asked while an index on a server is waited for, also here."""
        self.data = data
        self.options: WorkerOptions = settings.section("worker")
        self._ending = ending
        self._alive_at = 0.0
        self._waiting = Waiting(data)
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

    def run_until(self, stop: Callable[[], bool]) -> None:
        """Move lines and analyse until ``stop`` says so; then commit and let go of everything.

        While an index on a server is away this waits. Asked to stop then, it ends without a commit: what was read since
        the last one is still in the spool, and the next worker begins there. Raises ``IndexUnavailable`` when the
        index cannot be written and nobody asked to stop.
        """
        self._ending = stop
        try:
            self._move(stop)
        except IndexUnavailable as error:
            with contextlib.suppress(IndexUnavailable):
                self._let_go()
            if not stop():
                raise
            log.warning("stopped while the index was away, what is not indexed waits in the spool: %s", error.what)

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
                alive.beat(self.data)
                self._waiting.over()
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
        self.spool.close()
        self.pipeline.close()

    def _index_is_away(self, reason: IndexUnavailable) -> bool:
        """Called while the index is waited for: the worker lives and says what it waits for. True: give up."""
        self._waiting.on(reason)
        if time.monotonic() - self._alive_at >= 1:
            self._alive_at = time.monotonic()
            alive.beat(self.data)
        return self._ending()

    def _is_live(self) -> bool:
        """True when the newest batch was received moments ago: there is no backlog to wait for."""
        return time.time_ns() - self._last_received_ns < 2 * QUIET_S * SECOND and not self._catching_up
