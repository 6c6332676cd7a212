"""The only place where the writing stages meet.

``ORDER`` is what happens to a batch of records that ``front`` parsed and redacted; closed windows go through
``analyse``. One ``Pipeline`` owns a data folder (the index's writer lock says so) and is used from one thread; the
models work in a thread of their own and only ever see templates.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from logsense import registry
from logsense.config import Settings
from logsense.detect import FOREVER, Alerts, FactCollector, Window, Windows, derived_points
from logsense.diagnosis import apart, explain
from logsense.enricher import BackgroundEnricher
from logsense.errors import IndexUnavailable
from logsense.front import Parsed
from logsense.incident_said import Said
from logsense.incidents import Decisions, Estates, Incidents, Meaning, Silences, effective, similar
from logsense.mine import EditedTemplates, Miner, ParameterFields
from logsense.model_watch import ModelWatch, model_in_use
from logsense.predict.forecaster import Forecaster
from logsense.predict.stated import StatedEnds
from logsense.predict.windows import HostWindow, TemplateCount, WindowSignal
from logsense.record import LEVELS, Incident, LogRecord, MetricPoint, RawEvent, Signal
from logsense.rootcause import RequestLines

log = logging.getLogger(__name__)

#: The steps of a batch, in order: each names a method of ``Pipeline`` that takes and returns the records.
ORDER = ("mine", "depend", "name", "edit", "count", "index")
SECOND = 1_000_000_000
#: Lines this much older than the newest closed window are history rather than stragglers.
BACKFILL_AGE_S = 600
#: A lane of history is let go when nothing was added to it for this long.
BACKFILL_KEPT_S = 300
EARLIER = 200  # incidents that are looked through for a similar one
Told = Callable[[Incident], None]


class Lane:
    """Windows and the detectors that look at them. Time moves forward within a lane, whatever other lanes do."""

    def __init__(self, settings: Settings, text_of: Callable[[str], str]) -> None:
        self.windows = Windows(settings.section("windows"), FactCollector(settings.section("facts"), text_of))
        self.detectors = [
            *(
                registry.load(path)(settings.section(name), text_of=text_of)
                for name, path in registry.LOG_DETECTORS.items()
            ),
            registry.load(registry.DETECTORS["metric_anomaly"])(settings.section("metric_anomaly")),
        ]

    def score(self, window: Window) -> list[Signal]:
        signals: list[Signal] = []
        for detector in self.detectors:
            signals += detector.score(window)
            detector.learn(window)
        return signals


class Pipeline:
    """Everything from accepted lines to incidents and forecasts in the data folder ``data``.

    ``models=False`` leaves templates without keywords and vectors. ``told`` hears of every incident that
    opened or changed, after its root cause was ranked; ``observe`` of every closed window, cut by host;
    ``waiting`` that the index is away, as ``registry.open_index`` says. ``enricher`` makes what computes keywords and
    vectors, instead of one with models of its own.
    """

    def __init__(
        self,
        data: Path,
        settings: Settings,
        *,
        models: bool = True,
        told: Told | None = None,
        observe: Callable[[list[HostWindow]], None] | None = None,
        waiting: Callable[[IndexUnavailable], bool] | None = None,
        enricher: Callable[[], Any] | None = None,
    ) -> None:
        self.data, self.settings, self._told, self._observe = data, settings, told, observe
        data.mkdir(parents=True, exist_ok=True)
        self.index = registry.open_index(data, settings, writer=True, waiting=waiting)
        self.miner = Miner(settings.section("mine"))
        self.names = ParameterFields(self.miner.text_of) if self.miner.options.fields else None
        self.edits = EditedTemplates(self.miner.templates)
        self.live = Lane(settings, self._text_of)
        # Old lines that come when time has passed them (a file of last night sent to a running server) are
        # analysed on their own, by detectors that start afresh. Such a lane is not kept over a restart.
        self.backfill: Lane | None = None
        self._backfill_used_ns = 0
        self.alerts = Alerts()
        self.dependencies = Estates()
        self._request_lines = RequestLines()
        self.decisions = Decisions(data)
        self.silences = Silences(settings.section("silence"))
        self.meaning = Meaning()
        if models:
            for _, ids, vectors in self.index.template_vectors():
                self.meaning.put(ids, vectors)
        self.incidents = Incidents(settings.section("incidents"), self._related, self.meaning.similarity, self._apart)
        self.forecaster = Forecaster(settings.section("predict"), model=model_in_use(data))
        self.model_watch = ModelWatch(data)
        self.ends = StatedEnds()
        self.enricher = BackgroundEnricher(enricher or (lambda: make_enricher(settings))) if models else None
        self.said = Said()
        if self.enricher is not None:
            self.enricher.submit_texts(self.said.lacking(self.index, EARLIER))
        self._edges: set[tuple[str, str]] = set()
        self._fresh: dict[str, Incident] = {}
        self._texts: dict[str, str] = {}
        self._steps = tuple(getattr(self, f"_step_{name}") for name in ORDER)
        self._last_heard: dict[str, int] = {}
        self._estate: dict[str, str] = {}
        self._last_received: dict[str, int] = {}
        self.db = sqlite3.connect(data / "state.db", isolation_level=None)
        try:
            self._restore()
        except BaseException:
            self.close()  # the writer lock must not outlive a start that failed
            raise

    def _restore(self) -> None:
        """Take up what the last process saved."""
        with self._state():
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=FULL")
            self.db.execute("CREATE TABLE IF NOT EXISTS worker_state (name TEXT PRIMARY KEY, value TEXT)")
        self._stateful = (
            self.miner, self.edits, self.live.windows, *self.live.detectors, self.alerts, self.dependencies,
            self.silences, self.incidents, self.forecaster, self.ends,
        )  # fmt: skip
        for component in self._stateful:
            component.load(self.db)
        row = self.db.execute("SELECT value FROM worker_state WHERE name = 'position'").fetchone()
        self.position: str | None = row[0] if row else None
        row = self.db.execute("SELECT value FROM worker_state WHERE name = 'pending'").fetchone()
        #: Lines of records that may go on, as of ``position`` (at first) and of the last batch taken.
        self.held = [RawEvent(*event) for event in json.loads(row[0])] if row else []
        self.parsed: dict[str, dict[str, int]] = {}  # what the parser counted per source, as of the last batch taken
        self._formats: dict[str, str] = {}
        # The index's own copy may be ahead of the position after a crash; a folder of an older version has only that.
        row = self.db.execute("SELECT value FROM worker_state WHERE name = 'counters'").fetchone()
        self._past: dict[str, dict[str, Any]] = json.loads(row[0]) if row else self.index.source_stats()
        templates = self.miner.templates()
        self._texts.update((t.id, t.text) for t in templates)
        if self.enricher is not None:
            self.enricher.submit(templates)  # those that the last process did not come to

    # -- lines --------------------------------------------------------------------------------------------------

    def take(self, parsed: Parsed) -> None:
        """Take one batch through ``ORDER``."""
        records = parsed.records
        if records:
            for step in self._steps:
                records = step(records, parsed.replay)
        if parsed.points:
            self.index.write_metrics(parsed.points)
            self._to_windows([], parsed.points)
        self.held, self.parsed = parsed.pending, parsed.stats
        if parsed.formats is not None:
            self._formats = parsed.formats

    def _step_mine(self, records: list[LogRecord], replay: bool) -> list[LogRecord]:
        return self.miner.process(records)

    def _step_depend(self, records: list[LogRecord], replay: bool) -> list[LogRecord]:
        self.dependencies.learn(records)
        return records

    def _step_name(self, records: list[LogRecord], replay: bool) -> list[LogRecord]:
        return self.names.process(records) if self.names is not None else records

    def _step_edit(self, records: list[LogRecord], replay: bool) -> list[LogRecord]:
        return self.edits.process(records)

    def _step_count(self, records: list[LogRecord], replay: bool) -> list[LogRecord]:
        self._last_received |= {r.source: r.ingested_ns for r in records}
        self._to_windows(records, [])
        self.alerts.take(records)
        return records

    def _step_index(self, records: list[LogRecord], replay: bool) -> list[LogRecord]:
        self.index.write_logs(records, replay=replay)
        return records

    def _to_windows(self, records: Sequence[LogRecord], points: Sequence[MetricPoint]) -> None:
        self._hear([(r.host, r.timestamp_ns) for r in records])
        self._estate |= {r.host: r.pipeline for r in records}
        self._hear([(p.host, p.timestamp_ns) for p in points])
        records = self.edits.counted(records)
        border = self.live.windows.closed_ns - BACKFILL_AGE_S * SECOND
        times = [r.timestamp_ns for r in records] + [p.timestamp_ns for p in points]
        if times and min(times) < border:
            if self.backfill is None:
                self.backfill = Lane(self.settings, self._text_of)
            self._backfill_used_ns = time.monotonic_ns()
            self.backfill.windows.add([r for r in records if r.timestamp_ns < border])
            self.backfill.windows.add_metrics([p for p in points if p.timestamp_ns < border])
            records = [r for r in records if r.timestamp_ns >= border]
            points = [p for p in points if p.timestamp_ns >= border]
        self.live.windows.add(records)
        self.live.windows.add_metrics(points)
        self.ends.learn(records)

    def commit(self, position: str | None) -> None:
        """Make everything so far visible and durable; ``position`` is where the spool has been read to.

        The index first, the state and the position in one transaction after it: a crash between the two
        replays a few batches, whose ids are replaced in the index and whose counts were not saved yet.
        """
        self._enrich()
        counters = self.stats()
        self.index.put_source_stats(counters)
        self.index.commit()
        held = [[e.message, e.source, e.received_ns, e.fields, e.id] for e in self.held]
        values = {"pending": json.dumps(held), "counters": json.dumps(counters), "position": position}
        with self._state():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                for component in self._stateful:
                    component.save(self.db)
                # Lines held back are not redacted yet: what is replaced here must not linger in the file's free pages.
                self.db.execute("PRAGMA secure_delete=ON")
                self.db.executemany(
                    "INSERT OR REPLACE INTO worker_state VALUES (?, ?)",
                    [item for item in values.items() if item[1] is not None],
                )
                self.db.execute("PRAGMA secure_delete=OFF")
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:  # a full disk ends it by itself
                    self.db.execute("ROLLBACK")
                raise
        self.position = position if position is not None else self.position

    @contextmanager
    def _state(self) -> Iterator[None]:
        """A disk that is full, failing or read-only is waited for, as for the index itself."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise IndexUnavailable(
                "the state of the pipeline cannot be written",
                why=str(error),
                where=str(self.data / "state.db"),
                fix="check free space and permissions there; nothing acknowledged is lost, indexing resumes by itself",
            ) from error

    def has_news(self) -> bool:
        """True when models or people have finished something that waits to be written."""
        return self.edits.pending(self.db) or (self.enricher is not None and self.enricher.finished())

    def _enrich(self) -> None:
        if self.enricher is not None:
            for templates, vectors in self.enricher.take():
                self.miner.enriched(templates)
                self.meaning.put([t.id for t in templates], vectors)
                self.edits.enriched(templates)
                self.index.put_template_vectors([t.id for t in templates], vectors, self.enricher.model)
            for ids, vectors in self.enricher.take_texts():
                self.index.put_incident_vectors(ids, vectors, self.enricher.model)
        changed = self.edits.refresh(self.db, self.miner.changed())
        if changed:
            self._texts.update((t.id, t.text) for t in changed)
            self.index.put_templates(changed)
            if self.enricher is not None:
                self.enricher.submit(changed)

    def make_way(self, lines_wait: bool) -> None:
        """``lines_wait``: more lines wait than were just taken; the models leave them most of the time."""
        if self.enricher is not None:
            self.enricher.make_way(lines_wait)

    def finish_enrichment(self, timeout_s: float) -> bool:
        """Wait for the models and write what they find: for one-shot commands, which end afterwards."""
        self._enrich()
        done = self.enricher is not None and self.enricher.wait(timeout_s)
        self._enrich()
        return done

    # -- analysis -----------------------------------------------------------------------------------------------

    def analyse(self, until_ns: int = FOREVER, progress: Callable[[int], None] | None = None) -> int:
        """Score every window that ends before ``until_ns``, once and in order; lines of the past come first.

        Decisions of people come before. Returns how much was done: windows and decisions.
        """
        done = self._apply_decisions()
        self.model_watch.refresh(self.forecaster)
        ended = until_ns == FOREVER
        for lane in filter(None, (self.backfill, self.live)):
            for window in lane.windows.closed(until_ns):
                self._analyse_window(window, lane, ended=ended)
                done += 1
                if progress is not None:
                    progress(done)
        if self.backfill is not None and time.monotonic_ns() - self._backfill_used_ns > BACKFILL_KEPT_S * SECOND:
            self.backfill = None
        self._explain_changed()
        return done

    def _analyse_window(self, window: Window, lane: Lane, *, ended: bool) -> None:
        self.index.write_metrics(derived_points(window))
        signals = [s for s in lane.score(window) if not self.edits.hushed(s)]
        if ended:
            # What was read to its end says nothing about the time after it: a host is not silent where its files end.
            signals = [s for s in signals if s.kind != "log.silence" or self._heard_after(s)]
        signals += self.alerts.due(window.end_ns)
        for signal in signals:
            # A metric carries no pipeline; its host's lines say which one it belongs to.
            signal.pipeline = signal.pipeline or self._estate.get(signal.host, "")
        if signals:
            self._edges = set(self.dependencies.edges())
            self.index.put_signals(signals)
        for incident in self.incidents.update(self.silences.heard(signals), window.end_ns):
            self._fresh[incident.id] = incident
        hosts = host_windows(window, signals, self.ends.metrics(window.end_ns))
        if self._observe is not None:
            self._observe(hosts)
        forecasts = self.forecaster.update(hosts, (), window.end_ns)
        if forecasts:
            self.index.put_forecasts(forecasts)

    def _apply_decisions(self) -> int:
        """Merges and splits that people asked for since the last call; their number."""
        applied = 0
        for decision in self.decisions.after(self.incidents.decided):
            incident = self.index.get_incident(decision.incident)
            signals = self.index.signals(ids=incident.signal_ids) if incident else []
            for changed in self.incidents.decide(decision, signals):
                self._fresh[changed.id] = changed
            applied += 1
        return applied

    def _hear(self, heard: Sequence[tuple[str, int]]) -> None:
        for host, at_ns in heard:
            if at_ns > self._last_heard.get(host, 0):
                self._last_heard[host] = at_ns

    def _heard_after(self, signal: Signal) -> bool:
        return self._last_heard.get(signal.host, 0) >= signal.end_ns

    def _explain_changed(self) -> None:
        """Rank causes of what changed since the last call: once an incident, however many windows it grew by."""
        fresh, self._fresh = list(self._fresh.values()), {}
        if not fresh:
            return
        earlier = [effective(i) for i in self.index.incidents(limit=EARLIER) if not i.merged_into]
        for incident in fresh:
            stored = self.index.get_incident(incident.id)
            incident = replace(incident, actions=stored.actions if stored else [])
            if incident.merged_into:
                self.index.put_incidents([replace(stored or incident, status="resolved", end_ns=incident.end_ns,
                                                  merged_into=incident.merged_into)])  # fmt: skip
                continue
            incident = explain(
                self.index,
                incident,
                calls=self._edges,
                addresses=self.dependencies.places(incident.pipeline),
                similarity=self.meaning.similarity,
                earlier=[e for e in earlier if e.start_ns < incident.start_ns],
                reader=self._request_lines,
                trouble=self.incidents.spans(incident),
            )
            incident.similar = similar(
                incident, [e for e in earlier if e.id != incident.id], similarity=self.meaning.similarity
            )
            self.index.put_incidents([incident])
            if self.enricher is not None:
                self.enricher.submit_texts(self.said.changed([incident]))
            if self._told is not None:
                self._told(incident)

    def stats(self) -> dict[str, dict[str, int]]:
        """Counters per source since the data folder was made."""
        rows: dict[str, dict[str, Any]] = {name: dict(row) for name, row in self._past.items()}
        for source, counts in self.parsed.items():
            row = rows.setdefault(source, {})
            for name, count in counts.items():
                row[name] = int(self._past.get(source, {}).get(name, 0)) + count
            row["last_ns"] = self._last_received.get(source, row.get("last_ns", 0))
            row["format"] = self._formats.get(source, row.get("format", ""))
        return rows

    def close(self) -> None:
        """Let go of everything, also when the index refuses to."""
        if self.enricher is not None:
            self.enricher.close()
        try:
            self.index.close()
        finally:
            self.db.close()

    def _text_of(self, template_id: str) -> str:
        return self._texts.get(template_id, "")

    def _apart(self, old: Incident, new: Incident) -> bool:
        """Asked where the same seems to begin again just after an incident calmed down, which is seldom."""
        places, spans = self.dependencies.places(new.pipeline), self.incidents.spans(old)
        return apart(
            self.index, old, new, calls=self._edges, addresses=places, reader=self._request_lines, trouble=spans
        )

    def _related(self, one: str, two: str) -> bool:
        return (one, two) in self._edges or (two, one) in self._edges


