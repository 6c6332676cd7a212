"""``logsense notify``: where people are told of incidents, whether it works, and a test message."""

from __future__ import annotations

from typing import Annotated

import typer

from logsense.cli.common import DEFAULT_DATA, Config, Data, Json, print_json, table


def add_to(app: typer.Typer) -> None:
    app.command()(notify)


def notify(
    test: Annotated[bool, typer.Option("--test", help="Send a test message through every channel now.")] = False,
    data: Data = DEFAULT_DATA,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show the channels of [notify] and what was delivered; --test sends a message through each.

    A channel is three lines in logsense.toml:

      [[notify.channel]]
      name = "on-call"
      url_env = "ONCALL_URL"     # e.g. slack://…, mailtos://…, see the Apprise wiki
    """
    from logsense.config import load_settings
    from logsense.telling import channel_states, send_test

    settings = load_settings(config)
    rows = send_test(settings) if test else channel_states(data, settings)
    if json:
        print_json(rows)
    elif test:
        table("", ["channel", "type", "test"], ((r["channel"], r["type"], r["trouble"] or "sent") for r in rows),
              empty="There are no channels: see `logsense notify --help`.")  # fmt: skip
    else:
        table(
            "",
            ["channel", "type", ">delivered", ">failed", ">given up", "trouble"],
            ((r["channel"], r["type"], r["delivered"], r["failed"], r["given_up"], r["trouble"]) for r in rows),
            empty="There are no channels: see `logsense notify --help`.",
        )
    if any(r["trouble"] for r in rows):
        raise typer.Exit(1)
