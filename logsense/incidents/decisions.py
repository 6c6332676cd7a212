"""What people decided about the incidents themselves (merge, split), on its way to the worker that owns them.

Any process may add a decision at any time; the worker applies each once, in order, and remembers the last one in
the same transaction as its state.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

FILE = "decisions.db"


@dataclass(frozen=True, slots=True)
class Decision:
    """``merge``: ``incident`` becomes part of ``into``. ``split``: what is of ``hosts`` or ``services`` leaves it."""

    number: int
    kind: str
    incident: str
    into: str = ""
    hosts: list[str] = field(default_factory=list)
    services: list[str] = field(default_factory=list)


class Decisions:
    """The decisions of one data folder."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILE

    def add(
        self, kind: str, incident: str, *, into: str = "", hosts: Sequence[str] = (), services: Sequence[str] = ()
    ) -> int:
        """Durable when it returns; the number of the decision."""
        body = json.dumps({"into": into, "hosts": list(hosts), "services": list(services)})
        with closing(self._open()) as db, db:
            cursor = db.execute(
                "INSERT INTO decisions (at, kind, incident, body) VALUES (?, ?, ?, ?)",
                [time.time(), kind, incident, body],
            )
            return int(cursor.lastrowid or 0)

    def after(self, number: int) -> list[Decision]:
        """Those behind ``number``, in order."""
        if not self._path.exists():
            return []
        with closing(self._open()) as db:
            rows = db.execute(
                "SELECT number, kind, incident, body FROM decisions WHERE number > ? ORDER BY number", [number]
            ).fetchall()
        return [Decision(number, kind, incident, **json.loads(body)) for number, kind, incident, body in rows]

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=30)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(
            "CREATE TABLE IF NOT EXISTS decisions "
            "(number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, kind TEXT, incident TEXT, body TEXT)"
        )
        return db
