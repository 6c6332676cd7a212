# ruff: noqa: E501 - data, easier to compare in one line
"""A workspace in memory with one believable night: a full disk stops a database, and a shop loses orders.

It answers with the shapes of ``logsense.workspace`` and serves the fast rendering tests; the end-to-end tests use
the real workspace. Some of its lines are hostile on purpose.
"""

from __future__ import annotations

import math
import random
import time
from typing import Any

from logsense.errors import NotFound
from logsense.timefmt import iso
from tests.ui import fake_desk

SECOND = 10**9
MINUTE = 60 * SECOND

XSS = "<script>alert(1)</script><img src=x onerror=alert(2)> \"quoted\" 'single' {{7*7}} javascript:alert(3)"
CONTROL = "\x1b[31mred\x1b[0m \x00 nul, right-to-left \u202egnp.exe, bell \x07, zero\u200bwidth, del \x7f"
SURROGATE = "lone surrogate \ud800 here"

_ROUTINE = (
    ("web1", "nginx", "info", '10.0.3.{n} - - "GET /orders/{m} HTTP/1.1" 200 {m}', "T-access"),
    ("web2", "nginx", "info", '10.0.3.{n} - - "POST /orders HTTP/1.1" 201 {m}', "T-access"),
    ("web1", "orders-api", "info", "order {m} stored in {n} ms", "T-stored"),
    ("db1", "postgresql", "info", "checkpoint complete: wrote {n} buffers (0.{n}%)", "T-checkpoint"),
    ("cache1", "redis", "notice", "{n} changes in 300 seconds. Saving...", "T-save"),
    ("db1", "kernel", "debug", "audit: type=1400 apparmor=ALLOWED pid={m}", "T-audit"),
)
_FAILING = (
    ("db1", "postgresql", "critical", 'PANIC:  could not write to file "pg_wal/xlogtemp.{m}": No space left on device',
     "T-nospace"),
    ("web1", "orders-api", "error",
     "psycopg.OperationalError: connection to server at db1 (10.0.3.9), port 5432 failed: Connection refused",
     "T-refused"),
    ("web2", "orders-api", "error", "POST /orders failed: database unavailable (order {m})", "T-unavailable"),
    ("web1", "nginx", "warning", "upstream timed out (110: Connection timed out) while reading response header",
     "T-upstream"),
)  # fmt: skip
_TEMPLATES = {
    "T-access": "<*> - - <*> <*> <*> <*> <*>",
    "T-stored": "order <*> stored in <*> ms",
    "T-checkpoint": "checkpoint complete: wrote <*> buffers <*>",
    "T-save": "<*> changes in 300 seconds. Saving...",
    "T-audit": "audit: type=<*> apparmor=ALLOWED pid=<*>",
    "T-nospace": "PANIC: could not write to file <*>: No space left on device",
    "T-refused": "psycopg.OperationalError: connection to server at <*>, port <*> failed: Connection refused",
    "T-unavailable": "POST /orders failed: database unavailable (order <*>)",
    "T-upstream": "upstream timed out (110: Connection timed out) while reading response header",
    "T-hostile": XSS,
}
_METRICS = ("cpu.used_percent", "memory.used_percent", "disk.used_percent{device=sda}", "load.1m")


