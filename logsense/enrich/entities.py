"""Typed entities of a template: what its placeholders stand for, and the names that it states.

General named-entity recognition is of no use here: on log templates the small English model calls ``ssh2`` a person
and ``CompletedMaps`` an organisation. What decides is the form of the value in a sample line and the noun before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from logsense.enrich.text import WILDCARD, align
from logsense.enrich.vocabulary import Vocabulary

_FORMS = (
    ("url", re.compile(r"[a-zA-Z][\w+.-]*://\S+")),
    ("email", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("ip", re.compile(r"/?\d{1,3}(?:\.\d{1,3}){3}(?:[:#/]\d+)?")),
    ("ip", re.compile(r"\[?(?:[0-9a-fA-F:]*::[0-9a-fA-F:.]*|(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]+)\]?(?::\d+)?")),
    ("mac", re.compile(r"(?:[0-9a-fA-F]{2}:){5,}[0-9a-fA-F]{2}")),
    ("uuid", re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    ("path", re.compile(r"(?:\.{0,2}|~)/[\w.~-][^\s]*|[A-Za-z]:\\\S+")),
    ("host", re.compile(r"(?=[\w.-]*[A-Za-z])[\w-]+(?:\.[\w-]+)+(?::\d+)?|[A-Za-z][\w.-]*:\d{2,5}")),
    ("duration", re.compile(r"\d+(?:\.\d+)?(?:ns|us|µs|ms|s|min|h)")),
    ("size", re.compile(r"\d+(?:\.\d+)? ?(?:[kKMGTP]i?[bB]?|B|bytes)")),
)
_UNITS = re.compile(r" ?(ns|us|ms|s|secs?|seconds?|minutes?|hours?|bytes|[kKMGT]i?B|%)(?!\w)")
_SIZES = frozenset(("b", "bytes", "kb", "mb", "gb", "kib", "mib", "gib"))
# Words that may stand between the noun and its value: "socket to <*>", "file is <*>".
_BETWEEN = frozenset(("to", "from", "for", "at", "on", "by", "is", "of", "in", "with", "id", "name", "set", "the"))
_NOUN = re.compile(r"[A-Za-z_]+")
_SPLIT = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LITERAL = re.compile(r"(?<![\w<*>])(?:/[\w.-]+(?:/[\w.-]+)+|[a-zA-Z][\w+.-]*://[^\s<>'\"]+)")


def entities(template_text: str, sample: str, vocabulary: Vocabulary, limit: int = 12) -> list[str]:
    """``kind:<*>`` per placeholder whose kind is known and ``kind:value`` per stated path or URL, without repeats."""
    found = dict.fromkeys(_entities(template_text, sample, vocabulary))
    return list(found)[:limit]


def _entities(text: str, sample: str, vocabulary: Vocabulary) -> Iterator[str]:
    literals = text.split(WILDCARD)
    values = align(text, sample) or [""] * (len(literals) - 1)
    for before, value, after in zip(literals, values, literals[1:], strict=False):
        kind = _kind_of_value(value) or _kind_of_place(before, after, vocabulary)
        if kind:
            yield f"{kind}:{WILDCARD}"
    for literal in _LITERAL.findall(text):
        yield f"{'url' if '://' in literal else 'path'}:{literal}"


def _kind_of_value(value: str) -> str:
    return next((kind for kind, form in _FORMS if form.fullmatch(value)), "")


def _kind_of_place(before: str, after: str, vocabulary: Vocabulary) -> str:
    """By the unit behind a placeholder, or the last two words before it."""
    unit = _UNITS.match(after)
    if unit:
        name = unit[1].lower()
        return "size" if name in _SIZES else "ratio" if name == "%" else "duration"
    for word in reversed(_NOUN.findall(before)[-2:]):
        parts = [word, *_SPLIT.findall(word)[-1:]]
        kind = next((vocabulary.kinds[p.lower()] for p in parts if p.lower() in vocabulary.kinds), "")
        if kind:
            return kind
        if word.lower() not in _BETWEEN:
            return ""
    return ""
