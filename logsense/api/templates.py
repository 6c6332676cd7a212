"""Message templates."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from logsense.api import examples
from logsense.api.examples import answers
from logsense.api.respond import Json
from logsense.api.schemas import TemplateBrief, TemplateDetail
from logsense.workspace import Workspace


def router(workspace: Workspace) -> APIRouter:
    """``/templates``."""
    routes = APIRouter(tags=["templates"])

    @routes.get("/templates", response_model=list[TemplateBrief], responses=answers([examples.TEMPLATE_BRIEF]))
    def templates(
        limit: Annotated[int, Query(ge=1, le=10_000, description="Templates in this answer")] = 200,
        order: Annotated[
            Literal["count", "new", "last"], Query(description="Most lines, newest, or last seen first")
        ] = "count",
    ) -> Json:
        """The message types that the lines were mined into."""
        return Json(workspace.templates(limit=limit, order=order))

    @routes.get("/templates/{template_id}", response_model=TemplateDetail, responses=answers(examples.TEMPLATE))
    def template(template_id: str) -> Json:
        """One template with its course over time and its latest lines. Ids of merged templates still work."""
        return Json(workspace.template(template_id))

    return routes
