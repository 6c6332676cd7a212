"""One example an operation, for OpenAPI. Tests hold each against its schema."""

from __future__ import annotations

from typing import Any

HIT = {
    "id": "9f2c41d07be1",
    "@timestamp": "2026-03-01T02:14:07.123Z",
    "message": "PANIC: could not write to file pg_wal/xlogtemp.4711: No space left on device",
    "host": "db1",
    "service": "postgresql",
    "level": "critical",
    "template_id": "t-1c9e",
    "score": 7.4,
    "fields": {"process.pid": 4711},
}
BEFORE = {**HIT, "id": "9f2c41d07be0", "message": "checkpoint starting: time", "level": "info", "template_id": "t-0a11"}
INCIDENT_BRIEF = {
    "id": "INC-42",
    "title": "postgresql on db1 stopped",
    "status": "open",
    "severity": "critical",
    "start": "2026-03-01T02:14:00Z",
    "last": "2026-03-01T02:31:00Z",
    "end": None,
    "hosts": ["db1", "web1"],
    "services": ["postgresql", "orders-api"],
    "pipeline": "server",
    "score": 14.2,
    "signals": 9,
    "cause": "The disk of db1 is full",
    "merged_into": "",
    "follows": "",
}
METRIC_ID = "metric:db1/disk.used_percent{device=sda}@1772331240000000000"
SENTENCE = {
    "text": "postgresql on db1 stopped because its disk is full.",
    "role": "headline",
    "evidence": ["line:9f2c41d07be1", METRIC_ID],
}
HYPOTHESIS = {
    "entity": "host:db1",
    "kind": "resource",
    "score": 0.82,
    "title": "The disk of db1 is full",
    "why": "It was at 100 percent one minute before postgresql stopped.",
    "host": "db1",
    "service": "postgresql",
    "evidence": [METRIC_ID],
    "against": [],
    "next_steps": ["df -h on db1"],
}
HISTOGRAM = {"step_s": 60, "buckets": [["2026-03-01T02:14:00Z", 12], ["2026-03-01T02:15:00Z", 40]]}
SEARCH = {
    "query": {
        "text": "space left",
        "phrases": [],
        "exclude": [],
        "hosts": ["db1"],
        "services": [],
        "levels": [],
        "from": "2026-02-28T22:00:00Z",
        "to": "2026-03-01T06:00:00Z",
        "template_ids": ["t-1c9e"],
        "understood": [
            {"what": "time", "said": "last night", "means": "2026-02-28T22:00Z to 2026-03-01T06:00Z"},
            {"what": "host", "said": "on db1", "means": "db1", "syntax": "host:db1"},
        ],
        "syntax": "host:db1 template:t-1c9e from:2026-02-28T22:00:00Z to:2026-03-01T06:00:00Z space left",
        "semantic": True,
    },
    "answer": {
        "kind": "table",
        "by": "host",
        "columns": ["host", "lines"],
        "rows": [["db1", 52]],
        "text": "1 host value.",
    },
    "total": 52,
    "hits": [HIT],
    "templates": [{"id": "t-1c9e", "template": "PANIC: could not write to file <*>", "count": 52, "score": 0.81}],
    "incidents": [INCIDENT_BRIEF],
    "histogram": HISTOGRAM,
    "took_ms": 3.2,
    "notes": [],
}
LOG = {"hit": HIT, "before": [BEFORE], "after": []}
INCIDENT = {
    **INCIDENT_BRIEF,
    "summary": [SENTENCE],
    "hypotheses": [HYPOTHESIS],
    "not_examined": ["Metrics of web2: none arrived."],
    "timeline": [
        {
            "@timestamp": "2026-03-01T02:14:00Z",
            "kind": "metric.high",
            "text": "disk.used_percent at 100",
            "host": "db1",
            "service": "",
            "score": 7.5,
            "evidence": [METRIC_ID],
        }
    ],
    "similar": [],
    "actions": [{"kind": "ack", "at": "2026-03-01T02:20:00Z", "by": "mira", "text": "", "verdict": ""}],
    "charts": [
        {
            "host": "db1",
            "metric": "disk.used_percent{device=sda}",
            "from": "2026-03-01T01:00:00Z",
            "to": "2026-03-01T02:40:00Z",
        }
    ],
    "templates": [{"id": "t-1c9e", "template": "PANIC: could not write to file <*>", "count": 52}],
}
DIAGNOSIS = {
    "from": "2026-03-01T02:00:00Z",
    "to": "2026-03-01T03:00:00Z",
    "hypotheses": [HYPOTHESIS],
    "not_examined": ["Metrics of web2: none arrived."],
    "summary": SENTENCE["text"],
    "sentences": [SENTENCE],
    "incidents": ["INC-42"],
}
EVIDENCE = {"id": "line:9f2c41d07be1", "type": "line", "title": HIT["message"], **LOG}
TEMPLATE_BRIEF = {
    "id": "t-1c9e",
    "template": "PANIC: could not write to file <*>: No space left on device",
    "version": 2,
    "count": 52,
    "level": "critical",
    "service": "postgresql",
    "first_seen": "2026-03-01T02:14:07Z",
    "last_seen": "2026-03-01T02:31:00Z",
    "keywords": ["space", "device", "file"],
    "label": "WAL could not be written",
    "noise": False,
    "share": 0.0021,
    "new": True,
    "rare": False,
    "merged": 1,
}
TEMPLATE_EDIT = {
    "edit": 7,
    "kind": "rename",
    "id": "t-1c9e",
    "at": "2026-03-01T02:40:00Z",
    "by": "mira",
    "note": "",
    "label": "WAL could not be written",
    "into": "",
    "parameter": 0,
    "on": True,
    "undoes": 0,
    "holds": True,
}
TEMPLATE_DRIFT = {
    "baseline": ["2026-02-28T02:00:00Z", "2026-03-01T02:00:00Z"],
    "compared": ["2026-03-01T02:00:00Z", "2026-03-01T02:31:00Z"],
    "new": [{**TEMPLATE_BRIEF, "before": 0, "after": 52, "rate_before": 0.0, "rate_after": 0.028, "score": 86.7}],
    "vanished": [],
    "changed": [],
}
TEMPLATE = {
    **TEMPLATE_BRIEF,
    "entities": ["pg_wal"],
    "sample": HIT["message"],
    "alias_of": "",
    "alias_by": "",
    "split_of": "",
    "versions": [{"version": 2, "template": TEMPLATE_BRIEF["template"], "seen": "2026-03-01T02:14:07Z"}],
    "aliases": [{"id": "t-77c0", "template": "PANIC: could not write to file <*>", "count": 3, "by": "user"}],
    "split_into": [],
    "edits": [TEMPLATE_EDIT],
    "parameters": [
        {
            "position": 1,
            "name": "file",
            "type": "path",
            "distinct": 41,
            "top": [["pg_wal/xlogtemp.4711", 2]],
            "quantiles": [],
        }
    ],
    "sampled": 52,
    "hosts": [{"host": "db1", "count": 52, "course": HISTOGRAM}],
    "histogram": HISTOGRAM,
    "hits": [HIT],
}
FORECAST = {
    "id": "f-db1-1772330400",
    "host": "db1",
    "made": "2026-03-01T02:00:00Z",
    "horizon_s": 3600,
    "probability": 0.83,
    "calibrated": True,
    "state": "ok",
    "model": "failure/1",
    "reasons": [{"text": "disk.used_percent rises 1.2 points an hour", "weight": 0.61}],
}
HOST = {
    "host": "db1",
    "services": ["kernel", "postgresql"],
    "lines": 18211,
    "metrics": 14,
    "risk": FORECAST,
    "open_incidents": 1,
}
SERIES = {"host": "db1", "name": "load.1m", "points": [["2026-03-01T02:00:00Z", 0.4], ["2026-03-01T02:01:00Z", 0.6]]}
OVERVIEW = {
    "from": "2026-03-01T00:00:00Z",
    "to": "2026-03-01T03:00:00Z",
    "lines": 181204,
    "histogram": {"step_s": 180, "series": {"info": [["2026-03-01T02:00:00Z", 311]]}},
    "incidents": [INCIDENT_BRIEF],
    "open": 1,
    "risk": [FORECAST],
    "signals": 9,
    "hosts": 4,
    "templates": 212,
    "silenced": [
        {
            "kind": "maintenance",
            "reason": "new disks",
            "hosts": ["db2"],
            "services": [],
            "until": "2026-03-01T04:00:00Z",
            "signals": 3,
        }
    ],
    "anomalies": [
        {"@timestamp": "2026-03-01T02:14:00Z", "text": "disk.used_percent at 100", "score": 7.5, "host": "db1"}
    ],
}
SOURCE = {
    "source": "tail:/var/log/syslog",
    "accepted": 18211,
    "parsed": 18211,
    "unparsed": 0,
    "late": 0,
    "future": 0,
    "dropped": 0,
    "last": "2026-03-01T02:31:00Z",
    "format": "syslog_rfc3164",
    "advice": "",
}
MODEL = {
    "name": "failure",
    "version": "1",
    "in_use": True,
    "created": "2026-02-20T10:00:00Z",
    "card": {"purpose": "P(failure of a host within an hour)", "measures": {"average_precision": 0.41}},
}
READY = {
    "ready": True,
    "checks": {"index": "ok", "worker": "ok", "models": "ok", "spool": {"backlog_bytes": 0}},
    "problems": [],
}


FIELD_VALUES = {
    "field": "host",
    "total": 18211,
    "values": [{"value": "db1", "lines": 9000, "text": ""}, {"value": "web1", "lines": 84, "text": ""}],
    "notes": [],
}


def answers(example: Any, *, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of an operation whose success looks like ``example``."""
    return {status: {"content": {"application/json": {"example": example}}}}
