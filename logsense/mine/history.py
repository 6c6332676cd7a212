"""What each template read like before: the texts of its versions, as the worker saw them at its checkpoints."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from logsense.mine.lineage import clean
from logsense.record import Template

#: Versions kept of one template, besides the first.
MAX_VERSIONS = 50

_SCHEMA = """CREATE TABLE IF NOT EXISTS template_versions (
  id TEXT NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL, seen_ns INTEGER NOT NULL, PRIMARY KEY (id, version)
) WITHOUT ROWID"""


class TextHistory:
    """``Stateful``. Remembers the newest version of each template, the database the ones before."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._unsaved: list[tuple[str, int, str, int]] = []

    def see(self, templates: Iterable[Template]) -> None:
        """Note the texts that are new. The time is that of the template's last line, as all its times are."""
        for template in templates:
            if template.version > self._newest.get(template.id, 0):
                self._newest[template.id] = template.version
                self._unsaved.append((template.id, template.version, clean(template.text), template.last_seen_ns))

    def load(self, db: sqlite3.Connection) -> None:
        db.execute(_SCHEMA)
        self._newest = dict(db.execute("SELECT id, max(version) FROM template_versions GROUP BY id"))

    def save(self, db: sqlite3.Connection) -> None:
        """Write what is new. The caller commits."""
        db.executemany("INSERT OR REPLACE INTO template_versions VALUES (?, ?, ?, ?)", self._unsaved)
        old = [(key, version - MAX_VERSIONS) for key, version, _, _ in self._unsaved if version > MAX_VERSIONS]
        db.executemany("DELETE FROM template_versions WHERE id = ? AND version BETWEEN 2 AND ?", old)
        self._unsaved.clear()


def read_versions(db: sqlite3.Connection, template_id: str) -> list[tuple[int, str, int]]:
    """(version, text, seen_ns), oldest first."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'template_versions'").fetchone():
        return []
    sql = "SELECT version, text, seen_ns FROM template_versions WHERE id = ? ORDER BY version"
    return [(int(v), str(t), int(at)) for v, t, at in db.execute(sql, (template_id,))]
