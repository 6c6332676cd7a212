"""Spool → pipeline, for one data folder. ``workers.py`` runs one of these for each tenant.

Live, windows close by the clock. After a start, or while old files are read in, lines of long ago arrive in
any order of sources: then windows wait until the spool is empty, so that none closes before its lines came.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from logsense import alive
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
#: While lines wait, commits may take this share of the time: to refresh an index on a server takes a while.
COMMIT_SHARE = 0.1
#: They are never further apart than so many times ``commit_every_s``.
COMMIT_LATEST = 5
#: Bytes that must be free before a worker tries again to write an index that refused: a commit of some batches.
ROOM_BYTES = 8 * 1024**2


def commit_pause_s(every_s: float, took_s: float) -> float:
    """How long to go on after a commit that took ``took_s`` while more lines wait."""
    return min(max(every_s, took_s * (1 - COMMIT_SHARE) / COMMIT_SHARE), COMMIT_LATEST * every_s)


def has_room(data: Path) -> str:
    """Whether a file of ``ROOM_BYTES`` can be written beside the index and in the data folder: why not, or ''."""
    try:
        for folder in filter(Path.is_dir, (data, data / "index")):
            _try_to_write(folder / "room.probe")
    except OSError as error:
        return f"the index cannot be written: {error.strerror}"
    return ""


def _try_to_write(path: Path) -> None:
    try:
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)
            os.fsync(file.fileno())
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


class Worker:
    """Owns the pipeline of one data folder. ``turn`` serves; ``drain`` empties the spool once and returns."""

    def __init__(
        self, data: Path, settings: Settings, *, models: bool = True, told: Told | None = None,
        observe: Callable[[list[HostWindow]], None] | None = None, beside: bool = False, config: Path | None = None,
        ending: Callable[[], bool] = lambda: False, enricher: Callable[[], Any] | None = None, root: Path | None = None,
    ) -> None:  # fmt: skip
        """``beside``: lines are parsed in another process, which reads the settings from ``config``, unless they say
        that one process shall do. ``ending`` is asked while an index on a server is waited for, also here. ``enricher``
        makes what computes keywords and vectors, where models are shared; ``root`` is the data folder of the process,
        if it serves others than this one."""
        self.data, self._root = data, root or data
        self.options: WorkerOptions = settings.section("worker")
        self._ending = ending
        self._alive_at = 0.0
        self._waiting = Waiting(data)
        self.pipeline = Pipeline(
            data, settings, models=models, told=told, observe=observe, waiting=self._index_is_away, enricher=enricher
        )
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
        self._committed = self._busy = time.monotonic()
        self._commit_took = 0.0
        #: Whether something was read or found since the last commit.
        self.unsaved = False

    def run_until(self, stop: Callable[[], bool]) -> None:
        """Move lines and analyse until ``stop`` says so; then commit and let go of everything.

        While an index on a server is away this waits. Asked to stop then, it ends without a commit: what was read since
        the last one is still in the spool, and the next worker begins there. Raises ``IndexUnavailable`` when the
        index cannot be written and nobody asked to stop.
        """
        self._ending = stop
        try:
            while not stop():
                if not self.turn():
                    time.sleep(IDLE_S)
            self.close()
        except IndexUnavailable as error:
            self.abandon()
            if not stop():
                raise
            log.warning("stopped while the index was away, what is not indexed waits in the spool: %s", error.what)

    def turn(self, *, wait: bool = True) -> bool:
        """One batch, and what is due: a commit, closed windows. Whether there was something, or will be in a moment.

        ``wait``: there is nothing else to do until the process that parses hands over a batch.
        """
        busy = self._take(self.front.read(wait=wait)) > 0 or not self.front.idle
        now = time.monotonic()
        if busy:
            self._busy = now
        self.pipeline.make_way(busy and not self._is_live())
        every = self.options.commit_every_s
        if now - self._committed >= (commit_pause_s(every, self._commit_took) if busy else every):
            self._take(self.front.flush(time.time_ns()))
            if self.unsaved or self.pipeline.has_news():
                self.commit()
            self._beat()
            self._waiting.over()
            self._committed = time.monotonic()
            if now - self._busy >= QUIET_S or self._is_live():
                self.unsaved |= self.pipeline.analyse(time.time_ns() - int(self.options.lateness_s * SECOND)) > 0
        return busy

    def step(self) -> int:
        """One batch, if there is one; the number of its entries, and 1 for one that only ends what was held back."""
        return self._take(self.front.read())

    def _take(self, parsed: Parsed | None) -> int:
        if parsed is None:
            self._catching_up &= not self.front.idle
            return 0
        self.pipeline.take(parsed)
        self.unsaved, self._catching_up = True, parsed.catching_up
        self._position = parsed.position or self._position
        self._last_received_ns = parsed.received_ns or self._last_received_ns
        self.lines += parsed.lines
        self.points += len(parsed.points)
        return parsed.lines + len(parsed.points) or 1

    def drain(self, progress: Callable[[int], None] | None = None) -> None:
        """Everything that is in the spool now, then all windows, then keywords and vectors."""
        committed = time.monotonic()
        self.pipeline.make_way(True)
        while self.step() or not self.front.idle:
            if progress is not None:
                progress(self.spool.backlog_bytes())
            if time.monotonic() - committed >= 5 * self.options.commit_every_s:
                self.commit()
                committed = time.monotonic()
        self._take(self.front.flush())
        self.pipeline.make_way(False)
        self.commit()

    def analyse(self, progress: Callable[[int], None] | None = None) -> None:
        """All windows up to the last line, as if time had passed them."""
        self.pipeline.analyse(FOREVER, progress)
        self.commit()

    def commit(self) -> None:
        begun = time.monotonic()
        self.pipeline.commit(self._position)
        self._commit_took = time.monotonic() - begun
        self.unsaved = False
        if self._position is not None:
            self.front.checkpoint(self._position)

    def close(self) -> None:
        for parsed in self.front.finish():
            self._take(parsed)
        self.commit()
        self._let_go()

    def abandon(self) -> None:
        """Let go of everything without a commit: what was read since the last one is read again from the spool."""
        with contextlib.suppress(IndexUnavailable):
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
            self._beat()
        return self._ending()

    def _beat(self) -> None:
        alive.beat(self.data)
        if self._root != self.data:
            alive.prolong(self._root)

    def _is_live(self) -> bool:
        """True when the newest batch was received moments ago: there is no backlog to wait for."""
        return time.time_ns() - self._last_received_ns < 2 * QUIET_S * SECOND and not self._catching_up
