"""``/{index}/_search`` for Elasticsearch clients: the few queries that scripts and smoke tests ask.

Index names do not restrict anything. A query that is not understood is refused, never answered with something else.
"""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from logsense.api.problems import BadParameter
from logsense.errors import LogsenseError, TooLarge
from logsense.workspace import Workspace

_MAX_BODY = 64 * 1024
_MAX_SIZE = 1000
_ALL = ("*", "_all", "message", "log.original", "event.original")


def router(workspace: Workspace) -> APIRouter:
    """Without a prefix and under ``/elasticsearch``."""
    routes = APIRouter(include_in_schema=False)

    async def search(request: Request) -> Response:
        try:
            body = await _body(request)
            size = _number(body.get("size", request.query_params.get("size", 10)), _MAX_SIZE)
            start = _number(body.get("from", request.query_params.get("from", 0)), 1_000_000)
            query = body.get("query")
            text = request.query_params.get("q", "") if query is None else words(query)
            found = await run_in_threadpool(workspace.search, text, limit=max(size, 1), offset=start)
        except LogsenseError as error:
            kind = "parsing_exception" if error.status < 500 else "exception"
            cause = {"type": kind, "reason": f"{error.what} {error.why}".strip()}
            content: dict[str, Any] = {"error": {"root_cause": [cause], **cause}, "status": 400}
            return _answer(request, content, 400 if error.status == 422 else error.status)
        return _answer(request, _hits(found, request.path_params.get("index", "logsense"), size), 200)

    for prefix in ("", "/elasticsearch"):
        for path in ("/_search", "/{index}/_search"):
            routes.add_api_route(prefix + path, search, methods=["GET", "POST"])
    return routes


def words(query: Any) -> str:
    """The query in logsense's own syntax. Raises BadParameter for what has no counterpart."""
    if not isinstance(query, dict) or len(query) != 1:
        raise BadParameter("A query is one object with one key.")
    ((kind, body),) = query.items()
    if kind == "match_all":
        return ""
    if kind in ("query_string", "simple_query_string", "multi_match") and isinstance(body, dict):
        return str(body.get("query", ""))
    if kind in ("match", "match_phrase", "term") and isinstance(body, dict) and len(body) == 1:
        ((field, value),) = body.items()
        value = value.get("query", value.get("value")) if isinstance(value, dict) else value
        text = str(value).replace('"', " ")
        quoted = f'"{text}"' if kind != "match" or not text.replace("-", "").isalnum() else text
        if field in _ALL:
            return quoted if kind != "match" else text
        return f"{field.removesuffix('.keyword')}:{quoted}"
    if kind == "bool" and isinstance(body, dict) and set(body) <= {"must", "filter"}:
        parts = [part for clause in body.values() for part in (clause if isinstance(clause, list) else [clause])]
        return " ".join(filter(None, map(words, parts)))
    raise BadParameter(f"The query {kind[:40]!r} is not offered here.", fix="use GET /api/v1/search")


async def _body(request: Request) -> dict[str, Any]:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MAX_BODY:
            raise TooLarge("The query is too large.")
    try:
        body = orjson.loads(data or b"{}")
    except orjson.JSONDecodeError as error:
        raise BadParameter("The query is not JSON.", why=str(error)) from error
    if not isinstance(body, dict):
        raise BadParameter("The query is no JSON object.")
    known = {"query", "size", "from", "track_total_hits", "timeout", "sort", "_source"}
    unknown = set(body) - known
    if unknown:
        raise BadParameter(f"{sorted(unknown)[0][:40]!r} is not offered here.", fix="use GET /api/v1/search")
    return body


def _number(value: Any, limit: int) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise BadParameter("size and from are whole numbers.") from error
    if not 0 <= number <= limit:
        raise BadParameter(f"size and from are between 0 and {limit}.")
    return number


def _hits(found: dict[str, Any], index: str, size: int) -> dict[str, Any]:
    hits = [
        {
            "_index": index,
            "_id": hit["id"],
            "_score": hit["score"],
            "_source": {
                "@timestamp": hit["@timestamp"],
                "message": hit["message"],
                "host": {"name": hit["host"]},
                "service": {"name": hit["service"]},
                "log.level": hit["level"],
                **hit["fields"],
            },
        }
        for hit in found["hits"][:size]
    ]
    total = {"value": found["total"], "relation": "eq"}
    shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
    best = max((hit["_score"] for hit in hits), default=None)
    return {"took": 1, "timed_out": False, "_shards": shards, "hits": {"total": total, "max_score": best, "hits": hits}}


def _answer(request: Request, content: dict[str, Any], status: int) -> Response:
    wanted = request.headers.get("accept", "")
    kind = wanted.split(",")[0] if wanted.startswith("application/vnd.elasticsearch+json") else "application/json"
    headers = {"X-Elastic-Product": "Elasticsearch", "Content-Type": kind}
    return Response(orjson.dumps(content, default=str), status, headers)
