"""``logsense keys``: who may send, search, or administer."""

from __future__ import annotations

from typing import Annotated

import typer

from logsense.cli.common import DEFAULT_DATA, Data, Json, print_json, table

keys = typer.Typer(name="keys", help="API keys: add, list and revoke.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.add_typer(keys)


@keys.command()
def add(
    name: Annotated[str, typer.Argument(help="Who uses it, e.g. the name of a shipper.")],
    scope: Annotated[list[str], typer.Option(help="ingest, search or admin; may be repeated.")],
    tenant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|any",
            help="Whose lines it sends and sees [the default tenant]. Repeated, or `any`: requests choose among them "
            "by X-Scope-OrgID; without that header the first one holds.",
        ),
    ] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Make a key and show it, once. From the first key on, every request needs one."""
    from logsense.keys import KeyStore

    text = KeyStore(data).add(name, scope, tenant or ())
    if json:
        print_json({"name": name, "scopes": scope, "tenants": tenant or [], "key": text})
        return
    typer.echo(text)
    typer.secho("Keep it now: only its hash is stored.", err=True)


@keys.command("list")
def list_(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Show the keys, without their secrets."""
    from logsense.keys import KeyStore

    rows = KeyStore(data).all()
    if json:
        print_json([
            {"id": k.id, "name": k.name, "scopes": k.scopes, "tenants": k.tenants, "created": k.created,
             "revoked": k.revoked or None}
            for k in rows
        ])  # fmt: skip
        return
    table(
        "",
        ["id", "name", "scopes", "tenants", "created", "revoked"],
        (
            (k.id, k.name, ", ".join(k.scopes), ", ".join(k.tenants) or ("any" if k.may("admin") else "default"),
             k.created, k.revoked)
            for k in rows
        ),
        empty="There are no keys: everybody who reaches the server may do everything.",
    )  # fmt: skip


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="Its id or name.")], data: Data = DEFAULT_DATA
) -> None:
    """End a key; a running server refuses it within a second."""
    from logsense.keys import KeyStore

    ended = KeyStore(data).revoke(key)
    typer.echo(f"The key {ended.name!r} ({ended.id}) is revoked.")
