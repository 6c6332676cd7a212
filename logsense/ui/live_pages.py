"""``/search/live``: rows of the search page as they arrive: the stream of ``/api/v1/tail``, drawn by the server."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.requests import Request
from starlette.responses import StreamingResponse

from logsense.api.stream import Streams
from logsense.ui.rendering import part
from logsense.workspace import Workspace


def router(workspace: Workspace, streams: Streams) -> APIRouter:
    """The stream that ``static/live.js`` listens to."""
    routes = APIRouter()

    @routes.get("/search/live")
    async def live(
        request: Request,
        q: Annotated[str, Query(max_length=2000)] = "",
        after: Annotated[str, Query(max_length=4000)] = "",
        last_event_id: Annotated[str, Header(max_length=4000)] = "",
    ) -> StreamingResponse:
        def draw(look: dict[str, Any]) -> str:
            # Newest first, as the list is.
            return part("_macros.html", "lines", look["lines"][::-1])

        return await streams.answer(request, lambda: workspace.follow(q, after=last_event_id or after), draw)

    return routes
