"""Templates, signals, incidents, actions, forecasts and counters in SQLite.

Each row keeps its record as JSON beside the columns that are searched, so a field added to a record needs no
migration. People's actions are a table of their own that any process may append to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from logsense.index.base import clean, from_dict, to_json
from logsense.index.database import Database, chunks, placeholders
from logsense.index.finding import said
from logsense.record import Action, Forecast, Hypothesis, Incident, Sentence, Signal, Template

_SCHEMA = """
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS templates (id TEXT PRIMARY KEY, words BLOB NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS vectors (
  template TEXT NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (template, model)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS incident_vectors (
  incident TEXT NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (incident, model)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS signals (id TEXT PRIMARY KEY, start_ns INTEGER, end_ns INTEGER, data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS signals_time ON signals (start_ns);
CREATE TABLE IF NOT EXISTS incidents (id TEXT PRIMARY KEY, start_ns INTEGER, last_ns INTEGER, data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS incidents_time ON incidents (start_ns);
CREATE TABLE IF NOT EXISTS actions (
  id INTEGER PRIMARY KEY, incident TEXT NOT NULL, at_ns INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS actions_incident ON actions (incident, at_ns);
CREATE TABLE IF NOT EXISTS forecasts (id TEXT PRIMARY KEY, host TEXT, made_ns INTEGER, data BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS forecasts_time ON forecasts (made_ns);
CREATE TABLE IF NOT EXISTS source_stats (source TEXT PRIMARY KEY, data BLOB NOT NULL);
"""
#: What has vectors -> its table and the table's column of ids. The table's name is also its counter's.
VECTORS = {"templates": ("vectors", "template"), "incidents": ("incident_vectors", "incident")}
_NESTED = {"hypotheses": Hypothesis, "summary": Sentence}
_BUMP = "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"


def _time(value: int) -> int:
    """A time that SQLite can hold."""
    return min(max(value, -(2**63)), 2**63 - 1)


class State:
    """Every method is one transaction. Safe from any thread and process."""

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self._db = Database(path, _SCHEMA, busy_timeout_s)

    def close(self) -> None:
        self._db.close()

    def counter(self, name: str) -> int:
        """Rises with every change of what it is named after: ``templates`` (their words), ``incidents``, or a table
        of vectors."""
        found = self._db.rows("SELECT value FROM counters WHERE name = ?", [name])
        return int(found[0][0]) if found else 0

    def _select(self, sql: str, ids: Sequence[str]) -> Iterable[tuple[Any, ...]]:
        for part in chunks([clean(item) for item in ids]):
            yield from self._db.rows(sql.format(placeholders(len(part))), part)

    # templates

    def put_templates(self, templates: Sequence[Template]) -> None:
        fresh = {clean(item.id): to_json(said(item)) for item in templates}
        known = dict(self._select("SELECT id, words FROM templates WHERE id IN ({})", list(fresh)))
        with self._db.transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO templates VALUES (?, ?, ?)",
                [(clean(item.id), fresh[clean(item.id)], to_json(item)) for item in templates],
            )
            if any(known.get(template_id) != words for template_id, words in fresh.items()):
                db.execute(_BUMP, ["templates"])

    def template_words(self) -> list[tuple[str, str, str, list[str]]]:
        """(id, text, alias of, keywords) of every template."""
        return [(key, *orjson.loads(data)[:3]) for key, data in self._db.rows("SELECT id, words FROM templates")]

    def get_templates(self, ids: Sequence[str]) -> list[Template]:
        """In the order asked; missing ones are left out."""
        found = dict(self._select("SELECT id, data FROM templates WHERE id IN ({})", ids))
        return [from_dict(Template, orjson.loads(found[key])) for key in map(clean, ids) if key in found]

    def all_templates(self) -> list[Template]:
        return [
            from_dict(Template, orjson.loads(d)) for (d,) in self._db.rows("SELECT data FROM templates ORDER BY id")
        ]

    # vectors, of templates or incidents

    def put_vectors(self, kind: str, rows: Sequence[tuple[str, str, bytes]]) -> None:
        """(id, model, float32 bytes) each."""
        table, _ = VECTORS[kind]
        with self._db.transaction() as db:
            db.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", rows)  # noqa: S608
            db.execute(_BUMP, [table])

    def vectors_counter(self, kind: str) -> int:
        return self.counter(VECTORS[kind][0])

    def vectors(self, kind: str, model: str) -> list[tuple[str, bytes]]:
        table, column = VECTORS[kind]
        sql = f"SELECT {column}, vector FROM {table} WHERE model = ? ORDER BY {column}"  # noqa: S608
        return [(key, blob) for key, blob in self._db.rows(sql, [model])]

    def models(self, kind: str) -> list[str]:
        """Names of the embedding models that vectors are kept of."""
        table, _ = VECTORS[kind]
        rows = self._db.rows(f"SELECT DISTINCT model FROM {table} ORDER BY model")  # noqa: S608
        return [str(model) for (model,) in rows]

    # what the analysis found

    def put_signals(self, signals: Sequence[Signal]) -> None:
        rows = [(clean(s.id), _time(s.start_ns), _time(s.end_ns), to_json(s)) for s in signals]
        with self._db.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO signals VALUES (?, ?, ?, ?)", rows)

    def signals(self, from_ns: int | None, to_ns: int | None, ids: Sequence[str] | None) -> list[Signal]:
        """Those that overlap the time range, oldest first."""
        if ids is not None:
            rows = [data for (data,) in self._select("SELECT data FROM signals WHERE id IN ({})", ids)]
        else:
            sql = "SELECT data FROM signals WHERE start_ns < ? AND max(end_ns, start_ns) >= ?"
            rows = [data for (data,) in self._db.rows(sql, _range(from_ns, to_ns))]
        found = [from_dict(Signal, orjson.loads(data)) for data in rows]
        if ids is not None:
            found = [
                s
                for s in found
                if (to_ns is None or s.start_ns < to_ns) and (from_ns is None or max(s.end_ns, s.start_ns) >= from_ns)
            ]
        return sorted(found, key=lambda signal: (signal.start_ns, signal.id))

    def put_incidents(self, incidents: Sequence[Incident]) -> None:
        rows = []
        for item in incidents:
            data = orjson.loads(to_json(item))
            data.pop("actions", None)
            rows.append((clean(item.id), _time(item.start_ns), _time(max(item.last_ns, item.end_ns)), to_json(data)))
        with self._db.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?)", rows)
            db.execute(_BUMP, ["incidents"])

    def get_incident(self, incident_id: str) -> Incident | None:
        rows = self._db.rows("SELECT data FROM incidents WHERE id = ?", [clean(incident_id)])
        return self._with_actions([data for (data,) in rows])[0] if rows else None

    def incidents(self, from_ns: int | None, to_ns: int | None, limit: int) -> list[Incident]:
        """Those that overlap the time range, newest first."""
        sql = "SELECT data FROM incidents WHERE start_ns < ? AND last_ns >= ? ORDER BY start_ns DESC, id DESC LIMIT ?"
        return self._with_actions([data for (data,) in self._db.rows(sql, [*_range(from_ns, to_ns), max(0, limit)])])

    def all_incidents(self, from_ns: int | None = None, to_ns: int | None = None) -> list[Incident]:
        """Those that overlap the time range, without what people did."""
        sql = "SELECT data FROM incidents WHERE start_ns < ? AND last_ns >= ? ORDER BY id"
        rows = self._db.rows(sql, _range(from_ns, to_ns))
        return [from_dict(Incident, orjson.loads(data), _NESTED) for (data,) in rows]

    def _with_actions(self, rows: Sequence[bytes]) -> list[Incident]:
        incidents = [from_dict(Incident, orjson.loads(data), _NESTED) for data in rows]
        by_id = {incident.id: incident for incident in incidents}
        sql = "SELECT incident, data FROM actions WHERE incident IN ({}) ORDER BY at_ns, id"
        for incident_id, data in self._select(sql, list(by_id)):
            by_id[incident_id].actions.append(from_dict(Action, orjson.loads(data)))
        return incidents

    def add_action(self, action: Action) -> None:
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO actions (incident, at_ns, data) VALUES (?, ?, ?)",
                [clean(action.incident_id), _time(action.at_ns), to_json(action)],
            )

    def put_forecasts(self, forecasts: Sequence[Forecast]) -> None:
        rows = [(clean(f.id), clean(f.host), _time(f.made_ns), to_json(f)) for f in forecasts]
        with self._db.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO forecasts VALUES (?, ?, ?, ?)", rows)

    def forecasts(self, host: str | None, from_ns: int | None, limit: int) -> list[Forecast]:
        where = "made_ns >= ? AND (? IS NULL OR host = ?)"
        sql = f"SELECT data FROM forecasts WHERE {where} ORDER BY made_ns DESC, id LIMIT ?"  # noqa: S608
        host = None if host is None else clean(host)
        found = []
        for (data,) in self._db.rows(sql, [_range(from_ns, None)[1], host, host, max(0, limit)]):
            forecast = from_dict(Forecast, orjson.loads(data))
            forecast.reasons = [(text, weight) for text, weight in forecast.reasons]
            found.append(forecast)
        return found

    # counters that doctor shows

    def put_source_stats(self, stats: dict[str, dict[str, int]]) -> None:
        with self._db.transaction() as db:
            rows = [(clean(source), to_json(counts)) for source, counts in stats.items()]
            db.executemany("INSERT OR REPLACE INTO source_stats VALUES (?, ?)", rows)

    def source_stats(self) -> dict[str, dict[str, int]]:
        found = self._db.rows("SELECT source, data FROM source_stats ORDER BY source")
        return {source: orjson.loads(data) for source, data in found}


def _range(from_ns: int | None, to_ns: int | None) -> tuple[int, int]:
    """(exclusive upper bound of starts, inclusive lower bound of ends)."""
    return (2**63 - 1 if to_ns is None else _time(to_ns)), (-(2**63) if from_ns is None else _time(from_ns))
