"""The index in one folder: tantivy for lines, SQLite for the rest, exact vectors in memory."""

from __future__ import annotations

import fcntl
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from logsense.errors import Busy
from logsense.index import base
from logsense.index.arrivals import Arrivals
from logsense.index.finding import Postings, Recent, applies, incident_words, rarest, template_words
from logsense.index.lines import Lines
from logsense.index.metrics import Metrics
from logsense.index.options import EmbeddedOptions
from logsense.index.state import State
from logsense.index.vectors import TemplateCatalog, Vectors
from logsense.record import Action, Forecast, Hit, Incident, LogRecord, MetricPoint, Page, Query, Signal, Template

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
        self._vectors, self._incident_vectors = Vectors(self._state, "templates"), Vectors(self._state, "incidents")
        self._templates_of = Recent(lambda query: self._lines.terms(self._plan(query), "template_id"))
        self._template_words = Postings(
            lambda: self._state.counter("templates"),
            lambda: ((t.id, template_words(t)) for t in self._state.all_templates()),
        )
        self._incident_words = Postings(
            lambda: self._state.counter("incidents"),
            lambda: ((i.id, incident_words(i)) for i in self._state.all_incidents()),
        )

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
        self._templates_of.forget()
        self._metrics.commit()

    def get_log(self, log_id: str) -> LogRecord | None:
        return self._lines.get(log_id)

    def search(self, query: Query, *, limit: int = 50, offset: int = 0, by_time: bool = False) -> tuple[int, list[Hit]]:
        return self._lines.search(self._plan(query), limit=max(0, limit), offset=max(0, offset), by_time=by_time)

    def counts(self, queries: Sequence[Query]) -> list[int]:
        return [self.search(query, limit=0)[0] for query in queries]

    def page(
        self, query: Query, *, limit: int = 50, offset: int = 0, by_time: bool = False,
        fields: Mapping[str, int] | None = None, step_ns: int = 0,
    ) -> Page:  # fmt: skip
        total, hits = self.search(query, limit=limit, offset=offset, by_time=by_time)
        if not total:
            return Page(0, [], {field: [] for field in fields or {}}, [])
        terms = {field: self.terms(query, field, size) for field, size in (fields or {}).items()}
        return Page(total, hits, terms, self.histogram(query, step_ns) if step_ns > 0 else [])

    def scan(self, query: Query) -> Iterator[LogRecord]:
        return self._lines.scan(self._plan(query))

    def histogram(self, query: Query, step_ns: int) -> list[tuple[int, int]]:
        return self._lines.histogram(self._plan(query), max(1, step_ns))

    def terms(self, query: Query, field: str, size: int = 10) -> list[tuple[str, int]]:
        """Most frequent first, equals by name. Merged templates count as their survivor."""
        counts = self._counts(query, field)
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: max(0, size)]

    def rare_terms(self, query: Query, field: str, *, most: int = 1, size: int = 10) -> list[tuple[str, int]]:
        return rarest(self._counts(query, field), most, size)

    def _counts(self, query: Query, field: str) -> Counter[str]:
        counts = self._lines.terms(self._plan(query), field)
        return self._catalog.merged(counts) if field == "template_id" else counts

    def arrivals(self, after: str = "") -> Arrivals:
        return Arrivals(self._lines, self._plan, after)

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

    def template_changes(self) -> int:
        return self._state.counter("templates")

    def nearest_templates(
        self, vector: np.ndarray, k: int, model: str, within: Query | None = None
    ) -> list[tuple[str, float]]:
        return self._catalog.resolved(self._vectors.nearest(vector, model, self._templates_within(within)), k)

    def matching_templates(self, text: str, k: int, within: Query | None = None) -> list[tuple[str, float]]:
        found = self._template_words.match(text, sys.maxsize, self._templates_within(within))
        return self._catalog.resolved(found, k)

    def _templates_within(self, within: Query | None) -> set[str] | None:
        """Ids of the templates that hold lines of this query, under every name they have."""
        if within is None:
            return None
        return self._catalog.families(self._templates_of(within))

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

    def put_incident_vectors(self, ids: Sequence[str], vectors: np.ndarray, model: str) -> None:
        self._incident_vectors.put(ids, vectors, model)

    def incident_vectors(self) -> Iterator[tuple[str, list[str], np.ndarray]]:
        return self._incident_vectors.each()

    def nearest_incidents(
        self, vector: np.ndarray, k: int, model: str, within: Query | None = None
    ) -> list[tuple[str, float]]:
        found = self._incident_vectors.nearest(vector, model, self._incidents_within(within))
        return list(islice(found, max(0, k)))

    def matching_incidents(self, text: str, k: int, within: Query | None = None) -> list[tuple[str, float]]:
        return self._incident_words.match(text, k, self._incidents_within(within))

    def _incidents_within(self, within: Query | None) -> set[str] | None:
        if within is None:
            return None
        found = self._state.all_incidents(within.from_ns, within.to_ns)
        return {incident.id for incident in found if applies(incident, within)}

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
