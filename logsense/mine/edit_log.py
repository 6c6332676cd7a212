"""What people changed about templates: an append-only log in the state database.

Whoever serves people appends (any process, at any time); the worker reads and applies. Nothing is ever rewritten: an
edit is taken back by a further entry that names it, so the log is the history too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import orjson

from logsense.errors import LogsenseError

T = TypeVar("T")

KINDS = ("rename", "merge", "split", "noise", "undo")
#: Entries of one data folder. They are read whole, so they must stay few; people do not make more by hand.
MAX_EDITS = 10_000

_SCHEMA = "CREATE TABLE IF NOT EXISTS template_edits (seq INTEGER PRIMARY KEY AUTOINCREMENT, data TEXT NOT NULL)"
_BUSY_S = 20.0  # the worker holds the database for the moment of a checkpoint


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of one template. ``seq`` counts from 1; an entry that is not written yet has 0.

    ``rename``: ``label`` (empty takes the name away). ``merge``: ``into`` survives. ``split``: by the values of
    ``parameter`` (counted from 1 in ``text``, the template as it was then), or with 0 out of the template that it was
    merged into. ``noise``: ``on``. ``undo``: the entry ``undoes``.
    """

    kind: str
    template_id: str
    at_ns: int
    seq: int = 0
    label: str = ""
    into: str = ""
    parameter: int = 0
    text: str = ""
    on: bool = True
    undoes: int = 0
    by: str = ""
    note: str = ""


_FIELDS = frozenset(f.name for f in fields(Edit))


def read_edits(db: sqlite3.Connection) -> list[Edit]:
    """All entries, oldest first; those of a kind that this version does not know are left out."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'template_edits'").fetchone():
        return []
    rows = db.execute("SELECT seq, data FROM template_edits ORDER BY seq").fetchall()
    entries = [(seq, orjson.loads(data)) for seq, data in rows]
    return [_edit(seq, data) for seq, data in entries if data.get("kind") in KINDS]


def last_edit(db: sqlite3.Connection) -> int:
    """The number of the newest entry; 0 when there is none."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'template_edits'").fetchone():
        return 0
    return int(db.execute("SELECT coalesce(max(seq), 0) FROM template_edits").fetchone()[0])


def _edit(seq: int, data: dict[str, Any]) -> Edit:
    return Edit(**{**{k: v for k, v in data.items() if k in _FIELDS}, "seq": seq})


class EditLog:
    """The log of the state database ``path``, opened anew for each call."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Edit]:
        """All entries; none where nothing was ingested or edited yet."""
        if not self.path.exists():
            return []
        with closing(self._connect()) as db:
            return self._guarded(lambda: read_edits(db))

    def append(self, make: Callable[[Sequence[Edit]], Edit]) -> Edit:
        """Write what ``make`` answers to all entries so far, and return it with its number.

        No other entry can come between the reading and the writing. Durable when this returns; what ``make`` raises
        is passed on and nothing is written.
        """
        with closing(self._connect()) as db:
            return self._guarded(lambda: _append(db, make))

    def _connect(self) -> sqlite3.Connection:
        def connect() -> sqlite3.Connection:
            db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
            db.execute("PRAGMA synchronous=FULL")
            return db

        return self._guarded(connect)

    def _guarded(self, do: Callable[[], T]) -> T:
        try:
            return do()
        except sqlite3.Error as error:
            raise LogsenseError(
                "The state database refused.", why=str(error), where=str(self.path),
                fix="check free space and permissions there, and try again",
            ) from error  # fmt: skip


def _append(db: sqlite3.Connection, make: Callable[[Sequence[Edit]], Edit]) -> Edit:
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(_SCHEMA)
        known = read_edits(db)
        if len(known) >= MAX_EDITS:
            raise LogsenseError(
                "No more edits of templates can be kept.", why=f"there are {MAX_EDITS} already", where="template_edits"
            )
        edit = make(known)
        data = {k: v for k, v in asdict(edit).items() if k != "seq"}
        seq = db.execute("INSERT INTO template_edits (data) VALUES (?)", (orjson.dumps(data).decode(),)).lastrowid
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    return _edit(int(seq or 0), data)
