"""What the variables of a template are called, from the words before them, and which of them are fields."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from logsense.mine.fields import targets
from logsense.mine.lineage import loose_spans, spans
from logsense.mine.masks import WILDCARD
from logsense.mine.values import kind_of_all, number_of

_KEY = re.compile(r"([A-Za-z_][\w.-]{0,63})\s?[=:]\s?[\"'(\[{]*$")
_WORD = re.compile(r"([A-Za-z][A-Za-z_-]{1,31})\s[\"'(\[{]*$")
#: Words that name nothing by themselves.
_EMPTY = frozenset(
    ["a", "an", "and", "are", "as", "be", "but", "has", "in", "is", "it", "no", "not", "of", "or", "the", "was", "with"]
)
_SAMPLES = 20


@dataclass(slots=True)
class ParameterView:
    """One variable of a template in some lines. ``field`` is what it can be filtered by, if it can.
    ``quantiles`` are those of 0, ¼, ½, ¾ and 1; empty without numbers."""

    position: int
    name: str
    field: str
    kind: str
    distinct: int
    top: list[tuple[str, int]]
    quantiles: list[float]


@lru_cache(maxsize=4096)
def names(text: str) -> tuple[str, ...]:
    """What each wildcard of ``text`` is called: its key, the word before it, or nothing."""
    found: list[str] = []
    before = ""
    for piece in text.split(WILDCARD)[:-1]:
        before = (before + piece)[-200:]
        match = _KEY.search(before) or _WORD.search(before)
        name = match[1].lower() if match else ""
        # Verbs of protocols (GET, POST) announce a value and do not name it.
        found.append("" if name in _EMPTY or (match and match[1].isupper() and match.re is _WORD) else name)
        before += WILDCARD
    return tuple(found)


def extract(text: str, message: str) -> list[str] | None:
    """The values that ``message`` has for the wildcards of ``text``; None where the message does not fit."""
    pieces = tuple(text.split(WILDCARD))
    found = spans(pieces, message)
    if found is None:
        found = loose_spans(pieces, message)
    return None if found is None else [message[span] for span in found]


def view(text: str, rows: list[list[str]]) -> list[ParameterView]:
    """Each parameter over the lines whose values are ``rows`` (one list of all parameters a line)."""
    views = []
    for at, (name, target) in enumerate(zip(names(text), targets(text), strict=True)):
        counts = Counter(row[at] for row in rows if len(row) > at)
        numbers = sorted(n for value in counts.elements() if (n := number_of(value)) is not None)
        numeric = len(numbers) == counts.total() and len(counts) > 1
        views.append(
            ParameterView(
                at + 1,
                name,
                target[0] if target else "",
                kind_of_all(counts.elements()),
                len(counts),
                counts.most_common(_SAMPLES),
                [numbers[round(q * (len(numbers) - 1))] for q in (0, 0.25, 0.5, 0.75, 1)] if numeric else [],
            )
        )
    return views
