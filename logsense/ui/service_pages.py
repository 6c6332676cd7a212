"""``/sources``, ``/models`` and ``/docs``: logsense about itself."""

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

    @routes.get("/models")
    def models(request: Request) -> Response:
        return page(
            request, "models.html", section="models", models=[{**m, **card(m["card"])} for m in workspace.models()]
        )

    @routes.get("/docs")
    def docs(request: Request) -> Response:
        return page(request, "docs.html", section="docs", operations=operations(request.app.openapi()))

    return routes


def parsed_share(row: dict[str, Any]) -> float | None:
    """Lines of a source that a format understood; None while there are none."""
    lines = row["parsed"] + row["unparsed"]
    return row["parsed"] / lines if lines else None


#: What a person asks a card first; the rest is there to be unfolded.
_FRONT = ("purpose", "trained_on", "limits", "data", "calibrated", "horizon_s", "threshold")
_MEASURES = ("average_precision", "baseline_average_precision", "brier", "recall", "precision", "lead_s", "auc")
#: Files, versions and digests, which the page of the model names elsewhere or nobody reads.
_PLUMBING = ("name", "version", "created", "artefact", "kind")


def card(given: dict[str, Any]) -> dict[str, Any]:
    """A model card in the order in which it is read: measures, what it is for and its limits, then everything else."""
    measures: dict[str, float] = {}
    scores = given.get("scores")
    front = {name: _short(given[name]) for name in _FRONT if name in given}
    for part in [given, *(p for p in (scores, given.get("measures")) if isinstance(p, dict))]:
        for name in _MEASURES:
            if isinstance(part.get(name), int | float) and not isinstance(part.get(name), bool):
                measures.setdefault(name, part[name])
    return {
        "key_measures": measures,
        "front": front,
        "rest": {name: value for name, value in given.items() if name not in _PLUMBING and front.get(name) != value},
    }


def _short(value: Any) -> Any:
    """A table of a card without the tables in it, its lists of names in one line."""
    if not isinstance(value, dict):
        return value
    plain = {name: v for name, v in value.items() if not isinstance(v, dict)}
    return {name: ", ".join(map(str, v)) if isinstance(v, list) else v for name, v in plain.items()}


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
