"""Masking: what is a variable whatever surrounds it becomes ``<*>`` before clustering.

Masks run in two rounds. The first works inside whitespace-separated tokens with one combined expression and is
cached per token; the second (rewrites) works on the masked line, so it may span tokens, and runs once per distinct
masked line. Both are data: ``masks.toml``.

The token cache is keyed on the token with all digits flattened to ``0``. That is safe because every mask treats all
digits alike, which ``check_digit_blind`` proves on the parsed expression when the masks are loaded: a mask then
matches the same span whatever the digits are. Tokens of which a digit survives are masked from their own text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from logsense.errors import BadConfig
from logsense.mine.substitute import WILDCARD, Masked, Substitution

__all__ = ["WILDCARD", "Mask", "Masker", "Words"]

# Digits of other scripts count as letters: `\d` of the masks is ASCII only, as the flattening is.
_FLATTEN = bytes.maketrans(b"123456789", b"000000000")
_ADJACENT = re.compile(r"<\*>(?:\s?<\*>)+")
_STATUS = re.compile(r"(?<![\w.:/-])\d{3}(?![\w.:/%-])", re.ASCII)
_TIMERS = re.compile(rb"[-+]?\d+(?:/[-+]?\d+){3,4}")  # what HAProxy writes before the status
_AFTER_PATH = re.compile(rb"HTTP/[\d.]+\W*|[^A-Za-z\d]+")
_SQLSTATE = re.compile(r"(?<![\w.:/-])(?=[A-Z]*\d)[0-9A-Z]{5}(?![\w.:/%-])", re.ASCII)

# Bytes of a token worth remembering; together with the number of tokens it bounds the cache's memory.
_LONGEST_CACHED = 512


@dataclass(frozen=True, slots=True)
class Mask:
    """One entry of ``masks.toml``; ``samples`` are (text, text after all masks). A rewrite is tried only on lines that
    hold one of its ``needs``, because looking for those costs a twentieth."""

    name: str
    pattern: str
    keep: bool = False
    replace: str = WILDCARD
    needs: list[str] = field(default_factory=list)
    samples: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Words:
    """The word lists of ``words.toml``."""

    states: frozenset[str]
    introducers: frozenset[str]
    prepositions: frozenset[str]
    ordinary: frozenset[str]
    code_introducers: frozenset[str]
    methods: frozenset[str]


@cache
def load_masks() -> tuple[list[Mask], list[Mask]]:
    """(masks, rewrites) of ``masks.toml``. Raises ``BadConfig`` for one that is wrong or not blind to digits."""
    where = "logsense/mine/masks.toml"
    data = tomllib.loads(files("logsense.mine").joinpath("masks.toml").read_text(encoding="utf-8"))
    masks = [Mask(**entry) for entry in data["mask"]]
    rewrites = [Mask(**entry) for entry in data["rewrite"]]
    for mask in masks + rewrites:
        try:
            check_digit_blind(mask.pattern)
        except (re.error, ValueError) as e:
            raise BadConfig(f"mask {mask.name!r} cannot be used", why=str(e), where=where) from e
    return masks, rewrites


@cache
def load_words() -> Words:
    data = tomllib.loads(files("logsense.mine").joinpath("words.toml").read_text(encoding="utf-8"))
    return Words(**{name: frozenset(words) for name, words in data.items()})


@cache
def _substitution() -> Substitution:
    return Substitution(load_masks()[0])


def check_digit_blind(pattern: str) -> None:
    """Raise ValueError when ``pattern`` distinguishes one decimal digit from another."""
    digits = range(ord("0"), ord("9") + 1)

    def walk(item: Any) -> None:
        if isinstance(item, tuple) and len(item) == 2 and item[0] in (sre.LITERAL, sre.NOT_LITERAL):
            if item[1] in digits:
                raise ValueError(f"names the digit {chr(item[1])!r}; all digits must be alike")
        elif isinstance(item, tuple) and len(item) == 2 and item[0] is sre.RANGE:
            low, high = item[1]
            covered = sum(low <= d <= high for d in digits)
            if covered not in (0, 10):
                raise ValueError(f"the range {chr(low)}-{chr(high)} holds some digits and not others")
        elif isinstance(item, (tuple, list, _parser.SubPattern)):
            for part in item:
                walk(part)

    walk(_parser.parse(pattern, re.ASCII))


def encode(text: str) -> bytes:
    """UTF-8; lone surrogates, which JSON may carry, survive the way back."""
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def flatten(data: bytes) -> bytes:
    """All digits as ``0``: lines that differ in digits only get one form, of the same length."""
    return data.translate(_FLATTEN)


class Masker:
    """Masks lines. ``cache`` bounds the number of tokens and lines remembered; it changes speed, never results."""

    def __init__(self, cache: int = 50_000) -> None:
        words = load_words()
        self.words = words
        self._substitution = _substitution()
        self._limit = cache
        self._tokens: dict[bytes, str] = {}
        #: Tokens of which digits stay, always or where the tokens before them say that they are a code.
        self._special: dict[bytes, Masked] = {}
        self._rewrites = [(re.compile(m.pattern, re.ASCII), m.replace, m.needs) for m in load_masks()[1]]
        self._code_words = words.code_introducers
        self._methods = words.methods

    def mask(self, text: str) -> str:
        """Both rounds: whitespace collapsed, variables replaced, adjacent wildcards joined."""
        data = encode(text)
        return self.rewrite(" ".join(self.mask_tokens(data, flatten(data))[0]))

    def prepare(self, flat: bytes) -> None:
        """Mask what is new among the tokens of many flattened lines in one pass.

        Never needed for a result, but a tenth of the time that one token after the other takes.
        """
        new = list(set(flat.split()).difference(self._tokens, self._special))
        if new:
            for token, masked in zip(new, self._substitution.all(new), strict=True):
                self._keep(token, masked)

    def mask_tokens(self, data: bytes, flat: bytes) -> tuple[list[str], list[int]]:
        """The first round on an encoded line and its flattened form: (masked tokens, those whose digits matter).

        Pure: the same line always gives the same result. Every line with the same flattened form and the same digits
        in the tokens named has this masked form, and its variables at the same places.
        """
        tokens = flat.split()
        out = list(map(self._tokens.get, tokens))
        matter: list[int] = []
        if None in out:
            self._fill(tokens, data.split(), out, matter)
        return out, matter  # type: ignore[return-value]

    def _fill(self, flat: Sequence[bytes], data: Sequence[bytes], out: list[str | None], matter: list[int]) -> None:
        """Complete ``out`` where the cache has no answer, and ``matter``."""
        for i, masked in enumerate(out):
            if masked is not None:
                continue
            token = flat[i]
            found = self._special.get(token) or self._keep(token, self._substitution.one(token))
            if found.may_be_code and self._is_code(flat, i):
                out[i] = decode(data[i])
                matter.append(i)
            elif "0" in found.text:
                out[i] = found.of(data[i])
                matter.append(i)
            else:
                out[i] = found.text

    def _keep(self, flat: bytes, found: Masked) -> Masked:
        """Remember the masked form of a flattened token."""
        if len(self._tokens) + len(self._special) >= self._limit:
            self.forget()
        if b"0" in flat and (_STATUS.search(text := decode(flat)) or _SQLSTATE.search(text)):
            found.may_be_code = True
        if len(flat) <= _LONGEST_CACHED:
            if found.may_be_code or "0" in found.text:
                self._special[flat] = found
            else:
                self._tokens[flat] = found.text
        return found

    def forget(self) -> None:
        """Empty the token caches."""
        self._tokens.clear()
        self._special.clear()

    def _is_code(self, flat: Sequence[bytes], i: int) -> bool:
        """Whether token ``i`` is a status or error code, judged by the (flattened) tokens before it."""
        if not i:
            return False
        before = decode(flat[i - 1]).strip("\"':=,([").lower()
        if before == "sqlstate":
            return True
        if not _STATUS.search(decode(flat[i])):
            return False
        if before in self._code_words or _TIMERS.fullmatch(flat[i - 1]):
            return True
        # "GET /x 503", "GET /x HTTP/1.1 503", "GET /x -> 503", but not "GET /x took 503 ms"
        if i > 1 and self._is_method(flat[i - 2]):
            return True
        return i > 2 and _AFTER_PATH.fullmatch(flat[i - 1]) is not None and self._is_method(flat[i - 3])

    def _is_method(self, flat: bytes) -> bool:
        return decode(flat).lstrip("\"'([") in self._methods

    def rewrite(self, masked: str) -> str:
        """The second round, on a line masked by the first."""
        text = _ADJACENT.sub(WILDCARD, masked) if masked.count(WILDCARD) > 1 else masked
        for pattern, replacement, needs in self._rewrites:
            for need in needs:
                if need in text:
                    text = pattern.sub(replacement, text)
                    break
        return _ADJACENT.sub(WILDCARD, text) if text.count(WILDCARD) > 1 else text


def places(flat: bytes, matter: Sequence[int]) -> tuple[slice, ...]:
    """Where the tokens ``matter`` lie in a flattened line, or in any other that has the same."""
    tokens = flat.split()
    single = flat == b" ".join(tokens)
    found: list[slice] = []
    at = before = 0
    for i in matter:
        if single:
            at += sum(map(len, tokens[before:i])) + i - before
        else:
            for token in tokens[before:i]:
                at = flat.index(token, at) + len(token)
            at = flat.index(tokens[i], at)
        found.append(slice(at, at + len(tokens[i])))
        before = i
    return tuple(found)


def opaque(word: str) -> str:
    """What stands for a word with a digit in it that is no state: rewrites treat all that begin alike in one way.

    The word itself, where it holds more than letters, digits, hyphens and underscores.
    """
    first = word[0]
    if not first.isalnum() or not word.isascii() or not word.translate(_JOINERS).isalnum():
        return word
    return "v0v0" if first.islower() else "V0v0" if first.isalpha() else "0v0v"


_JOINERS = {ord("-"): None, ord("_"): None}


def samples(masks: Iterable[Mask]) -> Iterable[tuple[str, str, str]]:
    """(mask name, text, expected) for every sample."""
    return ((m.name, text, expected) for m in masks for text, expected in m.samples)
