"""Incidents and what people do with them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import PlainTextResponse, Response

from logsense.api import examples
from logsense.api.examples import answers
from logsense.api.params import Language, Window, window
from logsense.api.problems import BadParameter
from logsense.api.respond import Json
from logsense.api.schemas import IncidentBrief, IncidentDetail
from logsense.handling import VERDICTS
from logsense.wording import in_language, summary
from logsense.workspace import Workspace

ActionKind = Literal["ack", "resolve", "reopen", "feedback", "note"]
_KINDS = {"text": "text/plain", "markdown": "text/markdown", "html": "text/html"}


class ActionBody(BaseModel):
    """Who did it and what they say about it; everything is optional except what the kind of action needs."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"by": "mira", "text": "raised max_connections", "verdict": ""}]},
    )

    by: str = Field("", max_length=200, description="Who acts; a key's own name wins over it")
    text: str = Field("", max_length=10_000, description="A note in free text; needed for `note`")
    verdict: Literal["", "right_cause", "wrong_cause", "noise"] = Field("", description="Needed for `feedback`")


def check_action(kind: str, text: str, verdict: str) -> None:
    """Raise ``BadParameter`` when a note says nothing or feedback gives no verdict."""
    if kind == "note" and not text.strip():
        raise BadParameter("A note needs a text", why="text is empty", where="text", fix="write what you want to keep")
    if kind == "feedback" and verdict not in VERDICTS:
        raise BadParameter(
            "Feedback needs a verdict",
            why=f"verdict is {verdict[:80]!r}",
            where="verdict",
            fix="give one of " + ", ".join(VERDICTS),
        )


def router(workspace: Workspace) -> APIRouter:
    """``/incidents`` for reading."""
    routes = APIRouter(tags=["incidents"])

    @routes.get("/incidents", response_model=list[IncidentBrief], responses=answers([examples.INCIDENT_BRIEF]))
    def incidents(
        span: Annotated[Window, Depends(window)],
        status: Annotated[Literal["open", "acknowledged", "resolved"] | None, Query(description="Only these")] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="Incidents in this answer")] = 100,
        q: Annotated[str, Query(max_length=2000, description="Only those that this question is about")] = "",
        lang: Language = "en",
    ) -> Json:
        """Incidents, newest first; with `q` by how well they fit it, in words and in meaning."""
        found = workspace.incidents(from_=span.from_ns, to=span.to_ns, status=status, limit=limit, text=q)
        return Json(in_language(found, lang))

    @routes.get("/incidents/{incident_id}", response_model=IncidentDetail, responses=answers(examples.INCIDENT))
    def incident(incident_id: str, lang: Language = "en") -> Json:
        """One incident: summary with citations, ranked causes, timeline, earlier ones like it."""
        return Json(in_language(workspace.incident(incident_id), lang))

    @routes.get(
        "/incidents/{incident_id}/summary",
        response_class=PlainTextResponse,
        responses={200: {"content": {kind: {} for kind in _KINDS.values()}}},
    )
    def incident_summary(
        request: Request,
        incident_id: str,
        form: Annotated[Literal["text", "markdown", "html"], Query(alias="format", description="The form")] = "text",
        lang: Language = "en",
        reword: Annotated[bool, Query(description="Let the model of [reword] say it in its words, checked")] = False,
    ) -> Response:
        """The summary alone, for a ticket or a chat: as text, Markdown or HTML, its citations as links."""
        page_url = str(request.base_url) if form != "text" else ""
        return Response(summary(workspace, incident_id, form, lang, page_url, reword=reword), media_type=_KINDS[form])

    return routes


class MergeBody(BaseModel):
    """Which incident it is part of."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"into": "inc-5", "by": "mira"}]})

    into: str = Field(min_length=1, max_length=200, description="The incident that takes its signals")
    by: str = Field("", max_length=200, description="Who acts; a key's own name wins over it")
    text: str = Field("", max_length=10_000, description="Why")


class SplitBody(BaseModel):
    """What leaves the incident and becomes one of its own."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"hosts": ["web1"], "by": "mira"}]})

    hosts: list[str] = Field(default=[], max_length=1000, description="Everything of these hosts")
    services: list[str] = Field(default=[], max_length=1000, description="Everything of these services")
    by: str = Field("", max_length=200, description="Who acts; a key's own name wins over it")
    text: str = Field("", max_length=10_000, description="Why")


def action_router(workspace: Workspace) -> APIRouter:
    """``/incidents/{id}/{action}``: the only operations that change something."""
    routes = APIRouter(tags=["incidents"])

    @routes.post("/incidents/{incident_id}/merge", response_model=IncidentDetail, responses=answers(examples.INCIDENT))
    def merge(request: Request, incident_id: str, body: MergeBody) -> Json:
        """Make it part of another incident, which is answered. A running worker does it within a second."""
        by = request.state.actor or body.by
        return Json(workspace.merge(incident_id, body.into, by=by, text=body.text))

    @routes.post("/incidents/{incident_id}/split", response_model=IncidentDetail, responses=answers(examples.INCIDENT))
    def split(request: Request, incident_id: str, body: SplitBody) -> Json:
        """Make an incident of its own of some hosts or services; answers what is left of this one."""
        by = request.state.actor or body.by
        return Json(workspace.split(incident_id, hosts=body.hosts, services=body.services, by=by, text=body.text))

    @routes.post("/incidents/{incident_id}/{kind}", response_model=IncidentDetail, responses=answers(examples.INCIDENT))
    def act(
        request: Request,
        incident_id: str,
        kind: Annotated[ActionKind, Path(description="What to do")],
        body: ActionBody | None = None,
    ) -> Json:
        """Acknowledge, resolve, reopen, judge the cause or leave a note; answers the incident as it is then."""
        given = body or ActionBody(by="", text="", verdict="")
        check_action(kind, given.text, given.verdict)
        by = request.state.actor or given.by
        return Json(workspace.act(incident_id, kind, by=by, text=given.text, verdict=given.verdict))

    return routes
