"""Which parameters of a template are amounts or codes, decided once per text by the words around them.

An identifier, a port or a process number has no usual range, however it is spread; a duration, a size, a count or an
exit code has. What stands around the parameter says which it is: a unit behind it (``<*> ms``), a key or word before
it (``took``, ``size=``, ``errno``). A parameter that names nothing is left alone.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

WILDCARD = "<*>"
MAX_SLOTS = 6  # of one template that are followed
AMOUNT, CODE = "amount", "code"

_TIMES = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "usec": 1e-6, "ms": 1e-3, "msec": 1e-3, "msecs": 1e-3, "millis": 1e-3,
    "milliseconds": 1e-3, "millisecond": 1e-3, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
    "m": 60.0, "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0, "h": 3600.0, "hr": 3600.0, "hrs": 3600.0,
    "hour": 3600.0, "hours": 3600.0, "d": 86400.0, "days": 86400.0,
}  # fmt: skip
_SIZES = {
    "b": 1.0, "byte": 1.0, "bytes": 1.0, "k": 1024.0, "kb": 1024.0, "kib": 1024.0, "mb": 2.0**20, "mib": 2.0**20,
    "g": 2.0**30, "gb": 2.0**30, "gib": 2.0**30, "tb": 2.0**40, "tib": 2.0**40,
}  # fmt: skip
_COUNTS = frozenset(("rows", "row", "records", "items", "entries", "messages", "requests", "pages", "buffers", "files",
                     "connections", "times", "attempts", "retries", "blocks", "packets", "keys", "events"))  # fmt: skip
_AMOUNT_WORDS = re.compile(
    r"(?:^|[^a-z])(?:duration|elapsed|took|taken|latency|runtime|rt|rtt|time_?(?:ms|taken|s)?|cost|wait(?:ed|ing)?|delay|"
    r"lag|age|size|length|len|bytes|sent|received|rows(?:_\w+)?|count|total|used|usage|free|load|depth|queue(?:d|_size)?|"
    r"backlog|retries|attempts?|score|temp(?:erature)?|percent|in|after|for)$"
)
#: Words that announce an amount only together with a unit behind it: "in 5 ms" is one, "in shard 5" is none.
_NEEDS_UNIT = frozenset(("in", "after", "for"))
_CODE_WORDS = re.compile(
    r"(?:^|[^a-z])(?:errno|err|error(?:[ _-]?(?:code|no|number))?|code|status|exit(?:ed)?(?:[ _-]?(?:code|status))?|rc|"
    r"ret(?:urn)?(?:[ _-]?code)?|result|signal|sqlstate|reason|rcode)$"
)
_BEFORE = re.compile(r"([A-Za-z][\w.\- ]{0,40}?)\s?[=:]?\s?[\"'(\[]?$")
_AFTER = re.compile(r"\s?[\"')\]]?([A-Za-zµ%]{1,12})(?![A-Za-z])")
_QUANTITY = re.compile(r"([-+]?\d{1,300}(?:\.\d{1,300})?)\s?([A-Za-zµ%]{1,5})")


class Slot(NamedTuple):
    """``position`` of the parameter, ``kind`` (amount or code), its ``name`` for people and the ``unit`` behind it."""

    position: int
    kind: str
    name: str
    unit: str


@lru_cache(maxsize=8192)
def slots(text: str) -> tuple[Slot, ...]:
    """The parameters of a template's text that have a usual range, at most ``MAX_SLOTS``."""
    pieces = text.split(WILDCARD)
    found = []
    for position, (before, after) in enumerate(pairwise(pieces)):
        slot = _slot(position, before[-60:], after[:20])
        if slot is not None:
            found.append(slot)
    return tuple(found[:MAX_SLOTS])


def _slot(position: int, before: str, after: str) -> Slot | None:
    match = _BEFORE.search(before)
    word = match[1].lower().strip() if match else ""
    behind = _AFTER.match(after)
    unit = behind[1] if behind else ""
    lower = unit.lower()
    last = re.split(r"[^a-z_]+", word)[-1] if word else ""
    measured = lower in _TIMES or lower in _SIZES or lower in _COUNTS or unit == "%"
    # "m", "d" or "h" behind a number may be anything; they count where the words before say so, too
    if measured and (len(unit) > 1 or unit in ("s", "%") or _AMOUNT_WORDS.search(word)):
        return Slot(position, AMOUNT, last or lower, unit)
    if _CODE_WORDS.search(word):
        return Slot(position, CODE, word.rsplit("  ", 1)[-1][-24:].strip(), "")
    if _AMOUNT_WORDS.search(word) and last not in _NEEDS_UNIT:
        return Slot(position, AMOUNT, last or word, "")
    return None


@lru_cache(maxsize=8192)
def amount(value: str) -> float | None:
    """The number that the value is: plain, a duration in seconds, a size in bytes; None for anything else."""
    try:
        number = float(value)
    except ValueError:
        found = _QUANTITY.fullmatch(value)
        if found is None:
            return None
        unit = found[2].lower()
        scale = _TIMES.get(unit) or _SIZES.get(unit) or (1.0 if unit == "%" else None)
        if scale is None:
            return None
        number = float(found[1]) * scale
    return number if math.isfinite(number) and abs(number) < 1e300 else None
