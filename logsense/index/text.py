"""How text becomes words, for lines, templates and questions alike. Pure; every index implementation uses it.

A word is a run of letters and digits, lower-cased, so an identifier is found by its parts (``mysql`` in
``/var/lib/mysql``, ``killer`` in ``OOM-killer``) and as a whole: ``10.0.0.5`` is the phrase ``10 0 0 5``,
which ``10.0.0.50`` does not contain. Scripts written without spaces (Chinese, Japanese, Korean, Thai) give one
word a character; a query for them is cut into overlapping pairs, so any substring of two characters is found.

Lines are indexed unstemmed, which keeps phrases verbatim and the index small. Instead a *query* word is spread
over its English inflections (``inflections``): ``fail`` also finds ``failed``, ``fails``, ``failing``, ``failure``.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence

#: Longer runs (base64, dumps) are not words anyone searches for.
MAX_WORD = 200

_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0002ffff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_UNSPACED_RUN = re.compile(rf"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_HAS_CAMEL = re.compile(r"[a-z0-9][A-Z]|[A-Z]{2}[a-z]")


def words(text: str) -> list[str]:
    """The words of ``text`` in order, as the index holds them."""
    if text.isascii():
        return [word for word in _ASCII_WORD.findall(text.lower()) if len(word) <= MAX_WORD]
    folded = unicodedata.normalize("NFKC", text).lower()
    # unassigned code points and bare vowel signs of those scripts are no letters
    return [word for word in _WORD.findall(folded) if len(word) <= MAX_WORD and word.isalnum()]


def indexable(text: str) -> str:
    """``text`` prepared for a tokenizer that splits at everything that is not a letter or digit."""
    return text if text.isascii() else " ".join(words(text))


def camel_parts(text: str) -> list[str]:
    """The lower-cased parts of the CamelCase identifiers in ``text``: ``NullPointerException`` gives three."""
    if not _HAS_CAMEL.search(text):
        return []
    parts: list[str] = []
    for word in re.findall(r"[A-Za-z0-9]+", text):
        if _HAS_CAMEL.search(word):
            parts.extend(part.lower() for part in _CAMEL.findall(word))
    return parts


def units(text: str) -> list[tuple[str, ...]]:
    """What a keyword query looks for: each unit is one word, or several that must stand side by side.

    A chunk between spaces stays together (``10.0.0.5``, ``blk_-123``); unspaced scripts give pairs.
    Each unit occurs once, in the order of the text.
    """
    found: dict[tuple[str, ...], None] = {}
    for chunk in text.split():
        for run in _UNSPACED_RUN.findall(chunk):
            tokens = words(run)
            if not tokens:
                continue
            if re.match(rf"[{_UNSPACED}]", run) and len(tokens) > 2:
                for pair in itertools.pairwise(tokens):
                    found[pair] = None
            else:
                found[tuple(tokens)] = None
    return list(found)


def inflections(word: str) -> list[str]:
    """``word`` and the forms it may take in a log, the word itself first.

    Over-generates on purpose: a form that no line holds costs nothing, whereas a stemmed index would
    lose verbatim phrases. Only ASCII words of four letters or more are spread.
    """
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return [word]
    forms = {word: None}
    for base in _bases(word):
        forms.update(dict.fromkeys(_forms(base)))
    return list(forms)


def _bases(word: str) -> Iterable[str]:
    bases = {word}
    for suffix, endings in (  # longest first: the first that fits decides
        ("ions", ("", "e")),
        ("ures", ("", "e")),
        ("ies", ("y",)),
        ("ied", ("y",)),
        ("als", ("", "e")),
        ("ing", ("", "e")),
        ("ion", ("", "e")),
        ("ure", ("", "e")),
        ("es", ("", "e")),
        ("ed", ("", "e")),
        ("al", ("", "e")),
        ("s", ("",)),
    ):
        if word.endswith(suffix) and not word.endswith("ss"):
            stem = word[: -len(suffix)]
            if len(stem) < 3 or not re.search("[aeiouy]", stem):
                continue
            if suffix in ("als", "al") and not stem.endswith(("s", "v", "rr")):  # refusal, removal; not "internal"
                continue
            bases.update(stem + ending for ending in endings)
            if stem[-1] == stem[-2] and suffix in ("ed", "ing"):  # dropped -> drop
                bases.add(stem[:-1])
            break
    return sorted(bases)


def _forms(base: str) -> Iterable[str]:
    yield base
    if base.endswith("y") and base[-2] not in "aeiou":
        yield from (base[:-1] + "ies", base[:-1] + "ied", base + "ing")
        return
    yield from (base + "s", base + "es", base + "ed", base + "ing")
    if base.endswith("e"):
        yield from (base + "d", base[:-1] + "ing", base[:-1] + "ion", base[:-1] + "ions", base[:-1] + "al")
    else:
        yield from (base + "ion", base + "ions", base + "ure", base + "ures")
        if base[-1] not in "aeiouwxy" and base[-2] in "aeiou":  # drop -> dropped
            yield from (base + base[-1] + "ed", base + base[-1] + "ing")


def contains(haystack: Sequence[str], needle: Sequence[str]) -> bool:
    """Whether the words ``needle`` stand side by side in ``haystack``."""
    width = len(needle)
    return any(tuple(haystack[at : at + width]) == tuple(needle) for at in range(len(haystack) - width + 1))
