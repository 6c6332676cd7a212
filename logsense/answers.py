"""Answers that are not lines: a number, a table, a course over time, the first line, a comparison.

Every answer is computed from the lines that the compiled query finds, so it can be checked by opening them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from logsense.record import Query
from logsense.shapes import record_dict
from logsense.timefmt import iso, nice_step_ns

if TYPE_CHECKING:
    from logsense.search.asking import Aggregate
    from logsense.stages import Index

SECOND = 1_000_000_000
#: Fields that the index counts itself; others are counted over the lines.
_COUNTED = ("host", "service", "level", "template_id", "pipeline")
#: Groups of one table, and lines that are read to count a field that the index does not count.
MAX_GROUPS, MAX_SCAN = 1000, 50_000
#: Rows of a table when the question names no number.
ROWS = 50
_CUT = f"Only the first {MAX_SCAN:,} lines were read."
#: Points of a series when the question names no step.
POINTS = 60


def answer(index: Index, query: Query, asked: Aggregate) -> dict[str, Any]:
    """{"kind": "count|table|series|first|last|compare", "text": "…", …}; see the shape ``Answer`` of the API."""
    if asked.kind == "count":
        total = index.search(query, limit=0)[0]
        return {"kind": "count", "value": total, "text": _found(total)}
    if asked.kind == "distinct":
        groups, cut = _groups(index, query, asked.by)
        text = f"Different values of {asked.by}: {len(groups):,}."
        text += f" {_CUT}" if cut else ""
        return {**_table(index, query, asked, groups, cut), "kind": "count", "value": len(groups), "text": text}
    if asked.kind == "table":
        groups, cut = _groups(index, query, asked.by)
        return _table(index, query, asked, groups, cut)
    if asked.kind == "series":
        return _series(index, query, asked.step_s)
    if asked.kind == "compare":
        return _compare(index, query, asked.back_s)
    return _end(index, query, asked.kind)


def _found(count: int) -> str:
    return "No line was found." if not count else "1 line was found." if count == 1 else f"{count:,} lines were found."


def _groups(index: Index, query: Query, by: str) -> tuple[list[tuple[str, int]], bool]:
    """(value, lines) most frequent first, and whether some lines were not looked at."""
    if by in _COUNTED:
        return [(value, count) for value, count in index.terms(query, by, MAX_GROUPS) if value], False
    counts: Counter[str] = Counter()
    for number, record in enumerate(index.scan(query)):
        if number >= MAX_SCAN:
            return counts.most_common(MAX_GROUPS), True
        value = record.fields.get(by)
        if value not in (None, ""):
            counts[str(value)] += 1
    return counts.most_common(MAX_GROUPS), False


def _table(index: Index, query: Query, asked: Aggregate, groups: list[tuple[str, int]], cut: bool) -> dict[str, Any]:
    fitting = [(v, n) for v, n in groups if n >= asked.least and (not asked.most or n <= asked.most)]
    shown = fitting[: asked.top or ROWS]
    texts = {t.id: t.text for t in index.templates([v for v, _ in shown])} if asked.by == "template_id" else {}
    rows: list[list[Any]] = [[value, count] for value, count in shown]
    columns = [asked.by, "lines"]
    if texts:
        columns, rows = [*columns, "template"], [[*row, texts.get(row[0], "")] for row in rows]
    if not fitting:
        text = "Nothing found."
    elif asked.most:
        text = f"Values of {asked.by} with {asked.least} to {asked.most} lines: {len(fitting):,}."
    elif asked.least:
        text = f"Values of {asked.by} with at least {asked.least} lines: {len(fitting):,}."
    else:
        text = f"Values of {asked.by}: {len(fitting):,}."
    if cut:
        text += f" {_CUT}"
    return {"kind": "table", "by": asked.by, "columns": columns, "rows": rows, "text": text}


def _series(index: Index, query: Query, step_s: int) -> dict[str, Any]:
    held = index.time_range()
    low = query.from_ns if query.from_ns is not None else held[0] if held else 0
    high = query.to_ns if query.to_ns is not None else held[1] + 1 if held else SECOND
    step = step_s * SECOND or nice_step_ns(low, high, POINTS)
    bars = index.histogram(query, step)
    most = max(bars, key=lambda bar: bar[1], default=None)
    text = f"Most at {iso(most[0])}: {most[1]:,} lines." if most else "Nothing found."
    rows = [[iso(at), count] for at, count in bars]
    return {"kind": "series", "step_s": step // SECOND, "columns": ["time", "lines"], "rows": rows, "text": text}


def _compare(index: Index, query: Query, back_s: int) -> dict[str, Any]:
    """The query's span, and the same span ``back_s`` earlier; a query without a span is of its last ``back_s``."""
    held = index.time_range()
    high = query.to_ns if query.to_ns is not None else held[1] + 1 if held else SECOND
    low = query.from_ns if query.from_ns is not None else high - back_s * SECOND
    back = back_s * SECOND
    now = index.search(replace(query, from_ns=low, to_ns=high), limit=0)[0]
    before = index.search(replace(query, from_ns=low - back, to_ns=high - back), limit=0)[0]
    rows = [[iso(low - back), iso(high - back), before], [iso(low), iso(high), now]]
    if held and low - back < held[0]:
        begins = f"The index begins at {iso(held[0])}: the earlier time is not complete."
        text = f"{_found(now)} {begins}"
    elif before:
        text = f"{now:,} lines against {before:,}: {(now - before) / before:+.0%}."
    else:
        text = f"{now:,} lines against none."
    return {
        "kind": "compare",
        "value": now,
        "before": before,
        "columns": ["from", "to", "lines"],
        "rows": rows,
        "text": text,
    }


def _end(index: Index, query: Query, kind: str) -> dict[str, Any]:
    """The first or the last line."""
    if kind == "first":
        record = next(iter(index.scan(query)), None)
    else:
        _, hits = index.search(query, limit=1, by_time=True)
        record = hits[0].record if hits else None
    if record is None:
        return {"kind": kind, "at": None, "hit": None, "text": "Nothing found."}
    at = iso(record.timestamp_ns)
    text = f"The first one was at {at}." if kind == "first" else f"The last one was at {at}."
    return {"kind": kind, "at": at, "hit": record_dict(record), "text": text}
