"""Template texts as words: what models read instead of placeholders, numbers and glued identifiers."""

from __future__ import annotations

import re

WILDCARD = "<*>"
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")


def describe(template_text: str) -> str:
    """The words of a template, lower case: CamelCase, snake_case and paths split, placeholders and numbers dropped.

    >>> describe("BLOCK* NameSystem.addStoredBlock: <*> is added to blk_12 size <*>")
    'block name system add stored block is added to blk size'
    """
    words = _WORD.findall(template_text.replace(WILDCARD, " "))
    return " ".join(word.lower() for word in words if len(word) > 1)


def align(template_text: str, sample: str) -> list[str] | None:
    """The values that ``sample`` has in the placeholders of ``template_text``, or None where it does not fit."""
    literals = template_text.split(WILDCARD)
    text = " ".join(sample.split())
    if len(literals) == 1:
        return [] if text == literals[0] else None
    end = len(text) - len(literals[-1])
    if not text.startswith(literals[0]) or not text.endswith(literals[-1]):
        return None
    values, start = [], len(literals[0])
    for literal in literals[1:-1]:
        at = text.find(literal, start, end)
        if at < 0:
            return None
        values.append(text[start:at])
        start = at + len(literal)
    return [*values, text[start:end]] if start <= end else None
