"""Failures from a file: JSON, JSON Lines, CSV with a header, or the ``labels.json`` of a recording."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from logsense.errors import BadInput
from logsense.failures import MAX_FAILURES, FailureReport, read_failure

#: A file of labels is small; anything larger is something else.
MAX_BYTES = 64 * 1024**2


def read_failures(path: Path, by: str = "") -> list[FailureReport]:
    """All failures in ``path``. Raises ``BadInput`` at the first that cannot be used, with its place: half an import
    would leave people guessing which half."""
    found = []
    for where, row in _rows(path):
        report = read_failure({"by": by, **row} if by else row, where=where)
        found.append(report)
        if len(found) > MAX_FAILURES:
            raise BadInput(f"{path} holds more than {MAX_FAILURES} failures.", fix="import a part of it")
    return found


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    text = _read(path)
    if path.suffix.lower() == ".csv":
        yield from _csv(path, text)
        return
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        yield from _json_lines(path, text)
        return
    if isinstance(whole, dict) and isinstance(whole.get("faults"), list):
        yield from ((f"{path} faults[{n}]", _fault(one)) for n, one in enumerate(whole["faults"]))
        return
    rows = whole if isinstance(whole, list) else whole.get("failures", [whole]) if isinstance(whole, dict) else None
    if not isinstance(rows, list):
        raise BadInput(f"{path} holds no failures.", why="it is neither a list nor an object", fix=_FORMS)
    for number, row in enumerate(rows):
        yield f"{path} [{number}]", _object(row, f"{path} [{number}]")


_FORMS = 'write a list of {"host": "db1", "start": "2026-03-01T02:14:00Z"}, one such object a line, or a .csv'


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"{path} is too large for a file of failures.", why=f"it has more than {MAX_BYTES} bytes")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path} cannot be read.", why=error.strerror or str(error), fix="check the path") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8.", why=str(error), fix="save it as UTF-8") from error


def _json_lines(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput("This line is no JSON.", why=str(error), where=where, fix=_FORMS) from error
        yield where, _object(row, where)


def _csv(path: Path, text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        for row in reader:
            where = f"{path}:{reader.line_num}"
            if None in row or None in row.values():
                raise BadInput(
                    "This row has not as many cells as the header.", where=where, fix="quote texts with commas"
                )
            yield where, {name.strip(): value for name, value in row.items() if value.strip()}
    except csv.Error as error:
        raise BadInput("The CSV cannot be read.", why=str(error), where=f"{path}:{reader.line_num}") from error


def _object(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise BadInput("This is no failure.", why=f"it is {type(row).__name__}, not an object", where=where, fix=_FORMS)
    return row


def _fault(one: Any) -> dict[str, Any]:
    """A fault of a recording: its cause begins at ``start``, its effect shows at ``effect``."""
    if not isinstance(one, dict):
        raise BadInput("The labels cannot be used.", why="a fault is no object", fix="mend the file")
    start = one.get("effect") or one.get("start")
    row = {**{name: one.get(name) for name in ("id", "kind", "host", "service", "end")}, "start": start}
    if one.get("effect") and one.get("start"):
        row["cause"] = one["start"]
    return row
