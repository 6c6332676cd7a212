"""The indices of one installation: names, templates, refreshes, paging. What lines, metrics and state share."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from logsense.index.base import is_digest, to_json
from logsense.index.elastic.bulk import Bulk, Operation
from logsense.index.elastic.client import SEVERAL, Client, Waiting
from logsense.index.elastic.documents import SECOND, day, document_id
from logsense.index.elastic.mappings import DAILY, KINDS, MONTHLY, VERSION, index_template
from logsense.index.elastic.options import ElasticOptions

log = logging.getLogger(__name__)

PAGE = 1000
#: ``index.max_result_window``: from + size may not be larger.
WINDOW = 10_000
_NAMES_IN_A_PATH = 20  # requests line length: 4 KiB
LENIENT = {"ignore_unavailable": "true", "allow_no_indices": "true"}


class Store:
    """``writer`` may use ``put`` and ``commit`` (from one thread); reading is safe from any thread."""

    def __init__(self, options: ElasticOptions, *, writer: bool, waiting: Waiting | None = None) -> None:
        self.options, self.writer = options, writer
        self.client = Client(options, patient=writer, waiting=waiting)
        self.bulk = Bulk(self.client, options, self.name("dead-letters"))
        self._unsettled: set[str] = set()
        #: Kinds whose one index an older logsense made: it has the new fields now, its documents do not.
        self.outdated: list[str] = []
        if writer:
            self._install()

    def name(self, kind: str, suffix: str = "") -> str:
        return f"{self.options.prefix}-{kind}-{suffix}" if suffix else f"{self.options.prefix}-{kind}"

    def pattern(self, kind: str) -> str:
        """What to search for all documents of a kind."""
        return self.name(kind, "*") if kind in DAILY + MONTHLY else self.name(kind)

    def _install(self) -> None:
        """Put the index templates, unless a newer logsense did."""
        for kind in KINDS:
            name = self.name(kind)
            known = self.client.ask("GET", f"/_index_template/{name}", params={"filter_path": "**.version"})
            versions = [t["index_template"].get("version", 0) for t in (known or {}).get("index_templates", [])]
            if versions and max(versions) >= VERSION:
                continue
            if versions and kind not in DAILY + MONTHLY:
                fields = {"properties": KINDS[kind]}
                if self.client.ask("PUT", f"/{name}/_mapping", fields, {"allow_no_indices": "true"}) is not None:
                    self.outdated.append(kind)
            # last: an upgrade that is interrupted begins again
            self.client.ask(
                "PUT", f"/_index_template/{name}", index_template(self.options.prefix, kind, self.options.replicas)
            )

    # --- writing --------------------------------------------------------------------------------

    def put(self, kind: str, item: str, document: Mapping[str, Any] | bytes, suffix: str = "") -> None:
        """Write a document with the next batch, in place of the one with the same id."""
        source = document if isinstance(document, bytes) else to_json(document)
        self.bulk.add(Operation(self.name(kind, suffix), document_id(item), source))
        self._unsettled.add(kind)

    def delete(self, index: str, item: str) -> None:
        self.bulk.add(Operation(index, item, None))

    def commit(self) -> None:
        """Make everything written durable and visible."""
        self.bulk.flush()
        if self.bulk.touched:
            names = sorted(self.bulk.touched)
            if len(names) > _NAMES_IN_A_PATH:
                names = [f"{self.options.prefix}-*"]
            self.client.ask("POST", f"/{','.join(names)}/_refresh", params=LENIENT)
            self.bulk.touched.clear()
        self._unsettled.clear()

    def settle(self, kind: str) -> None:
        """Make this writer's own writes of ``kind`` visible before they are read."""
        if kind in self._unsettled:
            self.bulk.flush()
            mine = {name for name in self.bulk.touched if name.startswith(self.name(kind))}
            if mine:
                self.client.ask("POST", f"/{self.pattern(kind)}/_refresh", params=LENIENT)
                self.bulk.touched -= mine
            self._unsettled.discard(kind)

    # --- reading --------------------------------------------------------------------------------

    def search(self, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer; an empty one where there is no index."""
        found = self.client.ask("POST", f"/{self.pattern(kind)}/_search", dict(body), {**LENIENT, **self._partial})
        return found or {"hits": {"total": {"value": 0}, "hits": []}}

    def searches(self, asked: Sequence[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
        """As ``search`` for several (kind, body) with one request: the way there and back is paid once, and the server
        works on them side by side."""
        if len(asked) < 2:
            return [self.search(kind, body) for kind, body in asked]
        lines = [
            to_json(part)
            for kind, body in asked
            for part in ({"index": self.pattern(kind), **LENIENT, **self._partial}, body)
        ]
        answer = self.client.ask("POST", SEVERAL, b"\n".join([*lines, b""]))
        found: list[dict[str, Any]] = answer["responses"]
        return found

    def named(self, kind: str, body: Mapping[str, Any]) -> list[tuple[str, float]]:
        """(id, score) of what ``body`` finds; its order must end with ``event.id``.

        No document is read: the order says the id already, and hundreds of vectors or incidents are large.
        """
        body = {**body, "track_total_hits": False}
        hits = self.search(kind, {**body, "stored_fields": "_none_"})["hits"]["hits"]
        found = [(str(hit["sort"][-1]), float(hit["_score"] or 0.0)) for hit in hits]
        if any(is_digest(item) for item, _ in found):  # of an id that is too long to be a sort key
            hits = self.search(kind, {**body, "_source": ["logsense.data"]})["hits"]["hits"]
            data = [orjson.loads(hit["_source"]["logsense.data"]) for hit in hits]
            ids = [str(item if isinstance(item, str) else item["id"]) for item in data]
            found = [(item, float(hit["_score"] or 0.0)) for item, hit in zip(ids, hits, strict=True)]
        return found

    @property
    def _partial(self) -> dict[str, str]:
        """What the worker decides upon must be whole; people are better served by an answer that lacks a day."""
        return {"allow_partial_search_results": "false"} if self.writer else {}

    def get_many(self, kind: str, items: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Documents of an index that is not dated, by id; those that are not there are left out."""
        found: dict[str, dict[str, Any]] = {}
        if kind in self._unsettled:
            self.bulk.flush()  # reading by id sees what is not refreshed yet
        wanted = {document_id(item): item for item in items}
        keys = list(wanted)
        for at in range(0, len(keys), PAGE):
            answer = self.client.ask("POST", f"/{self.name(kind)}/_mget", {"ids": keys[at : at + PAGE]})
            for row in (answer or {}).get("docs", []):
                if row.get("found"):
                    found[wanted[row["_id"]]] = row["_source"]
        return found

    def pages(
        self,
        kind: str,
        query: Mapping[str, Any],
        sort: Sequence[Mapping[str, str]],
        limit: int | None = None,
        source: Any = True,
    ) -> Iterator[dict[str, Any]]:
        """The documents that match, in the order of ``sort``, which must be total."""
        left, after = limit, None
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            body = {"query": query, "sort": list(sort), "size": size, "_source": source, "track_total_hits": False}
            if after is not None:
                body["search_after"] = after
            hits = self.search(kind, body)["hits"]["hits"]
            yield from (hit["_source"] for hit in hits)
            if len(hits) < size:
                return
            after = hits[-1]["sort"]
            left = None if left is None else left - len(hits)

    def scan(self, kind: str, query: Mapping[str, Any], sort: Sequence[Mapping[str, str]], page: int = PAGE,
             source: Any = True) -> Iterator[dict[str, Any]]:  # fmt: skip
        """As ``pages``, of one point in time: what is written meanwhile is not seen, nothing is seen twice."""
        point = self.client.ask("POST", f"/{self.pattern(kind)}/_pit", params={**LENIENT, "keep_alive": "5m"})
        if point is None:
            return
        pit = point["id"]
        try:
            after = None
            while True:
                body: dict[str, Any] = {"query": query, "sort": list(sort), "size": page, "track_total_hits": False,
                                        "_source": source, "pit": {"id": pit, "keep_alive": "5m"}}  # fmt: skip
                if after is not None:
                    body["search_after"] = after
                answer = self.client.ask("POST", "/_search", body)
                if answer is None:
                    return
                pit = answer.get("pit_id", pit)
                hits = answer["hits"]["hits"]
                yield from (hit["_source"] for hit in hits)
                if len(hits) < page:
                    return
                after = hits[-1]["sort"]
        finally:
            self.client.ask("DELETE", "/_pit", {"id": pit})

    def indices(self, kind: str) -> list[str]:
        """Names of the indices of a kind that exist."""
        return self._names(self.pattern(kind))

    def retain(self, days: int, now_ns: int) -> list[str]:
        """Delete whole indices of days, and of months, that ended more than ``days`` ago; their names."""
        border = day(now_ns - days * 86_400 * SECOND)
        old = [name for kind in DAILY for name in self.indices(kind) if name.rpartition("-")[2] < border]
        # a month goes when its last day is old enough
        old += [name for kind in MONTHLY for name in self.indices(kind) if name.rpartition("-")[2] < border[:7]]
        self.drop(old)
        return old

    def _names(self, pattern: str) -> list[str]:
        only = {"filter_path": "*.settings.index.uuid"}
        return sorted(self.client.ask("GET", f"/{pattern}/_settings", params={**LENIENT, **only}) or {})

    def clear(self) -> None:
        """Delete all of this installation's indices; their templates stay."""
        self.drop(self._names(f"{self.options.prefix}-*"))

    def drop(self, names: Sequence[str]) -> None:
        """Delete whole indices."""
        for name in names:
            self.client.ask("DELETE", f"/{name}")

    def close(self) -> None:
        self.bulk.close()
        self.client.close()
