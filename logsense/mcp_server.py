"""``logsense mcp``: search, incidents, causes and message types over the Model Context Protocol, for reading only.

The tools are thin: they ask a running server through ``logsense.client``, or a data folder through ``Workspace``, and
shorten what comes back to what fits a conversation. Nothing here changes anything. The only module that imports mcp.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import Field

import logsense
from logsense.errors import BadInput, LogsenseError
from logsense.timefmt import parse_time

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from logsense.client import Client
    from logsense.workspace import Workspace

#: Lines, incidents or templates that one answer may hold, and the length of one line in it.
MAX_ITEMS, MAX_LINE = 100, 500

_INSTRUCTIONS = """logsense holds logs and metrics, the incidents that it found in them, and their likely causes.
Ask `search` in plain words (English or Chinese) or in its query syntax; every answer says how it was understood
(`syntax`, `understood`). `incidents` lists what broke, `incident` explains one with the evidence, `diagnose` ranks
causes for a span of time, `templates` lists the kinds of messages. All tools only read. Times are RFC 3339, epochs,
or relative such as -15m, -2h, -7d, now."""

_Span = Annotated[str, Field(description="RFC 3339, an epoch or relative (-15m, -2h, -7d); empty: no limit")]
_Count = Annotated[int, Field(ge=1, le=MAX_ITEMS)]


class Backend(Protocol):
    """Where the answers come from; JSON-ready data as the API has it."""

    def search(self, question: str, from_: str, to: str, limit: int, tz: str) -> dict[str, Any]: ...

    def incidents(self, from_: str, to: str, status: str, limit: int) -> list[dict[str, Any]]: ...

    def incident(self, incident_id: str) -> dict[str, Any]: ...

    def diagnose(self, from_: str, to: str) -> dict[str, Any]: ...

    def templates(self, order: str, limit: int) -> list[dict[str, Any]]: ...


class FolderBackend:
    """A data folder on this machine, with or without a server beside it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def search(self, question: str, from_: str, to: str, limit: int, tz: str) -> dict[str, Any]:
        self._workspace.wait_for_models()
        low, high = _ns(from_, "from"), _ns(to, "to")
        return self._workspace.search(question, from_=low, to=high, limit=limit, tz=tz)

    def incidents(self, from_: str, to: str, status: str, limit: int) -> list[dict[str, Any]]:
        low, high = _ns(from_, "from"), _ns(to, "to")
        return self._workspace.incidents(from_=low, to=high, status=status or None, limit=limit)

    def incident(self, incident_id: str) -> dict[str, Any]:
        return self._workspace.incident(incident_id)

    def diagnose(self, from_: str, to: str) -> dict[str, Any]:
        return self._workspace.diagnose(_ns(from_, "from"), _ns(to, "to"))

    def templates(self, order: str, limit: int) -> list[dict[str, Any]]:
        return self._workspace.templates(order=order, limit=limit)


