"""Search and single lines."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from logsense.api import examples
from logsense.api.examples import answers
from logsense.api.params import Window, moment, window
from logsense.api.respond import Json
from logsense.api.schemas import FieldValues, LogContext, SearchAnswer
from logsense.workspace import Workspace

#: Most lines that one answer may hold.
MAX_LIMIT = 1000


def router(workspace: Workspace) -> APIRouter:
    """``/search``, ``/terms`` and ``/logs/{id}``."""
    routes = APIRouter(tags=["search"])

    @routes.get("/search", response_model=SearchAnswer, responses=answers(examples.SEARCH))
    def search(
        span: Annotated[Window, Depends(window)],
        q: Annotated[
            str,
            Query(
                max_length=2000,
                description="Plain words or `field:value` syntax; '' finds everything.",
                examples=["which hosts could not reach the database last night?"],
            ),
        ] = "",
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Lines in this answer")] = 20,
        offset: Annotated[int, Query(ge=0, le=1_000_000, description="Lines to skip")] = 0,
        sort: Annotated[Literal["relevance", "time"], Query(description="Best first or newest first")] = "relevance",
        tz: Annotated[
            str, Query(max_length=64, description="The asker's time zone", examples=["Europe/Berlin", "+08:00"])
        ] = "UTC",
        now: Annotated[
            str | None, Query(description="The time of asking, if not now: RFC 3339, an epoch or relative")
        ] = None,
    ) -> Json:
        """Find lines by a question in plain words (English or Chinese); the answer shows how it was understood.

        `from` and `to` win over times in the question. Where lines are no answer ("how many", "which hosts", "per
        hour", "first time", "compared with last week"), `answer` holds a number, table, series or comparison.
        """
        return Json(
            workspace.search(
                q, from_=span.from_ns, to=span.to_ns, limit=limit, offset=offset, by_time=sort == "time",
                tz=tz, now=moment(now, "now"),
            )
        )  # fmt: skip

    @routes.get("/terms", response_model=FieldValues, responses=answers(examples.FIELD_VALUES))
    def terms(
        span: Annotated[Window, Depends(window)],
        field: Annotated[
            Literal["host", "service", "level", "template_id", "pipeline"], Query(description="Whose values to count")
        ] = "host",
        q: Annotated[str, Query(max_length=2000, description="Among the lines of this question; '' is all")] = "",
        order: Annotated[Literal["count", "rare"], Query(description="Most frequent first, or rarest")] = "count",
        most: Annotated[int, Query(ge=1, le=1000, description="`rare`: values of at most so many lines")] = 1,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Values in this answer")] = 10,
        tz: Annotated[str, Query(max_length=64, description="The asker's time zone")] = "UTC",
    ) -> Json:
        """The values of a field with their lines: which hosts, which services, which message types; or the rare ones,
        which are often the ones worth a look."""
        return Json(
            workspace.values(
                field, q, rare=order == "rare", most=most, limit=limit, from_=span.from_ns, to=span.to_ns, tz=tz
            )
        )

    @routes.get("/logs/{log_id:path}", response_model=LogContext, responses=answers(examples.LOG))
    def log(
        log_id: str, context: Annotated[int, Query(ge=0, le=200, description="Lines before and after")] = 5
    ) -> Json:
        """One line with the lines around it of the same host and service."""
        return Json(workspace.log(log_id, context))

    return routes
