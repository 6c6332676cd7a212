"""Alerts that others raised as signals: no statistics, somebody decided that it matters."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from logsense.record import LogRecord, Signal

#: How much an alert of a level proves; see ``Signal.score``. One of warning level opens an incident by itself.
SCORES = {"emergency": 9.0, "alert": 9.0, "critical": 9.0, "error": 7.0, "warning": 5.0, "notice": 2.5}
LEAST = 1.5
SOURCE = "alerts"  # of the receiver that takes them
MAX_WAITING = 10_000
SECOND = 1_000_000_000


class Alerts:
    """``take`` picks the alerts out of a batch; ``due`` gives them back when their time has come.

    An alert that fires is one signal, whatever how often it is repeated; its resolution is a line and no signal.
    """

    name = "alerts"

    def __init__(self) -> None:
        self._waiting: list[Signal] = []

    def take(self, records: Iterable[LogRecord]) -> None:
        for record in records:
            # By source and not by event.kind alone: an intrusion detector's every line is of that kind.
            if record.source != SOURCE or record.fields.get("event.action") == "resolved":
                continue
            if len(self._waiting) >= MAX_WAITING:
                return
            score = SCORES.get(record.level, LEAST)
            identity = str(record.fields.get("event.id") or record.id)
            self._waiting.append(
                Signal(
                    id=f"alert-{identity}", kind="alert", start_ns=record.timestamp_ns,
                    end_ns=record.timestamp_ns + SECOND, score=score, host=record.host, service=record.service,
                    pipeline=record.pipeline, template_id=record.template_id, text=record.message[:500],
                    evidence=[f"line:{record.id}"],
                )
            )  # fmt: skip

    def due(self, until_ns: int) -> list[Signal]:
        """Those that began before ``until_ns``, oldest first."""
        found = sorted((s for s in self._waiting if s.start_ns < until_ns), key=lambda s: (s.start_ns, s.id))
        if found:
            self._waiting = [s for s in self._waiting if s.start_ns >= until_ns]
        return found

    def load(self, db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE IF NOT EXISTS alerts_state (id INTEGER PRIMARY KEY, body TEXT)")
        row = db.execute("SELECT body FROM alerts_state WHERE id = 0").fetchone()
        self._waiting = [Signal(**one) for one in json.loads(row[0])] if row else []

    def save(self, db: sqlite3.Connection) -> None:
        """Does not commit."""
        db.execute("CREATE TABLE IF NOT EXISTS alerts_state (id INTEGER PRIMARY KEY, body TEXT)")
        body = [{k: getattr(s, k) for k in s.__slots__} for s in self._waiting]
        db.execute("INSERT OR REPLACE INTO alerts_state VALUES (0, ?)", (json.dumps(body),))
