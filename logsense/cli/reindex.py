"""``logsense reindex``: from the embedded index into Elasticsearch, or back."""

from __future__ import annotations

from typing import Annotated

import typer

from logsense.cli.common import DEFAULT_DATA, DEFAULT_TENANT, Config, Data, Json, Tenant, place_of, print_json, table


def add_to(app: typer.Typer) -> None:
    app.command()(reindex)


def reindex(
    source: Annotated[str, typer.Option("--from", help="embedded or elasticsearch.")],
    target: Annotated[str, typer.Option("--to", help="embedded or elasticsearch.")],
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:
    """Copy everything from one index into another; run it again after an interruption, it goes on."""
    from logsense.cli.feed import Progress
    from logsense.reindex import reindex as run

    try:
        with Progress(quiet=json) as progress:
            counts = run(*place_of(data, config, tenant), source, target, progress)
    except KeyboardInterrupt:
        typer.echo("Interrupted; what was copied is kept. Run the same command again: it goes on there.", err=True)
        raise typer.Exit(130) from None
    if json:
        print_json(counts)
        return
    table("", ["what", f">{source}", f">{target}"], ((k, n["source"], n["target"]) for k, n in counts.items()))
    typer.echo(f'All counts agree. Set type = "{target}" in [index] to use it.')
