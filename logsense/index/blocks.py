"""A block of rows without what is said twice: the values of a line stand in its message, in its parameters, in its
fields and in what was before the message. Here each stands once.

Rows of one shape (template, text between the parameters, names of the fields) form a group. Of a group the shape is
kept once, and the values by column. A column is one of

* ``["c", value]``: the same in every row;
* ``["s", k]`` or ``["i", k]``: what the ``k``-th column before it holds, as text or as a whole number;
* ``["l", k]``: a value a row, in the ``k``-th of the lists that are kept beside (they compress better apart);
* ``["+", columns]``: texts put together.

* ``["h", k]``, ``["p", k]`` or ``["n", k]``: what stands in that column before its last colon, or behind it, as text or
  as a number.

``fold`` makes such a block from rows, ``Block`` gives single rows back: exactly what was folded, as JSON knows it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from logsense.index.base import DIFFERENCE_COLUMNS, Row

_MESSAGE, _AROUND, _TEMPLATE, _PARAMETERS, _FIELDS = 2, 9, 11, 12, 13
_GROUPED = frozenset((_MESSAGE, _AROUND, _TEMPLATE, _PARAMETERS, _FIELDS))
_WIDTH = 14
#: Values shorter than this are not looked for in what stands around a message: they would be found anywhere.
_SHORTEST_INNER = 3
#: Columns of a group that a later one is compared with; more of them cost more than they save.
_MAX_SOURCES = 40
_CONSTANT = frozenset((str, int, bool, type(None)))

Column = list[Any]
Lists = list[list[Any]]


def fold(rows: Sequence[Row]) -> tuple[dict[str, Any], Lists]:
    """The block as JSON, and the lists of its values; ``rows`` may not be empty."""
    plain: list[list[Any] | None] = []
    for at, column in enumerate(zip(*rows, strict=True)):
        if at in _GROUPED:
            plain.append(None)
            continue
        values = list(column)
        if at in DIFFERENCE_COLUMNS:
            values = [values[0], *(later - earlier for earlier, later in itertools.pairwise(values))]
        plain.append(values)
    groups: dict[Any, list[Row]] = {}
    numbers: dict[Any, int] = {}
    member: list[int] = []
    for row in rows:
        around, fields = row[_AROUND], row[_FIELDS]
        kind = around if around is None else len(around) if around.__class__ is tuple else -1
        shape = (row[_TEMPLATE], _literals(row[_MESSAGE], row[_PARAMETERS]), tuple(fields), kind)
        number = numbers.setdefault(shape, len(numbers))
        member.append(number)
        groups.setdefault(shape, []).append(row)
    lists: Lists = []
    folded = [_group(shape, held, lists) for shape, held in groups.items()]
    return {"rows": plain, "of": member, "groups": folded}, lists


def _literals(message: str, parameters: Sequence[Any]) -> tuple[str, ...] | int:
    """The texts around the parameters, one more than those; the number of parameters where they are not in it."""
    found: list[str] = []
    at = 0
    for value in parameters:
        if value.__class__ is not str or (start := message.find(value, at)) < 0:
            return len(parameters)
        found.append(message[at:start])
        at = start + len(value)
    found.append(message[at:])
    return tuple(found)


def _group(shape: tuple[Any, ...], rows: Sequence[Row], lists: Lists) -> dict[str, Any]:
    template_id, literals, names, kind = shape
    sources: list[list[Any]] = []
    columns: list[Column] = []
    count = literals if isinstance(literals, int) else len(literals) - 1
    parameters = [list(column) for column in zip(*(row[_PARAMETERS] for row in rows), strict=True)] if count else []
    for values in parameters:
        columns.append(_column(values, sources, lists))
        sources.append(values)
    if names:
        for column in zip(*[row[_FIELDS].values() for row in rows], strict=True):
            values = list(column)
            columns.append(_column(values, sources, lists))
            sources.append(values)
    group: dict[str, Any] = {"t": template_id, "n": count, "f": names, "c": columns}
    if isinstance(literals, int):
        group["m"] = _column([row[_MESSAGE] for row in rows], [], lists)
    else:
        group["l"] = literals
    if kind == -1:
        group["o"] = _column([row[_AROUND] for row in rows], [], lists)
    elif kind is not None:
        group["a"] = [_inner([row[_AROUND][side] for row in rows], sources, lists) for side in range(kind)]
    return group


def _column(values: list[Any], sources: Sequence[list[Any]], lists: Lists) -> Column:
    first = values[0]
    kind = first.__class__
    if kind in _CONSTANT and values.count(first) == len(values) and set(map(type, values)) == {kind}:
        return ["c", first]
    if kind is str:
        for k, source in enumerate(sources[:_MAX_SOURCES]):
            if source[0] == first and source == values:
                return ["s", k]
            if (part := _part(first, source[0])) and _parts(part, source) == values:
                return [part, k]
    elif kind is int and set(map(type, values)) == {int}:
        first, texts = str(first), list(map(str, values))
        for k, source in enumerate(sources[:_MAX_SOURCES]):
            if source[0] == first and source == texts:
                return ["i", k]
            if _part(first, source[0]) == "p" and _parts("p", source) == texts:
                return ["n", k]
    lists.append(values)
    return ["l", len(lists) - 1]


def _part(value: str, whole: Any) -> str:
    """``h`` where the value stands before the last colon of ``whole``, ``p`` behind it."""
    if whole.__class__ is not str or ":" not in whole or not value:
        return ""
    head, _, tail = whole.rpartition(":")
    return "h" if value == head else "p" if value == tail else ""


def _parts(part: str, wholes: Sequence[Any]) -> list[str]:
    """Those parts of all; nothing where one of them has none."""
    if any(whole.__class__ is not str or ":" not in whole for whole in wholes):
        return []
    return [whole.rpartition(":")[0 if part == "h" else 2] for whole in wholes]


def _inner(values: list[str], sources: Sequence[list[Any]], lists: Lists) -> Column:
    """A column of texts in which values of other columns may stand."""
    if values.count(values[0]) == len(values):
        return ["c", values[0]]
    for k, source in enumerate(sources[:_MAX_SOURCES]):
        if source[0].__class__ not in (str, int):
            continue
        value = str(source[0])
        if len(value) < _SHORTEST_INNER or value not in values[0]:
            continue
        texts = [value if value.__class__ is str else str(value) for value in source]
        split = [text.partition(value) for text, value in zip(values, texts, strict=True) if value]
        if len(split) == len(values) and all(middle for _, middle, _ in split):
            before, after = [left for left, _, _ in split], [right for _, _, right in split]
            return ["+", [_inner(before, sources, lists), ["s", k], _inner(after, sources, lists)]]
    lists.append(values)
    return ["l", len(lists) - 1]


class Block:
    """A folded block; rows are made when they are asked for. Immutable, so safe from any thread."""

    def __init__(self, folded: dict[str, Any], lists: Lists) -> None:
        self._lists = lists
        self._rows: list[list[Any] | None] = folded["rows"]
        for at in DIFFERENCE_COLUMNS:
            self._rows[at] = list(itertools.accumulate(map(int, self._rows[at] or ())))
        self._groups: list[dict[str, Any]] = folded["groups"]
        seen = [0] * len(self._groups)
        #: Of each row: its group, and the how many-th of it.
        self._places: list[tuple[int, int]] = []
        for number in folded["of"]:
            self._places.append((number, seen[number]))
            seen[number] += 1

    def __getitem__(self, slot: int) -> Row:
        """Raises IndexError where there is no such row."""
        number, at = self._places[slot]
        group = self._groups[number]
        row: list[Any] = [None if column is None else column[slot] for column in self._rows]
        values: list[Any] = []
        for column in group["c"]:
            values.append(self._value(column, at, values))
        count = group["n"]
        parameters = values[:count]
        row[_TEMPLATE], row[_PARAMETERS] = group["t"], parameters
        row[_FIELDS] = dict(zip(group["f"], values[count:], strict=True))
        if "l" in group:
            literals = group["l"]
            pieces = itertools.chain.from_iterable(zip(literals, parameters, strict=False))
            row[_MESSAGE] = "".join([*pieces, literals[-1]])
        else:
            row[_MESSAGE] = self._value(group["m"], at, ())
        if "o" in group:
            row[_AROUND] = self._value(group["o"], at, ())
        elif "a" in group:
            row[_AROUND] = [self._value(column, at, values) for column in group["a"]]
        return tuple(row)

    def _value(self, column: Column, at: int, before: Sequence[Any]) -> Any:
        kind, held = column
        if kind == "l":
            return self._lists[held][at]
        if kind == "c":
            return held
        if kind == "+":
            return "".join([str(self._value(part, at, before)) for part in held])
        value = before[held]
        if kind in "si":
            return value if kind == "s" else int(value)
        head, _, tail = value.rpartition(":")
        return head if kind == "h" else tail if kind == "p" else int(tail)
