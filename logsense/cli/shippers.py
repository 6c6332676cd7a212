"""``logsense shipper-config``: configurations that can be pasted."""

from __future__ import annotations

from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    app.command("shipper-config")(shipper_config)


def shipper_config(
    name: Annotated[str, typer.Argument(help="The shipper; without it, all names are listed.")] = "",
    host: Annotated[str, typer.Option(help="Where the shipper reaches logsense.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="HTTP port of logsense.")] = 8514,
    key: Annotated[str, typer.Option(help="An API key with the scope ingest.")] = "",
    path: Annotated[str, typer.Option(help="Log files to read, where the shipper reads files.")] = "/var/log/*.log",
) -> None:
    """Print a ready configuration for a log shipper, with the settings that make it lossless."""
    from logsense.shippers import names, render

    if not name:
        for one, what in names():
            typer.echo(f"{one:<18} {what}")
        return
    typer.echo(render(name, host=host, port=port, key=key, path=path), nl=False)
