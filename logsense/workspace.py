"""What a person or program can ask of one data folder. API, UI and CLI are thin callers of this.

Every method returns JSON-ready data (dicts, lists, strings, numbers). Times in answers are RFC 3339 UTC
strings with the precision kept; arguments ``from_`` and ``to`` are nanoseconds or None.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logsense import handling, registry
from logsense.alive import worker_state
from logsense.catalog import CatalogReader
from logsense.config import Settings
from logsense.desk import Desk
from logsense.errors import BadInput, LogsenseError, NotFound
from logsense.explorer import Explorer
from logsense.record import Incident, LogRecord, Query
from logsense.shapes import (
    charts,
    forecast_dict,
    hit_dict,
    hypothesis_dict,
    incident_brief,
    query_dict,
    record_dict,
    signal_dict,
)
from logsense.timefmt import iso, nice_step_ns, zone
from logsense.waiting import index_problems

if TYPE_CHECKING:
    from logsense.follow import Follower
    from logsense.rootcause import RequestLines
    from logsense.search import Searcher
    from logsense.stages import Index

SECOND = 1_000_000_000
FACETS = ("level", "host", "service")  # counted beside the lines of an answer
BARS = 60  # bars of a histogram: what fits on a phone and still shows a burst


class Workspace:
    """Open the data folder ``data`` for reading and for people's actions (not for indexing).

    ``beside``: a workspace whose models and whose worker serve this one too (that of another tenant).
    """

    def __init__(
        self, data: Path, settings: Settings | None = None, *, load_models: bool = True, beside: Workspace | None = None
    ) -> None:
        self.data, self._beside = data, beside
        self.settings = settings or Settings()
        self.index: Index = registry.open_index(data, self.settings, writer=False)
        self.explorer = Explorer(self.index, data)
        self.desk = Desk(self.index, data, self.settings, beside.data if beside else data)  # the life of models
        self._searcher: Searcher | None = None
        self._embedder: Any = None
        self._searches_with: Any = None
        self._models_state = "off"
        self._catalog = CatalogReader(self.index)
        self._request_lines: RequestLines | None = None
        self._lock = threading.Lock()
        self._aside = ThreadPoolExecutor(4, "ask")
        # What only the process that accepts lines knows; the server sets them.
        self.backlog_bytes: Callable[[], int] = lambda: 0
        self.intake_stats: Callable[[], dict[str, dict[str, int]]] = dict
        self.ports: Callable[[], list[dict[str, Any]]] = list  # access.describe
        self.channels: Callable[[], list[dict[str, Any]]] = list
        if load_models and beside is None:
            self._models_state = "loading"
            threading.Thread(target=self._load_embedder, name="load-embedder", daemon=True).start()

    def close(self) -> None:
        self._aside.shutdown()
        self.desk.close()
        self.index.close()

    # -- search -------------------------------------------------------------------------------------------------

    def search(
        self,
        question: str,
        *,
        from_: int | None = None,
        to: int | None = None,
        limit: int = 20,
        offset: int = 0,
        now: int | None = None,
        by_time: bool = False,
        tz: str = "UTC",
    ) -> dict[str, Any]:
        """Plain words or ``field:value`` syntax; ``tz`` is the asker's time zone.

        {"query": {"text", "phrases", "exclude", "hosts", "services", "levels", "from", "to", "template_ids",
                   "understood": [{"what": "time", "said": "last night", "means": "…", "syntax": "from:… to:…"}],
                   "syntax": "the same query as it can be typed", "semantic": bool},
         "answer": None, or {"kind": "count|table|series|first|last|compare", "text", …} where lines are no answer,
         "total": n,
         "hits": [{"id", "@timestamp", "message", "host", "service", "level", "template_id", "score", "fields"}],
         "templates": [{"id", "template", "count", "score"}],
         "incidents": [<incident_brief>],
         "histogram": {"step_s": 60, "buckets": [["2026-…Z", 12], …]},
         "facets": {"level": [["error", 12], …], "host": […], "service": […]}, "took_ms": 3.2, "notes": ["…"]}
        """
        from logsense.about import incidents_beside
        from logsense.answers import answer as aggregated
        from logsense.search import lucene, understand

        started = time.perf_counter()
        held = self._aside.submit(self._range, from_, to)
        understood = understand(question, now_ns=now or time.time_ns(), tz=zone(tz), catalog=self.catalog())
        query = understood.query
        query.from_ns = from_ if from_ is not None else query.from_ns
        query.to_ns = to if to is not None else query.to_ns
        first, last = held.result()
        step = nice_step_ns(
            first if query.from_ns is None else query.from_ns, last if query.to_ns is None else query.to_ns, BARS
        )
        answer = self.searcher().search(understood, limit=limit, offset=offset, by_time=by_time,
                                        fields=dict.fromkeys(FACETS, 10), step_ns=step)  # fmt: skip
        found = answer.query
        return {
            "query": {
                **query_dict(found),
                "understood": [
                    {"what": c.what, "said": c.said, "means": c.means, "syntax": c.syntax} for c in understood.chips
                ],
                "syntax": lucene(found),
                "semantic": answer.semantic,
            },
            "answer": aggregated(self.index, found, understood.aggregate) if understood.aggregate else None,
            "total": answer.total,
            "hits": [hit_dict(h) for h in answer.hits],
            "templates": [
                {"id": t.id, "template": t.text, "count": count, "score": round(score, 4)}
                for t, count, score in answer.templates
            ],
            "incidents": [
                incident_brief(self._effective(i))
                for i in incidents_beside(self, understood.topic, answer.templates, answer.hits, found)
            ]
            if answer.total
            else [],
            "histogram": {
                "step_s": step // SECOND if answer.total else 0,
                "buckets": [[iso(t), n] for t, n in answer.histogram],
            },
            "facets": {f: [[value, count] for value, count in answer.terms[f] if value] for f in FACETS}
            if answer.total
            else {},
            "took_ms": round((time.perf_counter() - started) * 1000, 2),
            "notes": [*understood.notes, *answer.notes],
        }

    def values(self, field: str, question: str = "", **options: Any) -> dict[str, Any]:
        """{"field", "total": n, "values": [{"value", "lines": n, "text": "of a template or ''"}], "notes"}: the most
        frequent values of host, service, level, template_id or pipeline among the lines of ``question``, with ``rare``
        the rarest that at most ``most`` lines hold. ``limit``, ``from_``, ``to``, ``tz``."""
        from logsense.about import values

        return values(self, field, question, **options)

    def searcher(self) -> Searcher:
        from logsense.search import Searcher

        lender = self._beside or self
        with self._lock:
            if self._searcher is None or self._searches_with is not lender._embedder:
                self._searches_with = lender._embedder
                self._searcher = Searcher(self.index, self._searches_with)
            return self._searcher

    def follow(self, question: str = "", after: str = "") -> Follower:
        """A reader of the lines that match ``question`` and arrive from now on, or behind a ``cursor``."""
        from logsense.follow import Follower

        return Follower(self, question, after)

    def wait_for_models(self, timeout_s: float = 60.0) -> bool:
        """Until the embedding model is loaded (or cannot be). The server never waits; one-shot commands do."""
        deadline = time.monotonic() + timeout_s
        while self._models_state == "loading" and time.monotonic() < deadline:
            time.sleep(0.02)
        return self._models_state == "ok"

    def catalog(self) -> Any:
        """What the index holds: names in questions are checked against it."""
        return self._catalog.read()

    def log(self, log_id: str, context: int = 5) -> dict[str, Any]:
        """{"hit": {…}, "before": [hits], "after": [hits]}: the lines around it of the same host and service."""
        record = self._record(log_id)
        if context <= 0:
            return {"hit": record_dict(record), "before": [], "after": []}
        around = Query(hosts=[record.host] if record.host else [], services=[record.service] if record.service else [])
        minute = 60 * SECOND
        near = Query(hosts=around.hosts, services=around.services, from_ns=record.timestamp_ns - 15 * minute,
                     to_ns=record.timestamp_ns + 15 * minute)  # fmt: skip
        lines = list(self.index.scan(near))
        at = next((i for i, r in enumerate(lines) if r.id == log_id), None)
        if at is None:
            return {"hit": record_dict(record), "before": [], "after": []}
        return {
            "hit": record_dict(record),
            "before": [record_dict(r) for r in lines[max(0, at - context) : at]],
            "after": [record_dict(r) for r in lines[at + 1 : at + 1 + context]],
        }

    # -- incidents ----------------------------------------------------------------------------------------------

    def incidents(
        self, *, from_: int | None = None, to: int | None = None, status: str | None = None, limit: int = 100,
        text: str = "",
    ) -> list[dict[str, Any]]:  # fmt: skip
        """Newest first, each an incident_brief: {"id", "title", "status", "severity", "start", "last", "end",
        "hosts", "services", "pipeline", "score", "signals": n, "cause": "best hypothesis title or ''"}.
        With ``text`` (a question) those that it is about, best first."""
        from logsense.about import incidents_about

        if status not in (None, "open", "acknowledged", "resolved"):
            raise BadInput(f"Unknown status {status!r}.", fix="use open, acknowledged or resolved")
        if text.strip():
            stored = incidents_about(self, text, from_, to)
        else:
            stored = self.index.incidents(from_, to, limit=1000 if status else limit)
            stored = sorted(stored, key=lambda i: -i.start_ns)
        found = [self._effective(i) for i in stored if not i.merged_into]
        return [incident_brief(i) for i in found if status is None or i.status == status][:limit]

    def incident(self, incident_id: str) -> dict[str, Any]:
        """incident_brief plus {"summary": [{"text", "role", "evidence": [ids]}], "hypotheses": [{"entity", "kind",
        "score", "title", "why", "host", "service", "evidence": [ids], "against": [ids], "next_steps": [str]}],
        "not_examined": [str], "timeline": [{"@timestamp", "kind", "text", "host", "service", "score", "evidence"}],
        "similar": [{incident_brief + "notes": [str]}], "actions": [{"kind", "at", "by", "text", "verdict"}],
        "charts": [{"host", "metric", "from", "to"}], "templates": [{"id", "template", "count"}]}."""
        incident = self._get_incident(incident_id)
        signals = sorted(self.index.signals(ids=incident.signal_ids), key=lambda s: (s.start_ns, -s.score))
        templates = self.index.templates(incident.template_ids)
        during = Query(template_ids=incident.template_ids, from_ns=incident.start_ns, to_ns=incident.last_ns + SECOND)
        counts = dict(self.index.terms(during, "template_id", 1000)) if templates else {}
        return {
            **incident_brief(incident),
            "summary": [{"text": s.text, "role": s.role, "evidence": s.evidence} for s in incident.summary],
            "hypotheses": [hypothesis_dict(h) for h in incident.hypotheses],
            "not_examined": incident.not_examined,
            "timeline": [signal_dict(s) for s in signals],
            "similar": [self._similar(i) for i in incident.similar if self.index.get_incident(i)],
            "actions": [
                {"kind": a.kind, "at": iso(a.at_ns), "by": a.by, "text": a.text, "verdict": a.verdict}
                for a in incident.actions
            ],
            "charts": charts(incident, signals),
            "templates": [{"id": t.id, "template": t.text, "count": counts.get(t.id, 0)} for t in templates],
        }

    def act(self, incident_id: str, kind: str, *, by: str = "", text: str = "", verdict: str = "") -> dict[str, Any]:
        """kind: ack, resolve, reopen, feedback, note. Returns the incident as it is then."""
        handling.act(self.index, incident_id, kind, by=by, text=text, verdict=verdict)
        return self.incident(incident_id)

    def merge(self, incident_id: str, into: str, *, by: str = "", text: str = "") -> dict[str, Any]:
        """Make an incident part of another, which is returned; a running worker does it within a second."""
        handling.merge(self.data, self.index, incident_id, into, by=by, text=text)
        return self.incident(into)

    def split(
        self, incident_id: str, *, hosts: Sequence[str] = (), services: Sequence[str] = (), by: str = "", text: str = ""
    ) -> dict[str, Any]:
        """Make an incident of its own of what is of these hosts or services. Returns what is left."""
        handling.split(self.data, self.index, incident_id, hosts, services, by=by, text=text)
        return self.incident(incident_id)

    def diagnose(self, from_: int | None, to: int | None) -> dict[str, Any]:
        """{"from", "to", "hypotheses": [as in incident], "not_examined": [str], "summary": "text",
        "sentences": [{"text", "role", "evidence"}], "incidents": [ids]}."""
        from logsense.diagnosis import diagnose_range, learnt_estates
        from logsense.rootcause import RequestLines

        from_, to = self._range(from_, to)
        reader = self._request_lines = self._request_lines or RequestLines()
        estates = learnt_estates(self.data)
        found = diagnose_range(self.index, from_, to, calls=estates.edges(), addresses=estates.places(), reader=reader)
        return {
            "from": iso(from_),
            "to": iso(to),
            "hypotheses": [hypothesis_dict(h) for h in found.hypotheses],
            "not_examined": found.not_examined,
            "summary": found.text,
            "sentences": [{"text": s.text, "role": s.role, "evidence": s.evidence} for s in found.sentences],
            "incidents": [i.id for i in self.index.incidents(from_, to)],
        }

    def evidence(self, evidence_id: str) -> dict[str, Any]:
        """What an evidence id stands for: {"id", "type": "line|template|metric|signal", "title", …the thing}."""
        from logsense.evidence import resolve

        return resolve(self, evidence_id)

    # -- templates ----------------------------------------------------------------------------------------------

    def templates(self, **options: Any) -> list[dict[str, Any]]:
        """{"id", "template", "label", "noise", "version", "count", "share", "level", "service", "first_seen",
        "last_seen", "keywords", "new", "rare", "merged": n}, with ``course`` also {"course": {"step_s", "buckets"}}.

        ``limit``, ``order`` (count, new, last, rare, text), ``from_``, ``to`` (then counts are those of that time),
        ``text``, ``service``, ``only_new``, ``only_rare``, ``noise`` (hide, show, only), ``course``.
        """
        return self.explorer.listing(**options)

    def template(self, template_id: str, **options: Any) -> dict[str, Any]:
        """As in templates, plus {"entities", "sample", "alias_of", "alias_by", "versions", "aliases", "split_into",
        "edits", "parameters": [{"position", "name", "type", "distinct", "top", "quantiles"}], "sampled", "hosts",
        "histogram", "hits": [latest lines]}. The beginning of an id will do. ``from_`` and ``to`` choose the lines."""
        return self.explorer.detail(template_id, **options)

    def template_drift(self, **options: Any) -> dict[str, Any]:
        """{"baseline": [from, to], "compared": [from, to], "new", "vanished", "changed": [template, "before", "after",
        "rate_before", "rate_after", "score"]}. ``from_``, ``to``, ``baseline`` (its start)."""
        return self.explorer.drift(**options)

    def edit_template(self, kind: str, template_id: str = "", **members: Any) -> dict[str, Any]:
        """rename (``label``), merge (``into``, ``force``), split (``parameter``), noise (``on``) or undo (``undoes``);
        ``by`` and ``note`` say who and why. Returns the entry of the log; a running worker applies it in a second."""
        from logsense.editing import Wish, edit

        return edit(self.explorer, Wish(kind, template_id, **members))

    def template_edits(self) -> list[dict[str, Any]]:
        """Every edit, newest first: {"edit", "kind", "id", "at", "by", "note", …, "holds"}."""
        from logsense.explorer import edit_dict

        log = self.explorer.log.read()
        return [edit_dict(edit, log) for edit in reversed(log)]

    # -- forecasts, hosts, metrics ------------------------------------------------------------------------------

    def forecasts(self, *, host: str | None = None, from_: int | None = None, limit: int = 200) -> list[dict[str, Any]]:
        """Newest first: {"id", "host", "made", "horizon_s", "probability", "calibrated", "state", "model",
        "reasons": [{"text", "weight"}]}."""
        return [forecast_dict(f) for f in self.index.forecasts(host, from_, limit)]

    def hosts(self) -> list[dict[str, Any]]:
        """{"host", "services": [str], "lines": n, "metrics": n, "risk": forecast or None, "open_incidents": n}."""
        lines = dict(self.index.terms(Query(), "host", 1000))
        metrics: dict[str, int] = {}
        for host, _ in self.index.metric_names():
            metrics[host] = metrics.get(host, 0) + 1
        open_: dict[str, int] = {}
        for brief in self.incidents(limit=1000):
            if brief["status"] != "resolved":
                for host in brief["hosts"]:
                    open_[host] = open_.get(host, 0) + 1
        rows = []
        for host in sorted({*lines, *metrics} - {""}):
            latest = self.index.forecasts(host, limit=1)
            rows.append(
                {
                    "host": host,
                    "services": sorted({s for s, _ in self.index.terms(Query(hosts=[host]), "service", 50)} - {""}),
                    "lines": lines.get(host, 0),
                    "metrics": metrics.get(host, 0),
                    "risk": forecast_dict(latest[0]) if latest else None,
                    "open_incidents": open_.get(host, 0),
                }
            )
        return rows

    def series(
        self,
        host: str | None = None,
        name: str | None = None,
        *,
        from_: int | None = None,
        to: int | None = None,
        step_s: int = 0,
    ) -> list[dict[str, Any]]:
        """Without ``name``: [{"host", "name"}]. With both: [{"host", "name", "points": [["…Z", 1.5], …]}]."""
        known = self.index.metric_names(host)
        if name is None:
            return [{"host": h, "name": n} for h, n in known]
        chosen = [(h, n) for h, n in known if n == name]
        if not chosen:
            raise NotFound(f"There is no series {name!r}" + (f" of host {host!r}." if host else "."),
                           fix="`GET /api/v1/metrics/series` lists them")  # fmt: skip
        answer = []
        for h, n in chosen:
            points = self.index.metric_series(h, n, from_, to, step_s * SECOND)
            answer.append({"host": h, "name": n, "points": [[iso(t), v] for t, v in points]})
        return answer

    def metric(
        self, host: str, name: str, *, from_: int | None = None, to: int | None = None, step_s: int = 0
    ) -> dict[str, Any]:
        """{"points", "band": [[t, low, high]], "anomalies": [signals], "incidents": [briefs]}: see ``metricview``."""
        from logsense.metricview import view

        return view(self, host, name, from_, to, step_s)

    def overview(self, *, from_: int | None = None, to: int | None = None) -> dict[str, Any]:
        """Everything at a glance; see ``logsense.overview``. ``from_`` and ``to`` default to what the index holds."""
        from logsense.overview import overview

        return overview(self, *self._range(from_, to))

    def silenced(self) -> list[dict[str, Any]]:
        """Maintenance and suppression now: {"kind", "reason", "hosts", "services", "until", "signals": n}."""
        from logsense.diagnosis import silenced

        return [
            {"kind": kind, "reason": rule.reason, "hosts": list(rule.hosts), "services": list(rule.services),
             "until": iso(end) if end else None, "signals": count}
            for kind, rule, end, count in silenced(self.data, self.settings.section("silence"), time.time_ns())
        ]  # fmt: skip

    # -- state of the service -----------------------------------------------------------------------------------

    def doctor(self) -> list[dict[str, Any]]:
        """Per source: {"source", "accepted", "parsed", "unparsed", "late", "future", "dropped", "last", "format",
        "advice": "what to do about it, '' when all is well"}. What holds up the index is a row ``index``."""
        from logsense.advice import doctor_rows

        return doctor_rows(self.index, self.data, self.intake_stats(), self.channels(), self.desk.fit())

    def ready(self) -> dict[str, Any]:
        """{"ready": bool, "checks": {"index": "ok|down: why|waiting: why", "worker": "ok|starting|down: why",
        "models": "ok|loading", "spool": {"backlog_bytes": n}},
        "problems": [{"check": "index", "what", "why", "where", "fix", "since"}]}.

        An index that answers questions may still take no writes: then it is not ready, and ``problems`` says why.
        """
        service = self._beside or self
        problems = index_problems(self.index, self.data)
        index = f"{problems[0]['state']}: {problems[0]['what']}" if problems else "ok"
        worker = worker_state(service.data)
        checks = {"index": index, "worker": worker, "models": service._models_state,
                  "spool": {"backlog_bytes": self.backlog_bytes()}}  # fmt: skip
        return {"ready": index == "ok" and worker == "ok", "checks": checks, "problems": problems}

    def models(self) -> list[dict[str, Any]]:
        """{"name", "version", "in_use", "created", "card": {…}}."""
        return self.desk.models()

    # -- helpers ------------------------------------------------------------------------------------------------

    def _load_embedder(self) -> None:
        from logsense.enrich import question_embedder

        try:
            embedder = question_embedder(self.settings.section("embeddings"))
            embedder.encode([])  # loads the model
        except LogsenseError as error:
            self._models_state = f"down: {error.what}"
            return
        with self._lock:
            self._embedder = embedder
        # The first question would otherwise wait for what is computed once: pay it here, in the background.
        with contextlib.suppress(LogsenseError):  # the index may be away now; the models are ready all the same
            self.search("is anything wrong with the service", limit=1)
        self._models_state = "ok"

    def _record(self, log_id: str) -> LogRecord:
        record = self.index.get_log(log_id)
        if record is None:
            raise NotFound(f"There is no line {log_id!r}.", why="it was never indexed, or its day was deleted")
        return record

    def _get_incident(self, incident_id: str) -> Incident:
        incident = handling.find(self.index, incident_id)
        return self._effective(incident)

    def _effective(self, incident: Incident) -> Incident:
        from logsense.incidents import effective

        return effective(incident)

    def _similar(self, incident_id: str) -> dict[str, Any]:
        incident = self._get_incident(incident_id)
        return {**incident_brief(incident), "notes": [a.text for a in incident.actions if a.text]}

    def _range(self, from_: int | None, to: int | None) -> tuple[int, int]:
        if from_ is not None and to is not None:
            return from_, to
        held = self.index.time_range() or (time.time_ns() - 3600 * SECOND, time.time_ns())
        return from_ if from_ is not None else held[0], to if to is not None else held[1] + 1
