"""Lines as they arrive, as server-sent events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import StreamingResponse

from logsense.api.respond import dump_json
from logsense.api.stream import Streams
from logsense.workspace import Workspace

_EVENTS = """id: fnt.7q\nevent: lines\ndata: {"lines":[{"id":"…","message":"…"}],"missed":0,"cursor":"fnt.7q"}\n\n"""


def router(workspace: Workspace, streams: Streams) -> APIRouter:
    """``/tail``."""
    routes = APIRouter(tags=["search"])

    @routes.get(
        "/tail",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {"example": _EVENTS}}, "description": "A stream of events"}},
    )
    async def tail(
        request: Request,
        q: Annotated[str, Query(max_length=2000, description="As in `/search`; '' follows everything.")] = "",
        last_event_id: Annotated[
            str, Header(max_length=4000, description="Go on behind this event, as browsers do by themselves")
        ] = "",
    ) -> StreamingResponse:
        """Follow the lines that match a question, about a second after they were accepted.

        Events: `lines` with what arrived since the last one; `missed` with the number of lines left out because more
        arrived than one event holds; `alive` every 15 seconds of silence; `trouble` when the index is away; `end`
        before the server closes the stream. Times in the question are not applied.
        """
        return await streams.answer(
            request, lambda: workspace.follow(q, after=last_event_id), lambda look: dump_json(look).decode()
        )

    return routes
