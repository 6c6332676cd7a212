"""What the pages' forms send."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request

from logsense.errors import TooLarge


async def read_form(request: Request, limit_bytes: int = 64 * 1024) -> dict[str, str]:
    """An urlencoded form; of repeated fields the last. Raises ``TooLarge`` beyond ``limit_bytes``, early."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise TooLarge(
                "The form is too large", why=f"more than {limit_bytes // 1024} kB", where="body", fix="write less"
            )
    return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
