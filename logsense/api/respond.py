"""JSON answers and the question whether a person or a program is asking."""

from __future__ import annotations

import json
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope


def dump_json(content: Any) -> bytes:
    """UTF-8 JSON; NaN and infinities become null. Lone surrogates, which JSON input can smuggle in, stay escaped."""
    try:
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError:
        return json.dumps(content, default=str).encode("ascii")


class Json(Response):
    """An answer in JSON that is sent as it is: the shapes in ``schemas`` document it, tests compare the two.

    Validating every answer at run time would cost more than the search that made it.
    """

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return dump_json(content)


def wants_html(request: Request) -> bool:
    """Whether a browser is asking: browsers name text/html in Accept, shippers and API clients do not."""
    return scope_wants_html(request.scope)


def scope_wants_html(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
