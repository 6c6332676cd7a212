"""Who may do what: the hook for API keys, and two checks that protect a browser's user without them.

``logsense serve`` refuses to listen beyond loopback without authentication; that is its business, not ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.requests import Request

from logsense.api.options import ApiOptions
from logsense.caller import CALLER, Caller
from logsense.errors import LogsenseError


class Unauthorized(LogsenseError):
    """No key, or one that is not known."""

    status, slug = 401, "unauthorized"


class Forbidden(LogsenseError):
    """A known somebody who may not do this, or a request from a place that must not make it."""

    status, slug = 403, "forbidden"


def check_host(request: Request, allowed: tuple[str, ...]) -> None:
    """Refuse host names that are not ours (DNS rebinding). An empty ``allowed`` lets every name pass."""
    name = request.url.hostname or ""
    if allowed and name not in allowed:
        raise Forbidden(
            f"This server is not called {name[:80]!r}",
            why="the Host header names none of the allowed hosts, as in a DNS rebinding attack",
            where="Host header",
            fix="open it under its own name, or add the name to allowed_hosts",
        )


def check_same_origin(request: Request) -> None:
    """Refuse a change that another web site's page asks for (CSRF). Programs send neither header and pass."""
    origin = request.headers.get("origin", "")
    site = request.headers.get("sec-fetch-site", "")
    foreign = site in ("cross-site", "same-site")
    if origin and not foreign:
        foreign = urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()
    if foreign:
        raise Forbidden(
            "This change was asked for by another site's page",
            why=f"the request comes from {origin[:80] or site}",
            where="Origin header",
            fix="use the form on logsense's own page",
        )


def guard(options: ApiOptions, purpose: str) -> Callable[[Request], Awaitable[None]]:
    """The dependency for routes with this ``purpose``: read, act or ingest. ``request.state.actor`` gets the name.

    What it establishes as ``CALLER`` decides whose data the handler sees. It never leaves the event loop: a thread for
    each batch that arrives would be dear.
    """

    async def dependency(request: Request) -> None:
        if purpose != "ingest":
            check_host(request, options.allowed_hosts)
        if request.method not in ("GET", "HEAD"):
            check_same_origin(request)
        caller = options.authenticate(request, purpose) if options.authenticate else Caller()
        CALLER.set(caller)
        request.state.actor, request.state.session = caller.name, caller.session

    return dependency
