"""Tokens of a masked line, and which of their differences are differences of value.

Delimiters are tokens of their own and the layout (which tokens follow a space) is kept beside them, so a template
renders back to the text that it came from: nothing is lost by splitting.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from logsense.mine.masks import WILDCARD, Words

_TOKEN = re.compile(
    r"""(\s*)(<\*>|[=:,;()\[\]{}<>"'|]|[^\s=:,;()\[\]{}<>"'|]+?(?=\.*(?:$|[\s=:,;()\[\]{}<>"'|]))|\.+)"""
)
_DIGITS = re.compile(r"\d+")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
# Protocols whose digit is part of the name: "IPv4" and "IPv6" are two things, "eth0" and "eth1" two of a kind.
_VERSIONED = re.compile(r"(?i)ipv\d|[a-z]*v\d|sha\d+|md\d|utf\d+")
_QUALIFIERS = re.compile(r"(?<=\w)[.$/](?=\w)")
# Masking leaves such a token only where it is a status: "404", "40P01".
_CODE = re.compile(r"\d+|(?=(?:[A-Z]*\d){3})[\dA-Z]{5}")
DELIMITERS = frozenset("=:,;()[]{}<>\"'|")
_DETERMINERS = frozenset(("the", "a", "an", "this", "that", "all", "any", "its", "it"))
_QUOTES = frozenset("\"'")
_INTRODUCE = _QUOTES | frozenset("=:([")
_SIZE_UNITS = frozenset(("B", "KB", "kB", "MB", "GB", "TB", "PB", "KiB", "MiB", "GiB", "TiB"))


def split(masked: str) -> tuple[list[str], str]:
    """(tokens, layout): ``layout[i]`` is ``"1"`` where a space stands before token ``i``, else ``"0"``."""
    tokens: list[str] = []
    layout = ""
    for word in masked.split(" "):
        if word:
            own, spaces = _split_word(word) if len(word) <= _LONGEST_CACHED else _split_new(word)
            tokens += own
            layout += spaces
    return tokens, layout if masked[:1] == " " else "0" + layout[1:] if layout else ""


def _split_new(word: str) -> tuple[list[str], str]:
    found = _TOKEN.findall(word)
    if not found:  # white space that only Unicode knows, such as NEL
        return [], ""
    return [token for _, token in found], "1" + "".join(["1" if space else "0" for space, _ in found[1:]])


#: The words of masked lines are few. Changes speed only.
_LONGEST_CACHED = 128
_split_word = lru_cache(maxsize=32_768)(_split_new)


def render(tokens: Sequence[str], layout: str) -> str:
    """The text of the tokens, adjacent wildcards joined."""
    out: list[str] = []
    for token, space in zip(tokens, layout, strict=True):
        if token == WILDCARD and out and out[-1] == WILDCARD:
            continue
        if space == "1":
            out.append(" ")
        out.append(token)
    return "".join(out)


def without_digits(token: str) -> str:
    """``token`` with every number in it replaced by ``#``: ``eth0`` and ``eth12`` give the same."""
    return _DIGITS.sub("#", token)


class Roles:
    """What a token may be, by its own form and by the tokens before it. See ``words.toml``."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self.is_state = lru_cache(maxsize=65_536)(self._is_state)
        #: Delimiters, full stops and states never become wildcards.
        self.is_fixed = lru_cache(maxsize=65_536)(self._is_fixed)
        self.is_name = lru_cache(maxsize=65_536)(self._is_name)
        #: Whether the token after this one can have a ``context``.
        self.introduces = lru_cache(maxsize=65_536)(self._introduces)

    def _is_state(self, token: str) -> bool:
        if token.isascii() and token.isalpha() and (token.islower() or token.istitle()):
            return token.lower() in self._words.states  # nearly all; what follows says the same in general
        if token in self._words.methods or _CODE.fullmatch(token) or _VERSIONED.fullmatch(token):
            return True
        states = self._words.states
        # Of a qualified name only the end can be a state: action.SCREEN_OFF, but not app.MRAppMaster$Dispatcher.
        end = _QUALIFIERS.split(token.strip("."))[-1]
        return any(part.lower() in states for part in _PARTS.findall(end))

    def _is_name(self, token: str) -> bool:
        """An identifier rather than a word: it holds digits or inner punctuation other than hyphens."""
        return any(c.isdigit() or c in "._/@$#\\" for c in token.strip(".-"))

    @staticmethod
    def labels(one: Sequence[str], other: Sequence[str], i: int) -> bool:
        """Whether the tokens ``i`` say which part of the program speaks: ``read_block:`` and ``write_block(``, but not
        ``eth0:`` and ``eth1:``, which differ in digits only."""
        if i + 1 >= len(other) or other[i + 1] not in (":", "("):
            return False
        return without_digits(one[i]) != without_digits(other[i])

    def _is_fixed(self, token: str) -> bool:
        return token in DELIMITERS or not token.strip(".") or self._is_state(token)

    def is_ordinary(self, token: str) -> bool:
        return token.lower() in self._words.ordinary

    def context(self, tokens: Sequence[str], i: int) -> str:
        """What names the value at ``i``: ``key=``, the noun before it, or that with its colon; empty where nothing
        does. "package: foo" gives a value, which says nothing of the word behind "package" elsewhere."""
        j = _before(tokens, i)
        if j < 0:
            return ""
        if tokens[j] in "([" and j and tokens[j - 1] == "=":
            j -= 1
        if tokens[j] == "=":
            return tokens[j - 1].lower() + "=" if j else ""
        colon = ""
        if tokens[j] == ":" and j:
            j, colon = j - 1, ":"
        before = tokens[j].lower()
        return before + colon if before in self._words.introducers else ""

    def _introduces(self, token: str) -> bool:
        return token in _INTRODUCE or token.lower() in self._words.introducers

    def ends(self, tokens: Sequence[str], i: int) -> bool:
        """Whether the phrase of token ``i`` ends with it: "user root by", "user root accepted", but not "user
        authentication methods"."""
        if i + 1 == len(tokens):
            return True
        after = tokens[i + 1]
        return after == WILDCARD or self.is_fixed(after) or after.lower() in self._words.prepositions

    @staticmethod
    def is_unit(tokens: Sequence[str], i: int) -> bool:
        """Whether token ``i`` is the unit of a size: "5.2 KB"."""
        return i > 0 and tokens[i] in _SIZE_UNITS and tokens[i - 1] == WILDCARD

    def strength(self, tokens: Sequence[str], i: int) -> int:
        """How strongly the place of token ``i`` says "value": 2 behind ``=``, in quotes, behind a noun that names
        things or where a size has its unit; 1 behind a preposition; 0 anywhere else."""
        if self.is_unit(tokens, i):
            return 2
        if i and tokens[i - 1] in _QUOTES and i + 1 < len(tokens) and tokens[i + 1] in _QUOTES:
            return 2
        context = self.context(tokens, i)
        if context:
            return 2 if context.endswith("=") or self.ends(tokens, i) else 0  # "node joining the cluster"
        j = _before(tokens, i)
        if j < 0 or tokens[j].lower() not in self._words.prepositions:
            return 0
        # "to stop the instance": what has an object is a verb.
        acts = tokens[j].lower() == "to" and i + 1 < len(tokens) and tokens[i + 1].lower() in _DETERMINERS
        return 0 if acts else 1


def _before(tokens: Sequence[str], i: int) -> int:
    """The index of the token before ``i``, quotes left out; -1 if there is none."""
    j = i - 1
    while j >= 0 and tokens[j] in _QUOTES:
        j -= 1
    return j
