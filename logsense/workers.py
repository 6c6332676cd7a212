"""The worker process of a server: one ``Worker`` a tenant, in turn, so that none waits for another's flood.

The default tenant is always at work, and its lines are parsed in a process beside this one. Another tenant is taken up
when its spool holds something or people changed something, and let go of when nothing came for a while: then it costs
a folder, no memory. Its lines are parsed here: a process for each would cost more memory than it saves time. The
language models are loaded once for all; what was computed about a tenant's templates stays that tenant's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logsense import alive, tenancy
from logsense.collector import collect_seldom, few_arenas
from logsense.config import Settings
from logsense.errors import Busy, IndexUnavailable
from logsense.incidents import decisions
from logsense.spool import waiting_bytes
from logsense.worker import IDLE_S, Worker, has_room

log = logging.getLogger(__name__)

#: How often the folders of tenants that are not at work are looked at.
LOOK_S = 1.0
#: After a failure a tenant rests for so long; the others go on.
REST_S = 30.0
#: In a tenant's folder: it was let go of when nothing was left to do. Without it, it was at work when a worker ended.
IDLE_MARK = "worker.idle"


@dataclass(slots=True)
class _Rest:
    """Why a tenant is not at work: until when not to look, and what must be mended first ('': nothing to look at)."""

    until: float
    problem: str = ""


class Workers:
    """Owns the pipelines of all tenants of a data folder. ``beside`` and ``config``: as ``Worker`` says, for the
    default tenant."""

    def __init__(
        self, data: Path, settings: Settings, *, models: bool = True, beside: bool = False, config: Path | None = None
    ) -> None:
        self.data, self.settings, self.models = data, settings, models
        self._beside, self._config = beside, config
        self.options: tenancy.TenantOptions = settings.section("tenants")
        self._shared = SharedModels(settings)
        self.at_work: dict[str, Worker] = {}
        #: When each last had something to do.
        self._used: dict[str, float] = {}
        self._resting: dict[str, _Rest] = {}
        self._looked = -LOOK_S
        self._stop: Callable[[], bool] = lambda: False

    def run(self, parent: int = 0) -> None:
        """Until SIGTERM, SIGINT or the death of ``parent`` (by default of whoever started this process).

        What was read is committed before the end. ``parent`` is stated because it may have died while this process
        was loading.
        """
        asked: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: asked.append(number))
        parent = parent or os.getppid()
        few_arenas()
        collect_seldom()
        self.run_until(lambda: bool(asked) or os.getppid() != parent)

    def run_until(self, stop: Callable[[], bool]) -> None:
        """Move lines and analyse for every tenant until ``stop`` says so; then commit and let go of everything.

        A tenant whose index cannot be written (the disk is full, read-only or failing) is let go with all that it has
        not committed, which is still in its spool; once there is room it begins where the last commit ended.
        """
        self._stop = stop
        try:
            self._move(stop)
        except BaseException:
            for name in list(self.at_work):
                self._drop(name)
            raise
        for name in list(self.at_work):
            try:
                self._release(name)
            except IndexUnavailable as error:
                log.warning("tenant %s: what is not indexed waits in the spool: %s", name, error.what)

    def _move(self, stop: Callable[[], bool]) -> None:
        busy: set[str] = set()
        while not stop():
            self._look()
            # The default tenant's parser is waited for while nobody else has anything to do.
            alone = busy <= {tenancy.DEFAULT}
            busy = {name for name in list(self.at_work) if self._turn(name, wait=alone)}
            if not busy:
                time.sleep(IDLE_S)

    def _look(self) -> None:
        """Take up tenants that have something to do."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        for name in [tenancy.DEFAULT, *tenancy.names(self.data)]:
            if name not in self.at_work and not self._stop() and self._may_begin(name, now):
                self._take_up(name, now)

    def _may_begin(self, name: str, now: float) -> bool:
        place = tenancy.folder(self.data, name)
        rest = self._resting.get(name)
        if rest is None:
            return name == tenancy.DEFAULT or _has_work(place)
        if rest.until > now:
            return False
        if rest.problem and (problem := has_room(place)):
            rest.problem = problem
            alive.beat(place, problem)
            return False
        return True

    def _take_up(self, name: str, now: float) -> None:
        try:
            self.at_work[name] = self._open(name)
        except IndexUnavailable as error:
            self._wait_for_index(name, error)
        except Exception as error:
            if name == tenancy.DEFAULT:
                raise  # its server starts all of it again, and says so
            if isinstance(error, Busy):  # a command of the command line is at it
                self._resting[name] = _Rest(now + LOOK_S)
                return
            log.exception("tenant %s cannot be taken up; tried again in %.0f s", name, REST_S)
            self._resting[name] = _Rest(now + REST_S)
        else:
            self._resting.pop(name, None)
            self._used[name] = now
            (tenancy.folder(self.data, name) / IDLE_MARK).unlink(missing_ok=True)

    def _turn(self, name: str, *, wait: bool) -> bool:
        worker, now = self.at_work[name], time.monotonic()
        try:
            busy = worker.turn(wait=wait)
            if busy or worker.pipeline.alerts.firing:  # an alert lasts until its sender or the clock says otherwise
                self._used[name] = now
            elif name != tenancy.DEFAULT and now - self._used[name] > self.options.idle_s:
                self._release(name)
                (tenancy.folder(self.data, name) / IDLE_MARK).touch()
        except IndexUnavailable as error:
            self._drop(name)
            if not self._stop():
                self._wait_for_index(name, error)
            return False
        except Exception:
            if name == tenancy.DEFAULT:
                raise
            # One tenant's damaged index must not stop the others. What it had not committed is still in its spool.
            log.exception("tenant %s failed and rests for %.0f s; nothing accepted is lost", name, REST_S)
            self._drop(name)
            self._resting[name] = _Rest(now + REST_S)
            return False
        return busy

    def _wait_for_index(self, name: str, error: IndexUnavailable) -> None:
        log.warning("tenant %s waits for its index: %s", name, error)
        problem = f"{error.what}: {error.why}"
        self._resting[name] = _Rest(time.monotonic() + LOOK_S, problem)
        alive.beat(tenancy.folder(self.data, name), problem)

    def _release(self, name: str) -> None:
        """Commit, and let go."""
        worker = self.at_work[name]
        try:
            worker.close()
        except BaseException:
            self._drop(name)
            raise
        del self.at_work[name]

    def _drop(self, name: str) -> None:
        """Let go without a commit."""
        worker = self.at_work.pop(name, None)
        if worker is not None:
            with contextlib.suppress(Exception):
                worker.abandon()

    def _open(self, name: str) -> Worker:
        first = name == tenancy.DEFAULT
        return Worker(
            tenancy.folder(self.data, name), tenancy.settings_of(self.settings, name), models=self.models,
            beside=self._beside and first, config=self._config, enricher=self._shared.enricher, ending=self._stop,
            root=self.data,
        )  # fmt: skip


def _has_work(place: Path) -> bool:
    """Whether a tenant's spool holds something, it was at work when a worker ended, or people edited or decided."""
    spool = place / "spool"
    if not spool.is_dir():
        return False
    if waiting_bytes(spool):
        return True
    try:
        idle_since = (place / IDLE_MARK).stat().st_mtime_ns
    except OSError:
        return (place / "state.db").exists()
    for name in ("state.db", "state.db-wal", decisions.FILE, f"{decisions.FILE}-wal"):
        with contextlib.suppress(OSError):
            if (place / name).stat().st_mtime_ns > idle_since:
                return True
    return False


class SharedModels:
    """One copy of the models in memory; ``enricher`` gives each tenant its own cache over them.

    The caches must not be shared: template ids are a tenant's own, and equal ids hold different texts.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._models: tuple[Any, Any] | None = None
        self._lock = threading.Lock()

    def enricher(self) -> Any:
        from logsense.enrich import Enricher, KeywordExtractor, SentenceEmbedder

        with self._lock:
            if self._models is None:
                self._models = (
                    SentenceEmbedder(self._settings.section("embeddings")),
                    KeywordExtractor(self._settings.section("keywords")),
                )
        return Enricher(*self._models)
