"""The product's template ranking as the function that the plain-language evaluator calls.

PYTHONPATH=. python ../shared/data/nl/evaluate.py --rank-only --rank benchmarks.nl_rank:rank
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from logsense.enrich import SentenceEmbedder, describe
from logsense.search.semantic import rank_templates


class _Remembering:
    """An embedder that computes each text once, as the index does."""

    def __init__(self) -> None:
        self._embedder = SentenceEmbedder()
        self.name, self.dim = self._embedder.name, self._embedder.dim
        self._known: dict[str, np.ndarray] = {}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(missing, self._embedder.encode(missing), strict=True))
        return np.stack([self._known[text] for text in texts])


@cache
def _embedder() -> _Remembering:
    return _Remembering()


def rank(question: str, docs: list[str]) -> list[int]:
    """Indices of ``docs``, best first."""
    return rank_templates(question, docs, embedder=_embedder(), prepare=describe)
