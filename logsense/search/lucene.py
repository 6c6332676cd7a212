"""A compiled query as text that can be read, changed and typed: ``host:db1 level:(error OR critical) "disk full"``.

``understand`` reads what ``lucene`` writes, to the same query.
"""

from __future__ import annotations

import re

from logsense.record import LEVELS, Query
from logsense.timefmt import iso

_PLAIN = re.compile(r"[\w.@/+-]*\w")


def lucene(query: Query) -> str:
    """The query in field:value syntax; "" when it restricts nothing."""
    parts = [
        *_any_of("host", query.hosts),
        *_any_of("service", query.services),
        *_any_of("level", sorted(query.levels, key=_rank)),
        *_any_of("pipeline", query.pipelines),
        *_any_of("template", query.template_ids),
        *(f"{name}:{_value(value)}" for name, value in query.fields.items()),
        *([f"from:{_time(query.from_ns)}"] if query.from_ns is not None else []),
        *([f"to:{_time(query.to_ns)}"] if query.to_ns is not None else []),
        *(f'"{_quoted(phrase)}"' for phrase in query.phrases),
        *(f'-"{_quoted(word)}"' for word in query.exclude),
        query.text,
    ]
    return " ".join(part for part in parts if part)


def _any_of(name: str, values: list[str]) -> list[str]:
    if not values:
        return []
    return [f"{name}:{_value(values[0])}" if len(values) == 1 else f"{name}:({' OR '.join(map(_value, values))})"]


def _value(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else f'"{_quoted(text)}"'


def _quoted(text: str) -> str:
    return text.replace('"', "'")


def _time(ns: int) -> str:
    return iso(ns) or ""


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else -1
