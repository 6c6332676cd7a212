"""``logsense act``: what a person does with an incident."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from logsense.cli.common import DEFAULT_DATA, DEFAULT_TENANT, Config, Data, Json, Tenant, print_json, visible, workspace
from logsense.errors import BadInput

KINDS = ("ack", "resolve", "reopen", "note", "right", "wrong", "noise", "merge", "split")
VERDICTS = {"right": "right_cause", "wrong": "wrong_cause", "noise": "noise"}


def add_to(app: typer.Typer) -> None:
    app.command()(act)


def act(
    incident: Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id, e.g. inc-2.")],
    what: Annotated[str, typer.Argument(metavar="WHAT", help=", ".join(KINDS))],
    text: Annotated[str, typer.Option("--text", "-m", help="A note: what you found or did, or why.")] = "",
    into: Annotated[str, typer.Option(help="merge: the incident that it is part of.")] = "",
    host: Annotated[list[str] | None, typer.Option(help="split: everything of this host; may be repeated.")] = None,
    service: Annotated[list[str] | None, typer.Option(help="split: everything of this service.")] = None,
    by: Annotated[str, typer.Option(help="Who acts.", show_default="your user name")] = "",
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:
    """Acknowledge, resolve, note, judge, merge or split an incident.

      logsense act inc-2 ack
      logsense act inc-2 note -m "raised max_connections"
      logsense act inc-2 right          # the cause was right: it ranks higher next time
      logsense act inc-7 merge --into inc-2
      logsense act inc-2 split --host web1

    Merging and splitting is done by the worker: within a second when `logsense serve` runs, else when it runs next.
    """
    if what not in KINDS:
        raise BadInput(f"Unknown action {what!r}.", fix=f"use one of {', '.join(KINDS)}")
    if what == "merge" and not into:
        raise BadInput("Into which incident?", fix="name it with --into")
    if what == "split" and not (host or service):
        raise BadInput("What is to leave the incident?", fix="name it with --host or --service")
    space = workspace(data, config, tenant)
    who = by or getpass.getuser()
    if what == "merge":
        found = space.merge(incident, into, by=who, text=text)
    elif what == "split":
        found = space.split(incident, hosts=host or (), services=service or (), by=who, text=text)
    else:
        kind = "feedback" if what in VERDICTS else what
        found = space.act(incident, kind, by=who, text=text, verdict=VERDICTS.get(what, ""))
    if json:
        print_json(found)
        return
    typer.echo(f"{found['id']} is {found['status']}: {visible(found['title'])}")
