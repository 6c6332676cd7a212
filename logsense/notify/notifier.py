"""Compares what people were told with how the incidents stand, and tells them the difference.

Nothing is queued: the incidents are in the index, what was told is in ``notify.db``, and the difference of the two is
what remains to be said. So a crash loses no message, a channel that was away for an hour hears how things stand now
rather than how they stood then, and ingest never waits for a chat service. A crash between a delivery and its record
repeats that one message, with the same ``Idempotency-Key``.
"""

from __future__ import annotations

import fnmatch
import hashlib
import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logsense.notify.channels import Channel, Undeliverable, open_channel
from logsense.notify.messages import Message, digest, single
from logsense.notify.options import SEVERITIES, ChannelSpec, NotifyOptions
from logsense.record import Incident

log = logging.getLogger(__name__)

HOUR_S = 3600.0
SECOND = 1_000_000_000
FIRST_RETRY_S, LONGEST_RETRY_S = 5.0, 600.0
#: What was told of an incident is forgotten this long after its last sign: it cannot be told again by then.
KEPT_S = 7 * 86_400.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS told (
  channel TEXT, incident TEXT, status TEXT, severity TEXT, at REAL, messages INTEGER, PRIMARY KEY (channel, incident)
);
CREATE TABLE IF NOT EXISTS seen (channel TEXT, incident TEXT, since REAL, PRIMARY KEY (channel, incident));
CREATE TABLE IF NOT EXISTS sent (channel TEXT, at REAL);
CREATE TABLE IF NOT EXISTS trouble (
  channel TEXT PRIMARY KEY, since REAL, attempts INTEGER, next REAL, reason TEXT
);
CREATE TABLE IF NOT EXISTS counts (channel TEXT PRIMARY KEY, delivered INTEGER, failed INTEGER, given_up INTEGER);
"""


@dataclass(frozen=True, slots=True)
class Due:
    """Something to be said of one incident. ``since``: when it was first seen to be due (Unix seconds)."""

    kind: str  # opened, worsened, resolved, reopened, over, repeat
    incident: Incident
    since: float


class Notifier:
    """``incidents`` gives the recent ones with people's actions applied. One thread a channel."""

    def __init__(
        self,
        options: NotifyOptions,
        incidents: Callable[[], Sequence[Incident]],
        state: Path,
        *,
        open_: Callable[[ChannelSpec], Channel] = open_channel,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.options, self._incidents, self._state, self._clock = options, incidents, state, clock
        self._channels = [(spec, open_(spec)) for spec in options.channel]
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        with closing(self._open()) as db:
            db.executescript(_SCHEMA)

    def start(self) -> None:
        for spec, channel in self._channels:
            thread = threading.Thread(target=self._run, args=(spec, channel), name=f"notify-{spec.name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, timeout_s: float = 2.0) -> None:
        """Ask the threads to end. One that waits for a slow service is left behind; it holds nothing."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout_s)

    def state(self) -> list[dict[str, Any]]:
        """{"channel", "type", "delivered", "failed", "given_up", "trouble": "why it fails now, '' if it does not"}."""
        rows = []
        with closing(self._open()) as db:
            for spec, _ in self._channels:
                counts = db.execute("SELECT delivered, failed, given_up FROM counts WHERE channel = ?", [spec.name])
                delivered, failed, given_up = counts.fetchone() or (0, 0, 0)
                trouble = db.execute("SELECT reason FROM trouble WHERE channel = ?", [spec.name]).fetchone()
                rows.append({
                    "channel": spec.name, "type": spec.type, "delivered": delivered, "failed": failed,
                    "given_up": given_up, "trouble": trouble[0] if trouble else "",
                })  # fmt: skip
        return rows

    def step(self) -> None:
        """One look at everything, in the caller's thread."""
        for spec, channel in self._channels:
            self._look(spec, channel)

    def _run(self, spec: ChannelSpec, channel: Channel) -> None:
        while not self._stop.wait(self.options.every_s):
            try:
                self._look(spec, channel)
            except Exception:  # the index may be away; the thread must outlive it
                log.exception("notify: channel %s", spec.name)

    def _look(self, spec: ChannelSpec, channel: Channel) -> None:
        now = self._clock()
        with closing(self._open()) as db:
            trouble = db.execute("SELECT next FROM trouble WHERE channel = ?", [spec.name]).fetchone()
            if trouble and now < trouble[0]:
                return
            due = self._due(db, spec, channel, now)
            if stale := [d for d in due if now - d.since > self.options.give_up_s]:
                self._give_up(db, spec, stale)
                due = [d for d in due if d not in stale]
            for rows in self._portions(db, spec, due, now):
                try:
                    channel.send(self._message(spec, rows, db))
                except Undeliverable as error:
                    self._failed(db, spec, now, error)
                    return
                self._told(db, spec, rows, now)

    # -- what is to be said ------------------------------------------------------------------------------------

    def _due(self, db: sqlite3.Connection, spec: ChannelSpec, channel: Channel, now: float) -> list[Due]:
        rows = db.execute("SELECT incident, status, severity, at FROM told WHERE channel = ?", [spec.name])
        told = {row[0]: row[1:] for row in rows}
        seen = dict(db.execute("SELECT incident, since FROM seen WHERE channel = ?", [spec.name]))
        due, waiting = [], []
        for incident in self._incidents():
            before = told.get(incident.id)
            too_old = now - incident.last_ns / SECOND > self.options.max_age_s
            if before is None and too_old and incident.id not in seen:  # what only waits for its turn is not history
                continue
            kind = self._difference(spec, incident, before)
            if not kind and before and channel.repeat_s and incident.status != "resolved":
                kind = "repeat" if now - before[2] >= channel.repeat_s else ""
            if not kind:
                continue
            since = seen.get(incident.id, now)
            waiting.append((spec.name, incident.id, since))
            if kind in ("opened", "over") and now - since < self.options.settle_s:
                continue
            due.append(Due(kind, incident, since))
        with _transaction(db):
            db.execute("DELETE FROM seen WHERE channel = ?", [spec.name])
            db.executemany("INSERT INTO seen VALUES (?, ?, ?)", waiting)
        return due

    def _difference(self, spec: ChannelSpec, incident: Incident, before: tuple[str, str, float] | None) -> str:
        """What changed since people were told; empty if nothing that they want to hear."""
        over = incident.status == "resolved"
        if before is None:
            return ("over" if over else "opened") if self._wanted(spec, incident) else ""
        status, severity, _ = before
        if over:
            return "resolved" if status != "resolved" and spec.resolved else ""
        if status == "resolved":
            return "reopened"
        return "worsened" if SEVERITIES.index(incident.severity) > SEVERITIES.index(severity) else ""

    def _wanted(self, spec: ChannelSpec, incident: Incident) -> bool:
        if SEVERITIES.index(incident.severity) < SEVERITIES.index(spec.min_severity):
            return False
        if spec.pipelines and incident.pipeline not in spec.pipelines:
            return False
        return not spec.hosts or any(fnmatch.fnmatchcase(h, p) for h in incident.hosts for p in spec.hosts)

    def _portions(self, db: sqlite3.Connection, spec: ChannelSpec, due: list[Due], now: float) -> list[list[Due]]:
        """How it is said: one message each while there is room in the hour, the rest together when there is again."""
        quiet = spec.is_quiet(now)
        portions = [[d] for d in due if d.kind == "repeat"]
        fresh = [d for d in due if d.kind != "repeat" and not (quiet and d.incident.severity != "critical")]
        db.execute("DELETE FROM sent WHERE channel = ? AND at < ?", [spec.name, now - HOUR_S])
        used = db.execute("SELECT count(*) FROM sent WHERE channel = ?", [spec.name]).fetchone()[0]
        room = max(0, spec.max_per_hour - used)
        # What waited for the end of the quiet hours, or for room, comes as one.
        waited = [d for d in fresh if now - d.since > self.options.settle_s + 10 * self.options.every_s]
        together = waited if len(waited) > 3 else []
        if len(fresh) - len(together) + bool(together) > room:
            # The last message of the hour says all that is left, so that nothing waits longer than it must.
            fresh.sort(key=lambda d: (-SEVERITIES.index(d.incident.severity), d.since))
            together = fresh[room - 1 :] if room else []
            fresh = fresh[: max(0, room - 1)]
        chosen = {id(d) for d in together}
        portions += [[d] for d in fresh if id(d) not in chosen]
        return portions + ([together] if together else [])

    def _message(self, spec: ChannelSpec, rows: list[Due], db: sqlite3.Connection) -> Message:
        page, language = self.options.page_url, self.options.language
        key = self._key(db, spec, rows)
        if len(rows) == 1:
            kind = "opened" if rows[0].kind == "repeat" else rows[0].kind
            return single(kind, rows[0].incident, key=key, page_url=page, language=language)
        return digest([(r.kind, r.incident) for r in rows], key=key, page_url=page, language=language)

    def _key(self, db: sqlite3.Connection, spec: ChannelSpec, rows: list[Due]) -> str:
        """The same for each attempt to say the same thing: channel, incidents, and how many messages they had."""
        parts = [spec.name]
        for row in rows:
            found = db.execute(
                "SELECT messages FROM told WHERE channel = ? AND incident = ?", [spec.name, row.incident.id]
            ).fetchone()
            parts.append(f"{row.incident.id}/{row.kind}/{found[0] if found else 0}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    # -- what became of it -------------------------------------------------------------------------------------

    def _told(self, db: sqlite3.Connection, spec: ChannelSpec, rows: list[Due], now: float) -> None:
        with _transaction(db):
            for row in rows:
                _remember(db, spec, row.incident, now)
                db.execute("DELETE FROM seen WHERE channel = ? AND incident = ?", [spec.name, row.incident.id])
            if rows[0].kind != "repeat":
                db.execute("INSERT INTO sent VALUES (?, ?)", [spec.name, now])
            db.execute("DELETE FROM trouble WHERE channel = ?", [spec.name])
            db.execute("DELETE FROM told WHERE at < ? AND status = 'resolved'", [now - KEPT_S])
            _count(db, spec, "delivered", 1)

    def _failed(self, db: sqlite3.Connection, spec: ChannelSpec, now: float, error: Undeliverable) -> None:
        row = db.execute("SELECT since, attempts FROM trouble WHERE channel = ?", [spec.name]).fetchone()
        since, attempts = (row[0], row[1] + 1) if row else (now, 1)
        wait = min(FIRST_RETRY_S * 2 ** min(attempts - 1, 12), LONGEST_RETRY_S) * random.uniform(0.75, 1.25)  # noqa: S311
        with _transaction(db):
            db.execute(
                "INSERT OR REPLACE INTO trouble VALUES (?, ?, ?, ?, ?)",
                [spec.name, since, attempts, now + max(wait, error.after_s), str(error)],
            )
            _count(db, spec, "failed", 1)
        log.warning("notify: %s: %s (attempt %d)", spec.name, error, attempts)

    def _give_up(self, db: sqlite3.Connection, spec: ChannelSpec, due: list[Due]) -> None:
        """Let go of what nobody could be told for so long; what is newer is still tried."""
        with _transaction(db):
            for row in due:
                _remember(db, spec, row.incident, self._clock())
            _count(db, spec, "given_up", len(due))
        log.error("notify: %s: gave up on %d messages", spec.name, len(due))

    def _open(self) -> sqlite3.Connection:
        self._state.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._state, isolation_level=None, timeout=30)
        db.execute("PRAGMA journal_mode=WAL")
        return db


def _remember(db: sqlite3.Connection, spec: ChannelSpec, incident: Incident, now: float) -> None:
    db.execute(
        "INSERT INTO told VALUES (?, ?, ?, ?, ?, 1) ON CONFLICT (channel, incident) DO UPDATE SET "
        "status = excluded.status, severity = excluded.severity, at = excluded.at, messages = messages + 1",
        [spec.name, incident.id, incident.status, incident.severity, now],
    )


def _count(db: sqlite3.Connection, spec: ChannelSpec, column: str, by: int) -> None:
    db.execute("INSERT OR IGNORE INTO counts VALUES (?, 0, 0, 0)", [spec.name])
    db.execute(f"UPDATE counts SET {column} = {column} + ? WHERE channel = ?", [by, spec.name])  # noqa: S608


class _transaction:
    """``with _transaction(db)``: all of it or nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def __enter__(self) -> None:
        self.db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.db.execute("ROLLBACK" if kind else "COMMIT")
