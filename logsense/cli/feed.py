"""Commands that bring lines in or show what logsense makes of them: ingest, tail, parse, mine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from logsense.cli.common import (
    DEFAULT_DATA,
    DEFAULT_TENANT,
    Config,
    Data,
    Json,
    Tenant,
    console,
    place_of,
    print_json,
    print_ndjson,
    visible,
)

Files = Annotated[list[str], typer.Argument(metavar="FILE…", help="Files (also .gz), or - for standard input.")]
Format = Annotated[str, typer.Option("--format", help="Name of a format (`logsense formats`), or auto.")]
Zone = Annotated[str, typer.Option("--time-zone", help="Zone of timestamps that carry none.")]


def add_to(app: typer.Typer) -> None:
    app.command()(ingest)
    app.command()(tail)
    app.command()(parse)
    app.command()(mine)


def ingest(
    files: Files,
    pipeline: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="FILE… are folders laid out as this pipeline says.")
    ] = None,
    format_: Format = "auto",
    host: Annotated[str, typer.Option(help="host.name of lines that state none.")] = "",
    service: Annotated[str, typer.Option(help="service.name of lines that state none.")] = "",
    time_zone: Zone = "UTC",
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:
    """Read files to their end, index them, and look for incidents in them.

    \b
    logsense ingest /var/log/syslog /var/log/postgresql/*.log
    journalctl -o short-iso | logsense ingest - --service journal
    logsense ingest --pipeline database samples/database
    """
    from logsense.feed import Hints, ingest_files, ingest_pipeline

    given, (data, settings) = data, place_of(data, config, tenant)
    with Progress(quiet=json) as progress:
        if pipeline:
            report = ingest_pipeline(data, settings, pipeline, [Path(f) for f in files], progress=progress)
        else:
            hints = Hints(format=format_, host=host, service=service, time_zone=time_zone)
            report = ingest_files(data, settings, files, hints, progress=progress)
    if json:
        print_json(report)
        return
    rate = report["lines"] / max(report["seconds"], 1e-9)
    typer.echo(
        f"{report['lines']:,} lines and {report['points']:,} metric points in {report['seconds']:.1f} s "
        f"({rate:,.0f} lines/s); {report['unparsed']:,} match no format."
    )
    for note in report["notes"]:
        typer.secho(f"note: {visible(note)}", fg="yellow", err=True)
    for row in report["incidents"]:
        typer.echo(f"  {row['id']:8} {row['severity']:9} {row['start'][:19]}  {visible(row['title'])}")
    where = f"--data {given}" + (f" --tenant {tenant}" if tenant != DEFAULT_TENANT else "")
    typer.echo(f'Ask: logsense search "…" {where}   Read: logsense incidents {where}')


def tail(
    files: Files,
    host: Annotated[str, typer.Option(help="host.name of lines that state none.")] = "",
    service: Annotated[str, typer.Option(help="service.name of lines that state none.")] = "",
    format_: Format = "auto",
    time_zone: Zone = "UTC",
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Follow files (through rotation) and report incidents as they open. Ctrl-C ends it; it goes on where it was."""
    from logsense.feed import Hints, follow

    data, settings = place_of(data, config, tenant)
    out = console()

    def tell(event: str, row: dict[str, Any]) -> None:
        if event == "incident":
            out.print(f"{row['start'][:19]}  {row['id']}  {row['severity']}  {visible(row['title'])}", markup=False)
            if row["cause"]:
                out.print(f"    most likely: {visible(row['cause'])}", markup=False)
        elif event == "warning":
            out.print(f"warning: {visible(row['text'])}", markup=False, style="yellow")

    typer.echo(f"Following {', '.join(files)} into {data}. Ctrl-C ends it.", err=True)
    follow(data, settings, files, Hints(format=format_, host=host, service=service, time_zone=time_zone), tell)


def parse(
    file: Annotated[str, typer.Argument(metavar="FILE", help="File (also .gz), or - for standard input.")],
    format_: Format = "auto",
    host: Annotated[str, typer.Option(help="host.name of lines that state none.")] = "",
    service: Annotated[str, typer.Option(help="service.name of lines that state none.")] = "",
    time_zone: Zone = "UTC",
    config: Config = None,
) -> None:
    """Print one ECS document a record (JSON lines), without indexing anything."""
    from logsense.config import load_settings
    from logsense.feed import Hints, parse_file

    hints = Hints(format=format_, host=host, service=service, time_zone=time_zone)
    print_ndjson(parse_file(file, load_settings(config), hints))


def mine(
    file: Annotated[str, typer.Argument(metavar="FILE", help="File (also .gz), or - for standard input.")],
    raw: Annotated[bool, typer.Option("--raw", help="Lines are message texts: do not look for headers.")] = False,
    format_: Format = "auto",
    json: Json = False,
    config: Config = None,
) -> None:
    """For each input line, its template id and template.

    With --json one {"template_id", "template"} a line; a line that continues a record gets that record's.
    """
    from logsense.config import load_settings
    from logsense.feed import Hints, mine_file

    rows = mine_file(file, load_settings(config), Hints(format=format_), raw=raw)
    if json:
        print_ndjson({"template_id": i, "template": t} for i, t in rows)
        return
    for template_id, template in rows:
        typer.echo(f"{template_id}  {visible(template)}")


class Progress:
    """A progress bar on stderr for people; silent when stderr is no terminal or ``quiet``."""

    def __init__(self, *, quiet: bool = False) -> None:
        import sys

        self.active = not quiet and sys.stderr.isatty()
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Progress:
        if self.active:
            from rich import progress as p

            self._bar = p.Progress(p.TextColumn("{task.description}"), p.BarColumn(), p.TaskProgressColumn(),
                                   p.TimeRemainingColumn(), console=console(stderr=True), transient=True)  # fmt: skip
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, what: str, done: float, total: float) -> None:
        """``what`` is the step's name; ``done`` of ``total`` in any unit (0: unknown)."""
        if not self._bar:
            return
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total or None)
        self._bar.update(self._tasks[what], completed=done, total=total or None)
