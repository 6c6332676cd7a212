"""How the series of ``MetricAnomaly`` outlive the process: small rows each time, whole histories now and then.

A history changes by one value a window, so a save writes what joined it since all of it was written, and all of it
again after ``FULL`` values, at another time for each series: with 40,000 series some MB a window instead of hundreds.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

import orjson

from logsense.detect.series import Episode, Series
from logsense.detect.windows import SeriesKey

FULL = 30


def save(known: Mapping[SeriesKey, Series], db: sqlite3.Connection) -> None:
    """Write every series. Does not commit."""
    _tables(db)
    full, recent = [], []
    for number, (key, series) in enumerate(known.items()):
        if series.unsaved is None or len(series.unsaved) >= FULL + number % FULL:
            full.append((*key, orjson.dumps({"history": list(series.history)}).decode()))
            series.unsaved = []
        recent.append((*key, orjson.dumps(_rest(series)).decode()))
    db.executemany("INSERT OR REPLACE INTO metric_anomaly_series VALUES (?, ?, ?)", full)
    db.executemany("INSERT OR REPLACE INTO metric_anomaly_recent VALUES (?, ?, ?)", recent)


def load(db: sqlite3.Connection, size: int) -> dict[SeriesKey, Series]:
    """What ``save`` wrote, with histories of at most ``size`` values."""
    _tables(db)
    found: dict[SeriesKey, Series] = {}
    rows = db.execute(
        "SELECT s.host, s.name, s.body, r.body FROM metric_anomaly_series s LEFT JOIN metric_anomaly_recent r "
        "ON r.host = s.host AND r.name = s.name ORDER BY s.host, s.name"
    )
    for host, name, body, rest in rows:
        whole: dict[str, Any] = orjson.loads(body)
        state = orjson.loads(rest) if rest else whole  # folders of an earlier version hold all in one
        series = Series(name, size, counter=state["counter"], integral=state["integral"])
        series.unsaved = state.get("unsaved", []) if rest else None
        series.history = deque([*whole["history"], *(series.unsaved or ())][-size:])
        series.recent.extend(state["recent"])
        series.pending = deque(state["pending"])
        series.episode = Episode(*state["episode"]) if state["episode"] else None
        series.cached = tuple(state["cached"]) if state["cached"] else None
        series.previous, series.previous_ns, series.seen = state["previous"], state["previous_ns"], state["seen"]
        found[SeriesKey(host, name)] = series
    return found


def _rest(series: Series) -> dict[str, Any]:
    """All but the history."""
    return {
        "counter": series.counter,
        "integral": series.integral,
        "unsaved": series.unsaved,
        "recent": list(series.recent),
        "pending": list(series.pending),
        "episode": astuple(series.episode) if series.episode else None,
        "previous": series.previous,
        "previous_ns": series.previous_ns,
        "seen": series.seen,
        "cached": series.cached,
    }


def _tables(db: sqlite3.Connection) -> None:
    for name in ("metric_anomaly_series", "metric_anomaly_recent"):
        db.execute(f"CREATE TABLE IF NOT EXISTS {name} (host TEXT, name TEXT, body TEXT, PRIMARY KEY (host, name))")
