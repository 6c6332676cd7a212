"""Templates, signals, incidents, actions, forecasts and counters.

Each document keeps its record as JSON text (``logsense.data``) beside the fields that are searched and shown by
Kibana, so a record comes back exactly and a field added to it needs no new mapping.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any

import orjson

from logsense.index.base import clean, from_dict, id_key, key, to_json
from logsense.index.elastic.documents import clamp, date, day, document_id
from logsense.index.elastic.query import any_of, between
from logsense.index.elastic.store import PAGE, WINDOW, Store
from logsense.index.finding import incident_words, said, template_words
from logsense.record import Action, Forecast, Hypothesis, Incident, Query, Sentence, Signal, Template

DATA = ["logsense.data"]
_COUNTER_S = 0.5


class State:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._words: dict[str, list[Any]] | None = None
        self._untold = False  # readers do not know yet that templates changed
        self._counters: dict[str, tuple[int, float]] = {}  # name -> value, and until when it need not be asked again

    def renew(self, kinds: Sequence[str]) -> None:
        """Write again what an older logsense wrote, so that it has the fields of this one."""
        if "templates" in kinds:
            self.put_templates(self.all_templates())
        if "incidents" in kinds:
            self.put_incidents(self.incidents(None, None, sys.maxsize))

    # templates

    def put_templates(self, templates: Sequence[Template]) -> None:
        if self._words is None:
            self._words = {item.id: said(item) for item in self.all_templates()}
            self._untold = True  # a writer before this one may have ended before it said so
        for item in templates:
            words = said(item)
            self._untold |= self._words.get(item.id) != words
            self._words[item.id] = words
            document = _columns(item, item.id) | {
                "@timestamp": date(item.last_seen_ns), "event.start": date(item.first_seen_ns),
                "message": clean(item.text)[:32_000], "service.name": key(item.service), "log.level": key(item.level),
                "logsense.count": clamp(item.count), "logsense.alias_of": key(item.alias_of),
                "logsense.keywords": [key(str(word)) for word in item.keywords[:100]],
                "logsense.words": " ".join(template_words(item)),
            }  # fmt: skip
            self._store.put("templates", item.id, document)

    def committed(self) -> None:
        """All templates written so far are visible: say so to those who keep what they read of them."""
        if self._untold:
            self._untold = False
            self._put_state("counter", "templates", time.time_ns())
            self._store.bulk.flush()
            self._counters.clear()

    def counter(self, name: str) -> int:
        """As the catalog of templates asks before every question; the answer may be ``_COUNTER_S`` old."""
        if self._untold:  # this writer itself asks, between two commits
            self._store.settle("templates")
            self.committed()
        value, until = self._counters.get(name, (0, 0.0))
        if time.monotonic() >= until:
            value = self._counter(name)
            self._counters[name] = (value, time.monotonic() + _COUNTER_S)
        return value

    def _counter(self, name: str) -> int:
        found = self._store.get_many("state", [f"counter/{name}"])
        return int(orjson.loads(next(iter(found.values()))["logsense.data"])) if found else 0

    def template_words(self) -> list[tuple[str, str, str, list[str]]]:
        return [(t.id, t.text, t.alias_of, t.keywords) for t in self.all_templates()]

    def all_templates(self) -> list[Template]:
        self._store.settle("templates")
        rows = self._store.pages("templates", {"match_all": {}}, [{"event.id": "asc"}], source=DATA)
        return [from_dict(Template, orjson.loads(row["logsense.data"])) for row in rows]

    def get_templates(self, ids: Sequence[str]) -> list[Template]:
        found = self._store.get_many("templates", list(ids))
        rows = {item: from_dict(Template, orjson.loads(row["logsense.data"])) for item, row in found.items()}
        return [rows[item] for item in ids if item in rows]

    # what the analysis found

    def put_signals(self, signals: Sequence[Signal]) -> None:
        for s in signals:
            document = _columns(s, s.id) | _span(s.start_ns, max(s.end_ns, s.start_ns)) | {
                "event.kind": s.kind, "message": clean(s.text), "host.name": key(s.host),
                "service.name": key(s.service), "logsense.template_id": key(s.template_id),
                "logsense.metric": key(s.metric), "logsense.score": s.score, "logsense.pipeline": key(s.pipeline),
            }  # fmt: skip
            self._store.put("signals", s.id, document, day(s.start_ns, monthly=True))

    def signals(self, from_ns: int | None, to_ns: int | None, ids: Sequence[str] | None) -> list[Signal]:
        self._store.settle("signals")
        order = [{"logsense.start_ns": "asc"}, {"event.id": "asc"}]
        found: list[Signal] = []
        parts = [None] if ids is None else [list(ids[at : at + PAGE]) for at in range(0, len(ids), PAGE)]
        for part in parts:
            filters = _overlap(from_ns, to_ns)
            if part is not None:
                filters.append({"ids": {"values": [document_id(item) for item in part]}})
            rows = self._store.pages("signals", {"bool": {"filter": filters}}, order, source=DATA)
            found += [from_dict(Signal, orjson.loads(row["logsense.data"])) for row in rows]
        return sorted(found, key=lambda s: (s.start_ns, s.id))

    def put_incidents(self, incidents: Sequence[Incident]) -> None:
        for item in incidents:
            data = orjson.loads(to_json(item))
            data.pop("actions", None)
            document = _columns(data, item.id) | _span(item.start_ns, max(item.last_ns, item.end_ns)) | {
                "message": clean(item.title), "host.name": [key(h) for h in item.hosts],
                "service.name": [key(s) for s in item.services], "logsense.status": item.status,
                "logsense.severity": item.severity, "logsense.score": item.score, "logsense.pipeline": item.pipeline,
                "logsense.cause": clean(item.hypotheses[0].title) if item.hypotheses else "",
                "logsense.summary": [clean(sentence.text) for sentence in item.summary],
                "logsense.template_id": [key(t) for t in item.template_ids],
                "logsense.words": " ".join(incident_words(item)),
            }  # fmt: skip
            self._store.put("incidents", item.id, document)

    def get_incident(self, incident_id: str) -> Incident | None:
        found = self._store.get_many("incidents", [incident_id])
        return self._with_actions(list(found.values()))[0] if found else None

    def incidents(self, from_ns: int | None, to_ns: int | None, limit: int) -> list[Incident]:
        self._store.settle("incidents")
        order = [{"logsense.start_ns": "desc"}, {"event.id": "desc"}]
        query = {"bool": {"filter": _overlap(from_ns, to_ns)}}
        return self._with_actions(list(self._store.pages("incidents", query, order, max(0, limit), DATA)))

    def incidents_within(self, within: Query) -> list[str]:
        """Ids of those that meet the filters (``finding.applies``)."""
        self._store.settle("incidents")
        filters = _overlap(within.from_ns, within.to_ns)
        for field, values in (
            ("host.name", within.hosts), ("service.name", within.services), ("logsense.pipeline", within.pipelines),
            ("logsense.template_id", within.template_ids),
        ):  # fmt: skip
            if values:
                filters.append(any_of(field, [key(value) for value in values]))
        body: dict[str, Any] = {"query": {"bool": {"filter": filters}}, "size": WINDOW, "sort": [{"event.id": "asc"}]}
        found: list[str] = []
        while part := self._store.named("incidents", body):
            found += [item for item, _ in part]
            if len(part) < WINDOW:
                break
            body["search_after"] = [id_key(found[-1])]
        return found

    def _with_actions(self, rows: Sequence[dict[str, Any]]) -> list[Incident]:
        nested = {"hypotheses": Hypothesis, "summary": Sentence}
        found = [from_dict(Incident, orjson.loads(row["logsense.data"]), nested) for row in rows]
        by_id = {id_key(incident.id): incident for incident in found}
        ids = list(by_id)
        order = [{"logsense.time_ns": "asc"}, {"event.id": "asc"}]
        for at in range(0, len(ids), PAGE):
            query = {"terms": {"logsense.incident_id": ids[at : at + PAGE]}}
            for row in self._store.pages("actions", query, order, source=DATA):
                action = from_dict(Action, orjson.loads(row["logsense.data"]))
                by_id[id_key(action.incident_id)].actions.append(action)
        return found

    def add_action(self, action: Action) -> None:
        """At once and visible at once: any process may call this."""
        item = f"{time.time_ns():020}-{uuid.uuid4().hex}"  # equal times stay in the order of writing
        document = _columns(action, item) | {
            "@timestamp": date(action.at_ns), "logsense.time_ns": clamp(action.at_ns),
            "logsense.incident_id": id_key(action.incident_id), "event.action": action.kind,
            "user.name": key(action.by), "message": clean(action.text)[:32_000],
        }  # fmt: skip
        self._store.client.ask("PUT", f"/{self._store.name('actions')}/_doc/{item}", document, {"refresh": "true"})

    def put_forecasts(self, forecasts: Sequence[Forecast]) -> None:
        for f in forecasts:
            document = _columns(f, f.id) | {
                "@timestamp": date(f.made_ns), "logsense.time_ns": clamp(f.made_ns), "host.name": clean(f.host)[:8000],
                "logsense.probability": f.probability, "logsense.horizon_s": f.horizon_s, "logsense.state": f.state,
                "logsense.model": key(f.model),
            }  # fmt: skip
            self._store.put("forecasts", f.id, document, day(f.made_ns, monthly=True))

    def forecasts(self, host: str | None, from_ns: int | None, limit: int) -> list[Forecast]:
        self._store.settle("forecasts")
        filters = between("logsense.time_ns", from_ns, None)
        if host is not None:
            filters.append({"term": {"host.name": clean(host)[:8000]}})
        order = [{"logsense.time_ns": "desc"}, {"event.id": "asc"}]
        found = []
        for row in self._store.pages("forecasts", {"bool": {"filter": filters}}, order, max(0, limit), DATA):
            forecast = from_dict(Forecast, orjson.loads(row["logsense.data"]))
            forecast.reasons = [(text, weight) for text, weight in forecast.reasons]
            found.append(forecast)
        return found

    # counters that doctor shows

    def _put_state(self, kind: str, name: str, value: Any) -> None:
        item = f"{kind}/{name}"
        data = to_json({"name": name, "value": value} if kind == "source" else value).decode()
        self._store.put("state", item, {"logsense.data": data, "logsense.kind": kind, "event.id": id_key(item)})

    def put_source_stats(self, stats: dict[str, dict[str, int]]) -> None:
        for source, counts in stats.items():
            self._put_state("source", source, counts)

    def source_stats(self) -> dict[str, dict[str, int]]:
        self._store.settle("state")
        query = {"term": {"logsense.kind": "source"}}
        rows = [orjson.loads(r["logsense.data"]) for r in self._store.pages("state", query, [{"event.id": "asc"}])]
        return {row["name"]: row["value"] for row in rows}


def _columns(record: Any, item: str) -> dict[str, Any]:
    return {"logsense.data": to_json(record).decode(), "event.id": id_key(item)}


def _span(start_ns: int, end_ns: int) -> dict[str, Any]:
    return {
        "@timestamp": date(start_ns), "event.end": date(end_ns),
        "logsense.start_ns": clamp(start_ns), "logsense.end_ns": clamp(end_ns),
    }  # fmt: skip


def _overlap(from_ns: int | None, to_ns: int | None) -> list[dict[str, Any]]:
    """Spans that begin before ``to_ns`` and end at or after ``from_ns``."""
    return between("logsense.start_ns", None, to_ns) + between("logsense.end_ns", from_ns, None)
