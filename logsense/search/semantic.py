"""How close templates are to a question, and what that closeness means when there is no answer.

The score of a template is a sum of three kinds of evidence:

- the cosine of its vector with the question's. A template's vector is the mean of two views: its words, and its words
  with how people put them (``phrasebook.spoken``); a question's is the mean of how it was put and of the log language
  of the concepts that it names (``glossary``). Questions go through the adapter of ``enrich`` where the model has one.
- ``BRIDGE`` times the best example line that is near to both (``phrasebook``).
- ``LEXICAL`` times the share of the question's words that it holds (``lexicon``).

The weights were chosen on questions over ``samples/`` (tests/search/questions) and are the same for every index.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from logsense.search.chinese import english, is_chinese
from logsense.search.lexicon import Lexicon, log_language
from logsense.search.phrasebook import Phrasebook, background_texts, spoken
from logsense.search.polarity import polarity, push

if TYPE_CHECKING:
    import numpy as np

    from logsense.stages import Embedder

#: Weight of shared words beside the cosine. Cosines of related and unrelated texts differ by about this much.
LEXICAL = 0.3
#: Weight of the examples beside the cosine.
BRIDGE = 0.6


def template_views(described: str) -> list[str]:
    """What a template's vector is the mean of; ``described`` are its words (``enrich.describe``)."""
    said = spoken(described)
    return [described, said] if said != described else [described]


def question_encoder(embedder: Embedder) -> Callable[[Sequence[str]], np.ndarray]:
    """The embedder's way for questions, where it has one of its own."""
    way: Callable[[Sequence[str]], np.ndarray] = getattr(embedder, "encode_questions", embedder.encode)
    return way


def question_vector(question: str, encode: Callable[[Sequence[str]], np.ndarray]) -> np.ndarray:
    """Shape (dim,), L2-normalised; zeros stay zeros."""
    import numpy as np

    forms = log_language(question)
    texts = [question, f"{question} ({forms})"] if forms else [question]
    vector: np.ndarray = encode(texts).sum(axis=0)
    return vector / np.float32(max(float(np.linalg.norm(vector)), 1e-9))


class Ranker:
    """Scores templates by all the evidence there is. Safe from any thread."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._ask = question_encoder(embedder)
        self.phrasebook = Phrasebook(embedder.encode, embedder.name)
        self._background = Lexicon(background_texts())
        self._usual = self._usual_scores()

    def vector(self, question: str) -> np.ndarray:
        return question_vector(question, self._ask)

    def scores(self, question: str, docs: Sequence[str], prepare: Callable[[str], str]) -> np.ndarray:
        """Shape (n,): how well each of ``docs`` (template texts) answers. Computes vectors that an index keeps."""
        import numpy as np

        question = english(question) if is_chinese(question) else question
        wanted = polarity(question)
        pushes = [push(wanted, polarity(prepare(doc) or doc)) for doc in docs]
        return self.evidence(question, docs, prepare) + np.asarray(pushes, np.float32)

    def evidence(self, question: str, docs: Sequence[str], prepare: Callable[[str], str]) -> np.ndarray:
        """As ``scores`` without the push of polarity, which orders answers but proves none: what ``bar`` is about."""
        import numpy as np

        texts = [prepare(doc) or doc for doc in docs]
        said = [template_views(text)[-1] for text in texts]
        vectors = self.embedder.encode(texts) + self.embedder.encode(said)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        question_v = self.vector(question)
        scores = vectors @ question_v + BRIDGE * self.phrasebook.bridge(question_v, vectors)
        scores += LEXICAL * np.asarray(Lexicon(texts).share(question), np.float32)
        return np.asarray(scores)

    def bar(self, question: str, vector: np.ndarray, templates: int) -> float:
        """The score that the best of ``templates`` unrelated ones would reach.

        Two samples of "unrelated", both of general log language that is no index's: the question's scores with the
        background texts, and the texts' scores with each other (a question about cooking is far from everything, so
        its own sample says little). The best of n is expected near mean + sd * sqrt(2 ln n) of a sample (the extreme
        value of n normal draws); only what is above both counts as found. Nothing is fitted to any corpus.
        """
        import numpy as np

        background = self.phrasebook.background
        own = background @ vector + BRIDGE * self.phrasebook.bridge(vector, background)
        own = own + LEXICAL * np.asarray(self._background.share(question))
        spread = math.sqrt(2 * math.log(max(2, templates)))
        mean, deviation = self._usual
        return max(float(own.mean() + own.std() * spread), mean + deviation * spread)

    def usual_cosine(self, vector: np.ndarray, count: int) -> float:
        """The cosine that the best of ``count`` unrelated texts would reach: as ``bar``, by meaning alone."""
        background = self.phrasebook.background
        own = background @ vector
        return float(own.mean() + own.std() * math.sqrt(2 * math.log(max(2, count))))

    def _usual_scores(self) -> tuple[float, float]:
        """Mean and deviation of the scores that background texts give each other."""
        import numpy as np

        texts = self.phrasebook.background
        pairs = texts @ texts.T + BRIDGE * np.stack([self.phrasebook.bridge(text, texts) for text in texts])
        others = pairs[~np.eye(len(texts), dtype=bool)]
        return float(others.mean()), float(others.std())
