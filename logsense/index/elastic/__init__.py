"""The index in Elasticsearch 8 or 9. Passes the same contract suite as the embedded index."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from logsense.index.base import Plan
from logsense.index.elastic.arrivals import Arrivals
from logsense.index.elastic.client import Waiting
from logsense.index.elastic.lines import Lines
from logsense.index.elastic.metrics import Metrics
from logsense.index.elastic.options import ElasticOptions
from logsense.index.elastic.state import State
from logsense.index.elastic.store import Store
from logsense.index.elastic.vectors import Finder
from logsense.index.embedded import writer_lock
from logsense.index.finding import Recent, rarest
from logsense.index.vectors import TemplateCatalog
from logsense.record import Action, Forecast, Hit, Incident, LogRecord, MetricPoint, Page, Query, Signal, Template

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ElasticIndex", "ElasticOptions"]

log = logging.getLogger(__name__)

_RETENTION_EVERY_S = 3600.0


class ElasticIndex:
    """``Index`` in Elasticsearch. ``path`` holds nothing but the writer's lock.

    A ``writer`` waits for a server that does not answer, however long that takes, unless ``waiting`` (called with the
    reason about five times a second) returns True; a reader raises ``IndexUnavailable`` after a few attempts. What was
    written before a failure stays in the buffer and goes out with the next call. Opening as a reader needs no server.
    """

    def __init__(
        self, path: Path, *, writer: bool, options: ElasticOptions | None = None, waiting: Waiting | None = None
    ) -> None:
        self.options = options or ElasticOptions()
        path.mkdir(parents=True, exist_ok=True)
        self._lock_file: TextIO | None = writer_lock(path / "writer.lock") if writer else None
        try:
            self._store = Store(self.options, writer=writer, waiting=waiting)
        except BaseException:
            if self._lock_file is not None:
                self._lock_file.close()
            raise
        self._state = State(self._store)
        self._catalog = TemplateCatalog(self._state)
        self._templates, self._incidents = Finder(self._store, "templates"), Finder(self._store, "incidents")
        self._lines = Lines(self._store, self._catalog)
        self._templates_of = Recent(lambda query: self._lines.terms(self._plan(query), "template_id"))
        self._incidents_of = Recent(self._state.incidents_within)
        self._metrics = Metrics(self._store)
        self._state.renew(self._store.outdated)
        self._retained_at = -_RETENTION_EVERY_S

    def close(self) -> None:
        self._store.close()
        if self._lock_file is not None:
            self._lock_file.close()  # releases the lock

    # logs

    def write_logs(self, records: Sequence[LogRecord], *, replay: bool = False) -> None:
        self._lines.write(records, replay=replay)

    def commit(self) -> None:
        self._store.commit()
        self._state.committed()
        self._lines.committed()
        self._templates_of.forget()
        self._incidents_of.forget()
        if self.options.retention_days and time.monotonic() - self._retained_at >= _RETENTION_EVERY_S:
            self._retained_at = time.monotonic()
            self.retain(time.time_ns())

    def retain(self, now_ns: int) -> list[str]:
        """Delete indices of days and months older than ``retention_days``; their names."""
        dropped = self._store.retain(self.options.retention_days, now_ns) if self.options.retention_days else []
        if dropped:
            log.info("deleted by retention: %s", ", ".join(dropped))
        return dropped

    def get_log(self, log_id: str) -> LogRecord | None:
        return self._lines.get(log_id)

    def search(self, query: Query, *, limit: int = 50, offset: int = 0, by_time: bool = False) -> tuple[int, list[Hit]]:
        plan = self._lines.plan(query)
        return self._lines.search(plan, limit=max(0, limit), offset=max(0, offset), by_time=by_time)

    def counts(self, queries: Sequence[Query]) -> list[int]:
        return self._lines.counts([self._plan(query) for query in queries])

    def page(
        self, query: Query, *, limit: int = 50, offset: int = 0, by_time: bool = False,
        fields: Mapping[str, int] | None = None, step_ns: int = 0,
    ) -> Page:  # fmt: skip
        total, hits, counts, bars = self._lines.page(
            self._lines.plan(query), limit=max(0, limit), offset=max(0, offset), by_time=by_time,
            fields=list(fields or ()), step_ns=step_ns,
        )  # fmt: skip
        return Page(total, hits, {f: self._most(counts[f], f, size) for f, size in (fields or {}).items()}, bars)

    def _plan(self, query: Query) -> Plan:
        """For what does not depend on the order of lines."""
        return self._lines.plan(query, scored=False)

    def arrivals(self, after: str = "") -> Arrivals:
        return Arrivals(self._store, self._plan, after)

    def scan(self, query: Query) -> Iterator[LogRecord]:
        return self._lines.scan(self._plan(query))

    def histogram(self, query: Query, step_ns: int) -> list[tuple[int, int]]:
        return self._lines.histogram(self._plan(query), max(1, step_ns))

    def terms(self, query: Query, field: str, size: int = 10) -> list[tuple[str, int]]:
        """Most frequent first, equals by name. Merged templates count as their survivor."""
        return self._most(self._lines.terms(self._plan(query), field), field, size)

    def rare_terms(self, query: Query, field: str, *, most: int = 1, size: int = 10) -> list[tuple[str, int]]:
        if field == "template_id":  # a few thousand, and a family of aliases is rare or not as a whole
            return rarest(self._catalog.merged(self._lines.terms(self._plan(query), field)), most, size)
        return rarest(self._lines.rare_terms(self._plan(query), field, most), most, size)

    def _most(self, counts: Counter[str], field: str, size: int) -> list[tuple[str, int]]:
        merged = self._catalog.merged(counts) if field == "template_id" else counts
        return sorted(merged.items(), key=lambda item: (-item[1], item[0]))[: max(0, size)]

    def time_range(self) -> tuple[int, int] | None:
        return self._lines.time_range()

    # templates

    def put_templates(self, templates: Sequence[Template]) -> None:
        self._state.put_templates(templates)

    def put_template_vectors(self, ids: Sequence[str], vectors: np.ndarray, model: str) -> None:
        self._templates.put(ids, vectors, model)

    def template_vectors(self) -> Iterator[tuple[str, list[str], np.ndarray]]:
        return self._templates.each()

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
        among = self._templates_within(within)
        return self._catalog.resolved(self._templates.nearest(vector, self._with_aliases(k), model, among), k)

    def matching_templates(self, text: str, k: int, within: Query | None = None) -> list[tuple[str, float]]:
        among = self._templates_within(within)
        return self._catalog.resolved(self._templates.match(text, self._with_aliases(k), among), k)

    def _with_aliases(self, k: int) -> int:
        """As many more as could turn out to be another name of one that was found."""
        return k + self._catalog.aliases() if k > 0 else 0

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
        self._incidents.put(ids, vectors, model)

    def incident_vectors(self) -> Iterator[tuple[str, list[str], np.ndarray]]:
        return self._incidents.each()

    def nearest_incidents(
        self, vector: np.ndarray, k: int, model: str, within: Query | None = None
    ) -> list[tuple[str, float]]:
        return self._incidents.nearest(vector, k, model, self._incidents_within(within))

    def matching_incidents(self, text: str, k: int, within: Query | None = None) -> list[tuple[str, float]]:
        return self._incidents.match(text, k, self._incidents_within(within))

    def _incidents_within(self, within: Query | None) -> Collection[str] | None:
        return None if within is None else self._incidents_of(within)

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

    def clear(self) -> None:
        """Delete every index whose name begins with the prefix."""
        self._store.clear()

    def dead_letters(self) -> int:
        """Documents that Elasticsearch refused for their content; they are kept in ``<prefix>-dead-letters``."""
        self._store.settle("dead-letters")
        answer = self._store.search("dead-letters", {"size": 0, "track_total_hits": True})
        return int(answer["hits"]["total"]["value"])

    @property
    def dead_letters_index(self) -> str:
        """Its name, for people who want to look."""
        return self._store.name("dead-letters")

    @property
    def rejected(self) -> int:
        """The same, since this index was opened and without asking."""
        return self._store.bulk.rejected
