"""Every error in one shape: RFC 9457 problem details, with logsense's why, where and fix.

Members are always the same eight: type, title, status, detail, instance, why, where, fix ('' when nothing is
known). ``instance`` is the path asked for; for an unexpected exception it is ``urn:uuid:<id>``, and the same id
stands next to the traceback in the log. Browsers that open a page get the same facts as HTML.
"""

from __future__ import annotations

import http
import logging
import uuid
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from logsense.api.respond import dump_json, wants_html
from logsense.errors import LogsenseError, Overloaded

logger = logging.getLogger(__name__)

#: Renders a problem for a person: (request, problem) -> response.
HtmlProblem = Callable[[Request, dict[str, Any]], Response]

_FIXES = {
    401: "send a valid key",
    404: "check the address; /openapi.json and /docs list every operation",
    405: "use one of the methods named in the Allow header",
}


class BadParameter(LogsenseError):
    """A query parameter or body field that cannot be understood."""

    status, slug = 422, "bad-parameter"


def problem(
    request: Request,
    status: int,
    slug: str,
    detail: str,
    *,
    why: str = "",
    where: str = "",
    fix: str = "",
    instance: str = "",
) -> dict[str, Any]:
    """The members of one problem, see the module's docstring."""
    return {
        "type": f"urn:logsense:problem:{slug}",
        "title": slug.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "instance": instance or request.url.path,
        "why": why,
        "where": where,
        "fix": fix,
    }


class ProblemResponse(Response):
    """``application/problem+json``."""

    media_type = "application/problem+json"

    def __init__(self, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(dump_json(content), status_code=content["status"], headers=headers)


def _of_logsense(request: Request, exc: LogsenseError) -> dict[str, Any]:
    return problem(request, exc.status, exc.slug, exc.what, why=exc.why, where=exc.where, fix=exc.fix)


def _of_http(request: Request, exc: HTTPException) -> dict[str, Any]:
    phrase = http.HTTPStatus(exc.status_code).phrase
    detail = str(exc.detail)
    if exc.status_code == 404 and detail == phrase:
        detail = f"There is nothing at {request.url.path}"
    elif exc.status_code == 405 and detail == phrase:
        detail = f"{request.method} is not possible at {request.url.path}"
    slug = phrase.lower().replace(" ", "-").replace("'", "")
    return problem(request, exc.status_code, slug, detail, fix=_FIXES.get(exc.status_code, ""))


def _of_validation(request: Request, exc: RequestValidationError) -> dict[str, Any]:
    first = exc.errors()[0]
    where = " ".join(str(part) for part in first["loc"])
    if first["type"] == "json_invalid":
        why, fix = f"not JSON: {first.get('ctx', {}).get('error', first['msg'])}", "send a JSON object"
    else:
        given = repr(first.get("input"))
        why = f"{first['msg']}, got {given[:200]}"
        fix = "see /docs for what it may be"
    more = len(exc.errors()) - 1
    detail = f"{where} cannot be used" + (f" (and {more} more)" if more else "")
    return problem(request, 422, BadParameter.slug, detail, why=why, where=where, fix=fix)


def install(app: FastAPI, html: HtmlProblem | None = None, login: Callable[[Request], Response] | None = None) -> None:
    """Answer every error of ``app`` as a problem; ``html`` renders it for browsers that open a page.

    ``login`` sends a browser that shows no key to where it can.
    """

    def answer(request: Request, content: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
        if html is not None and wants_html(request) and not request.url.path.startswith("/api/"):
            response = html(request, content)
            response.headers.update(headers or {})
            return response
        return ProblemResponse(content, headers)

    async def on_logsense(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, LogsenseError)
        if exc.status >= 500:
            logger.error("%s %s: %s", request.method, request.url.path, exc)
        headers = {"retry-after": str(exc.retry_after_s)} if isinstance(exc, Overloaded) else None
        if exc.status == 401:
            if login is not None and request.method == "GET" and wants_html(request):
                return login(request)
            headers = {"www-authenticate": 'Bearer realm="logsense"'}
        return answer(request, _of_logsense(request, exc), headers)

    async def on_http(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        return answer(request, _of_http(request, exc), dict(exc.headers or {}))

    async def on_validation(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, RequestValidationError)
        return answer(request, _of_validation(request, exc))

    def on_unexpected(request: Request, error_id: str) -> Response:
        return answer(
            request,
            problem(
                request,
                500,
                "internal-error",
                "Something went wrong inside logsense",
                why="an unexpected error; its traceback is in the log of the server",
                fix=f"look for {error_id} in the server's log and report it",
                instance=f"urn:uuid:{error_id}",
            ),
        )

    app.add_exception_handler(LogsenseError, on_logsense)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_middleware(CatchUnexpected, answer=on_unexpected)


class CatchUnexpected:
    """Turns an exception that nobody expected into a problem; logs it with an id, shows the client only the id."""

    def __init__(self, app: ASGIApp, answer: Callable[[Request, str], Response]) -> None:
        self.app, self.answer = app, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            error_id = str(uuid.uuid4())
            logger.exception("%s %s failed, error id %s", scope["method"], scope["path"], error_id)
            if started:
                raise  # half an answer is out already: only closing the connection tells the client
            await self.answer(Request(scope), error_id)(scope, receive, send)
