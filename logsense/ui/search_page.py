"""``/search``: a question, how it was understood, and what was found. Its whole state stands in the address."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from logsense.api.params import Window, window
from logsense.timefmt import iso
from logsense.ui.answers import drawn
from logsense.ui.format import SECOND, field_term, nanoseconds, without_words
from logsense.ui.language import marked
from logsense.ui.rendering import page, url, worded
from logsense.workspace import Workspace

PAGE = 50
EXAMPLES = (
    marked("errors in the last hour"),
    marked("which hosts could not reach the database last night?"),
    marked("out of memory"),
    marked("failed logins since yesterday"),
)
#: Spans on offer: (label, value of ``from``).
SPANS = (
    (marked("15 min"), "-15m"), (marked("1 h"), "-1h"), (marked("24 h"), "-24h"), (marked("7 d"), "-7d"),
    (marked("All"), ""),
)  # fmt: skip
_FIELDS = (("level", "levels"), ("host", "hosts"), ("service", "services"))


def router(workspace: Workspace) -> APIRouter:
    """Asking, for people."""
    routes = APIRouter()

    @routes.get("/search")
    def search(
        request: Request,
        span: Annotated[Window, Depends(window)],
        q: Annotated[str, Query(max_length=2000)] = "",
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
        sort: Literal["relevance", "time", ""] = "",
        live: Literal["", "1"] = "",
    ) -> Response:
        given = request.query_params
        # Without words there is nothing to be relevant to: newest first. So are lines that go on arriving.
        by_time = bool(live) or sort == "time" or (not sort and not q.strip())
        cursor = workspace.follow(q).cursor if live else ""  # before the search: no line falls between the two
        answer = workspace.search(q, from_=span.from_ns, to=span.to_ns, limit=PAGE, offset=offset, by_time=by_time)
        answer["incidents"] = worded(answer["incidents"])
        kept = {"sort": sort, "from_": given.get("from", ""), "to": given.get("to", ""), "live": live}
        return page(
            request,
            "search.html",
            section="search",
            q=q,
            asked=bool(given),
            answer=answer,
            drawn=drawn(answer.get("answer")),
            words=answer["query"]["text"].split() + answer["query"]["phrases"],
            chips=chips(q, answer["query"], kept),
            compiled=compiled(answer["query"]),
            facets=facets(q, answer, kept),
            kept=kept,
            by_time=by_time,
            live=live,
            stream=url("/search/live", q=q, after=cursor) if live else "",
            offset=offset,
            more=url("/search", q=q, offset=offset + PAGE, **kept) if offset + PAGE < answer["total"] else "",
            around=around(q, answer, kept),
            step=lambda first, last: url("/search", q=q, **{**kept, "from_": iso(first), "to": iso(last), "live": ""}),
            spans=[(label, value, url("/search", q=q, **{**kept, "from_": value, "to": ""})) for label, value in SPANS],
            examples=EXAMPLES,
        )

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


def compiled(query: dict[str, Any]) -> str:
    """The compiled query in the syntax that can be typed; '' when it has no filter worth editing.

    Times are left out where the address holds them; templates that meaning selected have no words.
    """
    parts = []
    for field, chosen in _FIELDS:
        values = query[chosen]
        if len(values) == 1:
            parts.append(field_term(field, values[0]))
        elif values:
            parts.append(f"{field}:({' OR '.join(values)})")
    parts += [f'{name}:"{value}"' for name, value in query.get("fields", {}).items()]
    parts += [f'"{phrase}"' for phrase in query["phrases"]]
    parts += [f'-"{word}"' if " " in word else f"-{word}" for word in query["exclude"]]
    parts += [f"{end}:{query[end]}" for end in ("from", "to") if query[end]]
    return " ".join([*parts, *([query["text"]] if query["text"] else [])]) if parts else ""


def facets(question: str, answer: dict[str, Any], kept: dict[str, str]) -> list[dict[str, Any]]:
    """Values to narrow the search by, each to be asked for or to be left out.

    Counts of the whole answer where the workspace gives them, else of this page.
    """
    given = answer.get("facets") or {}
    made = []
    for field, chosen in _FIELDS:
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
                "without": url("/search", q=f"{question} -{field_term(field, value)}".strip(), **kept),
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


def around(question: str, answer: dict[str, Any], kept: dict[str, str]) -> dict[str, str]:
    """The span that is shown, and addresses of the ones before, behind and around it."""
    first, last = nanoseconds(answer["query"]["from"]), nanoseconds(answer["query"]["to"])
    buckets = answer["histogram"]["buckets"]
    if buckets:
        step = max(1, round(answer["histogram"]["step_s"] * SECOND))
        begin = nanoseconds(buckets[0][0])
        end = nanoseconds(buckets[-1][0])
        first = first if first is not None else begin
        last = last if last is not None else (end + step if end is not None else None)
    if first is None or last is None or last <= first:
        return {"from": kept["from_"], "to": kept["to"], "earlier": "", "later": "", "wider": ""}
    width = last - first
    # A time that the question itself names gives way to the address, so these work with and without one.
    others = {**kept, "live": ""}

    def place(begin: int, end: int) -> str:
        return url("/search", q=question, **{**others, "from_": iso(max(0, begin)), "to": iso(max(1, end))})

    return {
        "from": iso(first),
        "to": iso(last),
        "earlier": place(first - width, first),
        "later": place(last, last + width),
        "wider": place(first - width, last + width),
    }
