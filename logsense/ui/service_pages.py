"""``/sources`` and ``/docs``: logsense about itself."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from logsense.ui.rendering import page
from logsense.workspace import Workspace


def router(workspace: Workspace) -> APIRouter:
    """The service's own state."""
    routes = APIRouter()

    @routes.get("/sources")
    def sources(request: Request) -> Response:
        rows = sorted(workspace.doctor(), key=lambda r: (not r["advice"], r["source"]))
        return page(
            request,
            "sources.html",
            section="sources",
            sources=[{**row, "share": parsed_share(row)} for row in rows],
            fields=("accepted", "parsed", "unparsed", "late", "future", "dropped"),
            troubled=sum(bool(row["advice"]) for row in rows),
            checks=workspace.ready(),
            ports=workspace.ports(),
            **shipper_address(request),
        )

    @routes.get("/docs")
    def docs(request: Request) -> Response:
        return page(request, "docs.html", section="docs", operations=operations(request.app.openapi()))

    return routes


def parsed_share(row: dict[str, Any]) -> float | None:
    """Lines of a source that a format understood; None while there are none."""
    lines = row["parsed"] + row["unparsed"]
    return row["parsed"] / lines if lines else None


def shipper_address(request: Request) -> dict[str, Any]:
    """Where a shipper should send, taken from how the browser reached us."""
    return {
        "base": str(request.base_url).rstrip("/"),
        "host": request.url.hostname or "localhost",
        "port": request.url.port or (443 if request.url.scheme == "https" else 80),
        "tls": request.url.scheme == "https",
    }


def operations(openapi: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The operations of an OpenAPI document by tag, the API's own before the receivers'."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for place, methods in openapi["paths"].items():
        for method, operation in methods.items():
            row = {
                "method": method.upper(),
                "path": place,
                "summary": _first_sentence(operation.get("description") or operation.get("summary", "")),
                "description": operation.get("description", ""),
                "parameters": [
                    {
                        "name": p["name"],
                        "in": p["in"],
                        "required": p.get("required", False),
                        "description": p.get("description") or p["schema"].get("description", ""),
                    }
                    for p in operation.get("parameters", ())
                ],
            }
            grouped.setdefault((operation.get("tags") or ["other"])[0], []).append(row)
    return dict(sorted(grouped.items(), key=lambda item: item[0].startswith("receiver")))


def _first_sentence(text: str) -> str:
    return text.split("\n", 1)[0].split(". ", 1)[0].rstrip(".:")
