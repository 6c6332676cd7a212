"""Metric points in SQLite, clustered by series and time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from logsense.index.base import clean
from logsense.index.database import Database
from logsense.record import MetricPoint

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, host TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (host, name));
CREATE TABLE IF NOT EXISTS points (
  series INTEGER NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL, PRIMARY KEY (series, at)
) WITHOUT ROWID;
"""
_INT64 = 2**63


def series_name(name: str, labels: dict[str, str]) -> str:
    """``disk.util{device=sda}``: labels in the order of their names."""
    if not labels:
        return name
    return f"{name}{{{','.join(f'{key}={value}' for key, value in sorted(labels.items()))}}}"


class Metrics:
    """Writes stay in one open transaction until ``commit``; only the worker writes here."""

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self._db = Database(path, _SCHEMA, busy_timeout_s)
        self._ids: dict[tuple[str, str, tuple[tuple[str, str], ...]], int] = {}

    def write(self, points: Sequence[MetricPoint]) -> None:
        """A point replaces one of the same series and time. NaN, infinities and impossible times are left out."""
        self._db.begin()
        rows: list[tuple[int, int, float]] = []
        ids, isfinite = self._ids, math.isfinite
        for point in points:
            if not isfinite(point.value) or not -_INT64 <= point.timestamp_ns < _INT64:
                continue
            labels = point.labels
            series = (point.host, point.name, tuple(labels.items()) if labels else ())
            series_id = ids.get(series)
            if series_id is None:
                series_id = ids[series] = self._series_id(point)
            rows.append((series_id, point.timestamp_ns, point.value))
        rows.sort()  # neighbours in the tree are written together
        self._db.execute_many("INSERT OR REPLACE INTO points VALUES (?, ?, ?)", rows)

    def _series_id(self, point: MetricPoint) -> int:
        labels = {str(name): str(value) for name, value in point.labels.items()}
        series = (clean(point.host), clean(series_name(point.name, labels)))
        self._db.execute_many("INSERT OR IGNORE INTO series (host, name) VALUES (?, ?)", [series])
        return int(self._db.rows("SELECT id FROM series WHERE host = ? AND name = ?", series)[0][0])

    def commit(self) -> None:
        self._db.commit()

    def names(self, host: str | None) -> list[tuple[str, str]]:
        if host is None:
            return [(h, n) for h, n in self._db.rows("SELECT host, name FROM series ORDER BY host, name")]
        found = self._db.rows("SELECT host, name FROM series WHERE host = ? ORDER BY name", [clean(host)])
        return [(h, n) for h, n in found]

    def series(
        self, host: str, name: str, from_ns: int | None, to_ns: int | None, step_ns: int
    ) -> list[tuple[int, float]]:
        low = -_INT64 if from_ns is None else max(from_ns, -_INT64)
        high = _INT64 - 1 if to_ns is None else min(to_ns, _INT64 - 1)
        where = (
            "series = (SELECT id FROM series WHERE host = ? AND name = ?) AND at >= ? AND at < ?",
            [clean(host), clean(name), low, high],
        )
        if step_ns <= 0:
            found = self._db.rows(f"SELECT at, value FROM points WHERE {where[0]} ORDER BY at", where[1])  # noqa: S608
        else:
            # SQLite truncates towards zero; the remainder is made positive so that times before 1970 floor too
            bucket = "at - ((at % ?) + ?) % ?"
            sql = f"SELECT {bucket} AS bucket, avg(value) FROM points WHERE {where[0]} GROUP BY bucket ORDER BY bucket"  # noqa: S608
            found = self._db.rows(sql, [step_ns, step_ns, step_ns, *where[1]])
        return [(int(at), float(value)) for at, value in found]

    def close(self) -> None:
        self._db.close()
