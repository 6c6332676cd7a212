"""Commands that check what is configured: formats, pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from logsense.cli.common import Json, print_json, table

pipelines = typer.Typer(name="pipelines", help="List and check pipelines.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.command()(formats)
    app.command()(settings)
    app.add_typer(pipelines)


def formats(
    check: Annotated[bool, typer.Option("--check", help="Run every sample of every format.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As the table of docs/formats.md.")] = False,
    json: Json = False,
) -> None:
    """List the log formats that are understood; a format is one TOML file with its own samples."""
    from logsense.parse import check_formats, formats_table, list_formats

    if check:
        problems = check_formats()
        print_json(problems) if json else typer.echo(
            "\n".join(map(str, problems)) or "All samples of all formats hold."
        )
        if problems:
            raise typer.Exit(1)
        return
    if markdown:
        typer.echo(formats_table())
        return
    rows = [{"name": f.name, "title": f.title, "samples": f.samples} for f in list_formats()]
    if json:
        print_json(rows)
        return
    table("", ["format", "what", ">samples"], ((r["name"], r["title"], r["samples"]) for r in rows))


def settings(
    section: Annotated[str | None, typer.Argument(metavar="[SECTION]", help="Only this one.")] = None,
    json: Json = False,
) -> None:
    """List everything that logsense.toml can hold, with defaults: written where each option is declared."""
    from logsense.config import SECTIONS, Settings, options_help
    from logsense.errors import BadInput

    if section is not None and section not in SECTIONS:
        raise BadInput(f"There is no section {section!r}.", fix=f"use one of {', '.join(SECTIONS)}")
    rows = [
        {"section": name, "key": key, "default": default, "text": text}
        for name in ([section] if section else SECTIONS)
        for key, default, text in options_help(type(Settings().section(name)))
    ]
    if json:
        print_json(rows)
        return
    table("", ["section", "key", "default", "what"], ((r["section"], r["key"], r["default"], r["text"]) for r in rows))


@pipelines.command("check")
def pipelines_check(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    root: Annotated[
        Path | None, typer.Option(help="Folder that the paths are relative to: tells which files match.")
    ] = None,
    json: Json = False,
) -> None:
    """Say whether a pipeline file is right; with --root also what it would read."""
    from logsense.config import load_pipeline
    from logsense.feed import pipeline_files

    spec = load_pipeline(file)
    matches = [
        {"path": s.path, "type": s.type, "files": [str(f.path) for f in pipeline_files(s, root)] if root else None}
        for s in spec.source
    ]
    if json:
        print_json({"name": spec.name, "sources": matches})
        return
    typer.echo(f"{file} is right: pipeline {spec.name!r}, {len(spec.source)} sources.")
    for match in matches:
        files = match["files"]
        typer.echo(f"  {match['type']:12} {match['path']}" + ("" if files is None else f"   {len(files)} files"))


@pipelines.command("list")
def pipelines_list(json: Json = False) -> None:
    """List the pipelines that come with logsense."""
    from logsense.config import load_pipeline, pipelines_dir

    specs = [load_pipeline(path) for path in sorted(pipelines_dir().glob("*.toml"))]
    if json:
        print_json([{"name": s.name, "description": s.description} for s in specs])
        return
    table("", ["pipeline", "what"], ((s.name, s.description) for s in specs))
