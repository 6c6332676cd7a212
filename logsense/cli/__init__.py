"""The command line: thin callers of the functions that the API calls too."""

from __future__ import annotations

import sys

import typer

from logsense import __version__
from logsense.cli import (
    act,
    ask,
    chart,
    check,
    failures,
    feed,
    keys,
    mcp,
    model,
    model_pipeline,
    notify,
    reindex,
    serve,
    shippers,
    templates,
    values,
)

app = typer.Typer(
    name="logsense",
    help="Reads what machines write; says what broke, why, and what is about to.\n\n"
    'Start with `logsense serve`, point a shipper at it, and ask `logsense search "…"`.',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"logsense {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    pass


for module in (
    serve, feed, ask, act, failures, model, model_pipeline, chart, check, keys, notify, shippers, reindex, templates,
    values, mcp,
):  # fmt: skip
    module.add_to(app)


def main() -> None:
    """Entry point: expected errors are shown without a traceback; Ctrl-C ends with 130, a closed pipe quietly."""
    from logsense.errors import LogsenseError

    try:
        app()
    except LogsenseError as error:
        typer.secho(f"logsense: {error}", fg="red" if sys.stderr.isatty() else None, err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
