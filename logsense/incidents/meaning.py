"""How alike two sets of message types are in meaning: by the embeddings of their templates, once per template."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

#: Vectors that are kept, the most recently used ones: 384 float32 each, 30 MB in all.
MOST = 20_000


class Meaning:
    """Vectors of templates by id. What has no vector (yet) counts as unlike everything."""

    def __init__(self) -> None:
        self._vectors: OrderedDict[str, np.ndarray] = OrderedDict()

    def put(self, ids: Sequence[str], vectors: np.ndarray) -> None:
        """``vectors``: a row an id, shape (n, dim), L2-normalised."""
        for identity, vector in zip(ids, vectors, strict=True):
            self._vectors[identity] = vector
            self._vectors.move_to_end(identity)
        while len(self._vectors) > MOST:
            self._vectors.popitem(last=False)

    def similarity(self, one: Sequence[str], two: Sequence[str]) -> float:
        """Mean over ``one`` of the best cosine in ``two``, 0…1. Not symmetric: a part is like the whole."""
        import numpy as np

        there = [self._vectors[i] for i in two if i in self._vectors]
        here = [self._vectors[i] for i in one if i in self._vectors]
        if not here or not there:
            return 0.0
        best = (np.stack(here) @ np.stack(there).T).max(axis=1)
        return float(np.clip(best, 0.0, 1.0).sum() / len(one))
