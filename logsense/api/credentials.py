"""Where clients of every family put their key, who may do what with it, and for which tenant."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import replace

from starlette.requests import Request

from logsense.api.auth import Forbidden, Unauthorized
from logsense.api.options import Authenticate
from logsense.caller import Caller
from logsense.keys import Key, KeyStore
from logsense.tenancy import DEFAULT, HEADER, check_name

COOKIE = "logsense_session"
_HEADERS = ("x-api-key", "dd-api-key", "x-insert-key")
_SCOPE = {"ingest": "ingest", "read": "search", "act": "admin"}


def authenticator(store: KeyStore) -> Authenticate:
    """The hook for ``ApiOptions.authenticate``; lets everybody in while there are no keys."""

    def authenticate(request: Request, purpose: str) -> Caller:
        wanted = request.headers.get(HEADER, "")
        peer = request.client.host if request.client else ""
        if not store.enabled():
            return anybody(wanted, peer)
        key = key_of_request(store, request, purpose)
        caller = allow(key, purpose, wanted, shown=_shown(request))
        return replace(caller, session=not _shown(request) and COOKIE in request.cookies)

    return authenticate


def anybody(wanted: str, peer: str) -> Caller:
    """Without keys whoever reaches the server chooses the tenant. Raises BadInput for what is no name."""
    return Caller(check_name(wanted) if wanted else DEFAULT, source=peer)


def key_of_request(store: KeyStore, request: Request, purpose: str) -> Key | None:
    """The key that a request shows in any of its usual forms. A cookie never serves for sending logs."""
    for text in candidates(request.headers):
        key = store.find(text)
        if key is not None:
            return key
    if purpose == "ingest":
        for text in _in_address(request):
            key = store.find(text)
            if key is not None:
                return key
        return None
    cookie = request.cookies.get(COOKIE, "")
    return store.find_session(cookie) if cookie else None


def allow(key: Key | None, purpose: str, wanted: str, *, shown: bool) -> Caller:
    """Who that is; ``wanted`` is the tenant that the request names.

    Raises ``Unauthorized``, ``Forbidden``, or BadInput for what is no tenant's name.
    """
    scope = _SCOPE.get(purpose, "admin")
    if key is None:
        raise Unauthorized(
            "The API key is not known" if shown else "This needs an API key",
            why="it was never made here, or it was revoked" if shown else "the request shows none",
            where="Authorization header",
            fix="make one with `logsense keys add NAME --scope …` and send it as Bearer token or Basic password",
        )
    if not key.may(scope):
        raise Forbidden(
            f"The key {key.name!r} may not do this",
            why=f"it has {', '.join(key.scopes)}; this needs {scope}",
            where="Authorization header",
            fix=f"use a key with the scope {scope}",
        )
    tenant = check_name(wanted) if wanted else key.tenant()
    if not key.may_choose(tenant):
        raise Forbidden(
            f"The key {key.name!r} may not choose the tenant {tenant!r}",
            why=f"it belongs to {', '.join(key.tenants) or DEFAULT}",
            where="X-Scope-OrgID header",
            fix="leave the header out, or make a key for that tenant: `logsense keys add NAME --tenant …`",
        )
    return Caller(tenant, key.name, source=f"key {key.name}")


def candidates(headers: Mapping[str, str]) -> Iterator[str]:
    """Every text in ``headers`` that may be a key: Bearer, Splunk, Token, ApiKey (plain, base64), Basic, X-API-Key."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    value = value.strip()
    if kind.lower() in ("bearer", "splunk", "token", "apikey", "api-key"):
        yield value
    if kind.lower() in ("basic", "apikey") and value:
        name, _, password = _decode(value).partition(":")
        yield password
        yield name
    for header in _HEADERS:
        if headers.get(header):
            yield headers[header]


def _in_address(request: Request) -> Iterator[str]:
    """InfluxDB 1 (``p=``), Splunk (``token=``), Datadog (``api_key=`` or the path)."""
    for name in ("p", "token", "api_key", "dd-api-key"):
        if request.query_params.get(name):
            yield request.query_params[name]
    if request.path_params.get("key"):
        yield str(request.path_params["key"])


def _shown(request: Request) -> bool:
    return any(True for text in candidates(request.headers) if text)


def _decode(value: str) -> str:
    try:
        return base64.b64decode(value, validate=False).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