def make_enricher(settings: Settings) -> Any:
    """Keyword extractor and embedder as the settings say; both load in the caller's thread."""
    from logsense.enrich import Enricher, KeywordExtractor, SentenceEmbedder
    from logsense.search.semantic import template_views

    embedder, extractor = (
        SentenceEmbedder(settings.section("embeddings")),
        KeywordExtractor(settings.section("keywords")),
    )
    return Enricher(embedder, extractor, views=template_views)


def host_windows(
    window: Window, signals: Sequence[Signal], stated: Mapping[str, Mapping[str, float]]
) -> list[HostWindow]:
    """The closed window cut by host, in the forecaster's terms; ``stated`` are further metrics of known hosts."""
    made: dict[str, HostWindow] = {}

    def of(host: str) -> HostWindow:
        if host not in made:
            made[host] = HostWindow(host, window.start_ns, window.end_ns)
        return made[host]

    new = {(s.host, s.template_id) for s in signals if s.kind == "log.new"}
    for key, cell in window.logs.items():
        level = LEVELS[cell.rank] if cell.rank >= 0 else ""
        mine = of(key.host)
        mine.levels[level] = mine.levels.get(level, 0) + cell.count
        mine.templates[key.template] = TemplateCount(cell.count, (key.host, key.template) in new, level)
    for series, values in window.metrics.items():
        of(series.host).metrics[series.name] = values.mean
    for signal in signals:
        if signal.host:
            of(signal.host).signals.append(WindowSignal(signal.kind, signal.score, signal.metric))
    for host in made.keys() & stated.keys():
        made[host].metrics.update(stated[host])
    return list(made.values())
