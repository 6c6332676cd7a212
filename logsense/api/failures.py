"""What failed and when, told by people and scripts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request

from logsense.api import model_shapes as shapes
from logsense.api.examples import answers
from logsense.api.params import Window, window
from logsense.api.problems import BadParameter
from logsense.api.respond import Json
from logsense.errors import BadInput
from logsense.workspace import Workspace

_Span = Annotated[Window, Depends(window)]


def router(workspace: Workspace) -> APIRouter:
    """``/failures`` for reading."""
    routes = APIRouter(tags=["failures"])

    @routes.get("/failures", response_model=list[shapes.FailureItem], responses=answers([shapes.FAILURE]))
    def failures(
        span: _Span,
        host: Annotated[str | None, Query(max_length=500, description="Only of this host")] = None,
        limit: Annotated[int, Query(ge=1, le=10_000, description="Failures in this answer")] = 1000,
    ) -> Json:
        """Reported failures that begin in the span, newest first."""
        return Json(workspace.desk.failures(from_=span.from_ns, to=span.to_ns, host=host, limit=limit))

    @routes.get("/failure-labels", response_model=shapes.Labels, responses=answers(shapes.LABELS))
    def labels(span: _Span) -> Json:
        """Everything that training and evaluation count as a failure: reported, judged by people, and derived from the
        logs; with the rule in words."""
        return Json(workspace.desk.labels(from_=span.from_ns, to=span.to_ns))

    @routes.get("/failures/{failure_id:path}", response_model=shapes.FailureItem, responses=answers(shapes.FAILURE))
    def failure(failure_id: str) -> Json:
        """One reported failure."""
        return Json(workspace.desk.failure(failure_id))

    return routes


def action_router(workspace: Workspace) -> APIRouter:
    """``/failures`` for reporting and taking back."""
    routes = APIRouter(tags=["failures"])

    @routes.post("/failures", response_model=shapes.FailuresKept, responses=answers(shapes.KEPT))
    def report(
        request: Request,
        body: Annotated[shapes.FailureBody | list[shapes.FailureBody], Body(description="One failure, or up to 1000")],
    ) -> Json:
        """Report one failure or a list of them: all are kept, or none. The same id again changes what is known."""
        given = body if isinstance(body, list) else [body]
        if not 1 <= len(given) <= 1000:
            raise BadParameter("A report holds 1 to 1000 failures", why=f"it holds {len(given)}", where="body",
                               fix="send them in several reports")  # fmt: skip
        rows: list[dict[str, Any]] = [one.model_dump(exclude_unset=True) for one in given]
        try:
            return Json(workspace.desk.report(rows, by=request.state.actor))
        except BadInput as error:
            raise BadParameter(error.what, why=error.why, where=error.where, fix=error.fix) from error

    @routes.delete("/failures/{failure_id:path}", response_model=shapes.FailureItem, responses=answers(shapes.FAILURE))
    def remove(failure_id: str) -> Json:
        """Take a report back; answers what it was."""
        return Json(workspace.desk.remove_failure(failure_id))

    return routes
