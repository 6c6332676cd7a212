"""``/login`` and ``/logout``: a key typed once becomes a signed cookie."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from logsense.api.auth import check_same_origin
from logsense.api.credentials import COOKIE
from logsense.keys import KeyStore
from logsense.ui.forms import read_form
from logsense.ui.language import marked
from logsense.ui.rendering import page

_MAX_FORM = 8 * 1024


def router(store: KeyStore) -> APIRouter:
    """The two pages that need no key."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/login")
    def form(request: Request, next: str = "/") -> Response:
        return page(request, "login.html", section="", next=safe_place(next), wrong="")

    @routes.post("/login")
    async def login(request: Request) -> Response:
        check_same_origin(request)
        form = await read_form(request, _MAX_FORM)
        place = safe_place(form.get("next", "/"))
        key = await run_in_threadpool(store.find, form.get("key", "").strip())
        if key is None or not key.may("search"):
            wrong = (
                marked("This key is not known or was revoked.") if key is None else marked("This key may not search.")
            )
            return page(request, "login.html", status_code=401, section="", next=place, wrong=wrong)
        answer = RedirectResponse(place, 303)
        answer.set_cookie(
            COOKIE,
            store.session(key),
            max_age=12 * 3600,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer

    @routes.post("/logout")
    async def logout(request: Request) -> Response:
        check_same_origin(request)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=request.url.scheme == "https")
        return answer

    return routes


def safe_place(place: str) -> str:
    """A path of ours: nothing that a browser could take for another site."""
    plain = place.startswith("/") and not place.startswith("//") and "\\" not in place and place.isprintable()
    return place if plain else "/"


def to_login(request: Request) -> Response:
    """Where a browser without a session is sent."""
    place = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?{urlencode({'next': place})}", 303)


Redirect = Callable[[Request], Response]
