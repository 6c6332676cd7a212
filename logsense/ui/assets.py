"""Static files: our own few, and BokehJS out of the installed package. Nothing is ever fetched from elsewhere.

Addresses carry a digest of the content (``?v=…``), so browsers may keep them for ever and an upgrade is seen at once.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from logsense.errors import NotFound

FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
#: BokehJS without tables, widgets and formulas: 1.2 MB, 0.3 MB on the wire.
BOKEH = "bokeh/bokeh.min.js"


@dataclass(frozen=True)
class Asset:
    """A file in memory, as it is and compressed."""

    content: bytes
    packed: bytes
    media_type: str
    digest: str


@functools.cache
def load(name: str) -> Asset:
    """Read once. Raises ``NotFound`` for names that are no asset; never leaves the two folders."""
    if name == BOKEH:
        from logsense.ui.charts import script_folder

        file = script_folder() / "bokeh.min.js"
    elif name in {p.name for p in FOLDER.iterdir()}:
        file = FOLDER / name
    else:
        raise NotFound(f"There is no file {name[:80]!r}")
    content = file.read_bytes()
    return Asset(
        content,
        gzip.compress(content, 6, mtime=0),
        _TYPES[file.suffix],
        hashlib.sha256(content).hexdigest()[:12],
    )


def address(name: str) -> str:
    """Where a page finds the asset. BokehJS is addressed by its version: reading it for each page would be waste."""
    if name == BOKEH:
        import importlib.metadata

        return f"/static/{name}?v={importlib.metadata.version('bokeh')}"
    return f"/static/{name}?v={load(name).digest}"


def router() -> APIRouter:
    """``/static/…``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/static/{name:path}")
    def static(name: str, request: Request) -> Response:
        asset = load(name)
        headers = {
            "etag": f'"{asset.digest}"',
            "vary": "accept-encoding",
            "cache-control": "public, max-age=31536000, immutable" if request.query_params.get("v") else "no-cache",
        }
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.packed, media_type=asset.media_type, headers={**headers, "content-encoding": "gzip"})
        return Response(asset.content, media_type=asset.media_type, headers=headers)

    return routes
