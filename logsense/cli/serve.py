"""Commands that run until they are stopped: serve, worker, demo."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from logsense.cli.common import DEFAULT_DATA, Config, Data, console


def add_to(app: typer.Typer) -> None:
    app.command()(serve)
    app.command(hidden=True)(worker)
    app.command(hidden=True)(parser)
    app.command(hidden=True)(job)
    app.command()(demo)


def serve(
    data: Data = DEFAULT_DATA,
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of API, pages and receivers [8514].")] = None,
    syslog_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="UDP and TCP port for syslog, 0 for none [5514].")
    ] = None,
    tail: Annotated[
        list[str] | None, typer.Option(help="Follow these files too; {host} and {service} in the path are understood.")
    ] = None,
    config: Config = None,
) -> None:
    """Accept logs and metrics, and answer questions. Works without any configuration."""
    from logsense.config import load_settings
    from logsense.server import serve as run

    settings = load_settings(config)
    table = dict(settings.tables.get("server", {}))
    table |= {k: v for k, v in {"host": host, "port": port, "syslog_port": syslog_port}.items() if v is not None}
    settings = dataclasses.replace(settings, tables={**settings.tables, "server": table})
    syslog, tls = settings.section("server").syslog_port, settings.section("server").certificate

    def banner(url: str) -> None:
        typer.echo(f"logsense is ready: {url}")
        typer.echo(
            f"  send logs     curl --data-binary @/var/log/syslog -H 'Content-Type: text/plain' {url}/api/v1/logs"
        )
        typer.echo(f"  Elasticsearch clients and shippers   {url}")
        if tls:
            typer.echo("  TLS           clients must trust the certificate of [server] certificate")
        if syslog:
            typer.echo(f"  syslog        udp and tcp port {syslog}")
        typer.echo(f"  data          {data.resolve()}")
        typer.echo("Ctrl-C ends it.")

    run(data, settings, config=config, say=lambda text: typer.echo(text, err=True), tail=tail or (), banner=banner)
    typer.echo("logsense has stopped; everything accepted is kept.")


def worker(
    data: Data = DEFAULT_DATA,
    config: Config = None,
    parent: Annotated[int, typer.Option(help="Process without which it ends [whoever starts it].")] = 0,
) -> None:
    """Move lines from the spools to the indexes of all tenants (started by `serve`)."""
    from logsense.config import load_settings
    from logsense.workers import Workers

    Workers(data, load_settings(config), beside=True, config=config).run(parent)


def parser(data: Data = DEFAULT_DATA, config: Config = None) -> None:
    """Parse the lines in the spool for the worker (started by it)."""
    from logsense.config import load_settings
    from logsense.front_process import serve_front

    serve_front(data, load_settings(config))


def job(data: Data = DEFAULT_DATA) -> None:
    """Do one job on models (started by the server, which says on standard input which)."""
    from logsense.job_process import main

    main(data)


def demo(
    data: Data = Path("demo-data"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the pages.")] = 8514,
    index: Annotated[str, typer.Option(help="embedded or elasticsearch (at LOGSENSE_ELASTICSEARCH_URL).")] = "embedded",
    exit_: Annotated[bool, typer.Option("--exit", help="End after printing instead of serving the pages.")] = False,
) -> None:
    """Read the recorded samples, show what broke in them and why, then serve the pages."""
    from logsense.cli.demo import run_demo

    run_demo(data, port, stay=not exit_, out=console(), index=index)
