"""How ``Courses`` outlives the process: one row a tick with the newest column of all series, and one of numbers.

A save writes the ticks since the last one, whatever the length of the past: with 40,000 series 160 kB each five minutes
and 5 MB of numbers. Columns are little-endian float32, numbers float64: plain bytes, no pickle.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import astuple
from typing import TYPE_CHECKING

import numpy as np

from logsense.detect.windows import SeriesKey

if TYPE_CHECKING:
    from logsense.detect.metric_courses import Courses

_COLUMN, _NUMBER = np.dtype("<f4"), np.dtype("<f8")


def save(courses: Courses, db: sqlite3.Connection) -> None:
    """Write what changed since the last save. Does not commit."""
    _tables(db)
    novelty = courses.novelty
    if courses.changed:
        keys = [[key.host, key.name, row] for key, row in courses.rows.items()]
        _put(db, "keys", json.dumps({"keys": keys, "rows": novelty.rows}).encode())
        courses.changed = False
    new = min(courses.ticks - courses.saved_ticks, novelty.used)
    for back in range(new, 0, -1):
        body = novelty.column(-back).astype(_COLUMN).tobytes()
        db.execute("INSERT OR REPLACE INTO metric_course_ticks VALUES (?, ?)", (courses.ticks - back, body))
    db.execute("DELETE FROM metric_course_ticks WHERE tick < ?", (courses.ticks - novelty.kept,))
    courses.saved_ticks = courses.ticks
    numbers = [getattr(novelty, name) for name in novelty.NUMBERS]
    stacked = np.stack([*numbers, courses.sums, courses.counts]).astype(_NUMBER) if courses.rows else np.zeros(0)
    _put(db, "numbers", stacked.tobytes())
    state = {
        "ticks": courses.ticks,
        "alarms": [[*key, *astuple(alarm)] for key, alarm in courses.alarms.items()],
        "inflation": [courses.inflation.seen, courses.inflation.over],
        "told": [courses.raised, courses.alarm_ticks, courses.judged_ticks],
    }
    _put(db, "state", json.dumps(state).encode())


def load(courses: Courses, db: sqlite3.Connection) -> None:
    """Take up what ``save`` wrote; nothing if there is none."""
    from logsense.detect.metric_courses import Alarm

    _tables(db)
    parts = dict(db.execute("SELECT name, body FROM metric_course_state"))
    if not {"keys", "numbers", "state"} <= set(parts):
        return
    known, state, novelty = json.loads(parts["keys"]), json.loads(parts["state"]), courses.novelty
    novelty.grow(known["rows"])
    names = [*novelty.NUMBERS, "sums", "counts"]
    numbers = np.frombuffer(parts["numbers"], _NUMBER)
    if numbers.size != len(names) * known["rows"]:
        return  # written by another version: begin anew
    for name, column in zip(names, numbers.reshape(len(names), -1), strict=True):
        owner = courses if name in ("sums", "counts") else novelty
        kind = getattr(novelty, name).dtype if owner is novelty else np.float64
        setattr(owner, name, column.astype(kind))
    ticks = db.execute("SELECT body FROM metric_course_ticks WHERE tick < ? ORDER BY tick", (state["ticks"],))
    novelty.restore([np.frombuffer(body, _COLUMN) for (body,) in ticks])
    courses.ticks = courses.saved_ticks = state["ticks"]
    courses.rows, courses.hosts = {}, {}
    for host, name, row in known["keys"]:
        courses.rows[SeriesKey(host, name)] = row
        courses.hosts.setdefault(host, []).append(SeriesKey(host, name))
    taken = set(courses.rows.values())
    courses.free = [row for row in range(known["rows"] - 1, -1, -1) if row not in taken]
    courses.alarms = {SeriesKey(host, name): Alarm(*rest) for host, name, *rest in state["alarms"]}
    courses.inflation.seen, courses.inflation.over = state["inflation"][0], list(state["inflation"][1])
    courses.raised, courses.alarm_ticks, courses.judged_ticks = state["told"]
    courses.changed = False


def _put(db: sqlite3.Connection, name: str, body: bytes) -> None:
    db.execute("INSERT OR REPLACE INTO metric_course_state VALUES (?, ?)", (name, body))


def _tables(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE IF NOT EXISTS metric_course_ticks (tick INTEGER PRIMARY KEY, body BLOB)")
    db.execute("CREATE TABLE IF NOT EXISTS metric_course_state (name TEXT PRIMARY KEY, body BLOB)")
