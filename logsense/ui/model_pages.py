"""``/models``: what is in use and how good it is, whether it still fits, training by buttons, and what failed when."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from logsense.errors import BadInput
from logsense.ui import pictures
from logsense.ui.forms import read_form
from logsense.ui.rendering import page, part
from logsense.workspace import Workspace

#: Rows of a list on the page; the API and the command line have them all.
_FAILURES, _JOBS = 50, 6
_RUNNING = ("queued", "running")
Act = Literal["train", "promote", "rollback", "cancel", "report", "remove"]


def router(workspace: Workspace) -> APIRouter:
    """The page, and the part of it that says how far a job is."""
    routes = APIRouter()

    @routes.get("/models")
    def models(request: Request, done: Annotated[str, Query(max_length=20)] = "") -> Response:
        found = [{**m, **shown(m["card"]), "curves": pictures.curves(m["card"])} for m in workspace.models()]
        found.sort(key=lambda m: not m["in_use"])
        used = next((m["name"] for m in found if m["in_use"]), "failure")
        jobs = workspace.desk.jobs()
        labels = workspace.desk.labels()
        return page(
            request,
            "models.html",
            section="models",
            models=found,
            name=used,
            fit=workspace.desk.fit(used),
            jobs=jobs[:_JOBS],
            running=next((job for job in jobs if job["state"] in _RUNNING), None),
            labels={**labels, "labels": labels["labels"][::-1][:_FAILURES], "total": len(labels["labels"])},
            reported={f["id"] for f in workspace.desk.failures(limit=10_000)},
            done=done if done in ("report", "remove", "cancel") else "",
        )

    @routes.get("/models/jobs/{job_id}")
    def job(request: Request, job_id: str) -> Response:
        """How far a job is, for the script of the page: the same words as on the page."""
        found = workspace.desk.job(job_id)
        headers = {"cache-control": "no-store", "x-job-state": found["state"]}
        return Response(part("_models.html", "job", found), media_type="text/html; charset=utf-8", headers=headers)

    return routes


def actions(workspace: Workspace) -> APIRouter:
    """The forms; they answer with a redirect, so that reloading does not act twice."""
    routes = APIRouter(include_in_schema=False)

    @routes.post("/models/{act}")
    async def change(request: Request, act: Act) -> Response:
        form = await read_form(request)
        await run_in_threadpool(_do, workspace, act, form, request.state.actor)
        return RedirectResponse(f"/models?done={act}", status_code=303)

    return routes


def _do(workspace: Workspace, act: Act, form: dict[str, str], actor: str) -> None:
    desk, name = workspace.desk, form.get("name", "failure")[:80]
    if act == "train":
        desk.train(_plan(name, form.get("source", "index"), desk.recordings()), by=actor)
    elif act == "promote":
        desk.promote(name, form.get("version", ""), by=actor)
    elif act == "rollback":
        desk.rollback(name, by=actor)
    elif act == "cancel":
        desk.cancel(form.get("job", ""))
    elif act == "remove":
        desk.remove_failure(form.get("id", ""))
    else:
        row = {key: form[key].strip() for key in ("host", "start", "end", "service", "kind", "note") if form.get(key)}
        desk.report([row], by=actor or form.get("by", "")[:200])


def _plan(name: str, source: str, recordings: list[str]) -> dict[str, Any]:
    """As the buttons say it: own history, or every recording with the second takes held out."""
    if source not in ("index", "recordings"):
        raise BadInput(f"There is no source {source[:80]!r}.", where="source", fix="use the form on the page")
    if source == "index":
        return {"name": name, "collect": {"source": "index"}, "preprocess": {"by": "failures"}}
    held_out = [r for r in recordings if r.startswith("holdout/")]
    return {
        "name": name,
        "collect": {"source": "recordings", "recordings": recordings},
        "preprocess": {"holdout": held_out},
    }


#: What a person asks a card first; the rest is there to be unfolded.
_FRONT = ("purpose", "trained_on", "limits", "data", "calibrated", "horizon_s", "threshold")
#: Files, versions and curves, which the page of the model shows elsewhere or nobody reads.
_PLUMBING = ("name", "version", "created", "artefact", "kind", "features")
_DRAWN = ("reliability", "curves", "scores")


def shown(given: dict[str, Any]) -> dict[str, Any]:
    """A model card in the order in which it is read: how good, what it is for and its limits, then everything else."""
    scores = given.get("scores") if isinstance(given.get("scores"), dict) else {}
    rows = scores.get("scores") if isinstance(scores, dict) else None
    front = {name: _short(given[name]) for name in _FRONT if name in given}
    rest = {name: value for name, value in given.items() if name not in _PLUMBING and front.get(name) != value}
    if isinstance(rest.get("scores"), dict):
        rest["scores"] = {name: value for name, value in rest["scores"].items() if name not in _DRAWN}
    return {
        "front": front,
        "rest": rest,
        "score_rows": list(rows.values()) if isinstance(rows, dict) else [],
        "reliability": scores.get("reliability") or [] if isinstance(scores, dict) else [],
    }


def _short(value: Any) -> Any:
    """A table of a card without the tables in it, its lists of names in one line."""
    if not isinstance(value, dict):
        return value
    plain = {name: v for name, v in value.items() if not isinstance(v, dict)}
    return {name: ", ".join(map(str, v)) if isinstance(v, list) else v for name, v in plain.items()}
