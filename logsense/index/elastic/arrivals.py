"""Following what is indexed, by the time at which it was accepted.

Elasticsearch keeps no order of arrival over several indices; ``event.ingested`` is nearly one, because the worker
reads its spool in order. Lines that become visible a little out of order are looked for again and told once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logsense.index.base import Plan
from logsense.index.elastic.documents import INT64, SECOND, date, log_record
from logsense.index.elastic.query import compile_plan
from logsense.index.elastic.store import Store
from logsense.record import LogRecord, Query

#: How far out of order lines may become visible and still be told.
OVERLAP_NS = 10 * SECOND
#: Ids remembered to tell a line once.
REMEMBERED = 20_000
_LAST = [{"event.ingested": "desc"}, {"event.id": "desc"}]


class Arrivals:
    """``stages.Arrivals`` over the daily indices."""

    def __init__(self, store: Store, plan: Callable[[Query], Plan], after: str) -> None:
        self._store, self._plan = store, plan
        known = after.isascii() and after.isdigit() and len(after) < 20
        self._begin = min(int(after), INT64) if known else self._newest()
        self._seen = self._begin
        self._told: dict[str, int] = {}

    def _newest(self) -> int:
        body = {"size": 1, "sort": _LAST, "track_total_hits": False}
        hits = self._store.search("logs", body)["hits"]["hits"]
        return log_record(hits[0]["_source"]).ingested_ns if hits else 0

    @property
    def cursor(self) -> str:
        return str(max(0, self._seen))

    def read(self, query: Query, limit: int) -> tuple[int, list[LogRecord]]:
        plan = compile_plan(self._plan(query))
        newer = self._search(plan, self._seen, {"size": 0, "track_total_hits": True})["hits"]["total"]["value"]
        floor = max(self._begin, self._seen - OVERLAP_NS)
        if not newer and floor == self._begin == self._seen:
            return 0, []
        answer = self._search(plan, floor, {"size": min(10_000, limit + len(self._told)), "sort": _LAST})
        found = [log_record(hit["_source"]) for hit in answer["hits"]["hits"]]
        fresh = [record for record in found if record.id not in self._told][: max(0, limit)]
        fresh.reverse()
        if fresh:
            self._seen = max(self._seen, fresh[-1].ingested_ns)
        self._told.update((record.id, record.ingested_ns) for record in fresh)
        self._told = {i: at for i, at in self._told.items() if at > self._seen - OVERLAP_NS}
        while len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]
        return max(0, int(newer) - len(fresh)), fresh

    def _search(self, plan: dict[str, Any], after_ns: int, body: dict[str, Any]) -> dict[str, Any]:
        since = {"range": {"event.ingested": {"gt": date(after_ns)}}}
        return self._store.search("logs", {**body, "query": {"bool": {"filter": [plan, since]}}})
