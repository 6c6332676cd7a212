"""The model store."""

from __future__ import annotations

from fastapi import APIRouter

from logsense.api import examples
from logsense.api.examples import answers
from logsense.api.respond import Json
from logsense.api.schemas import ModelItem
from logsense.workspace import Workspace


def router(workspace: Workspace) -> APIRouter:
    """``/models``."""
    routes = APIRouter(tags=["models"])

    @routes.get("/models", response_model=list[ModelItem], responses=answers([examples.MODEL]))
    def models() -> Json:
        """Every version of every model with its card: data, measures, limits."""
        return Json(workspace.models())

    return routes
