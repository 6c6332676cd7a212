"""What is known of all templates at once: aliases and words; and vectors, of templates or incidents, as one matrix.

Kept in memory and read again when another process changed it (a counter in the database says so). Exact
search over every vector: 10^4 templates of 384 numbers are one matrix product of 2 ms.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from logsense.index.base import clean
from logsense.index.state import State
from logsense.index.text import camel_parts, words

if TYPE_CHECKING:
    import numpy as np


class Words(Protocol):
    """Where the words of all templates are kept."""

    def counter(self, name: str) -> int:
        """Another number after every change of what it is named after (``templates``)."""

    def template_words(self) -> list[tuple[str, str, str, list[str]]]:
        """(id, text, alias of, keywords) of every template."""


class TemplateCatalog:
    """Aliases and words of templates."""

    def __init__(self, state: Words) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._seen = -1
        self._survivor: dict[str, str] = {}
        self._family: dict[str, list[str]] = {}
        self._by_word: dict[str, list[str]] = {}

    def _refresh(self) -> None:
        with self._lock:
            seen = self._state.counter("templates")
            if seen == self._seen:
                return
            rows = self._state.template_words()
            alias_of = {template_id: alias for template_id, _, alias, _ in rows if alias}
            survivor = {template_id: _follow(template_id, alias_of) for template_id, _, _, _ in rows}
            family: dict[str, list[str]] = {}
            for template_id, target in survivor.items():
                family.setdefault(target, []).append(template_id)
            by_word: dict[str, list[str]] = {}
            for template_id, text, _, keywords in rows:
                # words of the text itself stand in the lines already
                extra = {word for keyword in keywords for word in words(str(keyword))} | set(camel_parts(text))
                for word in extra - set(words(text)):
                    by_word.setdefault(word, []).append(template_id)
            self._survivor, self._family, self._by_word, self._seen = survivor, family, by_word, seen

    def survivor(self, template_id: str) -> str:
        """The template that this one was merged into, or itself."""
        self._refresh()
        return self._survivor.get(template_id, template_id)

    def survivors(self) -> Mapping[str, str]:
        """``survivor`` of every known template, looked up once: for those who ask about many."""
        self._refresh()
        return self._survivor

    def family(self, template_id: str) -> list[str]:
        """The survivor first, then every id that was merged into it."""
        self._refresh()
        return self._relatives(template_id)

    def _relatives(self, template_id: str) -> list[str]:
        target = self._survivor.get(template_id, template_id)
        return [target, *sorted(item for item in self._family.get(target, ()) if item != target)]

    def families(self, ids: Iterable[str]) -> set[str]:
        """Every id that any of ``ids`` is known by."""
        self._refresh()
        return {name for item in ids for name in self._relatives(item)}

    def resolved(self, found: Iterable[tuple[str, float]], k: int) -> list[tuple[str, float]]:
        """The first ``k`` of ``found``, best first, each survivor once with the best of its family."""
        best: dict[str, float] = {}
        survivors = self.survivors()
        for template_id, score in found if k > 0 else ():
            survivor = survivors.get(template_id, template_id)
            if survivor not in best:
                best[survivor] = score
                if len(best) == k:
                    break
        return list(best.items())

    def merged(self, counts: Mapping[str, int]) -> Counter[str]:
        """Lines by template, those of merged ones under their survivor."""
        found: Counter[str] = Counter()
        survivors = self.survivors()
        for template_id, count in counts.items():
            found[survivors.get(template_id, template_id)] += count
        return found

    def aliases(self) -> int:
        """How many templates were merged into others."""
        self._refresh()
        return sum(item != target for item, target in self._survivor.items())

    def with_words(self, forms: Iterable[str]) -> list[str]:
        """Templates whose keywords or identifier parts hold one of the words, and whose lines may not."""
        self._refresh()
        found = {template_id for form in forms for template_id in self._by_word.get(form, ())}
        return sorted({item for template_id in found for item in self._relatives(template_id)})


def _follow(template_id: str, alias_of: dict[str, str]) -> str:
    seen = {template_id}
    while (target := alias_of.get(template_id)) is not None and target not in seen:
        seen.add(target)
        template_id = target
    return template_id


class Vectors:
    """One matrix per embedding model. ``kind`` is what they are of: ``templates`` or ``incidents``."""

    def __init__(self, state: State, kind: str) -> None:
        self._state, self._kind = state, kind
        self._lock = threading.Lock()
        self._seen = -1
        self._matrices: dict[str, tuple[list[str], np.ndarray]] = {}

    def put(self, ids: Sequence[str], vectors: np.ndarray, model: str) -> None:
        """``vectors``: float32 of shape (len(ids), dim), L2-normalised. Rows of zeros or with NaN are left out."""
        import numpy as np

        matrix = np.ascontiguousarray(vectors, dtype=np.float32)
        pairs = zip(ids, matrix, strict=True)
        rows = [(clean(item), model, row.tobytes()) for item, row in pairs if np.isfinite(row).all() and row.any()]
        self._state.put_vectors(self._kind, rows)

    def _matrix(self, model: str) -> tuple[list[str], np.ndarray]:
        import numpy as np

        with self._lock:
            seen = self._state.vectors_counter(self._kind)
            if seen != self._seen:
                self._matrices, self._seen = {}, seen
            if model not in self._matrices:
                rows = self._state.vectors(self._kind, model)
                width = max((len(blob) for _, blob in rows), default=0)
                rows = [(template_id, blob) for template_id, blob in rows if len(blob) == width]
                joined = np.frombuffer(b"".join(blob for _, blob in rows), dtype=np.float32)
                ids = [template_id for template_id, _ in rows]
                self._matrices[model] = (ids, joined.reshape(len(rows), -1) if rows else np.zeros((0, 0), np.float32))
            return self._matrices[model]

    def each(self) -> Iterator[tuple[str, list[str], np.ndarray]]:
        """(model, ids, matrix) of every model."""
        for model in self._state.models(self._kind):
            ids, matrix = self._matrix(model)
            yield model, list(ids), matrix

    def nearest(
        self, vector: np.ndarray, model: str, among: Collection[str] | None = None
    ) -> Iterator[tuple[str, float]]:
        """(id, cosine) of all, or of those in ``among``, best first and equals by id."""
        import numpy as np

        ids, matrix = self._matrix(model)
        query = np.asarray(vector, dtype=np.float32).reshape(-1)
        if not ids or query.shape[0] != matrix.shape[1] or not np.isfinite(query).all() or not query.any():
            return
        if among is not None:
            rows = [at for at, item in enumerate(ids) if item in among]
            ids, matrix = [ids[at] for at in rows], matrix[rows]
        similarities = matrix @ query
        for at in np.argsort(-similarities, kind="stable"):
            yield ids[at], float(similarities[at])
