"""The index in one folder: tantivy for lines, SQLite for the rest, exact vectors in memory."""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from logsense.errors import Busy
from logsense.index import base
from logsense.index.lines import Lines
from logsense.index.metrics import Metrics
from logsense.index.options import EmbeddedOptions
from logsense.index.state import State
from logsense.index.vectors import TemplateCatalog, TemplateVectors
from logsense.record import Action, Forecast, Hit, Incident, LogRecord, MetricPoint, Query, Signal, Template

if TYPE_CHECKING:
    import numpy as np

__all__ = ["EmbeddedIndex", "EmbeddedOptions"]


class EmbeddedIndex:
    """``Index`` in the folder ``path``.

    With ``writer`` it takes the folder's writer lock (``errors.Busy`` when another process holds it) and may
    call every method; without, it reads, follows the writer's commits, and may add people's actions.
    Reading is safe from any thread; writing belongs to one.
    """

    def __init__(self, path: Path, *, writer: bool, options: EmbeddedOptions | None = None) -> None:
        self.path = Path(path)
        self._options = options or EmbeddedOptions()
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock_file = writer_lock(self.path / "writer.lock") if writer else None
        self._state = State(self.path / "state.sqlite", self._options.busy_timeout_s)
        self._metrics = Metrics(self.path / "metrics.sqlite", self._options.busy_timeout_s)
        self._lines = Lines(self.path / "logs", self._options)
        self._catalog = TemplateCatalog(self._state)
        self._vectors = TemplateVectors(self._state, self._catalog)

    def close(self) -> None:
        try:
            self._lines.close()
        finally:
            self._metrics.close()
            self._state.close()
            if self._lock_file is not None:
                self._lock_file.close()  # releases the lock
                self._lock_file = None

    def problems(self) -> list[str]:
        """Parts of the index that cannot be read, one sentence each."""
        return self._lines.problems()

    def _plan(self, query: Query) -> base.Plan:
        return base.plan(
            query,
            expand=self._catalog.family,
            templates_with=self._catalog.with_words,
            frequency=self._lines.frequency,
            total=self._lines.total() if query.text else 0,
        )

    # logs

    def write_logs(self, records: Sequence[LogRecord], *, replay: bool = False) -> None:
        self._lines.write(records, replay=replay)

    def commit(self) -> None:
        self._lines.commit()
        self._metrics.commit()

    def get_log(self, log_id: str) -> LogRecord | None:
        return self._lines.get(log_id)

    def search(self, query: Query, *, limit: int = 50, offset: int = 0, by_time: bool = False) -> tuple[int, list[Hit]]:
        return self._lines.search(self._plan(query), limit=max(0, limit), offset=max(0, offset), by_time=by_time)

    def scan(self, query: Query) -> Iterator[LogRecord]:
        return self._lines.scan(self._plan(query))

    def histogram(self, query: Query, step_ns: int) -> list[tuple[int, int]]:
        return self._lines.histogram(self._plan(query), max(1, step_ns))

    def terms(self, query: Query, field: str, size: int = 10) -> list[tuple[str, int]]:
        """Most frequent first, equals by name. Merged templates count as their survivor."""
        counts = self._lines.terms(self._plan(query), field)
        if field == "template_id":
            merged: Counter[str] = Counter()
            survivors = self._catalog.survivors()
            for template_id, count in counts.items():
                merged[survivors.get(template_id, template_id)] += count
            counts = merged
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: max(0, size)]

    def time_range(self) -> tuple[int, int] | None:
        return self._lines.time_range(base.plan(Query()))

    # templates

    def put_templates(self, templates: Sequence[Template]) -> None:
        self._state.put_templates(templates)

    def put_template_vectors(self, ids: Sequence[str], vectors: np.ndarray, model: str) -> None:
        self._vectors.put(ids, vectors, model)

    def template_vectors(self) -> Iterator[tuple[str, list[str], np.ndarray]]:
        return self._vectors.each()

    def get_template(self, template_id: str) -> Template | None:
        found = self._state.get_templates([template_id])
        return found[0] if found else None

    def templates(self, ids: Sequence[str] | None = None) -> list[Template]:
        return self._state.all_templates() if ids is None else self._state.get_templates(ids)

    def nearest_templates(self, vector: np.ndarray, k: int, model: str) -> list[tuple[str, float]]:
        return self._vectors.nearest(vector, k, model)

    # metrics

    def write_metrics(self, points: Sequence[MetricPoint]) -> None:
        self._metrics.write(points)

    def metric_names(self, host: str | None = None) -> list[tuple[str, str]]:
        return self._metrics.names(host)

    def metric_series(
        self, host: str, name: str, from_ns: int | None, to_ns: int | None, step_ns: int = 0
    ) -> list[tuple[int, float]]:
        return self._metrics.series(host, name, from_ns, to_ns, step_ns)

    # what the analysis found

    def put_signals(self, signals: Sequence[Signal]) -> None:
        self._state.put_signals(signals)

    def signals(
        self, from_ns: int | None = None, to_ns: int | None = None, ids: Sequence[str] | None = None
    ) -> list[Signal]:
        return self._state.signals(from_ns, to_ns, ids)

    def put_incidents(self, incidents: Sequence[Incident]) -> None:
        self._state.put_incidents(incidents)

    def get_incident(self, incident_id: str) -> Incident | None:
        return self._state.get_incident(incident_id)

    def incidents(self, from_ns: int | None = None, to_ns: int | None = None, limit: int = 200) -> list[Incident]:
        return self._state.incidents(from_ns, to_ns, limit)

    def add_action(self, action: Action) -> None:
        self._state.add_action(action)

    def put_forecasts(self, forecasts: Sequence[Forecast]) -> None:
        self._state.put_forecasts(forecasts)

    def forecasts(self, host: str | None = None, from_ns: int | None = None, limit: int = 500) -> list[Forecast]:
        return self._state.forecasts(host, from_ns, limit)

    # counters that doctor shows

    def put_source_stats(self, stats: dict[str, dict[str, int]]) -> None:
        self._state.put_source_stats(stats)

    def source_stats(self) -> dict[str, dict[str, int]]:
        return self._state.source_stats()


def writer_lock(path: Path) -> TextIO:
    """Hold the folder's writer lock until the returned file is closed or the process ends, however it ends."""
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise Busy(
            "the index is being written by another process",
            why=f"process {holder} holds the writer lock",
            where=str(path),
            fix="stop that process, or use its API; reading the index needs no lock",
        ) from error
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
