"""``/search`` and ``/logs/{id}``: the lines themselves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from logsense.api.params import Window, window
from logsense.ui.format import field_term, without_words
from logsense.ui.rendering import page, url
from logsense.workspace import Workspace

PAGE = 50
EXAMPLES = (
    "errors in the last hour",
    "which hosts could not reach the database last night?",
    "out of memory",
    "level:error",
    "failed logins since yesterday",
)


def router(workspace: Workspace) -> APIRouter:
    """Searching and reading lines."""
    routes = APIRouter()

    @routes.get("/search")
    def search(
        request: Request,
        span: Annotated[Window, Depends(window)],
        q: Annotated[str, Query(max_length=2000)] = "",
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        sort: Literal["relevance", "time", ""] = "",
    ) -> Response:
        asked = bool(request.query_params)
        # Without words there is nothing to be relevant to: newest first.
        by_time = sort == "time" or (not sort and not q.strip())
        answer = workspace.search(q, from_=span.from_ns, to=span.to_ns, limit=PAGE, offset=offset, by_time=by_time)
        kept = {"sort": sort, "from_": request.query_params.get("from", ""), "to": request.query_params.get("to", "")}
        return page(
            request,
            "search.html",
            section="search",
            q=q,
            asked=asked,
            answer=answer,
            words=answer["query"]["text"].split() + answer["query"]["phrases"],
            chips=chips(q, answer["query"], kept),
            facets=facets(q, answer, kept),
            kept=kept,
            by_time=by_time,
            offset=offset,
            more=url("/search", q=q, offset=offset + PAGE, **kept) if offset + PAGE < answer["total"] else "",
            examples=EXAMPLES,
        )

    @routes.get("/logs/{log_id:path}")
    def log(request: Request, log_id: str, context: Annotated[int, Query(ge=0, le=200)] = 10) -> Response:
        return page(request, "log.html", section="search", context=context, **workspace.log(log_id, context))

    return routes


def chips(question: str, query: dict[str, Any], kept: dict[str, str]) -> list[dict[str, str]]:
    """The compiled query, piece by piece, each with the address of the search without it ('' when it cannot go)."""
    made = []
    for part in query["understood"]:
        rest = without_words(question, part["said"])
        removed = url("/search", q=rest, **kept) if rest != question else ""
        made.append({"what": part["what"], "means": part["means"], "said": part["said"], "remove": removed})
    for end, label in (("from_", "from"), ("to", "to")):
        if kept[end]:
            others = {**kept, end: ""}
            made.append({"what": label, "means": kept[end], "said": "", "remove": url("/search", q=question, **others)})
    if query["text"] and not any(part["what"] == "words" for part in query["understood"]):
        made.append({"what": "words", "means": query["text"], "said": "", "remove": ""})
    return made


def facets(question: str, answer: dict[str, Any], kept: dict[str, str]) -> list[dict[str, Any]]:
    """Values to narrow the search by. Counts of the whole answer where the workspace gives them, else of this page."""
    given = answer.get("facets") or {}
    made = []
    for field, chosen in (("level", "levels"), ("host", "hosts"), ("service", "services")):
        counts: dict[str, int] = dict(given.get(field, ()))
        if not given:
            for hit in answer["hits"]:
                counts[hit[field]] = counts.get(hit[field], 0) + 1
        active = answer["query"][chosen]
        values = [
            {
                "value": value,
                "count": n,
                "active": value in active,
                "link": url("/search", q=_toggled(question, field_term(field, value), value in active), **kept),
            }
            for value, n in sorted(counts.items(), key=lambda item: -item[1])[:8]
            if value
        ]
        if values:
            made.append({"field": field, "values": values, "exact": bool(given)})
    return made


def _toggled(question: str, term: str, active: bool) -> str:
    """The question with ``term`` added; without it when it holds already (also by other words: then unchanged)."""
    return without_words(question, term) if active else f"{question} {term}".strip()
