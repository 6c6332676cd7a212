"""From one index into another: ``logsense reindex``. Resumable, and counted at the end.

Ids are deterministic, so copying something again replaces it: after an interruption the next run goes on at the
last committed time, and what lies around that border is simply written once more.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from logsense import registry
from logsense.config import Settings
from logsense.errors import BadInput, LogsenseError
from logsense.record import LogRecord, MetricPoint, Query
from logsense.stages import Index

Progress = Callable[[str, float, float], None]

STATE = "reindex.json"
LINES = 5_000  # between two commits
EVERYTHING = 2**31 - 1


def reindex(
    data: Path, settings: Settings, source: str, target: str, progress: Progress = lambda what, done, total: None
) -> dict[str, dict[str, int]]:
    """Copy the index of ``data`` from the kind ``source`` to the kind ``target``.

    {"lines": {"source": n, "target": n}, …}. Raises BadInput for kinds that do not exist or are the same, Busy while
    a worker writes the data folder's index, LogsenseError when the counts differ in the end.
    """
    for kind in (source, target):
        if kind not in registry.INDEXES:
            raise BadInput(f"There is no index {kind!r}.", fix=f"use one of {', '.join(registry.INDEXES)}")
    if source == target:
        raise BadInput("Source and target are the same index.", fix="give two different kinds")
    if source == "embedded" and not (data / "index" / "logs").is_dir():
        raise BadInput(f"There is no embedded index in {data}.", fix="give the folder with --data")
    writer = registry.open_index(data, of_kind(settings, target), writer=True)  # the lock before anything else
    try:
        reader = registry.open_index(data, of_kind(settings, source), writer=False)
        try:
            state = State(data / STATE, f"{source} to {target}")
            copy_lines(reader, writer, state, progress)
            copy_metrics(reader, writer, progress)
            copy_findings(reader, writer, progress)
            counts = compare(reader, writer, progress)
        finally:
            reader.close()
    finally:
        writer.close()
    differing = {name: n for name, n in counts.items() if n["source"] != n["target"]}
    if differing:
        each = (f"{name}: {n['source']} in {source}, {n['target']} in {target}" for name, n in differing.items())
        raise LogsenseError(
            "The copy differs from its source.",
            why="; ".join(each),
            fix="were lines written meanwhile, or was the target not empty? Run the command again, or clear the target",
        )
    state.forget()
    return counts


def of_kind(settings: Settings, kind: str) -> Settings:
    """The same settings with another ``[index] type``."""
    index = {**settings.tables.get("index", {}), "type": kind}
    return dataclasses.replace(settings, tables={**settings.tables, "index": index})


class State:
    """How far an interrupted run came: the time of the last line that is committed in the target."""

    def __init__(self, path: Path, what: str) -> None:
        self._path, self._what = path, what
        self.from_ns: int | None = None
        self.lines = 0
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["what"] == what:
                self.from_ns, self.lines = int(kept["from_ns"]), int(kept["lines"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # a first run, or one of another direction

    def save(self, from_ns: int, lines: int) -> None:
        self.from_ns, self.lines = from_ns, lines
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({"what": self._what, "from_ns": from_ns, "lines": lines}), encoding="utf-8")
        fresh.replace(self._path)

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


def copy_lines(reader: Index, writer: Index, state: State, progress: Progress) -> None:
    total, _ = reader.search(Query(), limit=0)
    left, _ = reader.search(Query(from_ns=state.from_ns), limit=0)
    done = total - left
    for part in chunks(reader.scan(Query(from_ns=state.from_ns))):
        writer.write_logs(part, replay=True)
        writer.commit()
        done += len(part)
        # Inclusive: other lines of the same nanosecond may follow. Times beyond 64 bits are at the very ends.
        state.save(min(max(part[-1].timestamp_ns, -(2**63)), 2**63 - 1), done)
        progress("lines", done, total)


def chunks(records: Iterator[LogRecord]) -> Iterator[list[LogRecord]]:
    while part := list(itertools.islice(records, LINES)):
        yield part


def copy_metrics(reader: Index, writer: Index, progress: Progress) -> None:
    names = reader.metric_names()
    for at, (host, name) in enumerate(names, 1):
        # The series' name holds its labels already, so the copy is the same series.
        writer.write_metrics([MetricPoint(name, host, t, v) for t, v in reader.metric_series(host, name, None, None)])
        progress("metric series", at, len(names))
    writer.commit()


def copy_findings(reader: Index, writer: Index, progress: Progress) -> None:
    """Templates with their vectors, signals, incidents with what people did, forecasts, counters."""
    steps: list[Callable[[], Any]] = [
        lambda: writer.put_templates(reader.templates()),
        lambda: copy_vectors(reader, writer),
        lambda: writer.put_signals(reader.signals()),
        lambda: copy_incidents(reader, writer),
        lambda: writer.put_forecasts(reader.forecasts(limit=EVERYTHING)),
        lambda: writer.put_source_stats(reader.source_stats()),
        writer.commit,
    ]
    for at, step in enumerate(steps, 1):
        step()
        progress("findings", at, len(steps))


def copy_vectors(reader: Index, writer: Index) -> None:
    for model, ids, matrix in reader.template_vectors():
        writer.put_template_vectors(ids, matrix, model)
    for model, ids, matrix in reader.incident_vectors():
        writer.put_incident_vectors(ids, matrix, model)


def copy_incidents(reader: Index, writer: Index) -> None:
    incidents = reader.incidents(limit=EVERYTHING)
    writer.put_incidents(incidents)
    for incident in incidents:
        there = writer.get_incident(incident.id)
        known = there.actions if there is not None else []
        for action in incident.actions:
            if action not in known:  # an interrupted run may have copied it
                writer.add_action(action)


def compare(reader: Index, writer: Index, progress: Progress) -> dict[str, dict[str, int]]:
    def counts(index: Index) -> dict[str, int]:
        incidents = index.incidents(limit=EVERYTHING)
        return {
            "lines": index.search(Query(), limit=0)[0],
            "metric series": len(index.metric_names()),
            "templates": len(index.templates()),
            "vectors": sum(len(ids) for _, ids, _ in index.template_vectors()),
            "vectors of incidents": sum(len(ids) for _, ids, _ in index.incident_vectors()),
            "signals": len(index.signals()),
            "incidents": len(incidents),
            "actions": sum(len(incident.actions) for incident in incidents),
            "forecasts": len(index.forecasts(limit=EVERYTHING)),
        }

    progress("counting", 0, 2)
    source = counts(reader)
    progress("counting", 1, 2)
    target = counts(writer)
    progress("counting", 2, 2)
    return {name: {"source": source[name], "target": target[name]} for name in source}
