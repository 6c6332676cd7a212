"""Following what is written, by the order in which it came rather than by the times that lines state.

A day's rows are only ever appended, so the pointer of its last row is a position. A cursor is the positions of the
newest days; a sender whose clock is wrong, or who sends the file of last week, is followed like any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from logsense.index.base import Plan
from logsense.index.lines import Lines
from logsense.record import LogRecord, Query

#: Days that a cursor names, so that it stays short enough for a header. Lines of earlier days that arrive while a
#: client is away are not told when it comes back; those that arrive while it listens are.
CURSOR_DAYS = 60
_CURSOR = re.compile(r"\w+\.\w+(?:~\w+\.\w+)*")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Arrivals:
    """``stages.Arrivals`` over the shards of the embedded index."""

    def __init__(self, lines: Lines, plan: Callable[[Query], Plan], after: str) -> None:
        self._lines, self._plan = lines, plan
        self._seen = lines.ends()
        if named := _decode(after):
            first = min(named) if len(named) >= CURSOR_DAYS else -1
            for day, row in self._seen.items():  # a day that the cursor does not name began after it
                self._seen[day] = min(row, named.get(day, -1)) if day >= first else row

    @property
    def cursor(self) -> str:
        newest = sorted(self._seen.items(), reverse=True)[:CURSOR_DAYS]
        return "~".join(f"{_encode(day)}.{_encode(row + 1)}" for day, row in newest) or "0.0"

    def read(self, query: Query, limit: int) -> tuple[int, list[LogRecord]]:
        total, records = self._lines.arrived(self._plan(query), self._seen, limit)
        return total - len(records), records


def _encode(number: int) -> str:
    """Base 36; days before 1970 are taken as none, for nothing is followed there."""
    said = ""
    number = max(0, number)
    while number:
        number, digit = divmod(number, 36)
        said = _DIGITS[digit] + said
    return said or "0"


def _decode(cursor: str) -> dict[int, int]:
    """Day -> pointer; nothing for what is no cursor."""
    if len(cursor) > 40 * CURSOR_DAYS or not _CURSOR.fullmatch(cursor) or not cursor.isascii():
        return {}
    try:
        pairs = [part.split(".") for part in cursor.split("~")]
        return {int(day, 36): int(row, 36) - 1 for day, row in pairs}
    except ValueError:
        return {}
