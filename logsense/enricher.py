"""Keywords and embeddings in the background, so that a model never holds up a line.

The models are loaded and used in one daemon thread. The pipeline hands over changed templates and takes
finished ones back between two batches; only the pipeline's thread touches the index.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from logsense.record import Template

if TYPE_CHECKING:
    import numpy as np

BATCH = 64
#: A young template's text still changes with every few lines: let it settle before a model looks at it.
SETTLE_S = 0.5
#: While lines wait, the models get this share of the time, in batches of so many texts: they hold Python's one lock
#: for much of theirs, and a line that cannot be found yet matters more than one that is found by its words alone.
SHARE, SMALL_BATCH = 0.1, 16


class BackgroundEnricher:
    """Owns the models' thread. ``submit`` and ``take`` are called from the pipeline's thread."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._waiting: dict[str, tuple[Template, float]] = {}
        self._done: list[tuple[list[Template], np.ndarray]] = []
        self._texts: dict[str, str] = {}
        self._texts_done: list[tuple[list[str], np.ndarray]] = []
        self._lock = threading.Condition()
        self._busy = False
        self._stop = False
        self._make_way = False
        self.state = "loading"
        self.model = ""
        self._thread = threading.Thread(target=self._run, name="enrich", daemon=True)
        self._thread.start()

    def submit(self, templates: Sequence[Template]) -> None:
        """Templates whose text is new; the latest version of each wins."""
        now = time.monotonic()
        with self._lock:
            for template in templates:
                if template.enriched_version < template.version and not template.alias_of:
                    first = self._waiting.get(template.id, (template, now))[1]
                    self._waiting[template.id] = (template, first)
            self._lock.notify()

    def make_way(self, lines_wait: bool) -> None:
        """``lines_wait``: lines come faster than they are indexed, so the models do with little of the time."""
        if lines_wait != self._make_way:
            with self._lock:
                self._make_way = lines_wait
                self._lock.notify()

    def submit_texts(self, texts: Mapping[str, str]) -> None:
        """Id -> text of things that have sentences of their own (incidents); the latest text of each wins."""
        with self._lock:
            self._texts.update(texts)
            self._lock.notify()

    def take_texts(self) -> list[tuple[list[str], np.ndarray]]:
        """(ids, a vector each) of what was finished since the last call."""
        with self._lock:
            done, self._texts_done = self._texts_done, []
        return done

    def take(self) -> list[tuple[list[Template], np.ndarray]]:
        """What was finished since the last call: templates with keywords, and their vectors."""
        with self._lock:
            done, self._done = self._done, []
        return done

    def finished(self) -> bool:
        """True when ``take`` or ``take_texts`` would return something."""
        with self._lock:
            return bool(self._done or self._texts_done)

    def wait(self, timeout_s: float) -> bool:
        """Until nothing waits any more (True), or the models cannot be loaded, or the time is over (False)."""
        deadline = time.monotonic() + timeout_s
        self.make_way(False)
        while time.monotonic() < deadline:
            with self._lock:
                if self.state.startswith("down"):
                    return False
                if not self._waiting and not self._texts and not self._busy:
                    return True
            time.sleep(0.01)
        return False

    def close(self) -> None:
        with self._lock:
            self._stop = True
            self._lock.notify()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        enricher = self._make()
        enricher.start()
        if not enricher.wait():
            # Search goes on by words; /readyz shows why it does not understand meaning.
            self.state = f"down: {enricher.problem.what if enricher.problem else 'the models did not load'}"
            return
        self.model, self.state = enricher.embedder.name, "ok"
        while True:
            with self._lock:
                while not self._waiting and not self._texts and not self._stop:
                    self._lock.wait(1.0)
                if self._stop:
                    return
                size = SMALL_BATCH if self._make_way else BATCH
                batch = self._ripe(size)
                texts = {key: self._texts.pop(key) for key in list(self._texts)[:size]}
                self._busy = bool(batch or texts)
            if not batch and not texts:
                time.sleep(0.05)
                continue
            begun = time.monotonic()
            finished = enricher.enrich(batch) if batch else None
            vectors = enricher.embedder.encode(list(texts.values())) if texts else None
            with self._lock:
                if finished is not None:
                    self._done.append(finished)
                if vectors is not None:
                    self._texts_done.append((list(texts), vectors))
                self._busy = False
                rested = time.monotonic() + (time.monotonic() - begun) * (1.0 / SHARE - 1.0)
                while self._make_way and not self._stop and (rest := rested - time.monotonic()) > 0:
                    self._lock.wait(rest)

    def _ripe(self, size: int) -> list[Template]:
        limit = time.monotonic() - SETTLE_S
        ids = [i for i, (_, since) in self._waiting.items() if since <= limit][:size]
        return [self._waiting.pop(i)[0] for i in ids]
