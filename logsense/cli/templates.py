"""``logsense templates`` shows message types, ``logsense template …`` changes what people see of them."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
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
    print_json,
    short_time,
    table,
    workspace,
)
from logsense.cli.common import visible as shown

_BLOCKS = "▁▂▃▄▅▆▇█"
_SHOWN_EDITS = 20

editing = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Rename, merge, split or silence message types. Every change is kept with who made it and can be undone; a "
    "running server applies it within a second. `logsense templates` shows the ids; their first characters will do.",
)
TemplateId = Annotated[str, typer.Argument(metavar="ID", help="Id of a template, or how it begins.")]
By = Annotated[str, typer.Option("--by-name", metavar="NAME", help="Who makes the change (you, unless given).")]
Note = Annotated[str, typer.Option("--note", help="Why, for those who come after you.")]


def add_to(app: typer.Typer) -> None:
    app.command()(templates)
    app.add_typer(editing, name="template")


def templates(
    template_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Show this one in full.")] = None,
    order: Annotated[str, typer.Option("--sort", "--order", help="count, new, last, rare or text.")] = "count",
    since: Annotated[
        str | None, typer.Option("--since", "--from", metavar="TIME", help="Only lines from then on: -2h, 2026-11-24.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Only lines before then.")] = None,
    new: Annotated[bool, typer.Option("--new", help="Only those first seen lately (or since --since).")] = False,
    rare: Annotated[
        bool, typer.Option("--rare", help="Only those of three lines or fewer, or one in 100,000.")
    ] = False,
    drift: Annotated[
        bool, typer.Option("--drift", help="What began, ceased or changed its rate since --since.")
    ] = False,
    noise: Annotated[str, typer.Option(help="Those marked as noise: hide, show or only.")] = "hide",
    text: Annotated[str, typer.Option("--text", help="Only those that hold these words.")] = "",
    service: Annotated[str, typer.Option(help="Only those of this service.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, max=10_000, help="Most entries to show.")] = 40,
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:
    """List the message types that were mined, show one in full, or what changed about them.

    Examples: logsense templates --sort new --since -2h
              logsense templates 3f2a90c1
              logsense templates --drift --since -1h
    """
    from logsense.timefmt import parse_time

    space = workspace(data, config, tenant)
    times = {
        "from_": None if since is None else parse_time(since, name="--since"),
        "to": None if to is None else parse_time(to, name="--to"),
    }
    if template_id is not None:
        found = space.template(template_id, **times)
        print_json(found) if json else _print_template(found)
    elif drift:
        changed = space.template_drift(**times)
        print_json(changed) if json else _print_drift(changed, limit)
    else:
        rows = space.templates(
            limit=limit, order=order, text=text, service=service, only_new=new, only_rare=rare, noise=noise,
            course=not json, **times,
        )  # fmt: skip
        print_json(rows) if json else _print_list(rows)


def _print_list(rows: Sequence[dict[str, Any]]) -> None:
    from rich.text import Text

    def marks(row: dict[str, Any]) -> Text:
        words = [("new", "green"), ("rare", "magenta"), ("noise", "dim")]
        return Text(" ").join(Text(word, style) for word, style in words if row[word])

    table(
        "",
        [">lines", ">share", "over time", "id", "service", "level", "first", "last", "", "template"],
        (
            (r["count"], f"{r['share']:.1%}", spark(_counts(r.get("course"))), r["id"], r["service"], r["level"],
             short_time(r["first_seen"]), short_time(r["last_seen"]), marks(r), _named(r))
            for r in rows
        ),
        empty="No templates. They are mined from lines as they come; with filters, none fits.",
    )  # fmt: skip


def _named(row: dict[str, Any]) -> Any:
    from rich.text import Text

    label = (f"{shown(row['label'])}  ", "bold") if row["label"] else ("", "")
    return Text.assemble(label, shown(row["template"]))


def _print_template(found: dict[str, Any]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    out = console()
    out.print(Text.assemble((f"{found['id']}  ", "bold"), _named(found), overflow="fold"))
    facts = [f"{found['count']} lines", f"version {found['version']}", found["service"], found["level"]]
    facts += [f"first {short_time(found['first_seen'])}", f"last {short_time(found['last_seen'])}"]
    facts += ["noise"] if found["noise"] else []
    out.print(Text("  ·  ".join(f for f in facts if f), "dim"))
    if found["alias_of"]:
        whose = "you or a colleague" if found["alias_by"] else "the miner"
        out.print(Text(f"Merged into {found['alias_of']} by {whose}.", "yellow"))
    out.print(Padding(Text(spark(_counts(found["histogram"])), "cyan"), (0, 2)))
    if found["parameters"]:
        table(
            f"Parameters (of the latest {found['sampled']} lines)",
            [">#", "name", "field", "type", ">distinct", "values"],
            (
                (p["position"], p["name"], p["field"], p["type"], p["distinct"], _distribution(p))
                for p in found["parameters"]
            ),
        )
    if found["hosts"]:
        table("Hosts", [">lines", "host", "over time"],
              ((h["count"], h["host"], spark(_counts(h["course"]))) for h in found["hosts"]))  # fmt: skip
    lineage = [(f"v{v['version']}", short_time(v["seen"]), v["template"]) for v in found["versions"]]
    lineage += [(a["id"], f"merged by {a['by']}", a["template"]) for a in found["aliases"]]
    lineage += [(c["id"], "split off", c["template"]) for c in found["split_into"]]
    if len(lineage) > 1:
        table("Lineage", ["", "", "template"], lineage)
    _print_edits(found["edits"][-_SHOWN_EDITS:])
    out.print(Text("Latest lines", "bold"))
    for hit in found["hits"]:
        out.print(Text.assemble((f"  {short_time(hit['@timestamp'])} ", "dim"), (f"{hit['host']} ".lstrip(), "blue"),
                                shown(hit["message"][:400]).replace("\n", "\n    ")))  # fmt: skip


def _distribution(parameter: dict[str, Any]) -> str:
    if parameter["quantiles"] and parameter["distinct"] > 8:
        return "  ".join(f"{q:g}" for q in parameter["quantiles"]) + "   (least, ¼, ½, ¾, most)"
    return ", ".join(f"{value} ×{n}" for value, n in parameter["top"][:8])


def _print_drift(found: dict[str, Any], limit: int) -> None:
    compared = f"{short_time(found['compared'][0])} to {short_time(found['compared'][1])}"
    typer.echo(f"Lines of {compared} against those since {short_time(found['baseline'][0])}")
    for kind, title in (("new", "Began"), ("vanished", "Ceased"), ("changed", "Changed their rate")):
        table(
            title,
            [">before/h", ">now/h", "id", "service", "level", "template"],
            (
                (f"{r['rate_before'] * 3600:.4g}", f"{r['rate_after'] * 3600:.4g}", r["id"], r["service"], r["level"],
                 _named(r))
                for r in found[kind][:limit]
            ),
            empty=f"{title}: none.",
        )  # fmt: skip


def _counts(course: dict[str, Any] | None) -> list[int]:
    return [n for _, n in course["buckets"]] if course else []


def spark(counts: Sequence[int]) -> str:
    """A row of blocks; a step without lines is a blank, so that rare messages show where they were."""
    most = max(counts, default=0)
    return "".join(" " if not n else _BLOCKS[min(7, n * 8 // (most + 1))] for n in counts)


# -- edits ------------------------------------------------------------------------------------------------------------


def _edit(data: Path, config: Path | None, tenant: str, kind: str, template_id: str = "", **members: Any) -> None:
    members["by"] = members.get("by") or _me()
    done = workspace(data, config, tenant).edit_template(kind, template_id, **members)
    typer.echo(f"Edit {done['edit']} is kept; `logsense template undo --edit {done['edit']}` takes it back."
               if kind != "undo" else f"Edit {done['undoes']} is undone.")  # fmt: skip


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without accounts
        return ""


@editing.command()
def rename(
    template_id: TemplateId,
    label: Annotated[str, typer.Argument(metavar="NAME", help="What it means, in your words; '' takes the name away.")],
    by: By = "", note: Note = "", data: Data = DEFAULT_DATA, config: Config = None, tenant: Tenant = DEFAULT_TENANT,
) -> None:  # fmt: skip
    """Give a message type a name, shown beside its text and found by search.

    Example: logsense template rename 3f2a90c1 "nightly backup started"
    """
    _edit(data, config, tenant, "rename", template_id, label=label, by=by, note=note)


@editing.command()
def merge(
    template_id: TemplateId,
    into: Annotated[str, typer.Option("--into", metavar="ID", help="The template that survives.")],
    force: Annotated[bool, typer.Option("--force", help="Also if they belong to different services.")] = False,
    by: By = "", note: Note = "", data: Data = DEFAULT_DATA, config: Config = None, tenant: Tenant = DEFAULT_TENANT,
) -> None:  # fmt: skip
    """Show two message types as one: counts add up, search finds the lines of both.

    Example: logsense template merge 77c0 --into 3f2a
    """
    _edit(data, config, tenant, "merge", template_id, into=into, force=force, by=by, note=note)


@editing.command()
def split(
    template_id: TemplateId,
    parameter: Annotated[
        int, typer.Option("--by", metavar="N", min=0, help="Tell its lines apart by the values of parameter N.")
    ] = 0,
    by: By = "", note: Note = "", data: Data = DEFAULT_DATA, config: Config = None, tenant: Tenant = DEFAULT_TENANT,
) -> None:  # fmt: skip
    """Take a merged message type out again, or tell lines apart by a value (--by; for lines that come from now on).

    Example: logsense template split 3f2a --by 2
    """
    _edit(data, config, tenant, "split", template_id, parameter=parameter, by=by, note=note)


@editing.command()
def noise(
    template_id: TemplateId,
    off: Annotated[bool, typer.Option("--off", help="It means something after all.")] = False,
    by: By = "", note: Note = "", data: Data = DEFAULT_DATA, config: Config = None, tenant: Tenant = DEFAULT_TENANT,
) -> None:  # fmt: skip
    """Mark a message type as noise: it raises no signal and is hidden from the list; its lines stay searchable.

    Example: logsense template noise 3f2a --note "health check of the balancer"
    """
    _edit(data, config, tenant, "noise", template_id, on=not off, by=by, note=note)


@editing.command()
def undo(
    template_id: Annotated[str, typer.Argument(metavar="[ID]", help="Undo the last edit of this template.")] = "",
    edit: Annotated[int, typer.Option("--edit", metavar="N", min=0, help="Undo this edit.")] = 0,
    by: By = "", note: Note = "", data: Data = DEFAULT_DATA, config: Config = None, tenant: Tenant = DEFAULT_TENANT,
) -> None:  # fmt: skip
    """Take an edit back, as if it had never been made."""
    _edit(data, config, tenant, "undo", template_id, undoes=edit, by=by, note=note)


@editing.command()
def edits(
    data: Data = DEFAULT_DATA, config: Config = None, tenant: Tenant = DEFAULT_TENANT, json: Json = False
) -> None:
    """List every edit, newest first, with who made it and whether it still holds."""
    rows = workspace(data, config, tenant).template_edits()
    print_json(rows) if json else _print_edits(rows, empty="Nobody changed a template yet.")


def _print_edits(rows: Sequence[dict[str, Any]], *, empty: str = "") -> None:
    table("Edits", [">edit", "when", "by", "what", "id", "", "note"],
          ((r["edit"], short_time(r["at"]), r["by"], r["kind"], r["id"], _what(r), r["note"]) for r in rows),
          empty=empty)  # fmt: skip


def _what(row: dict[str, Any]) -> str:
    details = {
        "rename": row["label"] or "(name taken away)",
        "merge": f"into {row['into']}",
        "split": f"by parameter {row['parameter']}" if row["parameter"] else "out of the merge",
        "noise": "" if row["on"] else "off",
        "undo": f"edit {row['undoes']}",
    }
    undone = "" if row["holds"] or row["kind"] == "undo" else " (undone)"
    return details[row["kind"]] + undone