class FakeWorkspace:
    """See the module's docstring. ``empty`` makes it hold nothing at all."""

    def __init__(self, *, empty: bool = False, now_ns: int | None = None) -> None:
        self.now = (now_ns or time.time_ns()) // MINUTE * MINUTE
        self.fail_from, self.fail_to = self.now - 52 * MINUTE, self.now - 6 * MINUTE
        self.lines: list[dict[str, Any]] = [] if empty else self._make_lines()
        self.actions: dict[str, list[dict[str, Any]]] = {"INC-42": [], "INC-41": [], "INC-17": []}
        self.status = {"INC-42": "open", "INC-41": "acknowledged", "INC-17": "resolved"}
        self.actions["INC-17"] = [
            {"kind": "note", "at": iso(self.now - 20 * 1440 * MINUTE), "by": "mira", "verdict": "",
             "text": "Old WAL segments were kept by a dead replication slot. Dropped the slot, disk fell to 40 %."},
            {"kind": "resolve", "at": iso(self.now - 20 * 1440 * MINUTE), "by": "mira", "text": "", "verdict": ""},
            {"kind": "feedback", "at": iso(self.now - 20 * 1440 * MINUTE), "by": "", "text": "", "verdict": "right_cause"},
        ]  # fmt: skip
        self.empty = empty
        self.desk = fake_desk.FakeDesk(self)
        self.noise: set[str] = set()
        self.asked: dict[str, Any] = {}
        self.edits: list[dict[str, Any]] = [
            {"kind": "rename", "id": "T-hostile", "label": XSS, "by": XSS, "note": CONTROL},
            {"kind": "rename", "id": "T-refused", "by": "mira"},
            {"kind": "merge", "id": "T-save", "into": "T-refused", "by": "mira"},
            {"kind": "split", "id": "T-refused", "parameter": 2},
            {"kind": "split", "id": "T-refused", "holds": False},
            {"kind": "noise", "id": "T-refused", "on": True, "note": "only in the tests"},
            {"kind": "noise", "id": "T-refused", "on": False},
            {"kind": "undo", "id": "T-refused", "undoes": 5},
        ]
        self.arrived: list[dict[str, Any]] = []  # what live tails have been told, in order

    def arrive(self, message: str, host: str = "web1", level: str = "error") -> None:
        """A new line, as if a shipper had sent it."""
        line = self._line(f"N{len(self.arrived):05d}", time.time_ns(), host, "orders-api", level, message, "T-refused")
        self.lines.append(line)
        self.arrived.append(line)

    def _make_lines(self) -> list[dict[str, Any]]:
        random_ = random.Random(7)
        lines: list[dict[str, Any]] = []
        for minute in range(-240, 0):
            at = self.now + minute * MINUTE
            failing = self.fail_from <= at < self.fail_to
            plan = [_ROUTINE[random_.randrange(len(_ROUTINE))] for _ in range(3 + (minute % 40) // 12)]
            plan += [_FAILING[random_.randrange(4)] for _ in range(3)] if failing else []
            for i, (host, service, level, text, template) in enumerate(plan):
                message = text.format(n=random_.randrange(2, 250), m=random_.randrange(1000, 99999))
                lines.append(
                    self._line(f"L{len(lines):05d}", at + i * 7_123_456_789, host, service, level, message, template)
                )
        lines.append(self._line("L-xss", self.now - 3 * MINUTE, "web1", "orders-api", "warning", XSS, "T-hostile"))
        lines.append(self._line("L-control", self.now - 2 * MINUTE, "web1", "orders-api", "", CONTROL, "T-hostile"))
        lines.append(self._line("L-surrogate", self.now - 2 * MINUTE, XSS, XSS, "error", SURROGATE, "T-hostile"))
        lines.append(
            self._line("L-long", self.now - MINUTE, "web1", "orders-api", "info", "x" * 10_000_000, "T-hostile")
        )
        return sorted(lines, key=lambda line: line["@timestamp"])

    def _line(
        self, id_: str, at: int, host: str, service: str, level: str, message: str, template: str
    ) -> dict[str, Any]:
        return {
            "id": id_, "@timestamp": iso(at), "message": message, "host": host, "service": service, "level": level,
            "template_id": template, "source": "bulk", "pipeline": "server", "score": 1.0,
            "fields": {"log.file.path": "/var/log/syslog", "process.pid": 4711, "hostile": XSS},
        }  # fmt: skip

    # -- search

    def search(self, question: str, *, from_: int | None = None, to: int | None = None, limit: int = 20,
               offset: int = 0, now: int | None = None, by_time: bool = False,
               tz: str = "UTC") -> dict[str, Any]:  # fmt: skip
        hosts, levels, services, words, understood = [], [], [], [], []
        for word in question.split():
            field, colon, value = word.partition(":")
            known = {"host": hosts, "level": levels, "service": services}.get(field)
            if colon and known is not None:
                known.append(value)
                understood.append({"what": field, "said": word, "means": value})
            elif word.lower() in {"which", "hosts", "the", "could", "not", "last", "night?"}:
                continue
            else:
                words.append(word.lower().strip("?"))
        if "last night" in question:
            means = f"{iso(self.now - 600 * MINUTE)} to {iso(self.now)}"
            understood.append({"what": "time", "said": "last night", "means": means})
        found = [
            line for line in reversed(self.lines)
            if (not hosts or line["host"] in hosts) and (not levels or line["level"] in levels)
            and (not services or line["service"] in services)
            and (not words or any(w in line["message"].lower() for w in words))
            and (from_ is None or line["@timestamp"] >= iso(from_)) and (to is None or line["@timestamp"] < iso(to))
        ]  # fmt: skip
        counts: dict[str, int] = {}
        for line in found:
            counts[line["template_id"]] = counts.get(line["template_id"], 0) + 1
        return {
            "query": {"text": " ".join(words), "phrases": [], "exclude": [], "hosts": hosts, "services": services,
                      "levels": levels, "from": None, "to": None, "template_ids": [], "understood": understood,
                      "syntax": question, "semantic": bool(words)},
            "answer": None,
            "total": len(found),
            "hits": found[offset : offset + limit],
            "templates": [{"id": t, "template": _TEMPLATES[t], "count": n, "score": 0.7} for t, n in counts.items()],
            "incidents": self.incidents()[:1] if found and words else [],
            "histogram": {"step_s": 300, "buckets": _buckets(found, 300)},
            "took_ms": 3.21,
            "notes": [] if found else ["No line has all of the words; the nearest templates were not close enough."],
        }  # fmt: skip

    def follow(self, question: str = "", after: str = "") -> FakeFollower:
        return FakeFollower(self, question, int(after) if after.isdigit() else len(self.arrived))

    def log(self, log_id: str, context: int = 5) -> dict[str, Any]:
        at = next((i for i, line in enumerate(self.lines) if line["id"] == log_id), None)
        if at is None:
            raise NotFound(f"There is no line {log_id!r}.", fix="search for it")
        return {"hit": self.lines[at], "before": self.lines[max(0, at - context) : at],
                "after": self.lines[at + 1 : at + 1 + context]}  # fmt: skip

    # -- incidents

    def _brief(self, id_: str) -> dict[str, Any]:
        ago = {"INC-42": 0, "INC-41": 9 * 60 * MINUTE, "INC-17": 20 * 1440 * MINUTE}[id_]
        titles = {
            "INC-42": ("postgresql on db1 stopped: no space left on device", "critical", "The disk of db1 is full"),
            "INC-41": ("orders-api on web2 answers slowly", "medium", ""),
            "INC-17": ("postgresql on db1 stopped: no space left on device", "high", "The disk of db1 is full"),
        }
        title, severity, cause = titles[id_]
        done = self.status[id_] == "resolved"
        return {
            "id": id_, "title": title, "status": self.status[id_], "severity": severity,
            "start": iso(self.fail_from - ago), "last": iso(self.fail_to - ago),
            "end": iso(self.fail_to - ago) if done else None, "hosts": ["db1", "web1", "web2"],
            "services": ["postgresql", "orders-api", "nginx"], "pipeline": "server", "score": 14.2, "signals": 9,
            "cause": cause, "merged_into": "",
        }  # fmt: skip

    def incidents(self, *, from_: int | None = None, to: int | None = None, status: str | None = None,
                  limit: int = 100, text: str = "") -> list[dict[str, Any]]:  # fmt: skip
        if self.empty:
            return []
        briefs = [self._brief(i) for i in self.actions]
        return [
            b
            for b in briefs
            if (status is None or b["status"] == status)
            and text.lower() in b["title"].lower()
            and (from_ is None or b["last"] >= iso(from_))
        ]

    def incident(self, incident_id: str) -> dict[str, Any]:
        if incident_id not in self.actions or self.empty:
            raise NotFound(f"There is no incident {incident_id!r}.", fix="GET /api/v1/incidents lists them")
        nospace = next(f"line:{line['id']}" for line in self.lines if line["template_id"] == "T-nospace")
        refused = next(f"line:{line['id']}" for line in self.lines if line["template_id"] == "T-refused")
        disk = f"metric:db1/{_METRICS[2]}@{self.fail_from}"
        sentence = [
            ("postgresql on db1 stopped because its disk is full.", "headline", [nospace, disk]),
            (f"Since {iso(self.fail_from)[11:16]} UTC the order service on web1 and web2 fails: 84 errors in 46 minutes, "
             "none in the three hours before.", "impact", [refused, "template:T-unavailable"]),
            ("disk.used_percent of sda on db1 rose from 71 to 100 percent and reached the top one minute before the "
             "first PANIC.", "cause", [disk, nospace]),
            ("The connection errors on web1 began after it, so they are an effect.", "timeline", [refused]),
            ("A network fault between web and db1 would also refuse connections, but no other service on db1 was hit.",
             "against", ["template:T-refused"]),
        ]  # fmt: skip
        return {
            **self._brief(incident_id),
            "summary": [{"text": t, "role": r, "evidence": e} for t, r, e in sentence],
            "hypotheses": [
                {"entity": "host:db1", "kind": "resource", "score": 0.82, "title": "The disk of db1 is full",
                 "why": "It was at 100 percent one minute before postgresql stopped, and the line says so.",
                 "host": "db1", "service": "postgresql", "evidence": [nospace, disk, "template:T-nospace"],
                 "against": ["template:T-checkpoint"],
                 "next_steps": ["df -h and du -x --max-depth=2 /var on db1",
                                "look for replication slots that keep WAL: SELECT * FROM pg_replication_slots"]},
                {"entity": "host:web1 service:orders-api", "kind": "service", "score": 0.31,
                 "title": "A release of orders-api", "why": "It restarted 12 minutes before.", "host": "web1",
                 "service": "orders-api", "evidence": ["signal:S-3"], "against": [nospace], "next_steps": []},
            ],
            "not_examined": ["Metrics of web2: none arrived since 01:00 UTC.", "Logs of the storage array: no source."],
            "timeline": [
                self._signal("S-1", self.fail_from - MINUTE, "metric.high", "disk.used_percent{device=sda} at 100", "db1",
                             "", 7.5, disk, _METRICS[2]),
                self._signal("S-2", self.fail_from, "log.new", "first ever: PANIC: could not write to file", "db1",
                             "postgresql", 6.1, nospace),
                self._signal("S-3", self.fail_from + 2 * MINUTE, "log.rate", "12 times as many connection errors", "web1",
                             "orders-api", 4.4, refused),
            ],
            "similar": [{**self._brief("INC-17"), "notes": [self.actions["INC-17"][0]["text"]]}]
            if incident_id != "INC-17" else [],
            "actions": self.actions[incident_id],
            "charts": [{"host": "db1", "metric": m, "from": iso(self.fail_from - 90 * MINUTE), "to": iso(self.now)}
                       for m in (_METRICS[2], _METRICS[0])],
            "templates": [{"id": t, "template": _TEMPLATES[t], "count": 40} for t in ("T-nospace", "T-refused")],
        }  # fmt: skip

    def _signal(self, id_: str, at: int, kind: str, text: str, host: str, service: str, score: float, evidence: str,
                metric: str = "") -> dict[str, Any]:  # fmt: skip
        return {"id": id_, "@timestamp": iso(at), "end": iso(at + MINUTE), "kind": kind, "text": text, "host": host,
                "service": service, "score": score, "template_id": "", "metric": metric,
                "value": 100.0 if metric else None, "expected": 71.0 if metric else None,
                "evidence": [f"signal:{id_}", evidence]}  # fmt: skip

    def act(self, incident_id: str, kind: str, *, by: str = "", text: str = "", verdict: str = "") -> dict[str, Any]:
        self.incident(incident_id)
        self.actions[incident_id].append(
            {"kind": kind, "at": iso(time.time_ns()), "by": by, "text": text, "verdict": verdict}
        )
        becomes = {"ack": "acknowledged", "resolve": "resolved", "reopen": "open"}
        self.status[incident_id] = becomes.get(kind, self.status[incident_id])
        return self.incident(incident_id)

    def diagnose(self, from_: int | None, to: int | None) -> dict[str, Any]:
        one = self.incident("INC-42")
        return {"from": one["start"], "to": one["last"], "hypotheses": one["hypotheses"],
                "not_examined": one["not_examined"], "summary": "postgresql on db1 stopped.",
                "sentences": one["summary"], "incidents": ["INC-42"]}  # fmt: skip

    def evidence(self, evidence_id: str) -> dict[str, Any]:
        kind, _, rest = evidence_id.partition(":")
        if kind == "line":
            shown = self.log(rest)
            return {"id": evidence_id, "type": "line", "title": shown["hit"]["message"], **shown}
        if kind == "template" and rest in _TEMPLATES:
            return {"id": evidence_id, "type": "template", "title": _TEMPLATES[rest], "template": self.template(rest)}
        if kind == "incident":
            earlier = self.incident(rest)
            return {"id": evidence_id, "type": "incident", "title": earlier["title"], "incident": earlier}
        if kind == "signal":
            for signal in self.incident("INC-42")["timeline"]:
                if signal["id"] == rest:
                    return {"id": evidence_id, "type": "signal", "title": signal["text"], "signal": signal}
        if kind == "metric":
            host, _, name = rest.rpartition("@")[0].partition("/")
            at = int(rest.rpartition("@")[2])
            points = self._points(host, name, at - 10 * MINUTE, at + 10 * MINUTE, MINUTE)
            return {"id": evidence_id, "type": "metric", "title": f"{name} on {host}", "host": host, "metric": name,
                    "at": iso(at), "from": iso(at - 10 * MINUTE), "to": iso(at + 10 * MINUTE), "points": points}  # fmt: skip
        raise NotFound(f"There is no evidence {evidence_id!r}.", fix="ids come from incidents and diagnoses")

    # -- the rest

    def templates(self, *, limit: int = 200, order: str = "count", noise: str = "hide", text: str = "",
                  only_rare: bool = False, **options: Any) -> list[dict[str, Any]]:  # fmt: skip
        self.asked = {"limit": limit, "order": order, "noise": noise, "text": text, **options}
        rows = [] if self.empty else [self._template(t) for t in list(_TEMPLATES)[:limit]]
        kept = [r for r in rows if (noise == "show" or r["noise"] == (noise == "only")) and text in r["template"]]
        return [r for r in kept if r["rare"] or not only_rare]

    def _template(self, id_: str) -> dict[str, Any]:
        lines = [line for line in self.lines if line["template_id"] == id_]
        level = lines[0]["level"] if lines else ""
        return {"id": id_, "template": _TEMPLATES[id_], "version": 2, "count": len(lines), "level": level,
                "service": lines[0]["service"] if lines else "", "first_seen": iso(self.now - 240 * MINUTE),
                "last_seen": iso(self.now), "keywords": ["connection", "refused", "database"],
                "label": XSS if id_ == "T-hostile" else "", "noise": id_ in self.noise, "share": 0.25, "new": True,
                "rare": id_ == "T-hostile", "merged": 1,
                "course": {"step_s": 300, "buckets": _buckets(lines, 300)}}  # fmt: skip

    def template(self, template_id: str, **_: Any) -> dict[str, Any]:
        if template_id not in _TEMPLATES:
            raise NotFound(f"There is no template {template_id!r}.", fix="GET /api/v1/templates lists them")
        lines = [line for line in self.lines if line["template_id"] == template_id]
        course = {"step_s": 300, "buckets": _buckets(lines, 300)}
        parameter = {"position": 1, "name": XSS, "field": "", "type": "word", "distinct": 2, "top": [[XSS, 3], [CONTROL, 1]],
                     "quantiles": []}  # fmt: skip
        numbers = {"position": 2, "name": "took", "field": "labels.took", "type": "duration", "distinct": 40, "top": [["5ms", 3]],
                   "quantiles": [0.001, 0.005, 0.01, 0.5, 2.0]}  # fmt: skip
        return {**self._template(template_id), "entities": ["db1", "5432"],
                "sample": lines[0]["message"] if lines else "", "alias_of": {"T-save": "T-refused", "T-audit": "T-refused"}.get(template_id, ""),
                "alias_by": "mira" if template_id == "T-save" else "",
                "split_of": "T-refused" if template_id == "T-checkpoint" else "",
                "lines_in_range": len(lines), "sampled": 40, "parameters": [parameter, numbers],
                "versions": [{"version": n, "template": XSS, "seen": iso(self.now)} for n in (1, 2)],
                "aliases": [{"id": "T-refused", "template": XSS, "count": 3, "by": "user"},
                            {"id": "T-audit", "template": CONTROL, "count": 1, "by": ""}],
                "split_into": [{"id": "T-refused", "template": CONTROL, "count": 1}],
                "edits": [e for e in self.template_edits() if template_id in (e["id"], e["into"])],
                "hosts": [{"host": XSS, "count": 2, "course": course}],
                "histogram": course, "hits": lines[-10:]}  # fmt: skip

    def template_drift(self, **_: Any) -> dict[str, Any]:
        row = {**self._template("T-refused"), "before": 0, "after": 4, "rate_before": 0.0, "rate_after": 0.1,
               "score": 9.0}  # fmt: skip
        span = [iso(self.now - 60 * MINUTE), iso(self.now)]
        return {"baseline": span, "compared": span, "new": [row], "vanished": [], "changed": []}

    def edit_template(self, kind: str, template_id: str = "", **members: Any) -> dict[str, Any]:
        if template_id not in _TEMPLATES:
            raise NotFound(f"There is no template {template_id!r}.", fix="GET /api/v1/templates lists them")
        self.edits.append({"kind": kind, "id": template_id, **members})
        if kind == "noise":
            (self.noise.add if members["on"] else self.noise.discard)(template_id)
        return self.template_edits()[0]

    def template_edits(self) -> list[dict[str, Any]]:
        empty = {"label": "", "into": "", "parameter": 0, "on": True, "undoes": 0, "by": "", "note": ""}
        return [
            {**empty, "holds": True, **{k: v for k, v in e.items() if k != "force"}, "edit": at, "at": iso(self.now)}
            for at, e in reversed(list(enumerate(self.edits, 1)))
        ]

    def forecasts(self, *, host: str | None = None, from_: int | None = None, limit: int = 200) -> list[dict[str, Any]]:
        if self.empty:
            return []
        made = [("db1", 0.83, "ok"), ("web1", 0.21, "ok"), ("web2", 0.04, "ok"), ("cache1", 0.0, "not_enough_history")]
        return [
            {"id": f"F-{name}", "host": name, "made": iso(self.now - 5 * MINUTE), "horizon_s": 3600, "probability": p,
             "calibrated": name != "web2", "state": state, "model": "failure-hazard/2026.03", "pipeline": "server",
             "reasons": [{"text": "disk.used_percent rises 1.2 points an hour", "weight": 0.61},
                         {"text": "critical lines doubled", "weight": 0.2}] if p > 0.1 else []}
            for name, p, state in made if host in (None, name)
        ]  # fmt: skip

    def hosts(self) -> list[dict[str, Any]]:
        if self.empty:
            return []
        risk = {f["host"]: f for f in self.forecasts()}
        services = {"db1": ["kernel", "postgresql"], "web1": ["nginx", "orders-api"], "web2": ["nginx", "orders-api"],
                    "cache1": ["redis"], XSS: []}  # fmt: skip
        return [{"host": h, "services": s, "lines": sum(line["host"] == h for line in self.lines),
                 "metrics": len(_METRICS) if h in ("db1", "web1") else 0, "risk": risk.get(h),
                 "open_incidents": 1 if h == "db1" else 0} for h, s in services.items()]  # fmt: skip

    def series(self, host: str | None = None, name: str | None = None, *, from_: int | None = None,
               to: int | None = None, step_s: int = 0) -> list[dict[str, Any]]:  # fmt: skip
        known = [] if self.empty else [(h, m) for h in ("db1", "web1") for m in _METRICS]
        if name is None:
            return [{"host": h, "name": m} for h, m in known if host in (None, h)]
        if (host, name) not in known:
            raise NotFound(
                f"There is no series {name!r} of host {host!r}.", fix="GET /api/v1/metrics/series lists them"
            )
        start, end = from_ or self.now - 240 * MINUTE, to or self.now
        return [
            {"host": host, "name": name, "points": self._points(str(host), name, start, end, max(step_s, 60) * SECOND)}
        ]

    def metric(self, host: str, name: str, *, from_: int | None = None, to: int | None = None,
               step_s: int = 0) -> dict[str, Any]:  # fmt: skip
        points = self.series(host, name, from_=from_, to=to, step_s=step_s)[0]["points"]
        about = self.incident("INC-42")
        return {"points": points, "band": [[t, 60.0, 80.0] for t, _ in points], "incidents": self.incidents()[:1],
                "anomalies": [s for s in about["timeline"] if s["metric"] == name and s["host"] == host]}  # fmt: skip

    def _points(self, host: str, name: str, start: int, end: int, step: int) -> list[list[Any]]:
        points: list[list[Any]] = []
        for at in range(max(start, self.now - 240 * MINUTE), min(end, self.now), step):
            wave = 20 + 8 * math.sin(at / (23 * MINUTE)) + (hash((host, at // MINUTE)) % 100) / 25
            if name.startswith("disk"):
                wave = min(100.0, 71 + max(0.0, (at - self.fail_from + 60 * MINUTE) / MINUTE / 2))
            elif host == "db1" and at > self.fail_from:
                wave = 3.0
            points.append([iso(at), round(wave, 2)])
        return points

    def overview(self, *, from_: int | None = None, to: int | None = None) -> dict[str, Any]:
        chosen = [line for line in self.lines if from_ is None or line["@timestamp"] >= iso(from_)]
        levels = sorted({line["level"] for line in chosen})
        return {
            "from": iso(from_ or self.now - 240 * MINUTE), "to": iso(to or self.now), "lines": len(chosen),
            "histogram": {"step_s": 300, "series": {
                level or "unknown": _buckets([line for line in chosen if line["level"] == level], 300)
                for level in levels}},
            "incidents": self.incidents(), "open": sum(b["status"] != "resolved" for b in self.incidents()),
            "risk": self.forecasts(), "signals": 0 if self.empty else 3, "hosts": len(self.hosts()),
            "templates": len(self.templates()),
            "silenced": [] if self.empty else [
                {"kind": "maintenance", "hosts": ["cache1"], "services": [], "reason": XSS,
                 "until": iso(self.now + 60 * MINUTE), "signals": 1},
                {"kind": "suppression", "hosts": [], "services": ["redis"], "reason": "x1", "until": None, "signals": 12},
            ],
            "anomalies": [] if self.empty else self.incident("INC-42")["timeline"],
        }  # fmt: skip

    def doctor(self) -> list[dict[str, Any]]:
        if self.empty:
            return []
        row = {"accepted": 18211, "parsed": 18211, "unparsed": 0, "late": 0, "future": 0, "dropped": 0,
               "last": iso(self.now), "format": "syslog", "advice": ""}  # fmt: skip
        return [
            {"source": "syslog:udp:5514", **row, "dropped": 12,
             "advice": "Lines were dropped: UDP cannot wait. Use TCP, or raise the receive buffer (net.core.rmem_max)."},
            {"source": "bulk", **row, "unparsed": 4100, "parsed": 14111, "format": "json",
             "advice": "23% of the lines match no format: they are kept and searchable, but have no fields."},
            {"source": "tail:/var/log/nginx/access.log", **row, "format": "access_log"},
        ]  # fmt: skip

    def ports(self) -> list[dict[str, Any]]:
        return [{"port": "syslog", "address": "0.0.0.0:5514", "tls": False, "protection": "only from 10.0.0.0/8",
                 "tenant": "default"}]  # fmt: skip

    def ready(self) -> dict[str, Any]:
        checks = {"index": "ok", "worker": "ok", "models": "ok", "spool": {"backlog_bytes": 0}}
        return {"ready": True, "checks": checks, "problems": []}

    def models(self) -> list[dict[str, Any]]:
        if self.empty:
            return []
        return fake_desk.models(self.now)


class FakeFollower:
    """The follower of ``logsense.follow`` over the in-memory lines."""

    def __init__(self, space: FakeWorkspace, question: str, at: int) -> None:
        self._space, self._question, self._at = space, question, at

    @property
    def cursor(self) -> str:
        return str(self._at)

    def read(self, limit: int = 200) -> dict[str, Any]:
        fresh = self._space.arrived[self._at :]
        self._at += len(fresh)
        matching = [line for line in fresh if all(w.lower() in line["message"].lower() or w == f"host:{line['host']}"
                                                  for w in self._question.split())]  # fmt: skip
        return {"lines": matching[-limit:], "missed": max(0, len(matching) - limit), "cursor": self.cursor}


def _buckets(lines: list[dict[str, Any]], step_s: int) -> list[list[Any]]:
    from logsense.timefmt import parse_time

    counts: dict[int, int] = {}
    for line in lines:
        at = parse_time(line["@timestamp"]) // (step_s * SECOND) * step_s * SECOND
        counts[at] = counts.get(at, 0) + 1
    return [[iso(at), n] for at, n in sorted(counts.items())]
