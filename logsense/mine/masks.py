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
from importlib.resources import files
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from logsense.errors import BadConfig

WILDCARD = "<*>"

# Digits of other scripts count as letters: `\d` of the masks is ASCII only, as the flattening is.
_FLATTEN = bytes.maketrans(b"123456789", b"000000000")
_ADJACENT = re.compile(r"<\*>(?:\s?<\*>)+")
_STATUS = re.compile(r"(?<![\w.:/-])\d{3}(?![\w.:/%-])", re.ASCII)
_TIMERS = re.compile(rb"[-+]?\d+(?:/[-+]?\d+){3,4}")  # what HAProxy writes before the status
_AFTER_PATH = re.compile(rb"HTTP/[\d.]+\W*|[^A-Za-z\d]+")
_SQLSTATE = re.compile(r"(?<![\w.:/-])(?=[A-Z]*\d)[0-9A-Z]{5}(?![\w.:/%-])", re.ASCII)

# Bytes of a token worth remembering; together with the number of tokens it bounds the cache's memory.
_LONGEST_CACHED = 512

_LONGEST_PIECE = 512
_PIECES = re.compile(rf"[\s\S]{{1,{_LONGEST_PIECE}}}(?<=[,;&\"(){{}}])|[\s\S]{{1,{_LONGEST_PIECE}}}")

# Marks in the token cache: the token's own digits decide, or the tokens before it do.
_OWN_DIGITS = ""
_CONTEXT = "\0"


@dataclass(frozen=True, slots=True)
class Mask:
    """One entry of ``masks.toml``; ``samples`` are (text, text after all masks)."""

    name: str
    pattern: str
    keep: bool = False
    replace: str = WILDCARD
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


def load_words() -> Words:
    data = tomllib.loads(files("logsense.mine").joinpath("words.toml").read_text(encoding="utf-8"))
    return Words(**{name: frozenset(words) for name, words in data.items()})


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
        masks, rewrites = load_masks()
        words = load_words()
        self.words = words
        self._limit = cache
        self._tokens: dict[bytes, str] = {}
        #: Of tokens that may be a code: their masked form where they are none.
        self._no_code: dict[bytes, str] = {}
        #: Of tokens whose own digits matter, not flattened: their masked form.
        self._with_digits: dict[bytes, str] = {}
        self._kept = frozenset(f"m{i}" for i, m in enumerate(masks) if m.keep)
        self._combined = re.compile("|".join(f"(?P<m{i}>{m.pattern})" for i, m in enumerate(masks)), re.ASCII)
        self._rewrites = [(re.compile(m.pattern, re.ASCII), m.replace) for m in rewrites]
        self._code_words = words.code_introducers
        self._methods = words.methods

    def mask(self, text: str) -> str:
        """Both rounds: whitespace collapsed, variables replaced, adjacent wildcards joined."""
        data = encode(text)
        return self.rewrite(self.mask_tokens(data, flatten(data))[0])

    def mask_tokens(self, data: bytes, flat: bytes) -> tuple[str, bool]:
        """The first round on an encoded line and its flattened form: (masked line, blind).

        Pure: the same line always gives the same result. ``blind`` tells that no digit of the line mattered, so
        every line with the same flattened form has this masked form, and its variables at the same places.
        """
        tokens = flat.split()
        out = list(map(self._tokens.get, tokens))
        blind = True
        if None in out or _OWN_DIGITS in out or _CONTEXT in out:
            blind = self._fill(tokens, data.split(), out)
        return " ".join(out), blind  # type: ignore[arg-type]

    def _fill(self, flat: Sequence[bytes], data: Sequence[bytes], out: list[str | None]) -> bool:
        """Complete ``out`` where the cache did not answer; whether the result is blind to digits."""
        blind = True
        for i, masked in enumerate(out):
            if masked is None:
                masked = self._learn(flat[i])
            if masked == _CONTEXT:
                if self._is_code(flat, i):
                    out[i], blind = decode(data[i]), False
                    continue
                masked = self._no_code.get(flat[i], _OWN_DIGITS)
            if masked == _OWN_DIGITS:
                blind = False
                masked = self._with_digits.get(data[i]) or self._learn_digits(data[i])
            out[i] = masked
        return blind

    def _learn(self, flat: bytes) -> str:
        text = decode(flat)
        masked = self._sub(text)
        if "0" in masked:
            masked = _OWN_DIGITS
        if len(self._tokens) >= self._limit:
            self.forget()
        short = len(flat) <= _LONGEST_CACHED
        if _STATUS.search(text) or _SQLSTATE.search(text):
            if short:
                self._no_code[flat] = masked
            masked = _CONTEXT
        if short:
            self._tokens[flat] = masked
        return masked

    def _learn_digits(self, data: bytes) -> str:
        """The masked form of a token of which digits survive, such as ``tty2``."""
        masked = self._sub(decode(data))
        if len(data) <= _LONGEST_CACHED:
            if len(self._with_digits) >= self._limit:
                self.forget()
            self._with_digits[data] = masked
        return masked

    def _sub(self, token: str) -> str:
        """Some masks look ahead to the end of a token, so a very long one is masked in pieces: never quadratic."""
        if len(token) <= _LONGEST_PIECE:
            return self._combined.sub(self._replace, token)
        return "".join(self._combined.sub(self._replace, piece) for piece in _PIECES.findall(token))

    def forget(self) -> None:
        """Empty the token caches."""
        self._tokens.clear()
        self._no_code.clear()
        self._with_digits.clear()

    def _replace(self, match: re.Match[str]) -> str:
        return match.group() if match.lastgroup in self._kept else WILDCARD

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
        text = _ADJACENT.sub(WILDCARD, masked)
        for pattern, replacement in self._rewrites:
            text = pattern.sub(replacement, text)
        return _ADJACENT.sub(WILDCARD, text)


def samples(masks: Iterable[Mask]) -> Iterable[tuple[str, str, str]]:
    """(mask name, text, expected) for every sample."""
    return ((m.name, text, expected) for m in masks for text, expected in m.samples)
