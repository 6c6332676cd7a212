"""``logsense failures``: tell what failed when, from the command line or from a file."""

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
    print_json,
    short_time,
    table,
    workspace,
)

failures = typer.Typer(
    name="failures",
    help="What failed and when: forecasts are trained and judged on it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def add_to(app: typer.Typer) -> None:
    app.add_typer(failures)


@failures.command()
def add(
    host: Annotated[str, typer.Argument(help="Host that failed, as its lines and metrics name it.")],
    start: Annotated[str, typer.Argument(help="When it began: 2026-03-01T02:14:00Z, an epoch, or -15m.")],
    end: Annotated[str, typer.Option(help="When it was over; may be added later with the same --id.")] = "",
    cause: Annotated[str, typer.Option(help="When its cause began, if that is known.")] = "",
    service: Annotated[str, typer.Option(help="Service that failed.")] = "",
    kind: Annotated[str, typer.Option(help="In a word, e.g. disk_full.")] = "",
    note: Annotated[str, typer.Option(help="What to remember.")] = "",
    id_: Annotated[str, typer.Option("--id", help="The same id again changes it [made of host, kind and start].")] = "",
    by: Annotated[str, typer.Option(help="Who says so.")] = "",
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:
    """Report a failure. Models learn from it at the next training.

    \b
    logsense failures add db1 2026-03-01T02:14:00Z --end 2026-03-01T02:31:00Z --kind disk_full
    """
    row = {"host": host, "start": start, "end": end, "cause": cause, "service": service, "kind": kind, "note": note,
           "id": id_, "by": by}  # fmt: skip
    answer = workspace(data, config, tenant).desk.report([{k: v for k, v in row.items() if v}])
    print_json(answer) if json else _say(answer)


@failures.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="JSON, JSON Lines, CSV with a header, or the labels.json of a take.")],
    by: Annotated[str, typer.Option(help="Who says so, where the file does not.")] = "",
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:
    """Report all failures of a file, or none when one cannot be used. Importing it again changes nothing.

    Members or columns: host, start; and if known end, cause, service, kind, note, id, by.
    """
    from logsense.failure_files import read_failures

    space = workspace(data, config, tenant)
    answer = space.desk.keep(read_failures(file, by))
    print_json(answer) if json else _say(answer)


@failures.command("list")
def list_(
    host: Annotated[str, typer.Option(help="Only of this host.")] = "",
    all_: Annotated[
        bool, typer.Option("--all", help="Also those that follow from the logs and from verdicts.")
    ] = False,
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:
    """Show what was reported; with --all what counts for training, and by which rule."""
    desk = workspace(data, config, tenant).desk
    if not all_:
        rows = desk.failures(host=host or None)
        print_json(rows) if json else _print(rows, "by")
        return
    found = desk.labels()
    found["labels"] = [row for row in found["labels"] if host in ("", row["host"])]
    if json:
        print_json(found)
        return
    _print(found["labels"], "source")
    for sentence in found["rule"]:
        typer.echo(f"  {sentence}")


@failures.command()
def remove(
    failure: Annotated[str, typer.Argument(metavar="ID", help="Its id (`logsense failures list`).")],
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """Take a report back: it was no failure after all."""
    gone = workspace(data, config, tenant).desk.remove_failure(failure)
    typer.echo(f"{gone['id']} ({gone['host']}, {gone['start']}) is no failure any more.")


def _print(rows: list[dict[str, Any]], last: str) -> None:
    table(
        "",
        ["id", "host", "service", "kind", "start", "end", last],
        ((r["id"], r["host"], r["service"], r["kind"], short_time(r["start"]), short_time(r["end"]), r[last])
         for r in rows),
        empty="None. `logsense failures add HOST START` reports one.",
    )  # fmt: skip


def _say(answer: dict[str, Any]) -> None:
    typer.echo(f"{answer['added']} added, {answer['changed']} changed, {answer['unchanged']} known already.")
    for row in answer["failures"][:20]:
        typer.echo(f"  {row['outcome']}: {row['id']}  {row['host']}  {row['start']}")
