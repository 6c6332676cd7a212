"""Records as Elasticsearch documents and back. Pure; a record comes back exactly as the embedded index gives it.

A document has flat, dotted ECS names. What has no place there (fields that are not mapped or whose value does not fit
the mapping, values that were cut for exact matching) goes into ``logsense.more`` as JSON text, which Elasticsearch
does not look into: no content of a line can be refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from logsense.index.base import DAY_NS, clean, facts, id_key, key, level_name, pack, to_json
from logsense.index.elastic.mappings import ECS
from logsense.index.text import camel_parts, words
from logsense.record import LogRecord

SECOND = 1_000_000_000
INT64 = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_ID_BYTES = 480  # Elasticsearch allows 512


def clamp(time_ns: int) -> int:
    """A time that a 64-bit number holds."""
    return min(max(time_ns, -INT64), INT64)


def day(time_ns: int, *, monthly: bool = False) -> str:
    """``2026.11.24``, the suffix of daily indices, or ``2026.11``."""
    name = _day(clamp(time_ns) // DAY_NS)
    return name[:-3] if monthly else name


@lru_cache(maxsize=1024)
def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).strftime("%Y.%m.%d")


def date(time_ns: int) -> str:
    """RFC 3339 with nanoseconds, cut to what ``date_nanos`` can hold (1970 to 2262)."""
    seconds, rest = divmod(min(max(time_ns, 0), INT64 - SECOND), SECOND)
    return f"{_second(seconds)}.{rest:09}Z"


@lru_cache(maxsize=4096)  # lines come in nearly the order of their times: most share their second with the last
def _second(seconds: int) -> str:
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


def document_id(item: str) -> str:
    """An ``_id`` for any id: itself where Elasticsearch takes it, otherwise its digest."""
    item = clean(item)
    if item and len(item) <= _MAX_ID_BYTES and (item.isascii() or len(item.encode()) <= _MAX_ID_BYTES):
        return item
    return "sha256:" + hashlib.sha256(item.encode()).hexdigest()


def log_document(record: LogRecord, indexed_chars: int, stored_chars: int) -> dict[str, Any]:
    """The document of one line."""
    (_, time_ns, message, source, ingested_ns, host, service, level, pipeline, original, outcome, template_id, params,
     fields) = pack(record, stored_chars)  # fmt: skip
    searchable = message if len(message) <= indexed_chars else message[:indexed_chars]
    found: dict[str, Any] = {
        "@timestamp": date(time_ns),
        "message": message,
        "event.id": id_key(record.id),
        "event.ingested": date(ingested_ns),
        "event.outcome": outcome,
        "logsense.time_ns": clamp(time_ns),
        "logsense.words": " ".join(words(searchable)),
    }
    more: dict[str, Any] = {}
    for name, value, short, attribute in (
        ("host.name", host, key(host), "host"),
        ("service.name", service, key(service), "service"),
        ("log.level", level, key(level_name(level)), "level"),
        ("logsense.pipeline", pipeline, key(pipeline), "pipeline"),
        ("logsense.template_id", template_id, key(template_id), "template_id"),
        ("logsense.source", source, key(source), "source"),
    ):
        if short:
            found[name] = short
        if short != value:
            more[attribute] = value
    if found["event.id"] != record.id:
        more["id"] = record.id
    if found["logsense.time_ns"] != time_ns:
        more["timestamp_ns"] = str(time_ns)
    if date(ingested_ns)[:4] in ("1970", "2262") or ingested_ns < 0:
        more["ingested_ns"] = str(ingested_ns)
    if isinstance(original, tuple):  # what stands before and after the message
        original = f"{original[0]}{message}{original[1]}"
    if original is not None:
        found["event.original"] = original
    if params:
        found["logsense.parameters"] = [str(item) for item in params]
    varying = " ".join(map(str, params))[:indexed_chars] if template_id else searchable
    if parts := camel_parts(varying):
        found["logsense.parts"] = " ".join(parts)
    if fields:
        if further := facts(fields):
            found["logsense.facts"] = further
        rest = {}
        for name, value in fields.items():
            kind = ECS.get(name) if isinstance(name, str) else None
            if kind is not None and _fits(value, kind) and name not in found:
                found[name] = value
            else:
                rest[name] = value
        if rest:
            more["fields"] = rest
    if more:
        found["logsense.more"] = to_json(more).decode()
    return found


def _fits(value: Any, kind: type) -> bool:
    if kind is int:
        return type(value) is int and -INT64 <= value <= INT64
    return type(value) is str and len(value) <= 8000


def log_record(document: Mapping[str, Any]) -> LogRecord:
    """The line of one stored document."""
    more = orjson.loads(document["logsense.more"]) if "logsense.more" in document else {}
    fields = {name: document[name] for name in ECS.keys() & document.keys()}
    fields.update(more.get("fields", {}))
    get = document.get
    return LogRecord(
        id=more.get("id", document["event.id"]),
        timestamp_ns=int(more.get("timestamp_ns", document["logsense.time_ns"])),
        message=get("message", ""),
        source=more.get("source", get("logsense.source", "")),
        ingested_ns=int(more["ingested_ns"]) if "ingested_ns" in more else nanoseconds(document["event.ingested"]),
        host=more.get("host", get("host.name", "")),
        service=more.get("service", get("service.name", "")),
        level=more.get("level", get("log.level", "")),
        pipeline=more.get("pipeline", get("logsense.pipeline", "")),
        original=get("event.original"),
        outcome=get("event.outcome", "parsed"),
        template_id=more.get("template_id", get("logsense.template_id", "")),
        parameters=list(get("logsense.parameters", ())),
        fields=fields,
    )


def nanoseconds(text: str) -> int:
    """The inverse of ``date``."""
    whole, _, rest = text.rstrip("Z").partition(".")
    seconds = (datetime.fromisoformat(whole).replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
    return seconds * SECOND + int(rest.ljust(9, "0"))
