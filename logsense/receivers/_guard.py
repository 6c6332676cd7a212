"""Answers to errors in the form of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from logsense import errors

Refuse = Callable[[errors.LogsenseError, Request], Response]


def guarded_route(refuse: Refuse) -> type[APIRoute]:
    """A route class whose handlers' ``errors.*`` are answered by ``refuse(error, request)``."""

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                try:
                    return await handle(request)
                except errors.LogsenseError as error:
                    return refuse(error, request)

            return guarded

    return GuardedRoute


def retry_headers(error: errors.LogsenseError) -> dict[str, str]:
    """``Retry-After`` when the spool is full."""
    return {"Retry-After": str(error.retry_after_s)} if isinstance(error, errors.Overloaded) else {}
