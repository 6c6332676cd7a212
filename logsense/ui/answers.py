"""Answers to questions that ask for a number, a ranking or a course over time: ``answer`` of a search, made drawable.

Whatever shape a newer or older server gives is shown as far as it is understood; what is not is left out, because the
lines below it are an answer, too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from markupsafe import Markup

from logsense.ui.format import moment, nanoseconds, number, visible

#: Rows of a table that a page shows; the API has all.
MOST_ROWS = 100
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def drawn(answer: Any) -> dict[str, Any] | None:
    """{"kind": "count", "count"}, {"kind": "table", "columns", "rows", "most"} or {"kind": "series", "series",
    "step_s"}, each with "title"; None for anything else."""
    if not isinstance(answer, Mapping):
        return None
    shape, make = _MAKERS.get(str(answer.get("kind")), ("", None))
    made = make(answer) if make else None
    title = str(answer.get("title") or answer.get("text") or "")
    return {"kind": shape, "title": title, **made} if made else None


def _count(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    value = next((answer[k] for k in ("count", "value", "total") if _is_number(answer.get(k))), None)
    return None if value is None else {"count": value}


def _table(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    rows = answer.get("rows")
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        return None
    columns = [str(c) for c in answer.get("columns") or ()]
    if isinstance(rows[0], Mapping):
        columns = columns or [str(k) for k in rows[0]]
        cells = [[row.get(c) for c in columns] for row in rows if isinstance(row, Mapping)]
    else:
        cells = [list(row) for row in rows if isinstance(row, Sequence) and not isinstance(row, str)]
    if not cells:
        return None
    width = max(len(row) for row in cells)
    columns = (columns + [""] * width)[:width]
    cells = [row + [None] * (width - len(row)) for row in cells]
    numbers = [all(_is_number(row[at]) or row[at] is None for row in cells) for at in range(width)]
    # Bars stand beside the first column of numbers: that is what such a table is ordered by.
    first = next((at for at, is_number in enumerate(numbers) if is_number), None)
    most = max((n for row in cells if _is_number(n := row[first])), default=0.0) if first is not None else 0.0
    return {
        "columns": [{"name": name, "number": number} for name, number in zip(columns, numbers, strict=True)],
        "rows": cells[:MOST_ROWS], "left_out": max(0, len(cells) - MOST_ROWS), "bars": first if most > 0 else None,
        "most": most,
    }  # fmt: skip


def _series(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    given = answer.get("series") or {"": answer.get("buckets") or answer.get("points") or answer.get("rows") or ()}
    if isinstance(given, Sequence) and not isinstance(given, str):
        given = {str(s.get("name", at)): s.get("points") or s.get("buckets") or () for at, s in enumerate(given)
                 if isinstance(s, Mapping)}  # fmt: skip
    if not isinstance(given, Mapping):
        return None
    series = {}
    for name, points in list(given.items())[:8]:
        if isinstance(points, Sequence) and not isinstance(points, str):
            kept = [[p[0], p[1]] for p in points if isinstance(p, Sequence) and len(p) == 2
                    and isinstance(p[0], str) and nanoseconds(p[0]) is not None and _is_number(p[1])]  # fmt: skip
            if kept:
                series[str(name)] = kept
    step = answer.get("step_s")
    return {"series": series, "step_s": float(step) if _is_number(step) else 60.0} if series else None


def _end(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first or the last line, as a table of one row."""
    hit = answer.get("hit")
    if not isinstance(hit, Mapping):
        return None
    row = [answer.get("at") or hit.get("@timestamp"), hit.get("host"), hit.get("message")]
    return _table({"columns": ["time", "host", "message"], "rows": [row]})


#: Kind of an answer -> the shape in which it is drawn, and what makes that of it.
_MAKERS: dict[str, tuple[str, Callable[[Mapping[str, Any]], dict[str, Any] | None]]] = {
    "count": ("count", _count), "table": ("table", _table), "series": ("series", _series), "compare": ("table", _table),
    "first": ("table", _end), "last": ("table", _end),
}  # fmt: skip


def cell(value: Any) -> Markup:
    """One cell: a number, a time or a text."""
    if value is None:
        return Markup("–")
    if _is_number(value):
        return Markup("{}").format(number(value))
    text = str(value)
    return moment(text) if _TIME.match(text) and nanoseconds(text) is not None else visible(text, 200)


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
