"""How close templates are to a question: embeddings, carried over the language gap by the glossary.

The score of a template is the cosine of its vector with the question's, plus ``LEXICAL`` times the share of the
question's words that it holds. The question's vector is the mean of two views: as it was put, and with the log
language of the concepts that it names. A question in a script that the model cannot read is asked in log
language alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from logsense.search.glossary import glossary
from logsense.search.lexicon import Lexicon, foreign, log_language

if TYPE_CHECKING:
    import numpy as np

    from logsense.stages import Embedder

#: Weight of shared words beside the cosine. Cosines of related and unrelated texts differ by about this much.
LEXICAL = 0.2


def question_vector(question: str, encode: Callable[[Sequence[str]], np.ndarray]) -> np.ndarray:
    """Shape (dim,), L2-normalised; zeros stay zeros."""
    import numpy as np

    forms = log_language(question)
    if forms and foreign(question):
        texts, weights = [forms], [1.0]
    elif forms:
        texts, weights = [question, f"{question} ({forms})"], [1.0, 1.0]
    else:
        texts, weights = [question], [1.0]
    vector: np.ndarray = np.array(weights, np.float32) @ encode(texts)
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def fuse(cosines: Sequence[float], shares: Sequence[float]) -> list[float]:
    return [cosine + LEXICAL * share for cosine, share in zip(cosines, shares, strict=True)]


def rank_templates(
    question: str, docs: Sequence[str], *, embedder: Embedder, prepare: Callable[[str], str]
) -> list[int]:
    """Indices of ``docs`` (template texts), best first. ``prepare`` makes of a text what was embedded of templates."""
    texts = [prepare(doc) or doc for doc in docs]
    cosines = embedder.encode(texts) @ question_vector(question, embedder.encode)
    scores = fuse(cosines.tolist(), Lexicon(texts).share(question))
    return sorted(range(len(docs)), key=lambda at: (-scores[at], at))


class Background:
    """What a cosine means when there is no answer, measured on general log language that is not in the index.

    Two samples of "unrelated": the question's cosines with the background texts, and the texts' cosines with each
    other (a question about cooking is far from everything, so its own sample says little). The best of n unrelated
    templates is expected near mean + sd * sqrt(2 ln n) of a sample (the extreme value of n normal draws); only what
    is above both counts as found. Nothing is fitted to any corpus, and the bar rises with the number of templates.
    """

    def __init__(self, vectors: np.ndarray) -> None:
        import numpy as np

        self._vectors = vectors
        pairs = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
        self._mean, self._sd = float(pairs.mean()), float(pairs.std())

    def threshold(self, vector: np.ndarray, templates: int) -> float:
        """The cosine that the best of ``templates`` unrelated ones would reach."""
        cosines = self._vectors @ vector
        spread = math.sqrt(2 * math.log(max(2, templates)))
        return max(float(cosines.mean() + cosines.std() * spread), self._mean + self._sd * spread)


def background_texts() -> list[str]:
    """The log side of the glossary, a concept each: general operations language."""
    return [" ".join(concept.log[:3]) for concept in glossary().concepts]
