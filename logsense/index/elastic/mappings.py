"""Index templates: which fields Elasticsearch knows, in the names of the Elastic Common Schema. Pure data.

Mappings are closed (``dynamic: false``): a log line can neither add a field nor change one's type, so no line is
refused for another line's sake and the mapping cannot explode. What is not mapped is kept all the same (see
``documents``), and can be filtered on through ``logsense.facts``.

Only what every distribution has is used: no painless, no analysis plugins, no index lifecycle management.
"""

from __future__ import annotations

from typing import Any

#: Raised with every change; a template of a higher version (a newer logsense) is left as it is. What each version
#: installed is kept in ``tests/index/elastic_templates``, so that upgrades from all of them are tried.
VERSION = 3

KEYWORD: dict[str, Any] = {"type": "keyword", "ignore_above": 1024}
LONG: dict[str, Any] = {"type": "long", "ignore_malformed": True}
DOUBLE: dict[str, Any] = {"type": "double", "ignore_malformed": True}
IP: dict[str, Any] = {"type": "ip", "ignore_malformed": True}
STORED: dict[str, Any] = {"type": "keyword", "index": False, "doc_values": False}
#: ``text.words`` joined by blanks: the same words as in the embedded index.
WORDS: dict[str, Any] = {"type": "text", "analyzer": "whitespace", "norms": False}
DATE: dict[str, Any] = {"type": "date_nanos"}


def _names(text: str) -> list[str]:
    return text.split()


_KEYWORDS = _names("""
    agent.name agent.type client.user.name container.id container.name container.image.name db.name
    db.operation db.system destination.domain error.code error.type event.action event.category event.code
    event.dataset event.kind event.module event.provider event.reason event.type file.path host.architecture
    host.id host.os.name http.request.id http.request.method http.request.referrer http.version
    kubernetes.namespace kubernetes.node.name kubernetes.pod.name log.file.path log.logger network.protocol
    network.transport network.type observer.name orchestrator.cluster.name process.executable process.name
    process.command_line process.thread.name server.domain service.environment service.node.name
    service.version source.domain span.id tags trace.id transaction.id url.domain url.original url.path
    url.query url.scheme user.id user.name user.target.name user_agent.original log.syslog.facility.name
    log.syslog.severity.name log.syslog.appname log.syslog.msgid
""")
_LONGS = _names("""
    client.port destination.port http.request.body.bytes http.response.body.bytes http.response.status_code
    process.pid process.ppid process.thread.id server.port source.port source.bytes destination.bytes
    network.bytes event.duration log.syslog.priority log.syslog.facility.code log.syslog.severity.code
""")
_IPS = ["client.ip", "destination.ip", "host.ip", "server.ip", "source.ip"]

#: Fields of a line beside our own that are mapped, by the Python type that fits them.
ECS: dict[str, type] = {**dict.fromkeys(_KEYWORDS, str), **dict.fromkeys(_LONGS, int), **dict.fromkeys(_IPS, str)}

LOGS: dict[str, Any] = {
    "@timestamp": DATE,
    "message": {"type": "text", "norms": False},
    "event.id": {"type": "keyword"},
    "event.ingested": DATE,
    "event.outcome": KEYWORD,
    "event.original": STORED,
    "host.name": KEYWORD,
    "service.name": KEYWORD,
    "log.level": KEYWORD,
    "logsense.time_ns": {"type": "long"},
    "logsense.pipeline": KEYWORD,
    "logsense.source": KEYWORD,
    "logsense.template_id": KEYWORD,
    "logsense.parameters": STORED,
    "logsense.more": STORED,
    "logsense.words": WORDS,
    "logsense.parts": {"type": "text", "analyzer": "whitespace", "norms": False, "index_options": "docs"},
    "logsense.facts": {"type": "keyword", "doc_values": False},  # filtered on, never sorted or counted
    **dict.fromkeys(_KEYWORDS, KEYWORD),
    **dict.fromkeys(_LONGS, LONG),
    **dict.fromkeys(_IPS, IP),
}

_DATA = {"logsense.data": STORED}  # the record as JSON: what is read back
_SPAN = {
    "@timestamp": DATE,
    "event.end": DATE,
    "logsense.start_ns": {"type": "long"},
    "logsense.end_ns": {"type": "long"},
}

