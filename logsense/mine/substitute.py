"""The masks of the first round as one expression, and its application to many tokens at once.

PCRE2 compiles the expression to machine code: a token costs a tenth of what ``re`` takes, if many are handed over in
one call. The masks are written for ``re``, which still answers for what PCRE2 refuses (it has limits of effort, ``re``
has none) and where it is not installed. Both see bytes: what is not ASCII is neither word nor space.

The only module that imports pcre2.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logsense.mine.masks import Mask

WILDCARD = "<*>"

#: Some masks look ahead to the end of a token, so a longer one is masked in pieces: never quadratic.
LONGEST_PIECE = 512
_PIECES = re.compile(rb"[\s\S]{1,%d}(?<=[,;&\"(){}])|[\s\S]{1,%d}" % (LONGEST_PIECE, LONGEST_PIECE))
#: Bytes of tokens handed over in one call.
_CHUNK = 65_536
#: Stand around every match in what PCRE2 returns. A token that holds one of them is left to ``re``.
_OPEN, _CLOSE = b"\x01", b"\x02"


@dataclass(slots=True)
class Masked:
    """``text`` is the token with a wildcard in place of every variable; ``stays`` says which parts of it are its own,
    if a ``0`` is among them: tokens are flattened."""

    text: str
    stays: tuple[slice, ...]
    #: Whether it is a status or error code behind some tokens, which then stays.
    may_be_code: bool = False

    def of(self, token: bytes) -> str:
        """The masked form of another token, whose variables lie at the same places."""
        return WILDCARD.join([str(token[part], "utf-8", "surrogatepass") for part in self.stays])


class Substitution:
    """Finds what the masks match in tokens (text without white space). Pure, and safe from any thread."""

    def __init__(self, masks: Sequence[Mask]) -> None:
        self._masks = masks
        self._refused: tuple[type[Exception], ...] = ()
        self._kept = frozenset(f"m{i}" for i, m in enumerate(masks) if m.keep)
        self._combined = re.compile("|".join(f"(?P<m{i}>{m.pattern})" for i, m in enumerate(masks)).encode())

    @cached_property
    def _compiled(self) -> Any:
        """The compiled expression, None where there is no PCRE2 for the platform."""
        try:
            import pcre2
        except ImportError:
            return None
        self._refused = (pcre2.LibraryError,)
        # A match that is kept fails after having moved the start of the next attempt behind it.
        parts = (f"(?:{m.pattern}){'(*SKIP)(*FAIL)' if m.keep else ''}" for m in self._masks)
        return pcre2.compile("|".join(parts).encode(), jit=True)

    def all(self, tokens: Sequence[bytes]) -> list[Masked]:
        """Each token masked."""
        out: list[Masked] = []
        part: list[bytes] = []
        size = 0
        for token in tokens:
            part.append(token)
            size += len(token)
            if size > _CHUNK:
                out += self._several(part)
                part, size = [], 0
        return out + self._several(part) if part else out

    def _several(self, tokens: list[bytes]) -> list[Masked]:
        joined = b"\n".join(tokens)
        simple = _OPEN not in joined and _CLOSE not in joined and max(map(len, tokens)) <= LONGEST_PIECE
        compiled = self._compiled if simple else None
        if compiled is not None:
            with contextlib.suppress(*self._refused):
                marked: bytes = compiled.sub(_OPEN + b"$0" + _CLOSE, joined)
                return [_read(token) for token in marked.split(b"\n")]
        return list(map(self.one, tokens))

    def one(self, token: bytes) -> Masked:
        """One token masked, by ``re``."""
        stays: list[slice] = []
        at = start = 0
        for piece in _PIECES.findall(token) if len(token) > LONGEST_PIECE else (token,):
            for match in self._combined.finditer(piece):
                if match.lastgroup not in self._kept:
                    stays.append(slice(at, start + match.start()))
                    at = start + match.end()
            start += len(piece)
        places = (*stays, slice(at, len(token)))
        return Masked(Masked("", places).of(token), places)


def _read(marked: bytes) -> Masked:
    """What PCRE2 returned of one token."""
    own, *rest = marked.split(_OPEN)
    if not rest:
        return Masked(str(marked, "utf-8", "surrogatepass"), (slice(0, len(marked)),))
    pieces = [piece.split(_CLOSE) for piece in rest]  # a variable, and what stays behind it
    text = str(b"<*>".join([own, *[stays for _, stays in pieces]]), "utf-8", "surrogatepass")
    if "0" not in text:
        return Masked(text, ())  # nobody asks which parts stay: those of every such token are the same
    at = len(own)
    places = [slice(0, at)]
    for variable, stays in pieces:
        start = at + len(variable)
        at = start + len(stays)
        places.append(slice(start, at))
    return Masked(text, tuple(places))
