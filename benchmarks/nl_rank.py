"""The product's template ranking as the function that the plain-language evaluator calls.

PYTHONPATH=. python ../shared/data/nl/evaluate.py --rank-only --rank benchmarks.nl_rank:rank
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from logsense.enrich import describe, question_embedder
from logsense.search.semantic import Ranker, question_encoder


class _Remembering:
    """An embedder that computes each text once, as the index does."""

    def __init__(self) -> None:
        self._embedder = question_embedder()
        self.name, self.dim = self._embedder.name, self._embedder.dim
        self._known: dict[str, np.ndarray] = {}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return self._lookup(texts, self._embedder.encode, "")

    def encode_questions(self, texts: Sequence[str]) -> np.ndarray:
        return self._lookup(texts, question_encoder(self._embedder), "?")

    def _lookup(self, texts: Sequence[str], encode: Callable[[Sequence[str]], np.ndarray], kind: str) -> np.ndarray:
        missing = [text for text in dict.fromkeys(texts) if kind + text not in self._known]
        if missing:
            self._known.update(zip([kind + text for text in missing], encode(missing), strict=True))
        return np.stack([self._known[kind + text] for text in texts])


@cache
def _ranker() -> Ranker:
    return Ranker(_Remembering())


def rank(question: str, docs: list[str]) -> list[int]:
    """Indices of ``docs``, best first."""
    scores = _ranker().scores(question, docs, describe)
    return sorted(range(len(docs)), key=lambda at: (-scores[at], at))
