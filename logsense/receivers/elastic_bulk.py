"""The Elasticsearch write API, as far as shippers use it: bulk, single documents, and the start-up handshakes."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from starlette.routing import Match
from starlette.types import Scope

from logsense import errors
from logsense.receivers import _elastic_handshake as handshake
from logsense.receivers._body import BodyLimits, off_loop, read_body
from logsense.receivers._events import decode_text, event_from_object, load_json, now_ns
from logsense.receivers._guard import guarded_route, retry_headers
from logsense.record import RawEvent
from logsense.stages import Intake

_OPERATIONS = ("index", "create", "update", "delete")
_DATE_SUFFIX = re.compile(r"[-_.](\d{4}[.\-]\d{2}([.\-]\d{2})?|\d{6,8})$")
_COMPATIBLE = re.compile(r"compatible-with=(\d+)")


@dataclass(frozen=True, slots=True)
class ElasticBulkOptions:
    """The Elasticsearch receiver."""

    #: Sizes of requests.
    limits: BodyLimits = field(default_factory=BodyLimits)
    #: The version that clients are told which do not name their own in the User-Agent.
    version: str = "8.19.0"
    #: What clients see as the identity of the cluster.
    cluster_name: str = "logsense"


class ElasticBulkReceiver:
    """Speaks to Filebeat, Logstash, Vector, Fluent Bit, rsyslog, the Python clients 7 to 9 and their like.

    Documents become events; a client's ``_id`` becomes the event id (scoped by index), so a retry replaces. A
    document that is no JSON object is kept as text. ``update`` and ``delete`` are refused per item, as Elasticsearch
    does for data streams. Paths like ``/{index}/_bulk`` are generic: mount this router after all others, and first
    under its prefix, then without it (or ``/elasticsearch/_bulk`` would mean an index of that name).
    """

    name = "elastic_bulk"
    prefix = "/elasticsearch"

    def __init__(self, options: ElasticBulkOptions | None = None) -> None:
        self.options = options or ElasticBulkOptions()

    def router(self, intake: Intake) -> APIRouter:
        """All answers, refusals too, have Elasticsearch's form."""
        router = APIRouter(route_class=_ElasticRoute, include_in_schema=False)
        handshake.add_routes(router, self.options.version, self.options.cluster_name, answer)
        limits = self.options.limits

        async def bulk(request: Request) -> Response:
            started = time.perf_counter()
            body = await read_body(request, limits)
            events, items, failed = await off_loop(body, parse_bulk, request.path_params.get("index", ""))
            await intake.accept(events)
            took = int((time.perf_counter() - started) * 1000)
            # Clients look for substrings of this: exactly this key order, no spaces.
            head = b'{"took":%d,"errors":%s,"items":[' % (took, b"true" if failed else b"false")
            return answer(request, head + b",".join(items) + b"]}")

        async def document(request: Request) -> Response:
            body = await read_body(request, limits)
            index, given = request.path_params["index"], request.path_params.get("id")
            given = given or secrets.token_urlsafe(15)  # the client is told the id, so it must lead to the event
            event = _event(body.strip(), index, given, now_ns())
            await intake.accept([event])
            doc = {"_index": index, "_id": given, "_version": 1, "result": "created"}
            doc |= {"_shards": {"total": 1, "successful": 1, "failed": 0}, "_seq_no": 0, "_primary_term": 1}
            return answer(request, doc, 201)

        both = ["POST", "PUT"]
        for path in ("/_bulk", "/{index}/_bulk", "/{index}/{type}/_bulk"):
            router.add_api_route(path, bulk, methods=both)
        router.add_api_route("/{index}/_doc", document, methods=["POST"])
        for path in ("/{index}/_doc/{id}", "/{index}/_create/{id}"):
            router.add_api_route(path, document, methods=both)
        handshake.add_index_routes(router, answer)  # HEAD and PUT /{index}: after everything more specific
        return router


