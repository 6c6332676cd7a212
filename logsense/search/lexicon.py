"""Keyword evidence between a question and templates, across the gap between speech and log language."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from logsense.search.glossary import Glossary, glossary, stems
from logsense.search.vocabulary import terms

#: A word that stands in a template counts fully, one that only its glossary entry has counts half: the entry
#: is what the template probably means, the template is what it says.
GLOSS_WEIGHT = 0.5
#: Concepts and phrases taken from the glossary for one text. More turns every text into the same soup.
MAX_CONCEPTS, MAX_PHRASES = 3, 3

_HUMP = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_")


def content_stems(question: str) -> list[str]:
    """Stems of the words that carry meaning, each once."""
    ignore = terms().stop | terms().filler
    found = re.findall(r"[a-z0-9]+", _HUMP.sub(" ", question).lower())
    return list(dict.fromkeys(stem for word in found if word not in ignore for stem in stems(word)))


def log_language(question: str, words: Glossary | None = None) -> str:
    """How logs put the concepts that ``question`` names, most specific first; "" when it names none."""
    found = sorted((words or glossary()).in_question(question), key=lambda item: -len(item[1]))[:MAX_CONCEPTS]
    return ", ".join(form for concept, _ in found for form in concept.log[: MAX_PHRASES + 1])


class Lexicon:
    """The words of a fixed set of texts, prepared once. ``share`` scores every text in one pass."""

    def __init__(self, texts: Sequence[str], words: Glossary | None = None) -> None:
        words = words or glossary()
        self._weights: dict[str, list[tuple[int, float]]] = {}
        self._size = len(texts)
        for number, text in enumerate(texts):
            weights: dict[str, float] = {}
            for concept, _ in sorted(words.in_log(text), key=lambda item: -len(item[1]))[:MAX_CONCEPTS]:
                for phrase in concept.plain[:MAX_PHRASES]:
                    weights.update(dict.fromkeys(stems(phrase), GLOSS_WEIGHT))
            weights.update(dict.fromkeys(stems(text), 1.0))
            for stem, weight in weights.items():
                self._weights.setdefault(stem, []).append((number, weight))

    def share(self, question: str, *, plain: bool = False) -> list[float]:
        """For each text, how much of the question it holds: 0 to 1, words weighted by inverse document frequency.

        ``plain``: only words that the text itself holds count, not those of its glossary entries.
        """
        scores = [0.0] * self._size
        whole = 0.0
        for stem in content_stems(question):
            holders = self._weights.get(stem, [])
            idf = math.log(1 + (self._size - len(holders) + 0.5) / (len(holders) + 0.5))
            whole += idf
            for number, weight in holders:
                scores[number] += idf * weight if not plain or weight == 1 else 0.0
        return [score / whole for score in scores] if whole else scores
