"""Message templates, and what people change about them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from logsense.api import examples
from logsense.api.examples import answers
from logsense.api.params import Window, window
from logsense.api.respond import Json
from logsense.api.schemas import TemplateBrief, TemplateDetail, TemplateDrift, TemplateEdit
from logsense.workspace import Workspace

EditKind = Literal["rename", "merge", "split", "noise", "undo"]


class EditBody(BaseModel):
    """What to change; which members count depends on the kind of edit."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"label": "nightly backup started", "by": "mira", "note": ""}]},
    )

    label: str = Field("", max_length=500, description="`rename`: the name; empty takes it away")
    into: str = Field("", max_length=200, description="`merge`: the template that survives")
    force: bool = Field(False, description="`merge`: also across services")
    parameter: int = Field(0, ge=0, le=1000, description="`split`: by the values of this one; 0: out of a merge")
    on: bool = Field(True, description="`noise`: mark, or take the mark away")
    edit: int = Field(0, ge=0, le=2**53, description="`undo`: this edit; 0: the last one of the template")
    by: str = Field("", max_length=200, description="Who changes it; a key's own name wins over it")
    note: str = Field("", max_length=2000, description="Why")


def router(workspace: Workspace) -> APIRouter:
    """``/templates`` for reading."""
    routes = APIRouter(tags=["templates"])

    @routes.get("/templates", response_model=list[TemplateBrief], responses=answers([examples.TEMPLATE_BRIEF]))
    def templates(
        span: Annotated[Window, Depends(window)],
        limit: Annotated[int, Query(ge=1, le=10_000, description="Templates in this answer")] = 200,
        order: Annotated[
            Literal["count", "new", "last", "rare", "text"],
            Query(description="Most lines, newest, last seen, fewest lines first, or by name"),
        ] = "count",
        q: Annotated[str, Query(max_length=500, description="Only those that hold these words")] = "",
        service: Annotated[str, Query(max_length=300, description="Only those of this service")] = "",
        new: Annotated[bool, Query(description="Only those first seen lately (or since `from`)")] = False,
        rare: Annotated[bool, Query(description="Only those of three lines or fewer, or one in 100,000")] = False,
        noise: Annotated[Literal["hide", "show", "only"], Query(description="Those marked as noise")] = "hide",
        course: Annotated[bool, Query(description="With the lines per step of time")] = False,
    ) -> Json:
        """The message types that the lines were mined into. With `from` or `to`, counts are those of that time."""
        return Json(
            workspace.templates(
                limit=limit, order=order, from_=span.from_ns, to=span.to_ns, text=q, service=service, only_new=new,
                only_rare=rare, noise=noise, course=course,
            )
        )  # fmt: skip

    @routes.get("/template-drift", response_model=TemplateDrift, responses=answers(examples.TEMPLATE_DRIFT))
    def drift(span: Annotated[Window, Depends(window)]) -> Json:
        """Message types that began, ceased or changed their rate since `from`, against all that was before."""
        return Json(workspace.template_drift(from_=span.from_ns, to=span.to_ns))

    @routes.get("/template-edits", response_model=list[TemplateEdit], responses=answers([examples.TEMPLATE_EDIT]))
    def edits() -> Json:
        """Every change that people made, newest first, undone ones included."""
        return Json(workspace.template_edits())

    @routes.get("/templates/{template_id}", response_model=TemplateDetail, responses=answers(examples.TEMPLATE))
    def template(template_id: str, span: Annotated[Window, Depends(window)]) -> Json:
        """One template: lineage, parameters with their values, course over time, latest lines. Ids of merged
        templates still work, and so does the beginning of an id."""
        return Json(workspace.template(template_id, from_=span.from_ns, to=span.to_ns))

    return routes


def edit_router(workspace: Workspace) -> APIRouter:
    """``/templates/{id}/{kind}``: changing what people see of a template."""
    routes = APIRouter(tags=["templates"])

    @routes.post(
        "/templates/{template_id}/{kind}", response_model=TemplateEdit, responses=answers(examples.TEMPLATE_EDIT)
    )
    def edit(
        request: Request,
        template_id: str,
        kind: Annotated[EditKind, Path(description="What to do")],
        body: EditBody | None = None,
    ) -> Json:
        """Rename, merge, split, mark as noise, or undo; answers the entry of the log. A running worker applies it
        within a second; nothing that was mined is changed, so every edit can be undone."""
        given = (body or EditBody.model_validate({})).model_dump()
        undoes = given.pop("edit")
        given["by"] = request.state.actor or given["by"]
        return Json(workspace.edit_template(kind, template_id, undoes=undoes, **given))

    return routes