KINDS: dict[str, dict[str, Any]] = {
    "logs": LOGS,
    "metrics": {
        "@timestamp": DATE, "logsense.time_ns": {"type": "long"}, "host.name": {"type": "keyword"},
        "logsense.metric": {"type": "keyword"}, "logsense.value": DOUBLE,
    },
    "templates": {
        **_DATA, "event.id": {"type": "keyword"}, "message": {"type": "text", "norms": False}, "service.name": KEYWORD,
        "log.level": KEYWORD, "logsense.count": LONG, "logsense.alias_of": KEYWORD, "logsense.keywords": KEYWORD,
        "event.start": DATE, "@timestamp": DATE, "logsense.words": WORDS,
    },
    "signals": {
        **_DATA, **_SPAN, "event.id": {"type": "keyword"}, "event.kind": KEYWORD, "message": {"type": "text"},
        "host.name": KEYWORD, "service.name": KEYWORD, "logsense.template_id": KEYWORD, "logsense.metric": KEYWORD,
        "logsense.score": DOUBLE, "logsense.pipeline": KEYWORD,
    },
    "incidents": {
        **_DATA, **_SPAN, "event.id": {"type": "keyword"}, "message": {"type": "text"}, "host.name": KEYWORD,
        "service.name": KEYWORD, "logsense.status": KEYWORD, "logsense.severity": KEYWORD, "logsense.score": DOUBLE,
        "logsense.cause": {"type": "text"}, "logsense.summary": {"type": "text"}, "logsense.pipeline": KEYWORD,
        "logsense.template_id": KEYWORD, "logsense.words": WORDS,
    },
    "actions": {
        **_DATA, "@timestamp": DATE, "event.id": {"type": "keyword"}, "logsense.incident_id": {"type": "keyword"},
        "logsense.time_ns": {"type": "long"}, "event.action": KEYWORD, "user.name": KEYWORD,
        "message": {"type": "text"},
    },
    "forecasts": {
        **_DATA, "@timestamp": DATE, "event.id": {"type": "keyword"}, "host.name": {"type": "keyword"},
        "logsense.time_ns": {"type": "long"}, "logsense.probability": DOUBLE, "logsense.horizon_s": LONG,
        "logsense.state": KEYWORD, "logsense.model": KEYWORD,
    },
    "state": {**_DATA, "logsense.kind": {"type": "keyword"}, "event.id": {"type": "keyword"}},
    "dead-letters": {
        "@timestamp": DATE, "error.message": {"type": "text"}, "error.type": KEYWORD, "logsense.index": KEYWORD,
        "event.id": KEYWORD, "event.original": STORED,
    },
}  # fmt: skip

#: The worker refreshes what it wrote with every commit; refreshing by the clock as well costs a sixth of the writing.
NO_REFRESH = "-1"
#: Kinds with an index a day, and kinds with an index a month.
DAILY, MONTHLY = ("logs", "metrics"), ("signals", "forecasts")


def index_template(prefix: str, kind: str, replicas: str) -> dict[str, Any]:
    """The composable index template of one kind."""
    settings: dict[str, Any] = {"number_of_shards": 1, "refresh_interval": NO_REFRESH}
    settings |= {"number_of_replicas": int(replicas)} if replicas.isdigit() else {"auto_expand_replicas": replicas}
    mappings: dict[str, Any] = {"dynamic": False, "date_detection": False, "properties": KINDS[kind]}
    if kind == "logs":
        settings["mapping.total_fields.limit"] = 500
    dated = kind in DAILY + MONTHLY
    template: dict[str, Any] = {"settings": settings, "mappings": mappings}
    if dated:
        template["aliases"] = {f"{prefix}-{kind}": {}}
    return {
        "index_patterns": [f"{prefix}-{kind}-*" if dated else f"{prefix}-{kind}"],
        "priority": 300,
        "version": VERSION,
        "template": template,
        "_meta": {"description": f"logsense: {kind}"},
    }


def vectors_index(dims: int) -> dict[str, Any]:
    """Settings of an index of vectors; ``flat`` compares exactly, which for 10^4 vectors takes milliseconds."""
    vector = {"type": "dense_vector", "dims": dims, "index": True, "similarity": "cosine",
              "index_options": {"type": "flat"}}  # fmt: skip
    properties = {"event.id": {"type": "keyword"}, "logsense.model": KEYWORD, "logsense.vector": vector}
    settings = {"number_of_shards": 1, "refresh_interval": NO_REFRESH}
    return {"mappings": {"dynamic": False, "properties": properties}, "settings": settings}
