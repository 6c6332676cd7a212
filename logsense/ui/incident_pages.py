"""``/incidents`` and ``/incidents/{id}``: the page that somebody opens at 03:00 on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from logsense.api.incidents import ActionKind, check_action
from logsense.api.params import Window, window
from logsense.errors import LogsenseError
from logsense.timefmt import iso
from logsense.ui.format import nanoseconds, path, plain
from logsense.ui.forms import read_form
from logsense.ui.language import gettext
from logsense.ui.rendering import page, worded
from logsense.ui.sparks import thin
from logsense.workspace import Workspace

#: Citations whose text is looked up for the list at the end; more are still linked.
PREVIEWS = 40
#: Of the evidence for and against a cause, this much is quoted.
QUOTED = 5
#: Roles of sentences that make up the paragraph; the others have their own places on the page.
_PARAGRAPH = ("headline", "impact", "cause", "claim")
#: Which incidents are offered for merging.
_NEAR_NS, _MOST_OTHERS = 6 * 3600 * 1_000_000_000, 20


def router(workspace: Workspace) -> APIRouter:
    """Reading incidents and their evidence."""
    routes = APIRouter()

    @routes.get("/incidents")
    def incidents(
        request: Request,
        span: Annotated[Window, Depends(window)],
        status: Annotated[Literal["", "open", "acknowledged", "resolved"], Query()] = "",
    ) -> Response:
        every = worded(workspace.incidents(from_=span.from_ns, to=span.to_ns, limit=500))
        counts = {s: sum(i["status"] == s for i in every) for s in ("open", "acknowledged", "resolved")}
        shown = [i for i in every if not status or i["status"] == status]
        return page(
            request,
            "incidents.html",
            section="incidents",
            incidents=shown,
            status=status,
            counts=counts,
            total=len(every),
        )

    @routes.get("/incidents/{incident_id}")
    def incident(request: Request, incident_id: str) -> Response:
        found = worded(workspace.incident(incident_id))
        numbers = number_citations(found)
        references = _references(workspace, found, numbers)
        return page(
            request,
            "incident.html",
            section="incidents",
            incident=found,
            numbers=numbers,
            references=references,
            proofs_of=partial(proofs, {r["id"]: r for r in references}),
            causes=_causes(found),
            paragraph=[s for s in found["summary"] if s["role"] in _PARAGRAPH],
            unfolding=[s for s in found["summary"] if s["role"] == "timeline"],
            next_steps=_next_steps(found),
            not_examined=_not_examined(found),
            charts=[_chart(workspace, c) for c in found["charts"]],
            summary_text=summary_text(found, f"{str(request.base_url).rstrip('/')}/incidents/{path(incident_id)}"),
            others=_others(workspace, found),
            done=request.query_params.get("done", ""),
        )

    @routes.get("/evidence/{evidence_id:path}")
    def evidence(request: Request, evidence_id: str, incident: str = "", fragment: bool = False) -> Response:
        return page(
            request,
            "_evidence.html" if fragment else "evidence.html",
            section="incidents",
            evidence=_shown(workspace.evidence(evidence_id)),
            incident_id=incident,
        )

    return routes


def actions(workspace: Workspace) -> APIRouter:
    """The forms; they answer with a redirect, so that reloading does not act twice."""
    routes = APIRouter(include_in_schema=False)

    @routes.post("/incidents/{incident_id}/merge")
    async def merge(request: Request, incident_id: str) -> Response:
        form = await read_form(request)
        by, into = request.state.actor or form.get("by", "")[:200], form.get("into", "")
        await run_in_threadpool(workspace.merge, incident_id, into, by=by)
        return RedirectResponse(f"/incidents/{path(into)}?done=merge", status_code=303)

    @routes.post("/incidents/{incident_id}/split")
    async def split(request: Request, incident_id: str) -> Response:
        form = await read_form(request)
        kind, _, value = form.get("part", "").partition(":")
        hosts, services = ([value], []) if kind == "host" else ([], [value])
        by = request.state.actor or form.get("by", "")[:200]
        await run_in_threadpool(workspace.split, incident_id, hosts=hosts, services=services, by=by)
        return RedirectResponse(f"/incidents/{path(incident_id)}?done=split", status_code=303)

    @routes.post("/incidents/{incident_id}/{kind}")
    async def act(request: Request, incident_id: str, kind: ActionKind) -> Response:
        form = await read_form(request)
        check_action(kind, form.get("text", ""), form.get("verdict", ""))
        by = request.state.actor or form.get("by", "")[:200]
        await run_in_threadpool(
            workspace.act, incident_id, kind, by=by, text=form.get("text", "")[:10_000], verdict=form.get("verdict", "")
        )
        return RedirectResponse(f"/incidents/{path(incident_id)}?done={kind}", status_code=303)

    return routes


def _shown(evidence: dict[str, Any]) -> dict[str, Any]:
    """In the language of the page what logsense says itself; a line or template is quoted."""
    kind = evidence["type"]
    return {**evidence, kind: worded(evidence[kind])} if kind in ("signal", "incident") else evidence


def _others(workspace: Workspace, incident: dict[str, Any]) -> list[dict[str, Any]]:
    """Incidents near in time that this one may be part of."""
    start, last = nanoseconds(incident["start"]) or 0, nanoseconds(incident["last"]) or 0
    every = workspace.incidents(from_=start - _NEAR_NS, to=last + _NEAR_NS, limit=_MOST_OTHERS + 1)
    return [] if incident.get("merged_into") else [i for i in every if i["id"] != incident["id"]][:_MOST_OTHERS]


def number_citations(incident: dict[str, Any]) -> dict[str, int]:
    """Footnote numbers in the order in which a reader meets the evidence."""
    groups: list[list[str]] = [s["evidence"] for s in incident["summary"]]
    for hypothesis in incident["hypotheses"]:
        groups += [hypothesis["evidence"], hypothesis["against"]]
    numbers: dict[str, int] = {}
    for group in groups:
        for evidence_id in group:
            numbers.setdefault(evidence_id, len(numbers) + 1)
    return numbers


def proofs(
    by_id: dict[str, dict[str, Any]], evidence: Sequence[str]
) -> tuple[list[tuple[dict[str, Any], list[str]]], list[str]]:
    """(what is quoted, each with the evidence that says just that, and the evidence that is only cited)."""
    said: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for item in evidence:
        said.setdefault(by_id[item]["text"], (by_id[item], []))[1].append(item)
    quoted = list(said.values())[:QUOTED]
    shown = {item for _, items in quoted for item in items}
    return quoted, [item for item in evidence if item not in shown]


def _references(workspace: Workspace, incident: dict[str, Any], numbers: dict[str, int]) -> list[dict[str, Any]]:
    """One line a citation. Only lines are looked up: the incident itself holds what the others need."""
    templates = {t["id"]: t["template"] for t in incident["templates"]}
    signals = {entry.get("id", ""): entry for entry in incident["timeline"]}
    references = []
    for evidence_id, at in numbers.items():
        kind, _, rest = evidence_id.partition(":")
        row = {"id": evidence_id, "number": at, "kind": kind, "text": "", "time": "", "host": "", "level": ""}
        if kind == "template" and rest in templates:
            row["text"] = templates[rest]
        elif kind == "signal" and rest in signals:
            signal = signals[rest]
            row |= {"text": signal["text"], "time": signal["@timestamp"], "host": signal["host"]}
        elif kind == "metric":
            place, _, ns = rest.rpartition("@")
            row["host"], _, row["text"] = place.partition("/")
            row["time"] = iso(int(ns)) if ns.isdigit() else ""
        elif at <= PREVIEWS:
            row |= _look_up(workspace, kind, rest, evidence_id)
        row["text"] = row["text"] or evidence_id
        references.append(row)
    return references


def _look_up(workspace: Workspace, kind: str, rest: str, evidence_id: str) -> dict[str, Any]:
    try:
        if kind == "line":
            hit = workspace.log(rest, 0)["hit"]
            return {"text": hit["message"], "time": hit["@timestamp"], "host": hit["host"], "level": hit["level"]}
        return {"text": workspace.evidence(evidence_id)["title"]}
    except LogsenseError:
        return {"text": gettext("no longer held (deleted by retention)")}


def _causes(incident: dict[str, Any]) -> list[dict[str, Any]]:
    """The hypotheses; ``why_is_said`` where the summary gives the same reason already."""
    said = " ".join(s["text"] for s in incident["summary"])
    return [{**h, "why_is_said": bool(h["why"]) and h["why"] in said} for h in incident["hypotheses"]]


def summary_text(incident: dict[str, Any], address: str) -> str:
    """The incident in plain text, for a chat or a ticket."""
    said = [s["text"] for s in incident["summary"] if s["role"] in _PARAGRAPH]
    parts = [f"{incident['title']} ({incident['severity']}, {incident['status']}, since {incident['start']})"]
    parts += [" ".join(said)] if said else []
    parts += ["- " + s["text"] for s in incident["summary"] if s["role"] == "timeline"]
    parts += [f"Most likely cause: {incident['cause']}"] if incident["cause"] else []
    parts += [f"Check next: {step['text']}" for step in _next_steps(incident)[:3]]
    return plain("\n".join([*parts, address]), 8000)


def _next_steps(incident: dict[str, Any]) -> list[dict[str, Any]]:
    """What to check next, first that of the likeliest cause, each once."""
    steps: dict[str, list[str]] = {}
    for hypothesis in incident["hypotheses"][:3]:
        for step in hypothesis["next_steps"]:
            steps.setdefault(step, [])
    for sentence in incident["summary"]:
        if sentence["role"] == "next":
            steps[sentence["text"]] = sentence["evidence"]
    return [{"text": text, "evidence": evidence} for text, evidence in steps.items()]


def _not_examined(incident: dict[str, Any]) -> list[str]:
    """One by one; the summary's sentence says the same in one breath."""
    said = [s["text"] for s in incident["summary"] if s["role"] == "not_examined"]
    return list(dict.fromkeys(incident["not_examined"] or said))


def _chart(workspace: Workspace, chart: dict[str, Any]) -> dict[str, Any]:
    """The chart with its points, for the picture that needs no script."""
    try:
        found = workspace.series(
            chart["host"], chart["metric"], from_=nanoseconds(chart["from"]), to=nanoseconds(chart["to"])
        )
    except LogsenseError:
        found = []
    return {**chart, "points": thin(found[0]["points"], 300) if found else []}
