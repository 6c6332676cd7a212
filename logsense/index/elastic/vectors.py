"""Finding templates and incidents: by meaning (kNN over ``dense_vector``) and by words.

Vectors are in indices of their own, one for each model and dimension, because a ``dense_vector`` field has one
dimension for good. They are compared exactly (``flat``): for 10^4 vectors that takes milliseconds.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from logsense.index.base import SCALE, clean, id_key, key, to_json
from logsense.index.elastic.documents import document_id
from logsense.index.elastic.mappings import vectors_index
from logsense.index.elastic.query import NOTHING, Clause, any_of, words
from logsense.index.elastic.store import PAGE, WINDOW, Store
from logsense.index.finding import asked, weigh

if TYPE_CHECKING:
    import numpy as np

_BEST = [{"_score": "desc"}, {"event.id": "asc"}]
_MAX_DIMS = 4096
#: What has vectors -> how their indices' names begin.
_BEGINS = {"templates": "vectors", "incidents": "incident-vectors"}


class Finder:
    """Finds things of ``kind``: ``templates`` or ``incidents``."""

    def __init__(self, store: Store, kind: str) -> None:
        self._store, self._kind = store, kind
        self._made: set[str] = set()

    def _index(self, model: str, dims: int) -> str:
        slug = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:60]
        digest = hashlib.sha256(clean(model).encode()).hexdigest()[:8]  # other models may have the same slug
        return f"{_BEGINS[self._kind]}-{slug}-{digest}-{dims}"

    def put(self, ids: Sequence[str], vectors: np.ndarray, model: str) -> None:
        """``vectors``: float32 of shape (len(ids), dim), L2-normalised. Rows of zeros or with NaN are left out."""
        import numpy as np

        matrix = np.ascontiguousarray(vectors, dtype=np.float32)
        if matrix.ndim != 2 or not 0 < matrix.shape[1] <= _MAX_DIMS or not len(ids):
            return
        kind = self._index(model, matrix.shape[1])
        name = self._store.name(kind)
        if name not in self._made and self._store.client.ask("GET", f"/{name}/_settings") is None:
            self._store.client.ask("PUT", f"/{name}", vectors_index(matrix.shape[1]))
        self._made.add(name)
        for item, row in zip(ids, matrix, strict=True):
            if np.isfinite(row).all() and row.any():
                document = {"event.id": id_key(item), "logsense.model": key(model), "logsense.vector": row}
                self._store.put(kind, item, document | {"logsense.data": to_json(item).decode()})

    def each(self) -> Iterator[tuple[str, list[str], np.ndarray]]:
        """(model, ids, matrix) of every model, some rows at a time."""
        import numpy as np

        order = [{"_index": "asc"}, {"event.id": "asc"}]
        rows = self._store.pages(f"{_BEGINS[self._kind]}-*", {"match_all": {}}, order)
        for model, group in itertools.groupby(rows, key=lambda row: row["logsense.model"]):
            while part := list(itertools.islice(group, PAGE)):
                ids = [orjson.loads(row["logsense.data"]) for row in part]
                yield model, ids, np.array([row["logsense.vector"] for row in part], np.float32)

    def nearest(
        self, vector: np.ndarray, k: int, model: str, among: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """(id, cosine) of all, or of those in ``among`` (which the kNN search itself keeps to), best first."""
        import numpy as np

        query = np.asarray(vector, dtype=np.float32).reshape(-1)
        if k <= 0 or not np.isfinite(query).all() or not query.any():
            return []
        kind = self._index(model, query.shape[0])
        self._store.settle(kind)
        count = min(k, WINDOW)
        filters: list[Clause] = [{"term": {"logsense.model": key(model)}}]
        if among is not None:
            filters.append(_these(among))
        knn = {"field": "logsense.vector", "query_vector": query.tolist(), "k": count, "num_candidates": count,
               "filter": filters}  # fmt: skip
        length = float(np.linalg.norm(query))
        found = self._store.named(kind, {"knn": knn, "size": count, "sort": _BEST})
        return [(item, (2 * score - 1) * length) for item, score in found]

    def match(self, text: str, k: int, among: Collection[str] | None = None) -> list[tuple[str, float]]:
        """(id, score) of the best ``k`` that hold a word of ``text``; only of ``among`` where given."""
        clauses = [_any_form(forms) for forms in asked(text)]
        if not clauses or k <= 0:
            return []
        self._store.settle(self._kind)
        named = {str(at): clause for at, clause in enumerate(clauses)}
        count = {"size": 0, "track_total_hits": True, "aggs": {"words": {"filters": {"filters": named}}}}
        answer = self._store.search(self._kind, count)
        buckets = answer.get("aggregations", {}).get("words", {}).get("buckets", {})
        held = [int(buckets.get(name, {}).get("doc_count", 0)) for name in named]
        should = [
            {"constant_score": {"filter": clauses[at], "boost": float(weight)}}
            for at, weight in weigh(held, int(answer["hits"]["total"]["value"]))
        ]
        if not should:
            return []
        query: dict[str, Any] = {"should": should, "minimum_should_match": 1}
        if among is not None:
            query["filter"] = [_these(among)]
        found = self._store.named(self._kind, {"query": {"bool": query}, "size": min(k, WINDOW), "sort": _BEST})
        return [(item, score / SCALE) for item, score in found]


def _any_form(forms: Sequence[tuple[str, ...]]) -> Clause:
    single = [form[0] for form in forms if len(form) == 1]
    return any_of("logsense.words", single) if single else words(forms[0])


def _these(ids: Collection[str]) -> Clause:
    return {"ids": {"values": sorted({document_id(item) for item in ids})}} if ids else NOTHING
