"""What Kibana and Grafana ask of Elasticsearch for the files in ``deploy/``: the requests their panels become.

Neither program can be had on the machines of the tests. Their way from a panel to a request is public and simple: a
time range, a Lucene query, nested aggregations or sorted hits. So each panel's request is made here and sent to a real
server, which knows whether the fields exist, can be counted and sorted by, and hold something.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
Body = dict[str, Any]
DEFAULT_INTERVAL = "1m"  # of the automatic interval; both programs choose one by the width of the picture


@dataclass
class Asked:
    """One request. ``shown``: fields that a person sees of its hits; ``levels``: how deep its buckets are nested."""

    name: str
    index: str
    body: Body
    shown: tuple[str, ...] = ()
    levels: int = 0
    metric: bool = False  # whether each innermost bucket holds a value under "metric"
    times: tuple[str, ...] = field(default=())  # fields that must be dates

    def problems(self, answer: Mapping[str, Any]) -> list[str]:
        """What a person would miss in this panel."""
        if self.levels:
            leaves = list(_leaves(answer["aggregations"], self.levels))
            if not leaves:
                return [f"{self.name}: no buckets"]
            return (
                [f"{self.name}: no value"]
                if self.metric and not any(leaf["metric"]["value"] for leaf in leaves)
                else []
            )
        hits = answer["hits"]["hits"]
        if not hits:
            return [f"{self.name}: no hits"]
        return [f"{self.name}: {name} is nowhere" for name in self.shown if not any(_holds(hit, name) for hit in hits)]


def _holds(hit: Mapping[str, Any], name: str) -> bool:
    return name in hit.get("fields", {}) or name in hit.get("_source", {})


def _leaves(aggregations: Mapping[str, Any], levels: int) -> Iterator[Mapping[str, Any]]:
    for bucket in aggregations["buckets"]["buckets"]:
        if not bucket["doc_count"]:
            continue
        if levels == 1:
            yield bucket
        else:
            yield from _leaves(bucket, levels - 1)


def _nested(levels: list[Body], inner: Body) -> Body:
    """Aggregations one within the other, each called ``buckets``."""
    aggregations = inner
    for level in reversed(levels):
        aggregations = {"buckets": {**level, **({"aggs": aggregations} if aggregations else {})}}
    return aggregations


def _query(lucene: str, time_field: str, span: tuple[int, int]) -> Body:
    limits = {"gte": span[0], "lte": span[1], "format": "epoch_millis"}
    filters: list[Body] = [{"range": {time_field: limits}}]
    if lucene:
        filters.append({"query_string": {"query": lucene, "analyze_wildcard": True}})
    return {"bool": {"filter": filters}}


# --- Grafana ----------------------------------------------------------------------------------------------------


def lucene(text: str, variables: Mapping[str, str]) -> str:
    """A query with its variables put in, as Grafana does it for Elasticsearch: escaped unless ``raw`` is asked for."""

    def put(found: re.Match[str]) -> str:
        name, _, form = (found[1] or found[2]).partition(":")
        value = variables[name]
        return value if form == "raw" else re.sub(r'([!*+\-=<>\s&|()\[\]{}^~?:\\/"])', r"\\\1", value)

    return re.sub(r"\$(?:\{([^}]+)\}|(\w+))", put, text)


def grafana_sources() -> dict[str, dict[str, Any]]:
    import yaml

    file = DEPLOY / "grafana/provisioning/datasources/logsense.yaml"
    return {source["uid"]: source["jsonData"] for source in yaml.safe_load(file.read_text())["datasources"]}


def grafana_board() -> dict[str, Any]:
    return dict(json.loads((DEPLOY / "grafana/dashboards/logsense.json").read_text()))


def grafana_variables(board: Mapping[str, Any]) -> Iterator[Asked]:
    """The questions behind variables that people choose from a list."""
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            wanted = json.loads(variable["query"])
            terms = {"field": wanted["field"], "size": wanted["size"], "order": {"_key": "asc"}}
            body = {"size": 0, "aggs": {"buckets": {"terms": terms}}}
            index = grafana_sources()[variable["datasource"]["uid"]]["index"]
            yield Asked(variable["name"], index, body, levels=1)


def grafana_panels(board: Mapping[str, Any], variables: Mapping[str, str], span: tuple[int, int]) -> Iterator[Asked]:
    sources = grafana_sources()
    for panel in board["panels"]:
        for target in panel["targets"]:
            source = sources[target["datasource"]["uid"]]
            query = _query(lucene(target["query"], variables), target["timeField"], span)
            name, index = f"Grafana: {panel['title']}", source["index"]
            (metric,) = target["metrics"]
            if metric["type"] in ("raw_data", "logs"):
                size = int(metric["settings"].get("size") or metric["settings"].get("limit"))
                sort = [
                    {target["timeField"]: {"order": "desc", "unmapped_type": "boolean"}},
                    {"_doc": {"order": "desc"}},
                ]
                body: Body = {"query": query, "size": size, "sort": sort}
                shown = [t["options"]["include"]["names"] for t in panel.get("transformations", [])]
                if metric["type"] == "logs":
                    shown.append([source["logMessageField"], source["logLevelField"]])
                fields = tuple(name for names in shown for name in names)
                yield Asked(name, index, body, shown=fields, times=(target["timeField"],))
            else:
                inner = {} if metric["type"] == "count" else {"metric": {metric["type"]: {"field": metric["field"]}}}
                levels = [_grafana_level(level) for level in target["bucketAggs"]]
                body = {"query": query, "size": 0, "aggs": _nested(levels, inner)}
                yield Asked(name, index, body, levels=len(levels), metric=bool(inner), times=(target["timeField"],))


def _grafana_level(level: Mapping[str, Any]) -> Body:
    settings = level["settings"]
    least = int(settings["min_doc_count"])
    if level["type"] == "date_histogram":
        interval = DEFAULT_INTERVAL if settings["interval"] == "auto" else settings["interval"]
        return {"date_histogram": {"field": level["field"], "fixed_interval": interval, "min_doc_count": least,
                                   "format": "epoch_millis"}}  # fmt: skip
    order = {settings["orderBy"]: settings["order"]}
    return {"terms": {"field": level["field"], "size": int(settings["size"]), "order": order, "min_doc_count": least}}


# --- Kibana -----------------------------------------------------------------------------------------------------


def kibana_objects() -> dict[tuple[str, str], dict[str, Any]]:
    lines = (DEPLOY / "kibana/logsense.ndjson").read_text().splitlines()
    objects = [json.loads(line) for line in lines]
    return {(item["type"], item["id"]): item for item in objects}


def kibana_panels(span: tuple[int, int]) -> Iterator[Asked]:
    """The saved searches and visualizations, those of the dashboard among them."""
    objects = kibana_objects()
    views = {item["id"]: item["attributes"] for (kind, _), item in objects.items() if kind == "index-pattern"}
    for (kind, _), item in objects.items():
        if kind not in ("search", "visualization"):
            continue
        attributes = item["attributes"]
        view = views[next(r["id"] for r in item["references"] if r["type"] == "index-pattern")]
        asked = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])["query"]
        assert asked["language"] == "lucene", "Elasticsearch reads Lucene itself, so what it says of it is the proof"
        query, name = _query(asked["query"], view["timeFieldName"], span), f"Kibana: {attributes['title']}"
        times = (view["timeFieldName"],)
        if kind == "search":
            sort = [{by: {"order": order, "unmapped_type": "boolean"}} for by, order in attributes["sort"]]
            body: Body = {"query": query, "size": 500, "sort": sort, "_source": False, "track_total_hits": True,
                          "fields": [{"field": "*", "include_unmapped": True}]}  # fmt: skip
            yield Asked(name, view["title"], body, shown=tuple(attributes["columns"]), times=times)
        else:
            levels = [_kibana_level(a) for a in json.loads(attributes["visState"])["aggs"] if a["schema"] != "metric"]
            body = {"query": query, "size": 0, "aggs": _nested(levels, {})}
            yield Asked(name, view["title"], body, levels=len(levels), times=times)


def _kibana_level(aggregation: Mapping[str, Any]) -> Body:
    wanted = aggregation["params"]
    if aggregation["type"] == "date_histogram":
        return {"date_histogram": {"field": wanted["field"], "fixed_interval": DEFAULT_INTERVAL, "time_zone": "UTC",
                                   "min_doc_count": wanted["min_doc_count"]}}  # fmt: skip
    assert wanted["orderBy"] == "1"  # the id of the count
    missing = {"missing": "__missing__"} if wanted.get("missingBucket") else {}
    order = {"_count": wanted["order"]}
    return {"terms": {"field": wanted["field"], "size": wanted["size"], "order": order, **missing}}
