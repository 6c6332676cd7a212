"""Keywords, entities and a vector per template version: the only place where models meet logs, and never per line."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from logsense.enrich.keywords import Keywords
from logsense.enrich.text import describe
from logsense.errors import BadModel
from logsense.record import Template
from logsense.stages import Embedder

if TYPE_CHECKING:
    import numpy as np


class Extractor(Protocol):
    """What ``Enricher`` needs of ``keywords.KeywordExtractor``."""

    def load(self) -> None: ...

    def extract(self, texts: Sequence[str], samples: Sequence[str] | None = None) -> list[Keywords]: ...


@dataclass(frozen=True, slots=True)
class EnricherOptions:
    """How much the enricher remembers."""

    #: Templates whose latest enrichment is kept in memory (1.6 KB each with the default model).
    cache: int = 20_000


@dataclass(slots=True)
class _Enriched:
    version: int
    found: Keywords
    vector: np.ndarray


class Enricher:
    """Enriches templates with models that load in the background.

    ``start`` returns at once; ``ready`` turns true when both models are loaded, ``problem`` holds the error if they
    cannot be. Lines are never held up: templates that came before are enriched by a later call.
    """

    def __init__(
        self,
        embedder: Embedder,
        extractor: Extractor,
        options: EnricherOptions | None = None,
        views: Callable[[str], list[str]] = lambda words: [words],
    ) -> None:
        """``views`` makes of a template's words the texts whose mean vector stands for it: search knows more ways of
        putting a thing than the template does."""
        self.embedder, self.extractor, self._views = embedder, extractor, views
        self.options = options or EnricherOptions()
        self.problem: BadModel | None = None
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, _Enriched] = OrderedDict()
        self._thread: threading.Thread | None = None

    @property
    def ready(self) -> bool:
        return self._ready.is_set()

    def start(self) -> None:
        """Load the models in a daemon thread. Further calls do nothing."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._load, name="enrich-load", daemon=True)
                self._thread.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until the models are loaded or cannot be; True when ready."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self.ready

    def _load(self) -> None:
        try:
            self.extractor.load()
            self.embedder.encode([])  # loads; an Embedder has no separate way to
        except BadModel as e:
            self.problem = e
        else:
            self._ready.set()

    def enrich(self, templates: Sequence[Template]) -> tuple[list[Template], np.ndarray]:
        """Copies with keywords, entities and ``enriched_version`` set, and their vectors, shape (n, dim).

        Loads the models if nobody did. Raises ``BadModel``. Computes each (template id, version) once.
        """
        import numpy as np

        with self._lock:
            todo = {t.id: t for t in templates if not self._known(t)}
            if todo:
                self._compute(list(todo.values()))
            rows = [self._cache[t.id] for t in templates]
            for template in templates:
                self._cache.move_to_end(template.id)
            while len(self._cache) > self.options.cache:
                self._cache.popitem(last=False)
        out = [
            replace(t, keywords=list(r.found.keywords), entities=list(r.found.entities), enriched_version=r.version)
            for t, r in zip(templates, rows, strict=True)
        ]
        vectors = np.stack([r.vector for r in rows]) if rows else np.zeros((0, self.embedder.dim), np.float32)
        return out, vectors

    def _known(self, template: Template) -> bool:
        row = self._cache.get(template.id)
        return row is not None and row.version == template.version

    def _compute(self, templates: list[Template]) -> None:
        found = self.extractor.extract([t.text for t in templates], [t.sample for t in templates])
        vectors = self._vectors([describe(t.text) or t.text for t in templates])
        self._ready.set()
        for template, keywords, vector in zip(templates, found, vectors, strict=True):
            self._cache[template.id] = _Enriched(template.version, keywords, vector)

    def _vectors(self, words: list[str]) -> np.ndarray:
        """Mean of each text's views, L2-normalised, shape (n, dim)."""
        import numpy as np

        views = [self._views(text) for text in words]
        rows = self.embedder.encode([view for group in views for view in group])
        starts = np.cumsum([0, *(len(group) for group in views)])[:-1]
        sums = np.add.reduceat(rows, starts, axis=0)
        return np.ascontiguousarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9), np.float32)
