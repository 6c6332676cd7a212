"""What failed and when, as people and scripts report it: the labels that forecasts are trained and judged on.

Kept beside the index in the data folder of a tenant, whatever kind its index is. A failure has one id: reporting it
again changes it, so that a script may repeat itself, and may add the end once it is known.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from logsense.errors import BadInput, IndexUnavailable, NotFound
from logsense.timefmt import SECOND, iso, parse_time

FILE = "failures.db"
#: More than this in one data folder is a script gone wrong; forecasts never need as many.
MAX_FAILURES = 100_000
#: Longest texts, in characters.
LENGTHS = {"id": 200, "host": 500, "service": 500, "kind": 100, "note": 10_000, "by": 200}
#: A failure that begins later than this from now is a mistake in the clock or in the unit.
_AHEAD_NS = 600 * SECOND
_EARLIEST_NS = 631_152_000 * SECOND  # 1990: what lies before is a number in the wrong unit
_LONGEST_NS = 366 * 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class FailureReport:
    """One failure. ``start_ns`` is when its effect first showed, ``end_ns`` is 0 while that is not known.

    ``cause_ns``, where known, is when its cause began to work: before it nothing can announce the failure.
    """

    id: str
    host: str
    start_ns: int
    end_ns: int = 0
    service: str = ""
    kind: str = ""
    note: str = ""
    cause_ns: int = 0
    by: str = ""
    reported_ns: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As API and CLI show it."""
        return {
            "id": self.id, "host": self.host, "service": self.service, "kind": self.kind, "start": iso(self.start_ns),
            "end": iso(self.end_ns) if self.end_ns else None, "cause": iso(self.cause_ns) if self.cause_ns else None,
            "note": self.note, "by": self.by, "reported": iso(self.reported_ns) if self.reported_ns else None,
        }  # fmt: skip


def read_failure(given: Mapping[str, Any], *, now_ns: int | None = None, where: str = "") -> FailureReport:
    """Make a report of what was sent: ``host`` and ``start``, and if known ``end``, ``cause``, ``service``, ``kind``,
    ``note``, ``id``, ``by``. Times are RFC 3339, epochs or relative. Without an id, place, kind and start make one.

    Raises ``BadInput``, naming the member and ``where`` it stood.
    """
    now = time.time_ns() if now_ns is None else now_ns
    unknown = set(given) - {*LENGTHS, "start", "end", "cause"}
    if unknown:
        raise _bad(f"unknown member {sorted(map(str, unknown))[0][:80]!r}", where, "leave it out")
    texts = {name: _text(given.get(name), name, where) for name in LENGTHS}
    if not texts["host"]:
        raise _bad("no host", where, "say which host failed, by the name under which its lines and metrics come")
    times = {name: _time(given.get(name), name, now, where) for name in ("start", "end", "cause")}
    start, end, cause = times["start"], times["end"], times["cause"]
    if not start:
        raise _bad("no start", where, "say when it began, e.g. 2026-03-01T02:14:00Z")
    if not _EARLIEST_NS <= start <= now + _AHEAD_NS:
        raise _bad(f"start {iso(start)} is in no time that a failure can be reported of", where, "check unit and clock")
    if end and not start < end <= start + _LONGEST_NS:
        raise _bad(f"end {iso(end)} does not come within a year after start {iso(start)}", where, "swap or mend them")
    if cause and not start - _LONGEST_NS <= cause <= start:
        raise _bad(f"cause {iso(cause)} does not lie within a year before start {iso(start)}", where, "mend or omit it")
    texts["id"] = texts["id"] or _made_id(texts, start)
    return FailureReport(
        texts["id"], texts["host"], start, end, texts["service"], texts["kind"], texts["note"], cause, texts["by"]
    )


