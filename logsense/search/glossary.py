"""The glossary of operations: what people say and what logs write (``glossary.toml``)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_WORD = re.compile(r"[a-z0-9]+")
_ENDING = re.compile(r"(?:ations?|ures?|ings?|ions?|ally|ly|edly|ed|es|s|e)$")
#: Function words that a phrase of the glossary need not share with a question.
_LOOSE = frozenset(
    ("a", "an", "the", "of", "to", "in", "on", "at", "is", "are", "was", "were", "be", "by", "it", "its", "that")
)


def stem(word: str) -> str:
    """A word without its ending, so that ``failed``, ``fails`` and ``failure`` are one. Short words are kept."""
    return _ENDING.sub("", word) if len(word) > 4 else word


def stems(text: str) -> list[str]:
    return [stem(word) for word in _WORD.findall(text.lower()) if word not in _LOOSE]


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing that is said in two languages."""

    log: tuple[str, ...]
    plain: tuple[str, ...]


class Glossary:
    """Finds concepts in texts. Matching is by adjacent stems, so it costs one pass over the text's words."""

    def __init__(self, concepts: Sequence[Concept]) -> None:
        self.concepts = tuple(concepts)
        self._log = _table(concept.log for concept in concepts)
        self._plain = _table(concept.plain for concept in concepts)

    def in_log(self, text: str) -> list[tuple[Concept, str]]:
        """Concepts whose log form stands in ``text``, each with the longest form that does."""
        return self._find(self._log, text)

    def in_question(self, text: str) -> list[tuple[Concept, str]]:
        """Concepts whose plain form stands in ``text``, each with the longest form that does."""
        return self._find(self._plain, text)

    def _find(self, table: dict[tuple[str, ...], list[tuple[int, str]]], text: str) -> list[tuple[Concept, str]]:
        tokens = stems(text)
        longest: dict[int, str] = {}
        for start in range(len(tokens)):
            for width in range(1, 7):
                for number, form in table.get(tuple(tokens[start : start + width]), ()):
                    if start + width <= len(tokens) and len(form) > len(longest.get(number, "")):
                        longest[number] = form
        return [(self.concepts[number], form) for number, form in sorted(longest.items())]


def _table(forms: Iterable[Sequence[str]]) -> dict[tuple[str, ...], list[tuple[int, str]]]:
    table: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    for number, group in enumerate(forms):
        for form in group:
            table.setdefault(tuple(stems(form)), []).append((number, form))
    table.pop((), None)
    return table


@cache
def glossary() -> Glossary:
    with (Path(__file__).parent / "glossary.toml").open("rb") as file:
        data = tomllib.load(file)
    return Glossary([Concept(tuple(c["log"]), tuple(c["plain"])) for c in data["concept"]])
