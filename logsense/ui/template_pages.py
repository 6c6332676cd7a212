"""``/templates`` and ``/templates/{id}``: what kinds of messages there are, and changing what people see of them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from logsense.api.params import Window, window
from logsense.api.templates import EditKind
from logsense.errors import BadInput
from logsense.ui.format import path
from logsense.ui.forms import read_form
from logsense.ui.language import marked as _
from logsense.ui.rendering import page, url
from logsense.workspace import Workspace

MOST = 300
ORDERS = (
    ("count", _("Most lines")), ("new", _("Newest")), ("last", _("Last seen")), ("rare", _("Rarest")),
    ("text", _("By name")),
)  # fmt: skip
SHOWN = (("", _("All")), ("new", _("New")), ("rare", _("Rare")), ("noise", _("Noise")))


def router(workspace: Workspace) -> APIRouter:
    """Reading templates."""
    routes = APIRouter()

    @routes.get("/templates")
    def templates(
        request: Request,
        span: Annotated[Window, Depends(window)],
        order: Literal["count", "new", "last", "rare", "text"] = "count",
        q: Annotated[str, Query(max_length=500)] = "",
        show: Literal["", "new", "rare", "noise"] = "",
    ) -> Response:
        found = workspace.templates(
            limit=MOST + 1, order=order, from_=span.from_ns, to=span.to_ns, text=q, only_new=show == "new",
            only_rare=show == "rare", noise="only" if show == "noise" else "hide", course=True,
        )  # fmt: skip
        kept = {"q": q, "from_": request.query_params.get("from", ""), "to": request.query_params.get("to", "")}
        return page(
            request,
            "templates.html",
            section="templates",
            q=q,
            order=order,
            orders=[(value, label, url("/templates", order=value, show=show, **kept)) for value, label in ORDERS],
            show=show,
            shown=[(value, label, url("/templates", order=order, show=value, **kept)) for value, label in SHOWN],
            filtered=bool(q or show or kept["from_"] or kept["to"]),
            templates=found[:MOST],
            more=len(found) > MOST,
        )

    @routes.get("/templates/{template_id}")
    def template(request: Request, template_id: str, span: Annotated[Window, Depends(window)]) -> Response:
        return page(
            request,
            "template.html",
            section="templates",
            template=workspace.template(template_id, from_=span.from_ns, to=span.to_ns),
            done=request.query_params.get("done", ""),
        )

    return routes


def actions(workspace: Workspace) -> APIRouter:
    """The forms; they answer with a redirect, so that reloading does not act twice."""
    routes = APIRouter(include_in_schema=False)

    @routes.post("/templates/{template_id}/{kind}")
    async def edit(request: Request, template_id: str, kind: EditKind) -> Response:
        form = await read_form(request)
        await run_in_threadpool(
            workspace.edit_template, kind, template_id,
            label=form.get("label", ""), into=form.get("into", "").strip(), force="force" in form,
            parameter=_number(form, "parameter"), on=form.get("on", "1") == "1", undoes=_number(form, "edit"),
            by=request.state.actor or form.get("by", "")[:200], note=form.get("note", ""),
        )  # fmt: skip
        return RedirectResponse(f"/templates/{path(template_id)}?done={kind}", status_code=303)

    return routes


def _number(form: dict[str, str], name: str) -> int:
    text = form.get(name, "") or "0"
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise BadInput(f"{name} is no number: {text[:80]!r}.", where=name, fix="use the form on the page")
    return int(text)
