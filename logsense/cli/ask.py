"""Commands that answer: search, incidents, diagnose, forecast, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from logsense.cli.common import (
    DEFAULT_DATA,
    DEFAULT_TENANT,
    LEVEL_STYLE,
    SEVERITY_STYLE,
    Config,
    Data,
    From,
    Json,
    Tenant,
    To,
    console,
    moment,
    print_json,
    short_time,
    table,
    visible,
    workspace,
)

if TYPE_CHECKING:
    from rich.console import Console

Limit = Annotated[int, typer.Option("--limit", "-n", min=0, max=10_000, help="Most entries to show.")]
Lang = Annotated[str, typer.Option("--lang", help="Language of titles and summaries: en or zh.")]
# What stands between the parts of an incident.
_HEADS = {
    "en": (
        "still going on",
        "What happened",
        "Against it",
        "Check next",
        "Other possible causes",
        "Not looked at",
        "Evidence",
    ),
    "zh": ("仍在持续", "经过", "反面证据", "下一步检查", "其他可能原因", "未检查", "证据"),
}


def add_to(app: typer.Typer) -> None:
    app.command()(search)
    app.command()(incidents)
    app.command()(diagnose)
    app.command()(forecast)
    app.command()(doctor)


def search(
    question: Annotated[
        str, typer.Argument(help='Plain words, or field:value syntax: `level:error host:db1 "exact words"`.')
    ],
    from_: From = None,
    to: To = None,
    limit: Limit = 10,
    newest: Annotated[bool, typer.Option("--newest", help="Newest first instead of best first.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new lines as they arrive, until Ctrl-C.")
    ] = False,
    now: Annotated[str | None, typer.Option("--now", metavar="TIME", help='What "last night" counts from.')] = None,
    time_zone: Annotated[str, typer.Option(metavar="ZONE", help="Your zone, e.g. Europe/Berlin or +08:00.")] = "UTC",
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:
    """Find lines, message types and incidents for a question, in English or Chinese.

    \b
    logsense search "who is trying to guess passwords" --data demo-data
    logsense search -f "level:error host:db1"          new lines as they arrive, like tail -f over all hosts
    logsense search "which hosts had errors more than 100 times since the deploy"
    logsense search "昨晚哪些主机连不上数据库" --time-zone Asia/Shanghai
    """
    space = workspace(data, config, tenant, models=True)
    space.wait_for_models()
    if follow:
        from logsense.cli.follow import follow as run

        run(space, question, limit=limit, json=json)
        return
    answer = space.search(
        question,
        from_=moment(from_, "--from"),
        to=moment(to, "--to"),
        limit=limit,
        now=moment(now, "--now"),
        by_time=newest,
        tz=time_zone,
    )
    if json:
        print_json(answer)
        return
    _print_answer(answer)


def print_line(out: Console, hit: dict[str, Any]) -> None:
    """One line of log, for people."""
    from rich.text import Text

    level = hit["level"]
    out.print(
        Text.assemble(
            (f"  {short_time(hit['@timestamp'])} ", "dim"),
            (f"{hit['host']} {hit['service']} ".lstrip(), "blue"),
            (f"{level} " if level else "", LEVEL_STYLE.get(level, "")),
            visible(hit["message"][:400]).replace("\n", "\n    "),
        )
    )


def _print_answer(answer: dict[str, Any]) -> None:
    from rich.text import Text

    out = console()
    query = answer["query"]
    for chip in query["understood"]:
        out.print(
            Text.assemble(
                ("understood  ", "dim"),
                visible(f"{chip['what']}: {chip['means']}"),
                ("  ← ", "dim"),
                visible(chip["said"]),
            )
        )
    for note in answer["notes"]:
        out.print(Text(visible(f"note  {note}"), "yellow"))
    if query.get("syntax"):
        out.print(Text.assemble(("as syntax   ", "dim"), visible(query["syntax"])), overflow="fold")
    if answer.get("answer"):
        _print_computed(answer["answer"])
    if not answer["total"]:
        out.print("Nothing found. Try fewer or other words, or a wider --from/--to.")
        return
    if answer["incidents"]:
        out.print(Text("\nIncidents", "bold"))
        for row in answer["incidents"]:
            out.print(Text.assemble(f"  {row['id']:8}", (f"{row['severity']:9}", SEVERITY_STYLE[row["severity"]]),
                                    f"{short_time(row['start'])}  {visible(row['title'])}"))  # fmt: skip
    if answer["templates"]:
        out.print(Text("\nMessage types", "bold"))
        for row in answer["templates"][:8]:
            out.print(Text.assemble((f"  {row['count']:>7}× ", "cyan"), visible(row["template"])), overflow="fold")
    out.print(Text(f"\nLines ({len(answer['hits'])} of {answer['total']}, {answer['took_ms']:.0f} ms)", "bold"))
    for hit in answer["hits"]:
        print_line(out, hit)


def _print_computed(computed: dict[str, Any]) -> None:
    """The number, table or series that answers an aggregate question."""
    out = console()
    out.print(f"\n{visible(computed['text'])}", style="bold")
    for row in computed.get("rows", [])[:50]:
        out.print("  " + "  ".join(visible(str(cell)) for cell in row), overflow="fold", markup=False)


def incidents(
    incident_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Show this one in full.")] = None,
    status: Annotated[str | None, typer.Option(help="open, acknowledged or resolved.")] = None,
    from_: From = None,
    to: To = None,
    limit: Limit = 50,
    about: Annotated[
        str, typer.Option("--about", metavar="QUESTION", help="Only those that this is about, best first.")
    ] = "",
    form: Annotated[
        str, typer.Option("--format", help="Of one incident: text, markdown or html, to paste into a ticket.")
    ] = "",
    reword: Annotated[
        bool, typer.Option("--reword", help="With --format: let the language model of [reword] say it, checked.")
    ] = False,
    lang: Lang = "en",
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:
    """List incidents, or explain one: what broke, since when, why, and what to check next."""
    from logsense.wording import in_language, summary

    space = workspace(data, config, tenant, models=bool(about))
    if incident_id and form:
        typer.echo(visible(summary(space, incident_id, form, lang, reword=reword)), nl=False)
        return
    if incident_id:
        incident = in_language(space.incident(incident_id), lang)
        print_json(incident) if json else print_incident(incident, lang)
        return
    if about:
        space.wait_for_models()
    found = space.incidents(
        from_=moment(from_, "--from"), to=moment(to, "--to"), status=status, limit=limit, text=about
    )
    rows = in_language(found, lang)
    if json:
        print_json(rows)
        return
    from rich.text import Text

    table(
        "",
        ["id", "severity", "status", "start", "where", "what", "most likely cause"],
        (
            (r["id"], Text(r["severity"], SEVERITY_STYLE[r["severity"]]), r["status"], short_time(r["start"]),
             ", ".join(r["hosts"]), r["title"], r["cause"])
            for r in rows
        ),
        empty="No incidents. That is what quiet looks like.",
    )  # fmt: skip


def print_incident(incident: dict[str, Any], lang: str = "en") -> None:
    from rich.padding import Padding
    from rich.text import Text

    out = console()
    going_on, happened, against, check_next, others_are, not_examined, evidence = _HEADS[lang]
    severity = incident["severity"]
    out.print(Text.assemble((f"{incident['id']}  ", "bold"), (f"{severity}  ", SEVERITY_STYLE[severity]),
                            (f"{incident['status']}  ", "dim"), (visible(incident["title"]), "bold")))  # fmt: skip
    end = f" to {short_time(incident['end'])}" if incident["end"] else f", {going_on}"
    out.print(Text(f"{short_time(incident['start'])}{end}  ·  {visible(', '.join(incident['hosts']))}", "dim"))
    cited: dict[str, int] = {}

    def with_marks(sentence: dict[str, Any]) -> Text:
        marks = [str(cited.setdefault(e, len(cited) + 1)) for e in sentence["evidence"][:3]]
        return Text.assemble(visible(sentence["text"]), (f" [{','.join(marks)}]" if marks else "", "cyan"))

    parts: dict[str, list[Text]] = {}
    for sentence in incident["summary"]:
        role = sentence["role"] if sentence["role"] in ("timeline", "against", "next", "not_examined") else "first"
        parts.setdefault(role, []).append(with_marks(sentence))
    out.print(Padding(Text(" ").join(parts.get("first", [])), (1, 2)))
    for role, title in (("timeline", happened), ("against", against), ("next", check_next)):
        if role in parts:
            out.print(Text(title, "bold"))
            for line in parts[role]:
                out.print(Padding(line, (0, 4)))
    others = incident["hypotheses"][1:4]
    if others:
        out.print(Text(others_are, "bold"))
        for h in others:
            out.print(
                Padding(
                    Text.assemble(visible(h["title"]), (visible(f"  {h['entity']}, score {h['score']}"), "dim")), (0, 4)
                )
            )
    if incident["not_examined"]:
        out.print(Text(visible(f"{not_examined}: " + "; ".join(incident["not_examined"])), "yellow"))
    if cited:
        out.print(Text(evidence, "bold"))
        out.print(Padding(Text(visible("  ".join(f"[{n}] {e}" for e, n in cited.items())), "dim"), (0, 4)))


def diagnose(
    from_: From = None,
    to: To = None,
    lang: Lang = "en",
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:
    """Rank what may have gone wrong in a time range, with evidence for and against."""
    from logsense.wording import in_language

    space = workspace(data, config, tenant)
    answer = in_language(space.diagnose(moment(from_, "--from"), moment(to, "--to")), lang)
    if json:
        print_json(answer)
        return
    typer.echo(visible(answer["summary"]))


def forecast(
    host: Annotated[str | None, typer.Option(help="Only this host.")] = None,
    limit: Limit = 20,
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:
    """Show the probability that a host fails soon, and what raises it (newest first)."""
    rows = workspace(data, config, tenant).forecasts(host=host, limit=limit)
    if json:
        print_json(rows)
        return
    table(
        "",
        ["made", "host", ">risk", "within", "state", "because"],
        (
            (short_time(r["made"]), r["host"],
             f"{r['probability']:.0%}" + ("" if r["calibrated"] else " uncalibrated") if r["state"] == "ok" else "–",
             f"{r['horizon_s']} s", r["state"].replace("_", " "), "; ".join(x["text"] for x in r["reasons"][:3]))
            for r in rows
        ),
        empty="No forecasts yet: they start once a host has sent lines or metrics for some minutes.",
    )  # fmt: skip


def doctor(
    data: Data = DEFAULT_DATA, config: Config = None, tenant: Tenant = DEFAULT_TENANT, json: Json = False
) -> None:
    """Per source: accepted, parsed, unparsed, late, dropped, and what to do about it; then how ports are protected."""
    rows = workspace(data, config, tenant).doctor()
    if json:
        print_json(rows)
        return
    table(
        "",
        ["source", "format", ">accepted", ">parsed", ">unparsed", ">late", ">future", ">dropped", "last", "what to do"],
        (
            (r["source"], r["format"], r["accepted"], r["parsed"], r["unparsed"], r["late"], r["future"], r["dropped"],
             short_time(r["last"]), r["advice"] or "all is well")
            for r in rows
        ),
        empty="No source has sent anything yet.",
    )  # fmt: skip
    if tenant == DEFAULT_TENANT:
        _print_ports(data, config)


def _print_ports(data: Path, config: Path | None) -> None:
    from logsense import access
    from logsense.config import load_settings
    from logsense.keys import KeyStore

    rows = access.describe(load_settings(config), keys=KeyStore(data).enabled())
    typer.echo()
    table(
        "Ports without API keys, as these settings open them",
        ["port", "address", "TLS", "who may send", "tenant"],
        ((r["port"], r["address"], "yes" if r["tls"] else "", r["protection"], r["tenant"]) for r in rows),
        empty="No port without API keys is open.",
    )
