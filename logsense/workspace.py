"""What a person or program can ask of one data folder. API, UI and CLI are thin callers of this.

Every method returns JSON-ready data (dicts, lists, strings, numbers). Times in answers are RFC 3339 UTC
strings with the precision kept; arguments ``from_`` and ``to`` are nanoseconds or None.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Workspace:
    """Open the data folder ``data`` for reading and for people's actions (not for indexing)."""

    def __init__(self, data: Path) -> None:
        raise NotImplementedError

    def search(
        self,
        question: str,
        *,
        from_: int | None = None,
        to: int | None = None,
        limit: int = 20,
        offset: int = 0,
        now: int | None = None,
        by_time: bool = False,
    ) -> dict[str, Any]:
        """Plain words or ``field:value`` syntax.

        {"query": {"text", "phrases", "exclude", "hosts", "services", "levels", "from", "to", "template_ids",
                   "understood": [{"what": "time", "said": "last night", "means": "…"}], "semantic": bool},
         "total": n,
         "hits": [{"id", "@timestamp", "message", "host", "service", "level", "template_id", "score", "fields"}],
         "templates": [{"id", "template", "count", "score"}],
         "incidents": [<incident_brief>],
         "histogram": {"step_s": 60, "buckets": [["2026-…Z", 12], …]}, "took_ms": 3.2, "notes": ["…"]}
        """
        raise NotImplementedError

    def log(self, log_id: str, context: int = 5) -> dict[str, Any]:
        """{"hit": {…}, "before": [hits], "after": [hits]}: the lines around it of the same host and service."""
        raise NotImplementedError

    def incidents(
        self, *, from_: int | None = None, to: int | None = None, status: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Newest first, each an incident_brief: {"id", "title", "status", "severity", "start", "last", "end",
        "hosts", "services", "pipeline", "score", "signals": n, "cause": "best hypothesis title or ''"}."""
        raise NotImplementedError

    def incident(self, incident_id: str) -> dict[str, Any]:
        """incident_brief plus {"summary": [{"text", "role", "evidence": [ids]}], "hypotheses": [{"entity", "kind",
        "score", "title", "why", "host", "service", "evidence": [ids], "against": [ids], "next_steps": [str]}],
        "not_examined": [str], "timeline": [{"@timestamp", "kind", "text", "host", "service", "score", "evidence"}],
        "similar": [{incident_brief + "notes": [str]}], "actions": [{"kind", "at", "by", "text", "verdict"}],
        "charts": [{"host", "metric", "from", "to"}], "templates": [{"id", "template", "count"}]}."""
        raise NotImplementedError

    def act(self, incident_id: str, kind: str, *, by: str = "", text: str = "", verdict: str = "") -> dict[str, Any]:
        """kind: ack, resolve, reopen, feedback, note. Returns the incident as it is then."""
        raise NotImplementedError

    def diagnose(self, from_: int | None, to: int | None) -> dict[str, Any]:
        """{"from", "to", "hypotheses": [as in incident], "not_examined": [str], "summary": "text",
        "sentences": [{"text", "role", "evidence"}], "incidents": [ids]}."""
        raise NotImplementedError

    def evidence(self, evidence_id: str) -> dict[str, Any]:
        """What an evidence id stands for: {"id", "type": "line|template|metric|signal", "title", …the thing}."""
        raise NotImplementedError

    def templates(self, *, limit: int = 200, order: str = "count") -> list[dict[str, Any]]:
        """{"id", "template", "version", "count", "level", "service", "first_seen", "last_seen", "keywords"}."""
        raise NotImplementedError

    def template(self, template_id: str) -> dict[str, Any]:
        """As in templates, plus {"entities", "sample", "alias_of", "histogram", "hits": [latest lines]}."""
        raise NotImplementedError

    def forecasts(self, *, host: str | None = None, from_: int | None = None, limit: int = 200) -> list[dict[str, Any]]:
        """Newest first: {"id", "host", "made", "horizon_s", "probability", "calibrated", "state", "model",
        "reasons": [{"text", "weight"}]}."""
        raise NotImplementedError

    def hosts(self) -> list[dict[str, Any]]:
        """{"host", "services": [str], "lines": n, "metrics": n, "risk": forecast or None, "open_incidents": n}."""
        raise NotImplementedError

    def series(
        self,
        host: str | None = None,
        name: str | None = None,
        *,
        from_: int | None = None,
        to: int | None = None,
        step_s: int = 0,
    ) -> list[dict[str, Any]]:
        """Without ``name``: [{"host", "name"}]. With both: [{"host", "name", "points": [["…Z", 1.5], …]}]."""
        raise NotImplementedError

    def overview(self, *, from_: int | None = None, to: int | None = None) -> dict[str, Any]:
        """{"from", "to", "lines": n, "histogram": {"step_s", "series": {"info": [[t, n]], "error": …}},
        "incidents": [briefs], "open": n, "risk": [latest forecast per host], "signals": n, "hosts": n, "templates": n,
        "anomalies": [{"@timestamp", "text", "score", "host"}]} (from/to default to what the index holds)."""
        raise NotImplementedError

    def doctor(self) -> list[dict[str, Any]]:
        """Per source: {"source", "accepted", "parsed", "unparsed", "late", "future", "dropped", "last", "format",
        "advice": "what to do about it, '' when all is well"}."""
        raise NotImplementedError

    def ready(self) -> dict[str, Any]:
        """{"ready": bool, "checks": {"index": "ok", "worker": "ok|starting|down: why", "models": "ok|loading",
        "spool": {"backlog_bytes": n}}}."""
        raise NotImplementedError

    def models(self) -> list[dict[str, Any]]:
        """{"name", "version", "in_use", "created", "card": {…}}."""
        raise NotImplementedError