def parse_bulk(body: bytes, default_index: str = "") -> tuple[list[RawEvent], list[bytes], bool]:
    """(events, one answer item an action, whether any item failed).

    Raises ``BadInput`` when the framing is broken: then no item can be told from the next.
    """
    received = now_ns()
    events: list[RawEvent] = []
    items: list[bytes] = []
    failed = False
    actions: dict[bytes, tuple[str, str, str | None]] = {}
    lines = body.split(b"\n")
    at, count = 0, len(lines)
    while at < count:
        line = lines[at]
        at += 1
        if not line or line.isspace():
            continue
        action = actions.get(line)
        if action is None:
            action = _action(line, at, default_index)
            if action[2] is None:  # an id is different in every line
                actions[line] = action
        operation, index, given = action
        if operation == "delete":
            items.append(_refused(operation, index, given))
            failed = True
            continue
        if at >= count or not lines[at]:
            raise errors.BadInput("The bulk request ends after an action: its document is missing", where=f"line {at}")
        document = lines[at]
        at += 1
        if operation == "update":
            items.append(_refused(operation, index, given))
            failed = True
            continue
        events.append(_event(document, index, given, received))
        items.append(_CREATED[operation])
    return events, items, failed


def answer(request: Request, content: bytes | str | dict[str, Any], status: int = 200) -> Response:
    """A response with the product header, in the media type that the client asked for."""
    if isinstance(content, str):
        kind = "text/plain; charset=UTF-8"
    else:
        wanted = request.headers.get("accept", "") + "," + request.headers.get("content-type", "")
        match = _COMPATIBLE.search(wanted)
        version = f"application/vnd.elasticsearch+json;compatible-with={match[1]}" if match else ""
        kind = version or "application/json"
    data = orjson.dumps(content) if isinstance(content, dict) else content
    return Response(data, status, {"X-Elastic-Product": "Elasticsearch", "Content-Type": kind})


_ERROR_TYPES = {
    429: "es_rejected_execution_exception",
    413: "content_too_long_exception",
    401: "security_exception",
    403: "security_exception",
    400: "illegal_argument_exception",
}


def _error(error: errors.LogsenseError, request: Request) -> Response:
    reason = f"{error.what}: {error.why}" if error.why else error.what
    cause = {"type": _ERROR_TYPES.get(error.status, "exception"), "reason": reason}
    response = answer(request, {"error": {"root_cause": [cause], **cause}, "status": error.status}, error.status)
    response.headers.update(retry_headers(error))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="logsense", charset="UTF-8", ApiKey'
    return response


class _ElasticRoute(guarded_route(_error)):  # type: ignore[misc]
    """Leaves browsers to the user interface: ``GET /`` is its first page, too."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and any(k == b"accept" and b"text/html" in v for k, v in scope["headers"]):
            return Match.NONE, {}
        return super().matches(scope)


_CREATED = {name: b'{"%s":{"status":201}}' % name.encode() for name in ("index", "create")}


def _refused(operation: str, index: str, given: str | None) -> bytes:
    error = {
        "type": "illegal_argument_exception",
        "reason": "only write ops with an op_type of create are allowed in data streams",
    }
    return orjson.dumps({operation: {"_index": index, "_id": given, "status": 400, "error": error}})


def _action(line: bytes, number: int, default_index: str) -> tuple[str, str, str | None]:
    """(operation, index, id) of an action line."""
    try:
        action = load_json(line)
    except ValueError:
        action = None
    if not isinstance(action, dict) or len(action) != 1 or not isinstance(next(iter(action.values())), dict):
        raise errors.BadInput(f"Malformed action/metadata line [{number}], expected an object with one operation")
    ((operation, meta),) = action.items()
    if operation not in _OPERATIONS:
        raise errors.BadInput(f"Malformed action/metadata line [{number}], found [{operation[:40]}]")
    index = meta.get("_index") or default_index
    given = meta.get("_id")
    return operation, str(index), None if given is None else str(given)


def _event(document: bytes, index: str, given: str | None, received: int) -> RawEvent:
    source = _source(index)
    try:
        content = load_json(document)
    except ValueError:
        content = None
    if isinstance(content, dict):
        event = event_from_object(content, document, source, received)
    else:
        event = RawEvent(decode_text(document), source, received)
    if given is not None:
        event.id = scoped_id(index, given)
    return event


def scoped_id(index: str, given: str) -> str:
    """The event id of a client's ``_id``: the same for every retry, different in every index."""
    text = f"{index}\0{given}".encode("utf-8", "backslashreplace")
    return "es-" + hashlib.blake2b(text, digest_size=12).hexdigest()


@lru_cache(maxsize=4096)
def _source(index: str) -> str:
    """``bulk:<index>`` without its date, so that counters do not start anew every day."""
    return f"bulk:{_DATE_SUFFIX.sub('', index)[:100]}" if index else "bulk"
