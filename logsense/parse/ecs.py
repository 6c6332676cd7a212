"""Records as Elastic Common Schema documents."""

from __future__ import annotations

from typing import Any

from logsense.parse.timestamps import iso_ns
from logsense.record import LogRecord


def to_ecs(record: LogRecord) -> dict[str, Any]:
    """A flat document with dotted ECS names; times are RFC 3339 in UTC with nanoseconds where there are some."""
    document: dict[str, Any] = {
        "@timestamp": iso_ns(record.timestamp_ns),
        "message": record.message,
        "event.ingested": iso_ns(record.ingested_ns),
    }
    document.update(record.fields)
    if record.host:
        document["host.name"] = record.host
    if record.service:
        document["service.name"] = record.service
    if record.level:
        document["log.level"] = record.level
    if record.original is not None:
        document["event.original"] = record.original
    if record.outcome == "unparsed":
        document["event.outcome"] = "unparsed"
    if record.pipeline:
        document["logsense.pipeline"] = record.pipeline
    if record.template_id:
        document["logsense.template_id"] = record.template_id
    document["logsense.source"] = record.source
    return document
