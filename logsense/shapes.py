"""The JSON shapes of answers: records as the dicts that API and CLI show. Other programs are written against them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logsense.record import Forecast, Hit, Incident, LogRecord, Query, Signal, Template
from logsense.timefmt import iso

SECOND = 1_000_000_000


def record_dict(record: LogRecord) -> dict[str, Any]:
    row = {
        "id": record.id, "@timestamp": iso(record.timestamp_ns), "message": record.message, "host": record.host,
        "service": record.service, "level": record.level, "template_id": record.template_id,
        "source": record.source, "pipeline": record.pipeline, "fields": record.fields,
    }  # fmt: skip
    if record.original is not None:
        row["original"] = record.original
    if record.outcome != "parsed":
        row["fields"] = {**record.fields, "event.outcome": record.outcome}
    return row


def hit_dict(hit: Hit) -> dict[str, Any]:
    return {**record_dict(hit.record), "score": round(hit.score, 4)}


def incident_brief(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id, "title": incident.title, "status": incident.status, "severity": incident.severity,
        "start": iso(incident.start_ns), "last": iso(incident.last_ns),
        "end": iso(incident.end_ns) if incident.end_ns else None,
        "hosts": incident.hosts, "services": incident.services, "pipeline": incident.pipeline,
        "score": round(incident.score, 2), "signals": len(incident.signal_ids),
        "cause": incident.hypotheses[0].title if incident.hypotheses else "", "merged_into": incident.merged_into,
        "follows": incident.follows,
    }  # fmt: skip


def hypothesis_dict(hypothesis: Any) -> dict[str, Any]:
    keys = ("entity", "kind", "score", "title", "why", "host", "service", "evidence", "against", "next_steps")
    return {**{k: getattr(hypothesis, k) for k in keys}, "score": round(hypothesis.score, 3)}


def signal_dict(signal: Signal) -> dict[str, Any]:
    return {
        "id": signal.id, "@timestamp": iso(signal.start_ns), "end": iso(signal.end_ns), "kind": signal.kind,
        "text": signal.text, "host": signal.host, "service": signal.service, "score": round(signal.score, 2),
        "template_id": signal.template_id, "metric": signal.metric, "value": signal.value,
        "expected": signal.expected, "evidence": [f"signal:{signal.id}", *signal.evidence],
    }  # fmt: skip


def template_dict(template: Template) -> dict[str, Any]:
    return {
        "id": template.id, "template": template.text, "version": template.version, "count": template.count,
        "level": template.level, "service": template.service, "first_seen": iso(template.first_seen_ns),
        "last_seen": iso(template.last_seen_ns), "keywords": template.keywords, "label": template.label,
        "noise": template.noise,
    }  # fmt: skip


def forecast_dict(forecast: Forecast) -> dict[str, Any]:
    return {
        "id": forecast.id, "host": forecast.host, "made": iso(forecast.made_ns), "horizon_s": forecast.horizon_s,
        "probability": round(forecast.probability, 4), "calibrated": forecast.calibrated, "state": forecast.state,
        "model": forecast.model, "pipeline": forecast.pipeline, "alarm": forecast.alarm, "metric": forecast.metric,
        "eta_s": forecast.eta_s, "eta_low_s": forecast.eta_low_s, "eta_high_s": forecast.eta_high_s,
        "reasons": [{"text": text, "weight": round(weight, 3)} for text, weight in forecast.reasons],
    }  # fmt: skip


def parse_metric_id(rest: str) -> tuple[str, str, int] | None:
    """``host/name@ns`` -> its parts; None when it is none."""
    place, _, at = rest.rpartition("@")
    host, _, name = place.partition("/")
    return (host, name, int(at)) if host and name and at.lstrip("-").isdigit() else None


def query_dict(query: Query) -> dict[str, Any]:
    return {
        "text": query.text, "phrases": query.phrases, "exclude": query.exclude, "hosts": query.hosts,
        "services": query.services, "levels": query.levels, "pipelines": query.pipelines, "fields": query.fields,
        "from": iso(query.from_ns) if query.from_ns is not None else None,
        "to": iso(query.to_ns) if query.to_ns is not None else None,
        "template_ids": query.template_ids,
    }  # fmt: skip


def charts(incident: Incident, signals: Sequence[Signal]) -> list[dict[str, Any]]:
    """The most anomalous metrics of the incident, with room before and after to see what normal looks like."""
    best: dict[tuple[str, str], float] = {}
    for s in signals:
        if s.metric:
            best[s.host, s.metric] = max(best.get((s.host, s.metric), 0.0), s.score)
    span = max(incident.last_ns - incident.start_ns, 60 * SECOND)
    from_, to = incident.start_ns - max(2 * span, 300 * SECOND), incident.last_ns + max(span, 120 * SECOND)
    ranked = sorted(best, key=lambda k: (-best[k], k))[:6]
    return [{"host": h, "metric": m, "from": iso(from_), "to": iso(to)} for h, m in ranked]


def doctor_row(name: str, row: dict[str, Any]) -> dict[str, Any]:
    counts = {k: int(row.get(k, 0)) for k in ("accepted", "parsed", "unparsed", "late", "future", "dropped")}
    if name.startswith("file:"):
        counts["late"] = 0  # a file that is read to its end is old by nature
    last = row.get("last_ns")
    advice = []
    lines = counts["parsed"] + counts["unparsed"]
    if lines and counts["unparsed"] > 0.05 * lines:
        advice.append(
            f"{counts['unparsed'] / lines:.0%} of the lines match no format: they are kept and searchable, but have no "
            "fields. Set `format` for this source, or copy a file of logsense/parse/formats and adapt it."
        )
    if counts["dropped"] and name.endswith("(not allowed)"):
        advice.append("Datagrams came from networks that may not send here: see [access] allow.")
    elif counts["dropped"] and name.endswith("(over its limit)"):
        advice.append("It sent faster than [limits] allows. Send less, or name the address in exempt.")
    elif counts["dropped"]:
        advice.append("Lines were dropped: UDP cannot wait. Use TCP, or raise the receive buffer (net.core.rmem_max).")
    if counts["future"]:
        advice.append("Some lines are from the future: check the sender's clock and the pipeline's time_zone.")
    if lines and counts["late"] > 0.05 * lines:
        advice.append("Many lines arrive late and miss detection: look for buffering in the shipper, or raise "
                      "worker.lateness_s.")  # fmt: skip
    return {"source": name, **counts, "last": iso(last) if last else None, "format": str(row.get("format", "")),
            "advice": " ".join(advice)}  # fmt: skip


def problem_text(problem: dict[str, Any]) -> str:
    """One of ``Workspace.ready``'s problems in a sentence or two."""
    since = f" (since {problem['since']})" if problem["since"] else ""
    parts = {"": f"{problem['what']}{since}", "Why: ": problem["why"], "Where: ": problem["where"],
             "What to do: ": problem["fix"]}  # fmt: skip
    return " ".join(f"{name}{text.rstrip('.')}." for name, text in parts.items() if text)
