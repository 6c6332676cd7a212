"""Bounds on regular expressions: no pattern of a format may take exponential or cubic time on any line.

``re`` has no time limit, so patterns are judged before they are used: by their structure (an unbounded repeat inside
another one is what makes backtracking explode) and, in ``formats check`` and for folders of one's own, by racing
them against hostile strings made from the format's own samples.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from re import _constants, _parser  # type: ignore[attr-defined]  # the only access to the parsed form
from typing import Any

_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)
_POSSESSIVE = (_constants.POSSESSIVE_REPEAT, _constants.ATOMIC_GROUP)
_MANY = 16  # a repeat bounded below this cannot explode by itself
_ASCII = tuple(chr(code) for code in range(128))


def nested_repeat(pattern: str) -> str:
    """ "" for a pattern without nested unbounded repeats, otherwise what is wrong with it.

    ``(a+)+`` is refused. ``(?:\\w+, )*`` passes: what follows the inner repeat cannot be matched by it, so there is
    only one way to split a text. Possessive repeats and atomic groups never backtrack and pass.
    """
    for repeat in _walk(_parser.parse(pattern)):
        body = list(repeat)
        for position, (op, value) in enumerate(body):
            if op not in _REPEATS or value[1] < _MANY:
                continue
            after = body[position + 1 :] + body[:position]
            inner = _first_of(value[2])
            if not _separated(after, inner):
                return (
                    "an unbounded repeat inside an unbounded repeat, with nothing between them that ends the inner one"
                )
        for op, value in body:
            if op is _constants.BRANCH and any(_holds_repeat(branch) for branch in value[1]) and len(body) == 1:
                heads = [_first_of(branch) for branch in value[1]]
                if any(a & b for i, a in enumerate(heads) for b in heads[i + 1 :]):
                    return "a repeated alternative whose branches begin alike and repeat themselves"
    return ""


def _walk(items: Any) -> Iterator[Any]:
    """The bodies of all unbounded, backtracking repeats, groups around a whole body removed."""
    for op, value in items:
        if op in _REPEATS:
            if value[1] >= _MANY:
                body = value[2]
                while len(body) == 1 and body[0][0] is _constants.SUBPATTERN:
                    body = body[0][1][3]
                yield body
            yield from _walk(value[2])
        elif op is _constants.SUBPATTERN:
            yield from _walk(value[3])
        elif op is _constants.BRANCH:
            for branch in value[1]:
                yield from _walk(branch)
        elif op in (_constants.ASSERT, _constants.ASSERT_NOT):
            yield from _walk(value[1])
        elif op in _POSSESSIVE:
            continue


def _holds_repeat(items: Any) -> bool:
    return any(op in _REPEATS and value[1] >= _MANY for op, value in items)


def _separated(after: Any, inner: frozenset[str]) -> bool:
    """Whether something that must occur after the inner repeat can never be taken by it."""
    for op, value in after:
        if op in _REPEATS and value[0] == 0:
            if _first_of(value[2]) & inner:
                return False
            continue
        return not (_first_of([(op, value)]) & inner)
    return False


def first_characters(pattern: str) -> frozenset[str] | None:
    """The ASCII characters that a match can begin with; None when it may begin with anything or be empty."""
    found = _first_of(_parser.parse(pattern))
    return None if len(found) == len(_ASCII) else found


def _first_of(items: Any) -> frozenset[str]:
    """Characters that ``items`` can begin with; all of them if ``items`` can be empty."""
    found, empty = _heads(items)
    return frozenset(_ASCII) if empty else found


def _heads(items: Any) -> tuple[frozenset[str], bool]:
    """Characters that ``items`` can begin with, and whether they can match nothing."""
    found: set[str] = set()
    for op, value in items:
        empty = False
        if op is _constants.AT or op in (_constants.ASSERT, _constants.ASSERT_NOT):
            continue
        if op is _constants.SUBPATTERN or op is _constants.ATOMIC_GROUP:
            heads, empty = _heads(value[3] if op is _constants.SUBPATTERN else value)
            found |= heads
        elif op is _constants.BRANCH:
            branches = [_heads(branch) for branch in value[1]]
            found.update(*(heads for heads, _ in branches))
            empty = any(nothing for _, nothing in branches)
        elif op in _REPEATS or op is _constants.POSSESSIVE_REPEAT:
            heads, empty = _heads(value[2])
            found |= heads
            empty = empty or value[0] == 0
        elif op is _constants.LITERAL:
            found.add(chr(value))
        elif op is _constants.NOT_LITERAL:
            found.update(char for char in _ASCII if char != chr(value))
        elif op is _constants.IN:
            found |= _class_characters(value)
        else:  # ANY, a back-reference …
            return frozenset(_ASCII), False
        if not empty:
            return frozenset(found), False
    return frozenset(found), True


def _class_characters(value: Any) -> frozenset[str]:
    negated = value[0][0] is _constants.NEGATE
    found: set[str] = set()
    for op, argument in value:
        if op is _constants.LITERAL:
            found.add(chr(argument))
        elif op is _constants.RANGE:
            found.update(char for char in _ASCII if argument[0] <= ord(char) <= argument[1])
        elif op is _constants.CATEGORY:
            found.update(char for char in _ASCII if _CATEGORIES[argument](char))
    return frozenset(char for char in _ASCII if char not in found) if negated else frozenset(found)


_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    _constants.CATEGORY_DIGIT: str.isdigit,
    _constants.CATEGORY_NOT_DIGIT: lambda char: not char.isdigit(),
    _constants.CATEGORY_SPACE: str.isspace,
    _constants.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    _constants.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    _constants.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}


def too_slow(
    pattern: str, samples: Iterable[str], *, anywhere: bool = True, limit_s: float = 0.05, length: int = 8192
) -> str:
    """ "" if the pattern stays within ``limit_s`` on every hostile string, otherwise the string's description.

    ``anywhere``: the pattern is searched in a text, not matched at its start. Each string grows step by step, so that
    an exponential pattern is caught at thirty characters and not in an hour. The best of three runs counts, because the
    machine may be busy.
    """
    regex = re.compile(pattern, re.DOTALL)
    run = regex.search if anywhere else regex.match
    for name, head, seed in _hostile(samples):
        size = 32
        while size <= length:
            text = (head + seed * (size // len(seed) + 1))[: size + len(head)] + "\x00"
            took = 0.0
            for attempt in range(3):
                started = time.perf_counter()
                run(text)
                spent = time.perf_counter() - started
                took = spent if attempt == 0 else min(took, spent)
                if took <= limit_s or took > 10 * limit_s:
                    break
            if took > limit_s:
                return f"{took * 1000:.0f} ms on {len(text)} characters of {name}"
            # Where time begins to show, smaller steps: the next doubling of an exponential one would not end.
            size = size * 2 if took < limit_s / 100 else size + max(4, size // 8)
    return ""


def _hostile(samples: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Name, beginning and what is repeated: characters, the samples' own pieces, and pieces after good beginnings."""
    for char in " a0\"[(=.:/-,'":
        yield f"repeated {char!r}", "", char
    for number, sample in enumerate(samples, 1):
        sample = sample[:1000]
        yield f"sample {number}, repeated", "", sample
        for piece in dict.fromkeys(re.findall(r"\w+\W{1,3}", sample)[:12]):
            yield f"sample {number}, {piece!r} repeated", "", piece
        for share in (1, 2, 3, 4):
            head = sample[: len(sample) * share // 4]
            for piece in (" ", "a", "0", "a.", ", ", '"', head[-8:] or "x"):
                yield f"sample {number}, {share}/4 of it and repeated {piece!r}", head, piece
