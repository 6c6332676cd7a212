"""Dependencies of each pipeline on their own: two estates may use the same private addresses for other machines."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from logsense.incidents.dependencies import TABLE, Dependencies
from logsense.record import LogRecord

MAX_ESTATES = 100  # the pipeline's name may come from a sender


class Estates:
    """``Dependencies`` per pipeline, asked as one."""

    def __init__(self) -> None:
        self._by_pipeline: dict[str, Dependencies] = {}

    def learn(self, records: Iterable[LogRecord]) -> None:
        """Look at a batch, in any order. Never raises on content."""
        parts: dict[str, list[LogRecord]] = {}
        for record in records:
            part = parts.get(record.pipeline)
            if part is None:
                part = parts[record.pipeline] = []
            part.append(record)
        for pipeline, mine in parts.items():
            if pipeline not in self._by_pipeline and len(self._by_pipeline) >= MAX_ESTATES:
                continue
            self._of(pipeline).learn(mine)

    def _of(self, pipeline: str) -> Dependencies:
        if pipeline not in self._by_pipeline:
            self._by_pipeline[pipeline] = Dependencies(scope=pipeline)
        return self._by_pipeline[pipeline]

    def edges(self) -> list[tuple[str, str]]:
        """(caller host, called host) of all estates, sorted."""
        return sorted({edge for one in self._by_pipeline.values() for edge in one.edges()})

    def places(self, pipeline: str | None = None) -> dict[str, str]:
        """Address -> host of one estate, or of all but for addresses that mean different hosts in two of them."""
        if pipeline is not None:
            return self._by_pipeline[pipeline].places() if pipeline in self._by_pipeline else {}
        found: dict[str, set[str]] = {}
        for one in self._by_pipeline.values():
            for address, host in one.places().items():
                found.setdefault(address, set()).add(host)
        return {address: hosts.pop() for address, hosts in found.items() if len(hosts) == 1}

    def load(self, db: sqlite3.Connection) -> None:
        """Read all estates; the table is made if it is missing."""
        db.execute(TABLE)
        for (pipeline,) in db.execute("SELECT scope FROM dependencies_state").fetchall():
            self._of(pipeline).load(db)

    def save(self, db: sqlite3.Connection) -> None:
        """Write those that learnt something. Does not commit."""
        for one in self._by_pipeline.values():
            one.save(db)
