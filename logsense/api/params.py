"""Parameters that several operations share: the span of time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Query

from logsense.api.problems import BadParameter
from logsense.errors import BadInput
from logsense.timefmt import parse_time

_MAX_NS = 2**63 - 1  # what the index can hold: the year 2262


#: Of what logsense says; lines, names and notes stay as they are.
Language = Annotated[Literal["en", "zh"], Query(description="Language of titles and summaries")]


@dataclass(frozen=True)
class Window:
    """A half-open span of time; None leaves that end open."""

    from_ns: int | None
    to_ns: int | None


_TIME_HELP = "RFC 3339, epoch (s, ms, µs or ns), relative (`-15m`, `-2h`, `-7d`) or `now`"


_From = Annotated[str | None, Query(alias="from", description=f"Start, inclusive: {_TIME_HELP}", examples=["-15m"])]


def start(from_: _From = None) -> int | None:
    """The ``from`` of a request that knows no end, in nanoseconds (a FastAPI dependency)."""
    return _read(from_, time.time_ns(), "from")


def window(
    from_: _From = None,
    to: Annotated[str | None, Query(description=f"End, exclusive: {_TIME_HELP}", examples=["now"])] = None,
) -> Window:
    """The ``from`` and ``to`` of a request (a FastAPI dependency)."""
    now = time.time_ns()
    first, last = _read(from_, now, "from"), _read(to, now, "to")
    if first is not None and last is not None and first >= last:
        raise BadParameter(
            "from does not lie before to",
            why=f"from={from_} to={to} is an empty span",
            where="from, to",
            fix="swap them or leave one out",
        )
    return Window(first, last)


def _read(text: str | None, now_ns: int, name: str) -> int | None:
    if text is None or not text.strip():
        return None
    try:
        found = parse_time(text, now_ns=now_ns, name=name)
    except (BadInput, ValueError, OverflowError):
        found = -1
    if not 0 <= found <= _MAX_NS:
        raise BadParameter(
            f"{name} is not a time: {text[:80]!r}",
            why="it is neither RFC 3339 nor an epoch nor relative, or lies outside 1970 to 2262",
            where=name,
            fix="write it as 2026-03-01T02:00:00Z, 1772330400, -15m or now",
        )
    return found
