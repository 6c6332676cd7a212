"""Metric points in daily indices."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from logsense.index.base import clean
from logsense.index.elastic.documents import date, day
from logsense.index.elastic.lines import MS, bucketed
from logsense.index.elastic.query import between
from logsense.index.elastic.store import WINDOW, Store
from logsense.index.metrics import series_name
from logsense.record import MetricPoint

_MAX_NAME = 8000  # bytes of a keyword: 32,766
#: Steps of all series that are asked for at once (``search.max_buckets`` is 65,536).
_MOST_BUCKETS = 50_000


class Metrics:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._series: dict[tuple[str, str, tuple[tuple[str, str], ...]], tuple[str, str, str]] = {}

    def write(self, points: Sequence[MetricPoint]) -> None:
        """A point replaces one of the same series and time. NaN, infinities and impossible times are left out."""
        for point in points:
            if not math.isfinite(point.value) or not -(2**63) < point.timestamp_ns < 2**63:
                continue
            key = (point.host, point.name, tuple(point.labels.items()) if point.labels else ())
            known = self._series.get(key)
            if known is None:
                labels = {str(name): str(value) for name, value in point.labels.items()}
                host, name = clean(point.host)[:_MAX_NAME], clean(series_name(point.name, labels))[:_MAX_NAME]
                digest = hashlib.blake2b(f"{host}\0{name}".encode(), digest_size=12).hexdigest()
                known = self._series[key] = (digest, host, name)
            digest, host, name = known
            document = {
                "@timestamp": date(point.timestamp_ns), "logsense.time_ns": point.timestamp_ns, "host.name": host,
                "logsense.metric": name, "logsense.value": float(point.value),
            }  # fmt: skip
            self._store.put(
                "metrics", f"{digest}-{point.timestamp_ns}", orjson.dumps(document), day(point.timestamp_ns)
            )

    def names(self, host: str | None) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        keys = [{"host": {"terms": {"field": "host.name"}}}, {"name": {"terms": {"field": "logsense.metric"}}}]
        spec: dict[str, Any] = {"sources": keys, "size": WINDOW}
        query = {"match_all": {}} if host is None else {"term": {"host.name": clean(host)}}
        while True:
            body = {"query": query, "size": 0, "track_total_hits": False, "aggs": {"series": {"composite": spec}}}
            answer = self._store.search("metrics", body).get("aggregations", {}).get("series", {})
            found += [(b["key"]["host"], b["key"]["name"]) for b in answer.get("buckets", [])]
            if len(answer.get("buckets", [])) < WINDOW:
                return found
            spec["after"] = answer["after_key"]

    def means(
        self, host: str, names: Sequence[str], from_ns: int, to_ns: int, step_ns: int
    ) -> list[list[tuple[int, float]]]:
        """As ``series`` of each name, with one request for as many as Elasticsearch aggregates at once."""
        steps = max(1, (to_ns - from_ns) // max(step_ns, 1) + 2)
        together = max(1, _MOST_BUCKETS // steps)
        if together == 1 or step_ns < MS or step_ns % MS:
            return [self.series(host, name, from_ns, to_ns, step_ns) for name in names]
        found: list[list[tuple[int, float]]] = []
        for at in range(0, len(names), together):
            part = [clean(name)[:_MAX_NAME] for name in names[at : at + together]]
            chosen = [{"term": {"host.name": clean(host)}}, {"terms": {"logsense.metric": part}}]
            query = {"bool": {"filter": [*chosen, *between("logsense.time_ns", from_ns, to_ns)]}}
            by_name = {"terms": {"field": "logsense.metric", "size": len(part)}, "aggs": {"time": _steps(step_ns)}}
            body = {"query": query, "size": 0, "track_total_hits": False, "aggs": {"series": by_name}}
            buckets = self._store.search("metrics", body).get("aggregations", {}).get("series", {}).get("buckets", [])
            means = {bucket["key"]: _means(bucket["time"]) for bucket in buckets}
            found += [means.get(name, []) for name in part]
        return found

    def series(
        self, host: str, name: str, from_ns: int | None, to_ns: int | None, step_ns: int
    ) -> list[tuple[int, float]]:
        chosen = [{"term": {"host.name": clean(host)}}, {"term": {"logsense.metric": clean(name)}}]
        query = {"bool": {"filter": [*chosen, *between("logsense.time_ns", from_ns, to_ns)]}}

        def averaged() -> list[tuple[int, float]]:
            body = {"query": query, "size": 0, "track_total_hits": False, "aggs": {"time": _steps(step_ns)}}
            return _means(self._store.search("metrics", body).get("aggregations", {}).get("time", {}))

        if step_ns > 0 and (found := bucketed(step_ns, averaged)) is not None:
            return found
        order = [{"logsense.time_ns": "asc"}]
        source = ["logsense.time_ns", "logsense.value"]
        points = [
            (int(row["logsense.time_ns"]), float(row["logsense.value"]))
            for row in self._store.scan("metrics", query, order, page=WINDOW, source=source)
        ]
        if step_ns <= 0:
            return points
        groups: dict[int, list[float]] = {}
        for at, value in points:
            groups.setdefault(at - at % step_ns, []).append(value)
        return [(at, sum(values) / len(values)) for at, values in sorted(groups.items())]


def _steps(step_ns: int) -> dict[str, Any]:
    spec = {"field": "@timestamp", "fixed_interval": f"{step_ns // MS}ms", "min_doc_count": 1}
    return {"date_histogram": spec, "aggs": {"mean": {"avg": {"field": "logsense.value"}}}}


def _means(answer: Mapping[str, Any]) -> list[tuple[int, float]]:
    return [(int(b["key"]) * MS, float(b["mean"]["value"])) for b in answer.get("buckets", [])]