class ServerBackend:
    """A running server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def search(self, question: str, from_: str, to: str, limit: int, tz: str) -> dict[str, Any]:
        return self._client.ask(question, from_=from_ or None, to=to or None, limit=limit, tz=tz).raw

    def incidents(self, from_: str, to: str, status: str, limit: int) -> list[dict[str, Any]]:
        params = {"from": from_ or None, "to": to or None, "status": status or None, "limit": limit}
        return list(self._client.get("/api/v1/incidents", **params))

    def incident(self, incident_id: str) -> dict[str, Any]:
        return self._client.incident(incident_id)

    def diagnose(self, from_: str, to: str) -> dict[str, Any]:
        return self._client.diagnose(from_=from_ or None, to=to or None).raw

    def templates(self, order: str, limit: int) -> list[dict[str, Any]]:
        return list(self._client.get("/api/v1/templates", order=order, limit=limit))


def make_server(backend: Backend) -> MCPServer:
    """The MCP server over ``backend``. Errors that people can cause are told with their reason and remedy."""
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import ToolAnnotations

    server = MCPServer("logsense", title="logsense", version=logsense.__version__, instructions=_INSTRUCTIONS)
    read_only = ToolAnnotations(
        read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
    )

    async def run(ask: Callable[[], Any]) -> Any:
        try:
            return await asyncio.to_thread(ask)
        except LogsenseError as error:
            raise ToolError(str(error)) from error

    @server.tool(title="Search the logs", annotations=read_only)
    async def search(
        question: Annotated[
            str, Field(max_length=2000, description="Plain words, or syntax such as host:db1 level:error")
        ],
        from_time: _Span = "",
        to_time: _Span = "",
        limit: _Count = 20,
        time_zone: Annotated[str, Field(description="The asker's zone, e.g. Europe/Berlin")] = "UTC",
    ) -> dict[str, Any]:
        """Find lines, message types and incidents for a question; counts and tables where it asks for them."""
        return short_search(await run(lambda: backend.search(question, from_time, to_time, limit, time_zone)))

    @server.tool(title="List incidents", annotations=read_only)
    async def incidents(
        from_time: _Span = "",
        to_time: _Span = "",
        status: Annotated[str, Field(description="open, acknowledged, resolved, or empty for all")] = "",
        limit: _Count = 20,
    ) -> dict[str, Any]:
        """What broke: incidents, newest first, each with its most likely cause."""
        return {"incidents": await run(lambda: backend.incidents(from_time, to_time, status, limit))}

    @server.tool(title="Explain an incident", annotations=read_only)
    async def incident(
        incident_id: Annotated[str, Field(description="An id from `incidents` or `search`")],
    ) -> dict[str, Any]:
        """One incident: cited summary, ranked causes with evidence for and against, timeline, earlier ones like it."""
        found = dict(await run(lambda: backend.incident(incident_id)))
        found["timeline"] = found.get("timeline", [])[:MAX_ITEMS]
        found.pop("charts", None)
        return found

    @server.tool(title="Rank possible causes", annotations=read_only)
    async def diagnose(from_time: _Span = "-1h", to_time: _Span = "now") -> dict[str, Any]:
        """Rank what may have gone wrong between two times, with evidence, and what was not examined."""
        return dict(await run(lambda: backend.diagnose(from_time, to_time)))

    @server.tool(title="List message types", annotations=read_only)
    async def templates(
        order: Annotated[str, Field(description="count (most lines), new (newest) or last (last seen)")] = "count",
        limit: _Count = 50,
    ) -> dict[str, Any]:
        """The kinds of messages that the logs are made of, with their counts and when they were first seen."""
        return {"templates": await run(lambda: backend.templates(order, limit))}

    return server


def short_search(found: dict[str, Any]) -> dict[str, Any]:
    """The members of a search answer that a reader needs, with long lines cut."""
    keep = ("@timestamp", "host", "service", "level", "id")
    return {
        "total": found["total"],
        "syntax": found["query"].get("syntax", ""),
        "understood": found["query"]["understood"],
        "answer": found.get("answer"),
        "lines": [
            {**{name: hit[name] for name in keep if hit.get(name)}, "message": _cut(hit["message"])}
            for hit in found["hits"]
        ],
        "templates": found["templates"][:10],
        "incidents": found["incidents"],
        "notes": found["notes"],
    }


def run_stdio(backend: Backend) -> None:
    """Serve over standard input and output until they close."""
    make_server(backend).run("stdio")


def run_http(backend: Backend, port: int, *, started: Callable[[str], None]) -> None:
    """Serve streamable HTTP at ``http://127.0.0.1:<port>/mcp`` until interrupted. Never listens beyond loopback."""
    started(f"http://127.0.0.1:{port}/mcp")
    make_server(backend).run("streamable-http", host="127.0.0.1", port=port)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_LINE else f"{text[:MAX_LINE]}…"


def _ns(text: str, name: str) -> int | None:
    if not text.strip():
        return None
    found = parse_time(text, now_ns=time.time_ns(), name=name)
    if not 0 <= found < 2**63:
        raise BadInput(f"{name} is out of range: {text[:80]!r}.", fix="use a time between 1970 and 2262")
    return found
