"""The product's template ranking as the function that the plain-language evaluator calls.

PYTHONPATH=. python ../shared/data/nl/evaluate.py --rank-only --rank benchmarks.nl_rank:rank
PYTHONPATH=. python ../shared/data/nl/evaluate.py --rank-only --rank benchmarks.nl_rank:rank_chinese
PYTHONPATH=. python benchmarks/nl_rank.py       # our own questions over samples/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from logsense.enrich import describe, question_embedder
from logsense.index.finding import Postings
from logsense.index.text import words
from logsense.search import fuse
from logsense.search.semantic import Ranker, question_encoder

ROOT = Path(__file__).parents[1]
QUESTIONS, SHARED = ROOT / "tests" / "search" / "questions", ROOT.parent / "shared" / "data"


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
def ranker() -> Ranker:
    return Ranker(_Remembering())


def rank(question: str, docs: list[str]) -> list[int]:
    """Indices of ``docs``, best first."""
    scores = ranker().scores(question, docs, describe)
    return sorted(range(len(docs)), key=lambda at: (-scores[at], at))


def rank_fused(question: str, docs: list[str]) -> list[int]:
    """The usual hybrid instead, for comparison: places by words and places by meaning, fused."""
    with_ids = {str(at): describe(doc) or doc for at, doc in enumerate(docs)}
    postings = Postings(lambda: 0, lambda: ((at, words(text)) for at, text in with_ids.items()))
    said = [at for at, _ in postings.match(question, len(docs))]
    cosines = ranker().embedder.encode(list(with_ids.values())) @ ranker().vector(question)
    meant = [str(at) for at in np.argsort(-cosines, kind="stable")]
    return [int(at) for at, _ in fuse([said, meant])]


def rank_chinese(question: str, docs: list[str]) -> list[int]:
    """As ``rank``, for the Chinese version of a question of the shared set."""
    return rank(_chinese()[question], docs)


@cache
def _chinese() -> dict[str, str]:
    """English question -> Chinese, by the ids of both files."""
    rows = [line.split("\t") for line in (QUESTIONS / "questions_zh.tsv").read_text(encoding="utf-8").splitlines()]
    by_id = dict(rows)
    questions = (SHARED / "nl" / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    return {q["question"]: by_id[q["id"]] for q in map(json.loads, questions)}


@dataclass(frozen=True)
class Question:
    """A question over one recording; no pattern matches when it has no answer."""

    scene: str
    english: str
    answers: re.Pattern[str] | None
    chinese: str


@dataclass(frozen=True)
class Corpus:
    """The recordings' templates by scene, and the questions over them."""

    templates: dict[str, list[str]]
    questions: list[Question]


def sample_corpus() -> Corpus:
    """Our own questions over ``samples/``; neither the phrasebook nor the adapter was made from them."""
    templates: dict[str, list[str]] = {}
    for line in (QUESTIONS / "sample_templates.tsv").read_text(encoding="utf-8").splitlines():
        scene, _, _, text = line.split("\t")
        templates.setdefault(scene, []).append(text)
    questions = []
    for line in (QUESTIONS / "sample_questions.tsv").read_text(encoding="utf-8").splitlines():
        scene, asked, pattern, chinese = line.split("\t")
        questions.append(Question(scene, asked, None if pattern == "-" else re.compile(pattern), chinese))
    return Corpus(templates, questions)


def hits(
    corpus: Corpus, *, chinese: bool = False, pool: bool = False, by: Callable[[str, list[str]], list[int]] = rank
) -> tuple[float, float]:
    """hit@1 and hit@5 among the templates of the question's scene, or of all scenes with ``pool``."""
    everything = [(scene, text) for scene, texts in corpus.templates.items() for text in texts]
    first = five = 0
    answerable = [question for question in corpus.questions if question.answers]
    for question in answerable:
        rows = everything if pool else [(question.scene, text) for text in corpus.templates[question.scene]]
        order = by(question.chinese if chinese else question.english, [text for _, text in rows])[:5]
        right = [rows[at][0] == question.scene and bool(question.answers.search(rows[at][1])) for at in order]  # type: ignore[union-attr]
        first, five = first + right[0], five + any(right)
    return first / len(answerable), five / len(answerable)


def auc(corpus: Corpus) -> float:
    """How often a question with an answer stands higher above its bar than one without."""

    def above(question: Question) -> float:
        docs = corpus.templates[question.scene]
        best = float(ranker().evidence(question.english, docs, describe).max())
        return best - ranker().bar(question.english, ranker().vector(question.english), len(docs))

    having = [above(question) for question in corpus.questions if question.answers]
    lacking = [above(question) for question in corpus.questions if not question.answers]
    pairs = [(one > other) + 0.5 * (one == other) for one in having for other in lacking]
    return sum(pairs) / len(pairs)


def main() -> None:
    corpus = sample_corpus()
    for name, options in (("own", {}), ("pool", {"pool": True})):
        for language in ("english", "chinese"):
            at_one, at_five = hits(corpus, chinese=language == "chinese", **options)
            print(f"samples  {name:5} {language:8} hit@1 {at_one:.3f}  hit@5 {at_five:.3f}")
    for name, pool in (("own", False), ("pool", True)):
        at_one, at_five = hits(corpus, pool=pool, by=rank_fused)
        print(f"samples  {name:5} by fusion instead  hit@1 {at_one:.3f}  hit@5 {at_five:.3f}")
    print(f"samples  own   AUC has an answer {auc(corpus):.3f}")


if __name__ == "__main__":
    main()
