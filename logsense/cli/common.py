"""What the commands share: options, opening a data folder, and output for people or programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from logsense.errors import BadInput

if TYPE_CHECKING:
    from rich.console import Console

    from logsense.config import Settings
    from logsense.workspace import Workspace

DATA_HELP = "Folder that holds spool, index and state."
Data = Annotated[Path, typer.Option("--data", metavar="DIR", envvar="LOGSENSE_DATA", help=DATA_HELP)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", envvar="LOGSENSE_CONFIG", help="Settings file (TOML).")
]
Tenant = Annotated[
    str, typer.Option("--tenant", metavar="NAME", envvar="LOGSENSE_TENANT", help="Whose lines (of several tenants).")
]
From = Annotated[str | None, typer.Option("--from", metavar="TIME", help="2026-11-24T03:00Z, an epoch, or -15m.")]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="End of the range (exclusive).")]
DEFAULT_TENANT = "default"
DEFAULT_DATA = Path("logsense-data")
LEVEL_STYLE = {
    "emergency": "bold red", "alert": "bold red", "critical": "bold red", "error": "red", "warning": "yellow",
    "notice": "cyan", "debug": "dim", "trace": "dim",
}  # fmt: skip
SEVERITY_STYLE = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "dim"}


def moment(text: str | None, name: str) -> int | None:
    """What ``--from`` and its kind say, in ns; None when it was not given."""
    from logsense.timefmt import parse_time

    return None if text is None else parse_time(text, name=name)


def console(*, stderr: bool = False) -> Console:
    """Where commands print. Whatever is printed, control characters in it are shown, not obeyed."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Harmless(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                # Commands to the terminal are rich's own; text may be anybody's.
                yield segment if segment.control else Segment(visible(segment.text), segment.style)

    # Piped output is not cut to 80 columns: it goes to a file or a pager.
    width = None if (sys.stderr if stderr else sys.stdout).isatty() or "COLUMNS" in os.environ else 160
    return Harmless(stderr=stderr, highlight=False, width=width)


def place_of(data: Path, config: Path | None, tenant: str) -> tuple[Path, Settings]:
    """The tenant's folder and the settings that hold for it."""
    from logsense import tenancy
    from logsense.config import load_settings

    return tenancy.folder(data, tenant), tenancy.settings_of(load_settings(config), tenant)


def workspace(
    data: Path, config: Path | None = None, tenant: str = DEFAULT_TENANT, *, models: bool = False
) -> Workspace:
    """The tenant's data folder for asking; a missing one is an error that says how to make one."""
    from logsense.workspace import Workspace

    data, settings = place_of(data, config, tenant)
    if settings.section("index").type == "embedded" and not (data / "index").is_dir():
        raise BadInput(
            f"There is no logsense data in {data}.",
            why="nothing was ingested there yet",
            fix="give the folder with --data, or fill it: `logsense ingest FILE --data DIR` or `logsense serve`",
        )
    return Workspace(data, settings, load_models=models)


def print_json(value: Any) -> None:
    import orjson

    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.flush()


def print_ndjson(rows: Iterable[Any]) -> None:
    """One compact JSON document a line; flushed when done or when the reader is a person."""
    import orjson

    out = sys.stdout.buffer
    for row in rows:
        out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    out.flush()


def visible(text: str) -> str:
    """Control characters made visible, so that a log line cannot drive the terminal (log injection)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "") -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        made.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", overflow="fold")
    count = 0
    for row in rows:
        made.add_row(*[cell if isinstance(cell, Text) else Text(visible(str(cell))) for cell in row])
        count += 1
    if count:
        console().print(made)
    elif empty:
        typer.echo(empty)


def short_time(text: str | None) -> str:
    """``2026-11-24T03:00:01.123Z`` -> ``11-24 03:00:01``."""
    return f"{text[5:10]} {text[11:19]}" if text else ""
