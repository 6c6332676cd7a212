"""The switch between the languages of the pages."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from logsense.api.auth import check_same_origin
from logsense.ui.forms import read_form
from logsense.ui.language import COOKIE, LANGUAGES
from logsense.ui.login import safe_place

_YEAR_S = 365 * 86_400
_MAX_FORM = 8 * 1024


def router() -> APIRouter:
    """``POST /language``: the switch. A form, so that nothing that only reads addresses changes it."""
    routes = APIRouter(include_in_schema=False)

    @routes.post("/language")
    async def switch(request: Request) -> Response:
        check_same_origin(request)
        form = await read_form(request, _MAX_FORM)
        answer = RedirectResponse(safe_place(form.get("next", "/")), 303)
        code = form.get("language", "")
        if code in LANGUAGES:
            secure = request.url.scheme == "https"
            answer.set_cookie(COOKIE, code, max_age=_YEAR_S, httponly=True, samesite="lax", secure=secure)
        return answer

    return routes