class FailureLog:
    """The reported failures of one data folder. Any process may write at any time."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILE

    def put(self, reports: Sequence[FailureReport]) -> list[tuple[FailureReport, str]]:
        """Keep all or none; each with ``added``, ``changed`` or ``unchanged``. Durable when it returns."""
        now, results = time.time_ns(), []
        with self._open() as db, db:
            db.execute("BEGIN IMMEDIATE")
            for report in reports:
                before = db.execute(f"SELECT {_COLUMNS} FROM failures WHERE id = ?", [report.id]).fetchone()  # noqa: S608
                report = replace(report, reported_ns=now)
                known = FailureReport(*before) if before else None
                if known is not None and replace(known, reported_ns=now, by=report.by) == report:
                    results.append((known, "unchanged"))
                    continue
                db.execute(f"INSERT OR REPLACE INTO failures ({_COLUMNS}) VALUES ({_MARKS})", list(_values(report)))  # noqa: S608
                results.append((report, "changed" if before else "added"))
            (count,) = db.execute("SELECT count(*) FROM failures").fetchone()
            if count > MAX_FAILURES:
                raise BadInput(
                    f"There is no room for these failures: {count} would be kept.",
                    why=f"a data folder keeps at most {MAX_FAILURES}",
                    where=str(self._path),
                    fix="remove old ones (`logsense failures remove ID`), or report fewer",
                )
        return results

    def all(
        self,
        from_ns: int | None = None,
        to_ns: int | None = None,
        *,
        host: str | None = None,
        limit: int = MAX_FAILURES,
    ) -> list[FailureReport]:
        """Those that begin in ``from_ns <= start < to_ns``, newest first."""
        if not self._path.exists():
            return []
        asked, values = ["1"], []
        for condition, value in (("start_ns >= ?", from_ns), ("start_ns < ?", to_ns), ("host = ?", host)):
            if value is not None:
                asked.append(condition)
                values.append(value)
        question = f"SELECT {_COLUMNS} FROM failures WHERE {' AND '.join(asked)} ORDER BY start_ns DESC, id LIMIT ?"  # noqa: S608
        with self._open() as db:
            return [FailureReport(*row) for row in db.execute(question, [*values, limit])]

    def get(self, failure_id: str) -> FailureReport:
        """Raises ``NotFound``."""
        if self._path.exists():
            with self._open() as db:
                row = db.execute(f"SELECT {_COLUMNS} FROM failures WHERE id = ?", [failure_id]).fetchone()  # noqa: S608
            if row:
                return FailureReport(*row)
        raise NotFound(f"There is no failure {failure_id[:200]!r}.", fix="`logsense failures list` shows them")

    def remove(self, failure_id: str) -> FailureReport:
        """It was no failure after all. Raises ``NotFound``."""
        report = self.get(failure_id)
        with self._open() as db, db:
            db.execute("DELETE FROM failures WHERE id = ?", [failure_id])
        return report

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as db:
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=FULL")
                db.execute(
                    "CREATE TABLE IF NOT EXISTS failures (id TEXT PRIMARY KEY, host TEXT, start_ns INTEGER, "
                    "end_ns INTEGER, service TEXT, kind TEXT, note TEXT, cause_ns INTEGER, by TEXT, "
                    "reported_ns INTEGER)"
                )
                yield db
        except sqlite3.OperationalError as error:
            raise IndexUnavailable(
                "The reported failures cannot be read or written.",
                why=str(error),
                where=str(self._path),
                fix="check free space and permissions there, then send it again",
            ) from error


_FIELDS = tuple(FailureReport.__dataclass_fields__)
_COLUMNS, _MARKS = ", ".join(_FIELDS), ", ".join("?" * len(_FIELDS))


def _values(report: FailureReport) -> Iterator[Any]:
    return iter(asdict(report).values())


def _text(value: Any, name: str, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _bad(f"{name} is {type(value).__name__}, not a text", where, f"write {name} as a text")
    if len(value) > LENGTHS[name]:
        raise _bad(f"{name} has {len(value)} characters", where, f"shorten it to {LENGTHS[name]}")
    if any(0xD800 <= ord(c) <= 0xDFFF for c in value) or (name != "note" and any(c < " " for c in value)):
        raise _bad(f"{name} holds characters that no name has", where, "send plain text in UTF-8")
    return value.strip()


def _time(value: Any, name: str, now_ns: int, where: str) -> int:
    if value is None or value == "":
        return 0
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _bad(f"{name} is no time", where, "write it as 2026-03-01T02:14:00Z")
    try:
        # An epoch in seconds may come as 1772331240.5; a text of it never is 1.77e9.
        return parse_time(f"{value:.6f}" if isinstance(value, float) else str(value)[:80], now_ns=now_ns, name=name)
    except (BadInput, ValueError, OverflowError) as error:
        raise _bad(f"{name} is no time: {str(value)[:80]!r}", where, "write it as 2026-03-01T02:14:00Z") from error


def _made_id(texts: Mapping[str, str], start_ns: int) -> str:
    parts = (texts["host"], texts["service"], texts["kind"], str(start_ns))
    return "f-" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _bad(why: str, where: str, fix: str) -> BadInput:
    return BadInput("This failure cannot be used.", why=why, where=where, fix=fix)
