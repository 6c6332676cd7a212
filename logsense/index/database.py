"""A SQLite file shared by one connection of this process, made safe for threads and for other processes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from logsense.errors import IndexUnavailable, LogsenseError

#: What SQLite says of a disk that is full, failing or read-only: it may pass, other errors do not.
_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


def refusal(error: sqlite3.Error) -> type[LogsenseError]:
    """The kind of error that people see: one that passes by itself when the disk is well again, or any other."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest is detail
    return IndexUnavailable if code in _DISK else LogsenseError


class Database:
    """WAL mode: readers never wait for the writer, writers wait for each other up to ``busy_timeout_s``."""

    def __init__(self, path: Path, schema: str, busy_timeout_s: float) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(schema)
        except sqlite3.DatabaseError as error:
            raise refusal(error)(
                "the index database cannot be opened",
                why=str(error),
                where=str(path),
                fix="check permissions and free space; if the file is damaged, restore it from a backup or move it "
                "away (templates, incidents and metrics in it are then lost, log lines are not)",
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                kind = refusal(error)
                raise kind(
                    "the index cannot be written" if kind is IndexUnavailable else "the index database refused",
                    why=str(error),
                    where=str(self.path),
                    fix="check free space there and that no other program holds the file",
                ) from error

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._locked() as db:
            return db.execute(sql, values).fetchall()

    def begin(self) -> None:
        """Open a transaction that stays open until ``commit``; no effect inside one."""
        with self._locked() as db:
            if not db.in_transaction:
                db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        with self._locked() as db:
            if db.in_transaction:
                db.execute("COMMIT")

    def execute_many(self, sql: str, values: Sequence[Sequence[Any]]) -> None:
        with self._locked() as db:
            db.executemany(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, visible to other processes when the block ends."""
        with self._locked() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # a full disk ends it by itself
                    db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self._lock:
            self.commit()
            self._db.close()


def placeholders(count: int) -> str:
    return ",".join("?" * count)


def chunks(items: Sequence[Any], size: int = 500) -> Iterator[Sequence[Any]]:
    """``items`` in slices that fit SQLite's limit of bound values."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
