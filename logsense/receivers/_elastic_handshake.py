"""What Elasticsearch clients ask before they send: version, licence, templates, policies, health.

Templates and policies are said to exist, so clients skip installing them; a PUT is acknowledged. None of it has any
effect: logsense has one schema (ECS).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response

Answer = Callable[..., Response]

#: Clients of Elastic that demand a server of at least their own version name it in the User-Agent.
_CLIENT = re.compile(r"(?:\w*beat|elastic-\w+|logstash|elasticsearch-\w+)/(\d+)\.(\d+)\.(\d+)", re.IGNORECASE)
_COMPATIBLE = re.compile(r"compatible-with=(\d+)")
_UUID = "bG9nc2Vuc2UtY2x1c3Rlcg"
_ACKNOWLEDGED = {"acknowledged": True}


def version_for(user_agent: str, accept: str, default: str) -> str:
    """The client's own version where it names one (never below 7.17), else ``default`` or what ``accept`` asks for."""
    match = _CLIENT.search(user_agent)
    if match:
        return ".".join(match.groups()) if int(match[1]) >= 7 else "7.17.0"
    wanted = _COMPATIBLE.search(accept)
    if wanted and wanted[1] != default.partition(".")[0]:
        return f"{wanted[1]}.0.0"
    return default


def add_routes(router: APIRouter, version: str, cluster: str, answer: Answer) -> None:
    """The handshake endpoints on ``router``; ``answer(request, content, status)`` makes the responses."""

    def get(path: str, content: Callable[[Request], dict[str, Any] | str]) -> None:
        async def endpoint(request: Request) -> Response:
            return answer(request, content(request))

        router.add_api_route(path, endpoint, methods=["GET", "HEAD"])

    def put(path: str) -> None:
        async def endpoint(request: Request) -> Response:
            return answer(request, _ACKNOWLEDGED)

        router.add_api_route(path, endpoint, methods=["PUT", "POST"])

    def info(request: Request) -> dict[str, Any]:
        number = version_for(request.headers.get("user-agent", ""), request.headers.get("accept", ""), version)
        return {
            "name": cluster,
            "cluster_name": cluster,
            "cluster_uuid": _UUID,
            "version": {
                "number": number,
                "build_flavor": "default",  # what the 7.14+ clients check, with the tagline
                "build_type": "tar",
                "build_hash": "0" * 40,
                "build_date": "2025-01-01T00:00:00.000Z",
                "build_snapshot": False,
                "lucene_version": "9.12.0",
                "minimum_wire_compatibility_version": "7.17.0",
                "minimum_index_compatibility_version": "7.0.0",
            },
            "tagline": "You Know, for Search",
        }

    def nodes(request: Request) -> dict[str, Any]:
        address = request.headers.get("host", "127.0.0.1:9200")  # sniffing clients connect to what is named here
        http = {"bound_address": [address], "publish_address": address}
        node = {"name": cluster, "version": version, "roles": ["master", "data", "ingest"], "http": http}
        return {"_nodes": {"total": 1, "successful": 1, "failed": 0}, "cluster_name": cluster, "nodes": {_UUID: node}}

    def health(_: Request) -> dict[str, Any]:
        zeros = ("relocating_shards", "initializing_shards", "unassigned_shards", "number_of_pending_tasks")
        return {
            "cluster_name": cluster,
            "status": "green",
            "timed_out": False,
            "number_of_nodes": 1,
            "number_of_data_nodes": 1,
            "active_primary_shards": 1,
            "active_shards": 1,
            **dict.fromkeys(zeros, 0),
            "active_shards_percent_as_number": 100.0,
        }

    def cat_health(_: Request) -> str:
        now = int(time.time())
        return f"{now} {time.strftime('%H:%M:%S', time.gmtime(now))} {cluster} green 1 1 1 1 0 0 0 0 - 100.0%\n"

    get("/", info)
    get("/_license", lambda _: {"license": _licence()})
    get("/_xpack", lambda _: _xpack())
    for path in ("/_nodes", "/_nodes/http", "/_nodes/{node}/http"):
        get(path, nodes)
    get("/_cluster/health", health)
    get("/_cluster/health/{name}", health)
    get("/_cat/health", cat_health)
    for path, content in _THINGS.items():
        get(path, content)
        put(path)
    put("/_aliases")
    put("/{index}/_alias/{name}")
    put("/{index}/_mapping")
    put("/{index}/_settings")


def add_index_routes(router: APIRouter, answer: Answer) -> None:
    """``HEAD /{index}`` (it exists) and ``PUT /{index}`` (created)."""

    async def exists(request: Request) -> Response:
        return answer(request, {})

    async def create(request: Request) -> Response:
        return answer(request, _ACKNOWLEDGED | {"shards_acknowledged": True, "index": request.path_params["index"]})

    for path in ("/{index}", "/<{index:path}"):  # "<logs-{now/d}-000001>" is date math and has a slash in it
        router.add_api_route(path, exists, methods=["HEAD"])
        router.add_api_route(path, create, methods=["PUT"])


def _name(request: Request) -> str:
    return str(request.path_params["name"])


_THINGS: dict[str, Callable[[Request], dict[str, Any]]] = {
    "/_ilm/policy/{name}": lambda r: {_name(r): {"version": 1, "policy": {"phases": {}}}},
    "/_index_template/{name}": lambda r: {
        "index_templates": [{"name": _name(r), "index_template": {"index_patterns": ["*"], "composed_of": []}}]
    },
    "/_component_template/{name}": lambda r: {
        "component_templates": [{"name": _name(r), "component_template": {"template": {}}}]
    },
    "/_template/{name}": lambda r: {_name(r): {"order": 0, "index_patterns": ["*"], "settings": {}, "mappings": {}}},
    "/_data_stream/{name}": lambda r: {
        "data_streams": [
            {
                "name": _name(r),
                "timestamp_field": {"name": "@timestamp"},
                "indices": [],
                "generation": 1,
                "status": "GREEN",
            }
        ]
    },
    "/_ingest/pipeline/{name}": lambda r: {_name(r): {"processors": []}},
    "/_alias/{name}": lambda r: {_name(r): {"aliases": {}}},
}


def _licence() -> dict[str, Any]:
    return {
        "status": "active",
        "uid": "00000000-0000-0000-0000-000000000001",
        "type": "basic",
        "issue_date": "2025-01-01T00:00:00.000Z",
        "issue_date_in_millis": 1735689600000,
        "max_nodes": 1000,
        "issued_to": "logsense",
        "issuer": "elasticsearch",
        "start_date_in_millis": -1,
    }


def _xpack() -> dict[str, Any]:
    licence = _licence()
    features = {name: {"available": True, "enabled": True} for name in ("ilm", "data_streams", "monitoring")}
    return {
        "build": {"hash": "0" * 40, "date": "2025-01-01T00:00:00.000Z"},
        "license": {"uid": licence["uid"], "type": "basic", "mode": "basic", "status": "active"},
        "features": features | {"security": {"available": True, "enabled": False}},
        "tagline": "You know, for X",
    }
