"""The worker process of a server: one ``Worker`` a tenant, in turn, so that none waits for another's flood.

The default tenant is always at work. Another one is taken up when its spool holds something, and let go of when
nothing came for a while: then it costs a folder, no memory. The language models are loaded once for all of them;
what was computed about a tenant's templates stays that tenant's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from logsense import tenancy
from logsense.config import Settings
from logsense.errors import Busy, IndexUnavailable
from logsense.spool import waiting_bytes
from logsense.worker import IDLE_S, Worker
from logsense.workspace import HEARTBEAT

log = logging.getLogger(__name__)

#: How often the folders of tenants that are not at work are looked at.
LOOK_S = 1.0
#: After a failure a tenant rests for so long; the others go on.
REST_S = 30.0


class Workers:
    """Owns the pipelines of all tenants of a data folder."""

    def __init__(self, data: Path, settings: Settings, *, models: bool = True) -> None:
        self.data, self.settings, self.models = data, settings, models
        self.options: tenancy.TenantOptions = settings.section("tenants")
        self._shared = SharedModels(settings)
        self._stop = False
        self.main = self._open(tenancy.DEFAULT)
        #: name → (its worker, when it last read something)
        self.others: dict[str, tuple[Worker, float]] = {}
        self._resting: dict[str, float] = {}
        self._looked = -LOOK_S
        #: Tenants that were at work when the last worker ended: their windows may still be open.
        self._unfinished = {n for n in tenancy.names(data) if (tenancy.folder(data, n) / HEARTBEAT).exists()}

    def run(self) -> None:
        """Until SIGTERM, SIGINT or the death of the parent process; what was read is committed before the end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        parent = os.getppid()
        self.run_until(lambda: self._stop or os.getppid() != parent)

    def run_until(self, stop: Callable[[], bool]) -> None:
        """Move lines and analyse for every tenant until ``stop`` says so; then commit and let go of everything."""
        self.main.ending = stop
        try:
            while not stop():
                read = self.main.turn()
                self._take_up(stop)
                for name in list(self.others):
                    read |= self._turn(name)
                if not read:
                    time.sleep(IDLE_S)
        except IndexUnavailable as error:
            log.warning("stopped while the index was away, what is not indexed waits in the spool: %s", error.what)
            self._abandon()
            return
        for name in list(self.others):
            self._let_go(name)
        self.main.close()

    def _take_up(self, stop: Callable[[], bool]) -> None:
        """Open tenants whose spool holds something."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        for name in tenancy.names(self.data):
            if name in self.others or self._resting.get(name, 0.0) > now or stop():
                continue
            spool = tenancy.folder(self.data, name) / "spool"
            if name not in self._unfinished and not (spool.is_dir() and waiting_bytes(spool)):
                continue
            self._unfinished.discard(name)
            try:
                worker = self._open(name, stop)
            except IndexUnavailable:
                raise
            except Busy:
                self._resting[name] = now + LOOK_S  # a command of the command line is at it
            except Exception:
                log.exception("tenant %s cannot be taken up; tried again in %.0f s", name, REST_S)
                self._resting[name] = now + REST_S
            else:
                self.others[name] = (worker, now)

    def _turn(self, name: str) -> bool:
        worker, used = self.others[name]
        now = time.monotonic()
        try:
            read = worker.turn()
        except IndexUnavailable:
            raise
        except Exception:
            # One tenant's damaged index must not stop the others. What it had not committed is still in its spool.
            log.exception("tenant %s failed and rests for %.0f s; nothing accepted is lost", name, REST_S)
            del self.others[name]
            self._resting[name] = now + REST_S
            with contextlib.suppress(Exception):
                worker.abandon()
            return False
        if read:
            self.others[name] = (worker, now)
        elif now - used > self.options.idle_s:
            self._let_go(name)
            (tenancy.folder(self.data, name) / HEARTBEAT).unlink(missing_ok=True)
        return read

    def _let_go(self, name: str) -> None:
        worker, _ = self.others.pop(name)
        worker.close()

    def _abandon(self) -> None:
        for worker, _ in self.others.values():
            worker.abandon()
        self.others.clear()
        self.main.abandon()

    def _open(self, name: str, ending: Callable[[], bool] = lambda: False) -> Worker:
        return Worker(
            tenancy.folder(self.data, name), tenancy.settings_of(self.settings, name), models=self.models,
            enricher=self._shared.enricher, ending=ending, root=self.data,
        )  # fmt: skip

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop = True


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
