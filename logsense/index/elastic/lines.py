"""Log lines in daily indices."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from logsense.index.base import MAX_UNITS, SCALE, Plan, plan, to_json
from logsense.index.elastic.client import Refused
from logsense.index.elastic.documents import day, document_id, log_document, log_record
from logsense.index.elastic.query import FIELDS, compile_plan
from logsense.index.elastic.store import PAGE, WINDOW, Store
from logsense.index.text import inflections, units
from logsense.index.vectors import TemplateCatalog
from logsense.record import Hit, LogRecord, Query

NEWEST = [{"logsense.time_ns": "desc"}, {"event.id": "desc"}]
OLDEST = [{"logsense.time_ns": "asc"}, {"event.id": "asc"}]
MS = 1_000_000
#: Values of one field that are counted exactly (``search.max_buckets`` is 65,536).
_ALL_TERMS = 60_000
#: ``rare_terms`` allows no more lines a value.
_MOST_RARE = 100
#: Share of rare values that it may miss (it forgets by a cuckoo filter); the finest that Elasticsearch allows.
_PRECISION = 0.00001
#: How long a reader may use the word frequencies of an earlier question; they only weigh words.
_FREQUENCY_S = 5.0
_MAX_WORDS = 500  # of one question whose frequency is asked


class Lines:
    """See ``Index``; writing belongs to one thread."""

    def __init__(self, store: Store, catalog: TemplateCatalog) -> None:
        self._store, self._catalog = store, catalog
        self._fresh: dict[str, str] = {}  # _id -> index, of lines that no search finds yet
        self._lock = threading.Lock()
        self._known: dict[str, int] = {}
        self._total = 0
        self._known_until = 0.0

    # --- writing --------------------------------------------------------------------------------

    def write(self, records: Sequence[LogRecord], *, replay: bool) -> None:
        options = self._store.options
        if replay:
            records = list({record.id: record for record in records}.values())
            self._forget(records)
        for record in records:
            suffix, item = day(record.timestamp_ns), document_id(record.id)
            document = log_document(record, options.indexed_chars, options.stored_chars)
            self._store.put("logs", record.id, to_json(document), suffix)
            self._fresh[item] = self._store.name("logs", suffix)

    def _forget(self, records: Sequence[LogRecord]) -> None:
        """Delete lines with these ids from other days; within their day they are overwritten."""
        target = {document_id(r.id): self._store.name("logs", day(r.timestamp_ns)) for r in records}
        ids = list(target)
        stale = {(item, self._fresh[item]) for item in ids if self._fresh.get(item, target[item]) != target[item]}
        for at in range(0, len(ids), PAGE):
            body = {"query": {"ids": {"values": ids[at : at + PAGE]}}, "size": WINDOW, "_source": False}
            for hit in self._store.search("logs", body)["hits"]["hits"]:
                if hit["_index"] != target[hit["_id"]]:
                    stale.add((hit["_id"], hit["_index"]))
        for item, index in sorted(stale):
            self._store.delete(index, item)

    def committed(self) -> None:
        """All lines written so far are visible."""
        self._fresh.clear()
        self._known_until = 0.0

    # --- questions ------------------------------------------------------------------------------

    def plan(self, query: Query, *, scored: bool = True) -> Plan:
        """``scored``: lines are ordered by their words, so how rare those are must be known."""
        said = len(units(query.text))
        # one word or two must occur in every match, and lines that hold the same words score the same
        weighed = said > MAX_UNITS or (scored and said and (said > 2 or query.template_ids))
        known, total = self._frequencies(query.text) if weighed else ({}, 0)
        return plan(
            query,
            expand=self._catalog.family,
            templates_with=self._catalog.with_words,
            frequency=lambda form: min(known.get(word, 0) for word in form),
            total=total,
        )

    def _frequencies(self, text: str) -> tuple[dict[str, int], int]:
        """Lines that hold each word of the question (and its inflections), and all lines."""
        wanted: dict[str, None] = {}
        for unit in units(text):
            wanted.update(dict.fromkeys(unit if len(unit) > 1 else inflections(unit[0])))
            if len(wanted) > _MAX_WORDS:
                break
        with self._lock:
            if time.monotonic() > self._known_until:
                self._known, self._known_until = {}, time.monotonic() + _FREQUENCY_S
            missing = [word for word in wanted if word not in self._known]
            known, total = self._known, self._total
        if missing:
            filters = {str(at): {"term": {"logsense.words": word}} for at, word in enumerate(missing)}
            body = {"size": 0, "track_total_hits": True, "aggs": {"words": {"filters": {"filters": filters}}}}
            answer = self._store.search("logs", body)
            buckets = answer.get("aggregations", {}).get("words", {}).get("buckets", {})
            fresh = {word: int(buckets.get(str(at), {}).get("doc_count", 0)) for at, word in enumerate(missing)}
            total = int(answer["hits"]["total"]["value"])
            with self._lock:
                self._known.update(fresh)
                self._total = total
            known = {**known, **fresh}
        return known, total

    def get(self, log_id: str) -> LogRecord | None:
        body = {"query": {"ids": {"values": [document_id(log_id)]}}, "size": 1, "sort": NEWEST}
        hits = self._store.search("logs", body)["hits"]["hits"]
        return log_record(hits[0]["_source"]) if hits else None

    def counts(self, plans: Sequence[Plan]) -> list[int]:
        bodies = [{"query": compile_plan(parts), "size": 0, "track_total_hits": True} for parts in plans]
        return [_total(answer) for answer in self._store.searches([("logs", body) for body in bodies])]

    def search(self, parts: Plan, *, limit: int, offset: int, by_time: bool) -> tuple[int, list[Hit]]:
        body = _page_of(parts, limit, offset, by_time)
        return self._found(self._store.search("logs", body), body, parts, limit, offset, by_time)

    def page(
        self, parts: Plan, *, limit: int, offset: int, by_time: bool, fields: Sequence[str], step_ns: int
    ) -> tuple[int, list[Hit], dict[str, Counter[str]], list[tuple[int, int]]]:
        """(matches, the page, lines per value of each field, histogram unless ``step_ns`` is 0) with one request."""
        body = _page_of(parts, limit, offset, by_time)
        wanted: dict[str, Any] = {field: _values(field) for field in fields if field in FIELDS}
        if step_ns > 0 and not step_ns % MS:
            wanted["time"] = _steps(step_ns)
        # each by itself and beside the hits: what has no hits Elasticsearch keeps for the next who asks
        beside = {"query": body["query"], "size": 0, "track_total_hits": False}
        asked = [("logs", body), *(("logs", {**beside, "aggs": {name: agg}}) for name, agg in wanted.items())]
        try:
            first, *answers = self._store.searches(asked)
        except Refused as error:
            if not _too_many(error):
                raise
            first, answers, wanted = self._store.search("logs", body), [], {}
        counted = dict(zip(wanted, answers, strict=True))
        total, hits = self._found(first, body, parts, limit, offset, by_time)
        counts = {f: _counted(counted[f], f) if f in counted else self.terms(parts, f) for f in fields}
        bars = _bars(counted["time"]) if "time" in counted else self.histogram(parts, step_ns) if step_ns > 0 else []
        return total, hits, counts, bars

    def _found(
        self, answer: Mapping[str, Any], body: dict[str, Any], parts: Plan, limit: int, offset: int, by_time: bool
    ) -> tuple[int, list[Hit]]:
        total, hits = _total(answer), answer["hits"]["hits"]
        if len(hits) < limit and offset + len(hits) < total and limit:
            hits = self._far(body, offset, limit)
        scored, score = parts.scored and not by_time, parts.top_score / SCALE
        return total, [Hit(log_record(h["_source"]), h["_score"] / SCALE if scored else score) for h in hits]

    def _far(self, body: dict[str, Any], offset: int, limit: int) -> list[dict[str, Any]]:
        """A page beyond the window, reached by walking."""
        body = {**body, "from": 0, "track_total_hits": False}
        found: list[dict[str, Any]] = []
        skip = offset
        while len(found) < limit:
            size = min(WINDOW, skip) if skip else min(WINDOW, limit - len(found))
            hits = self._store.search("logs", {**body, "size": size, "_source": not skip})["hits"]["hits"]
            if skip:
                skip -= len(hits)
            else:
                found += hits
            if len(hits) < size:
                break
            body["search_after"] = hits[-1]["sort"]
        return found

    def scan(self, parts: Plan) -> Iterator[LogRecord]:
        for document in self._store.scan("logs", compile_plan(parts), OLDEST, page=2000):
            yield log_record(document)

    def histogram(self, parts: Plan, step_ns: int) -> list[tuple[int, int]]:
        query = compile_plan(parts)

        def counted() -> list[tuple[int, int]]:
            body = {"query": query, "size": 0, "track_total_hits": False, "aggs": {"time": _steps(step_ns)}}
            return _bars(self._store.search("logs", body))

        return bucketed(step_ns, counted) or self._by_reading(query, step_ns)

    def _by_reading(self, query: dict[str, Any], step_ns: int) -> list[tuple[int, int]]:
        counts: Counter[int] = Counter()
        for row in self._store.scan("logs", query, OLDEST, page=WINDOW, source=["logsense.time_ns"]):
            at = int(row["logsense.time_ns"])
            counts[at - at % step_ns] += 1
        return sorted(counts.items())

    def terms(self, parts: Plan, field: str) -> Counter[str]:
        if field not in FIELDS:
            return Counter()
        body = {"query": compile_plan(parts), "size": 0, "track_total_hits": False, "aggs": {field: _values(field)}}
        return _counted(self._store.search("logs", body), field)

    def rare_terms(self, parts: Plan, field: str, most: int) -> Counter[str]:
        """Lines per value of those values that at most ``most`` lines hold, and perhaps some that more hold."""
        if field not in FIELDS or most < 1:
            return Counter()
        if most > _MOST_RARE:
            return self._all_terms(parts, field)
        spec = {"field": FIELDS[field], "max_doc_count": most, "precision": _PRECISION}
        body = {"query": compile_plan(parts), "size": 0, "track_total_hits": False,
                "aggs": {"rare": {"rare_terms": spec}}}  # fmt: skip
        try:
            buckets = self._store.search("logs", body).get("aggregations", {}).get("rare", {}).get("buckets", [])
        except Refused as error:
            if not _too_many(error):
                raise
            return self._all_terms(parts, field)
        return Counter({str(bucket["key"]): int(bucket["doc_count"]) for bucket in buckets})

    def _all_terms(self, parts: Plan, field: str) -> Counter[str]:
        """Lines per value of all values, however many, in pages."""
        counts: Counter[str] = Counter()
        spec: dict[str, Any] = {"sources": [{"value": {"terms": {"field": FIELDS[field]}}}], "size": WINDOW}
        while True:
            body = {"query": compile_plan(parts), "size": 0, "track_total_hits": False,
                    "aggs": {"all": {"composite": spec}}}  # fmt: skip
            answer = self._store.search("logs", body).get("aggregations", {}).get("all", {})
            counts.update({str(b["key"]["value"]): int(b["doc_count"]) for b in answer.get("buckets", [])})
            if len(answer.get("buckets", [])) < WINDOW:
                return counts
            spec["after"] = answer["after_key"]

    def time_range(self) -> tuple[int, int] | None:
        bodies = [{"size": 1, "sort": order[:1], "track_total_hits": False, "_source": False}
                  for order in (OLDEST, NEWEST)]  # fmt: skip
        answers = self._store.searches([("logs", body) for body in bodies])
        ends = [int(hit["sort"][0]) for answer in answers for hit in answer["hits"]["hits"]]
        return (ends[0], ends[1]) if len(ends) == 2 else None


def _page_of(parts: Plan, limit: int, offset: int, by_time: bool) -> dict[str, Any]:
    sort: list[Any] = [{"_score": "desc"}, *NEWEST] if parts.scored and not by_time else NEWEST
    size = min(limit, WINDOW - offset) if offset < WINDOW else 0
    body = {"query": compile_plan(parts), "sort": sort, "track_total_hits": True, "size": size}
    return {**body, "from": offset if size else 0}


def _total(answer: Mapping[str, Any]) -> int:
    return int(answer["hits"]["total"]["value"])


def _values(field: str) -> dict[str, Any]:
    """The aggregation that counts the values of one of ``FIELDS``."""
    return {"terms": {"field": FIELDS[field], "size": _ALL_TERMS, "shard_size": _ALL_TERMS}}


def _counted(answer: Mapping[str, Any], field: str) -> Counter[str]:
    buckets = answer.get("aggregations", {}).get(field, {}).get("buckets", [])
    return Counter({str(bucket["key"]): int(bucket["doc_count"]) for bucket in buckets})


def _steps(step_ns: int) -> dict[str, Any]:
    return {"date_histogram": {"field": "@timestamp", "fixed_interval": f"{step_ns // MS}ms", "min_doc_count": 1}}


def _bars(answer: Mapping[str, Any]) -> list[tuple[int, int]]:
    buckets = answer.get("aggregations", {}).get("time", {}).get("buckets", [])
    return [(int(bucket["key"]) * MS, int(bucket["doc_count"])) for bucket in buckets]


def bucketed(step_ns: int, ask: Callable[[], list[Any]]) -> list[Any] | None:
    """What ``ask`` aggregates, None where Elasticsearch cannot: steps below its milliseconds, too many buckets."""
    if step_ns % MS:
        return None
    try:
        return ask()
    except Refused as error:
        if not _too_many(error):
            raise
        return None


def _too_many(error: Refused) -> bool:
    return "too_many_buckets" in error.kind + error.text
