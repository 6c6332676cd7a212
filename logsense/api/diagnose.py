"""Causes for any span of time, and the evidence behind every claim."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from logsense.api import examples
from logsense.api.examples import answers
from logsense.api.params import Language, Window, window
from logsense.api.respond import Json
from logsense.api.schemas import Diagnosis, Evidence
from logsense.wording import in_language
from logsense.workspace import Workspace


def router(workspace: Workspace) -> APIRouter:
    """``/diagnose`` and ``/evidence/{id}``."""
    routes = APIRouter(tags=["root cause"])

    @routes.get("/diagnose", response_model=Diagnosis, responses=answers(examples.DIAGNOSIS))
    def diagnose(span: Annotated[Window, Depends(window)], lang: Language = "en") -> Json:
        """Rank possible causes for what happened between `from` and `to`, whether or not an incident was opened."""
        return Json(in_language(workspace.diagnose(span.from_ns, span.to_ns), lang))

    @routes.get("/evidence/{evidence_id:path}", response_model=Evidence, responses=answers(examples.EVIDENCE))
    def evidence(evidence_id: str) -> Json:
        """What stands behind a citation: `line:…`, `template:…`, `metric:host/name@ns`, `signal:…` or `incident:…`."""
        return Json(workspace.evidence(evidence_id))

    return routes
