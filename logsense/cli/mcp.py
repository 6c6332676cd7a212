"""``logsense mcp``: the Model Context Protocol over standard input and output, or on a loopback port."""

from __future__ import annotations

from typing import Annotated

import typer

from logsense.cli.common import DEFAULT_DATA, Config, Data


def add_to(app: typer.Typer) -> None:
    app.command()(mcp)


def mcp(
    url: Annotated[
        str, typer.Option(help="Ask this running server instead of the data folder, e.g. http://127.0.0.1:8514.")
    ] = "",
    api_key: Annotated[
        str, typer.Option(envvar="LOGSENSE_API_KEY", help="Key for --url, with the scope search.", show_default=False)
    ] = "",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Serve HTTP on this loopback port; 0: standard input and output."),
    ] = 0,
    data: Data = DEFAULT_DATA,
    config: Config = None,
) -> None:
    """Offer search, incidents and causes to MCP clients, for reading only.

    In a client's settings:  {"command": "logsense", "args": ["mcp", "--url", "http://127.0.0.1:8514"]}
    """
    from logsense.mcp_server import Backend, FolderBackend, ServerBackend, run_http, run_stdio

    backend: Backend
    if url:
        from logsense.client import Client

        backend = ServerBackend(Client(url, api_key=api_key))
    else:
        from logsense.config import load_settings
        from logsense.workspace import Workspace

        backend = FolderBackend(Workspace(data, load_settings(config)))
    if port:
        run_http(backend, port, started=lambda at: typer.echo(f"MCP is ready: {at}", err=True))
    else:
        run_stdio(backend)
