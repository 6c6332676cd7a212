"""The feature builder's state on disk: appended rows, so that a checkpoint costs what changed and not what is kept.

Tables: ``predict_meta``, ``predict_columns`` (metric names per host), ``predict_steps`` (the ring),
``predict_blocks`` (the baseline), ``predict_recent`` (feature vectors for the drift check). Arrays are little-endian
float32 blobs.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

import numpy as np

from logsense.predict.features import FeatureBuilder
from logsense.predict.history import COUNTS, Array
from logsense.predict.options import FEATURE_KEYS

_TABLES = (
    "create table if not exists predict_meta (key text primary key, value text)",
    "create table if not exists predict_columns (host text, position integer, name text, primary key (host, position))",
    "create table if not exists predict_steps (host text, step integer, data blob, primary key (host, step))",
    "create table if not exists predict_blocks (host text, number integer, data blob, primary key (host, number))",
    "create table if not exists predict_recent (number integer primary key, data blob)",
)


def create_tables(db: sqlite3.Connection) -> None:
    for statement in _TABLES:
        db.execute(statement)


def save(builder: FeatureBuilder, db: sqlite3.Connection) -> None:
    """Write what changed since the last save; rows that have left the ring or the baseline are deleted."""
    create_tables(db)
    db.execute("insert or replace into predict_meta values ('layout', ?)", (_layout(builder),))
    for host, history in builder.hosts.items():
        if not history.changed:
            continue
        db.executemany(
            "insert or ignore into predict_columns values (?, ?, ?)",
            [(host, i, name) for i, name in enumerate(history.names)][history.saved_columns :],
        )
        history.saved_columns = len(history.names)
        rows = [(host, step, history.row(step)) for step in sorted(history.changed)]
        db.executemany(
            "insert or replace into predict_steps values (?, ?, ?)",
            [(h, step, _pack(np.concatenate(row))) for h, step, row in rows if row is not None],
        )
        oldest = history.last - builder.options.ring_steps
        db.execute("delete from predict_steps where host = ? and (step <= ? or step > ?)", (host, oldest, history.last))
        fresh = history.last_blocks(history.base_blocks - history.saved_blocks)
        first = history.base_blocks - len(fresh)
        db.executemany(
            "insert or replace into predict_blocks values (?, ?, ?)",
            [(host, first + i, _pack(block)) for i, block in enumerate(fresh)],
        )
        if fresh:
            kept = history.base_blocks - builder.options.baseline_points
            db.execute("delete from predict_blocks where host = ? and number < ?", (host, kept))
        history.saved_blocks = history.base_blocks
        history.changed.clear()
    for host in builder.forgotten:
        for table in ("columns", "steps", "blocks"):
            db.execute(f"delete from predict_{table} where host = ?", (host,))  # noqa: S608 - names are ours
    builder.forgotten.clear()


def load(builder: FeatureBuilder, db: sqlite3.Connection) -> None:
    """Read what ``save`` wrote. State of another step length or look-back is of no use and is dropped."""
    create_tables(db)
    row = db.execute("select value from predict_meta where key = 'layout'").fetchone()
    if row is not None and row[0] != _layout(builder):
        for table in ("columns", "steps", "blocks", "recent"):
            db.execute(f"delete from predict_{table}")  # noqa: S608 - names are ours
        return
    names: dict[str, list[str]] = {}
    for host, name in db.execute("select host, name from predict_columns order by host, position"):
        names.setdefault(host, []).append(name)
    for host in names:
        builder.history(host).reserve(names[host])
    for host, number, data in db.execute("select host, number, data from predict_blocks order by host, number"):
        history = builder.history(host)
        history.add_block(_unpack(data))
        history.base_blocks = history.saved_blocks = number + 1
    for host, step, data in db.execute("select host, step, data from predict_steps order by host, step"):
        values = _unpack(data)
        builder.history(host).restore(step, values[: len(COUNTS)], values[len(COUNTS) :])
    for history in builder.hosts.values():
        history.saved_columns = len(history.names)
    builder.forgotten.clear()


def save_recent(db: sqlite3.Connection, vectors: Sequence[Array], keep: int) -> None:
    """Append feature vectors and keep the newest ``keep``."""
    if vectors:
        create_tables(db)
        db.executemany("insert into predict_recent (data) values (?)", [(_pack(v),) for v in vectors])
        db.execute("delete from predict_recent where number <= (select max(number) from predict_recent) - ?", (keep,))


def load_recent(db: sqlite3.Connection, features: int) -> list[Array]:
    """Saved feature vectors that have ``features`` values, oldest first."""
    create_tables(db)
    rows = [_unpack(data) for (data,) in db.execute("select data from predict_recent order by number")]
    return [row for row in rows if len(row) == features]


def _layout(builder: FeatureBuilder) -> str:
    return json.dumps([len(COUNTS), *(getattr(builder.options, key) for key in FEATURE_KEYS)])


def _pack(values: Array) -> bytes:
    return np.asarray(values, "<f4").tobytes()


def _unpack(data: bytes) -> Array:
    return np.frombuffer(data[: len(data) // 4 * 4], "<f4").astype(np.float32)
