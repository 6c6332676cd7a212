"""The MCP server, asked by the SDK's own client: in process, over standard input and output, and over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from mcp import Client as McpClient
from mcp import StdioServerParameters
from mcp.types import CallToolResult

from logsense.client import Client
from logsense.mcp_server import MAX_LINE, ServerBackend, make_server, short_search
from tests.e2e.running import Running, free_port


@pytest.fixture
def backend(server: Running) -> Iterator[ServerBackend]:
    with Client(server.url) as client:
        yield ServerBackend(client)


def content(result: CallToolResult) -> dict:
    assert not result.is_error and result.structured_content is not None
    return result.structured_content


async def test_every_tool_only_reads_and_is_described(backend: ServerBackend) -> None:
    async with McpClient(make_server(backend)) as client:
        tools = (await client.list_tools()).tools
    assert {tool.name for tool in tools} == {"search", "incidents", "incident", "diagnose", "templates"}
    for tool in tools:
        assert tool.description and tool.annotations is not None and tool.annotations.read_only_hint


async def test_tools_answer(backend: ServerBackend) -> None:
    async with McpClient(make_server(backend)) as client:
        found = content(await client.call_tool("search", {"question": "errors on db1", "limit": 3}))
        assert found["total"] == 77 and len(found["lines"]) == 3 and "host:db1" in found["syntax"]
        counted = content(await client.call_tool("search", {"question": "how many errors on db0"}))
        assert counted["answer"]["value"] == 77
        assert content(await client.call_tool("templates", {}))["templates"]
        assert "incidents" in content(await client.call_tool("incidents", {"from_time": "-2h"}))
        assert content(await client.call_tool("diagnose", {"from_time": "-2h"}))["summary"]


async def test_errors_say_what_to_do(backend: ServerBackend) -> None:
    async with McpClient(make_server(backend)) as client:
        result = await client.call_tool("incident", {"incident_id": "no-such"})
        assert result.is_error and "no-such" in result.content[0].text
        assert (await client.call_tool("search", {"question": "x", "limit": 10_000})).is_error


async def test_over_standard_input_and_output(server: Running) -> None:
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "logsense", "mcp", "--url", server.url], env=dict(os.environ)
    )
    async with McpClient(command) as client:
        assert content(await client.call_tool("search", {"question": "host:db2"}))["total"] > 700


async def test_over_http(server: Running) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "logsense", "mcp", "--url", server.url, "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        while (line := process.stderr.readline()) and "startup complete" not in line:
            pass
        async with McpClient(f"http://127.0.0.1:{port}/mcp") as client:
            assert content(await client.call_tool("templates", {"limit": 5}))["templates"]
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()


def test_long_lines_are_cut() -> None:
    hit = {"id": "1", "message": "x" * 9000, "@timestamp": "2026-03-01T00:00:00Z"}
    found = {"total": 1, "query": {"understood": []}, "hits": [hit], "templates": [], "incidents": [], "notes": []}
    assert len(short_search(found)["lines"][0]["message"]) == MAX_LINE + 1
