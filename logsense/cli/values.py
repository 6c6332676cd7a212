"""``logsense values``: which hosts, services, levels or message types, and how many lines each."""

from __future__ import annotations

from typing import Annotated

import typer

from logsense.cli.ask import Limit
from logsense.cli.common import (
    DEFAULT_DATA,
    DEFAULT_TENANT,
    Config,
    Data,
    From,
    Json,
    Tenant,
    To,
    moment,
    print_json,
    table,
    visible,
    workspace,
)


def add_to(app: typer.Typer) -> None:
    app.command()(values)


def values(
    field: Annotated[str, typer.Argument(help="host, service, level, template_id or pipeline.")],
    question: Annotated[str, typer.Argument(metavar="[QUESTION]", help="Among the lines of this question.")] = "",
    rare: Annotated[bool, typer.Option("--rare", help="Rarest first instead of most frequent first.")] = False,
    most: Annotated[int, typer.Option(min=1, help="With --rare: values of at most so many lines.")] = 1,
    from_: From = None,
    to: To = None,
    limit: Limit = 10,
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:
    """Count the values of a field, or show the rare ones, which are often worth a look.

    \b
    logsense values host "level:error" --from -2h
    logsense values template_id --rare               message types that came once
    """
    space = workspace(data, config, tenant, models=bool(question))
    if question:
        space.wait_for_models()
    found = space.values(
        field, question, rare=rare, most=most, limit=limit, from_=moment(from_, "--from"), to=moment(to, "--to")
    )
    if json:
        print_json(found)
        return
    rows = ((visible(row["value"]) or "(none)", row["lines"], visible(row["text"])) for row in found["values"])
    table("", [field, ">lines", ""], rows, empty="No value. Try fewer words, a wider --from/--to, or a higher --most.")
