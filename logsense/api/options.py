"""Settings of the HTTP application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from logsense.caller import Caller
from logsense.keys import KeyStore

#: Decides about one request. Called in the event loop (it must not block) with the request and what it wants to do:
#: ``read`` (API and pages), ``act`` (acknowledge, note …) or ``ingest`` (receivers). Returns who is asking
#: and for which tenant; raises ``auth.Unauthorized`` or ``auth.Forbidden``.
Authenticate = Callable[[Request, str], Caller]


@dataclass(frozen=True)
class ApiOptions:
    """What ``create_app`` can be told."""

    #: Shown in the page title and in OpenAPI.
    title: str = "logsense"
    #: Host names (without port) under which API and pages may be asked for; empty: any. Naming them stops DNS
    #: rebinding, where a hostile web page reads a service on loopback. Receivers are exempt: shippers use any name.
    allowed_hosts: tuple[str, ...] = ()
    #: The hook for API keys; None lets everybody in, which is safe on loopback only.
    authenticate: Authenticate | None = None
    #: The keys that ``/login`` checks; None means that there is no login page.
    keys: KeyStore | None = None
    #: Live tails at a time, each of which looks at the index twice a second; one more is refused with 503.
    live_clients: int = 32
    #: Whether the server is about to stop: open streams end then.
    stopping: Callable[[], bool] = lambda: False
