"""The rows of open windows on disk: each save appends what came since the last one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable

from logsense.detect.facts import Facts


class FactStore:
    """Table ``windows_facts``. Knows what of each window is saved already."""

    def __init__(self) -> None:
        self._saved: dict[int, tuple[int, dict[str, int]]] = {}  # window -> (modulus then, rows saved per kind)

    def load(self, db: sqlite3.Connection, facts_of: Callable[[int], Facts | None]) -> None:
        """Fill the facts of the windows that are open; the table is made if it is missing."""
        _table(db)
        for start, body in db.execute("SELECT start_ns, body FROM windows_facts ORDER BY rowid"):
            facts = facts_of(start)
            if facts is None:
                continue
            saved = json.loads(body)
            facts.extend(saved["rows"])
            facts.modulus, facts.unsettled, facts.cut = saved["flags"]
            self._saved[start] = (facts.modulus, facts.lengths())

    def save(self, db: sqlite3.Connection, dirty: Iterable[tuple[int, Facts]], gone: Iterable[int]) -> None:
        """Append the new rows of ``dirty`` windows and drop those of ``gone`` ones. Does not commit."""
        _table(db)
        for start in gone:
            self._saved.pop(start, None)
            db.execute("DELETE FROM windows_facts WHERE start_ns = ?", (start,))
        for start, facts in dirty:
            modulus, lengths = self._saved.get(start, (facts.modulus, {}))
            if modulus != facts.modulus:  # rows were taken back to a smaller sample
                db.execute("DELETE FROM windows_facts WHERE start_ns = ?", (start,))
                lengths = {}
            rows = facts.rows_after(lengths)
            self._saved[start] = (facts.modulus, facts.lengths())
            if rows or lengths != self._saved[start][1]:
                flags = [facts.modulus, facts.unsettled, facts.cut]
                body = json.dumps({"rows": rows, "flags": flags})
                db.execute("INSERT INTO windows_facts VALUES (?, ?)", (start, body))


def _table(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE IF NOT EXISTS windows_facts (start_ns INTEGER, body BLOB)")
    db.execute("CREATE INDEX IF NOT EXISTS windows_facts_start ON windows_facts (start_ns)")
