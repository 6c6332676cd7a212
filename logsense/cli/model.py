"""Commands for the life of a model: train, evaluate, promote, rollback, models."""

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
    table,
    visible,
    workspace,
)
from logsense.cli.feed import Progress

Name = Annotated[str, typer.Option("--model", help="Name of the model.")]


def add_to(app: typer.Typer) -> None:
    app.command()(train)
    app.command()(evaluate)
    app.command()(promote)
    app.command()(rollback)
    app.add_typer(models)


def train(
    recordings: Annotated[list[Path], typer.Argument(metavar="FOLDER…", help="Recordings with labels.json.")],
    name: Name = "failure",
    holdout: Annotated[
        list[str] | None,
        typer.Option(help="Recording kept for the test, e.g. holdout/server [the later part of each]."),
    ] = None,
    use: Annotated[bool, typer.Option("--use", help="Put it in use unless something speaks against it.")] = False,
    into: Annotated[Path | None, typer.Option(help="Model folder to write to [DIR/models].")] = None,
    data: Data = DEFAULT_DATA,
    config: Config = None,
    json: Json = False,
) -> None:
    """Train a failure model on recordings; its card says how good it is. It is not used until promoted.

    \b
    logsense train samples/*/ samples/holdout/* --holdout holdout/server --holdout holdout/database

    From what was indexed: `logsense pipeline run own-history`.
    """
    from logsense import model_runs
    from logsense.config import load_settings
    from logsense.lifecycle.plan import Deploy, Plan, Preprocess

    plan = Plan(name=name, preprocess=Preprocess(holdout=tuple(holdout or ())), deploy=Deploy(use=use))
    with Progress(quiet=json) as progress:
        made = model_runs.run_plan(plan, load_settings(config), data, into=into, folders=recordings, tell=bar(progress))
    print_made(made, json=json)


def print_made(made: dict[str, Any], *, json: bool) -> None:
    """What a run of the life cycle made: the card, and whether the model is in use now."""
    card, decision = made["card"], made["decision"]
    if json:
        print_json({**card, "decision": decision})
        return
    print_card(card)
    if decision is None:
        typer.echo(f"Use it: logsense promote {card['version']} --model {card['name']}")
    else:
        typer.echo(f"{'In use' if decision['promoted'] else 'Not in use'}: {decision['why']}")


def bar(progress: Progress) -> Any:
    """The progress bar as (what, share) wants it."""
    return lambda what, share: progress(what, share, 1.0)


def evaluate(
    what: Annotated[str, typer.Argument(help="`samples` (incidents against the labels), or a model's version.")],
    recordings: Annotated[
        list[Path] | None, typer.Argument(metavar="[FOLDER…]", help="Recordings [the samples].")
    ] = None,
    name: Name = "failure",
    data: Data = DEFAULT_DATA,
    config: Config = None,
    json: Json = False,
) -> None:
    """Measure against labels: found faults, delays, causes, false incidents; or a model's forecasts."""
    from logsense import model_runs, trials
    from logsense.config import load_settings
    from logsense.lifecycle.plan import Plan

    settings, folders = load_settings(config), recordings or trials.default_recordings()
    with Progress(quiet=json) as progress:
        if what == "samples":
            report = trials.evaluate_samples(folders, settings, progress=progress)
        else:
            report = model_runs.evaluate_version(
                Plan(name=name), settings, data, what, folders=folders, tell=bar(progress)
            )
    if json:
        print_json(report)
    elif what == "samples":
        print_samples(report)
    else:
        _print_scores(report)


def print_samples(report: dict[str, Any]) -> None:
    """One row a fault, then the sums."""
    for scenario in report["scenarios"]:
        table(
            f"{scenario['name']}: {scenario['found']} of {len(scenario['faults'])} faults have an incident, "
            f"{scenario['exactly_one']} exactly one; "
            f"{scenario['false']} false in {scenario['quiet_minutes']:.0f} quiet minutes",
            ["fault", "where", "incidents", ">delay", "cause ranked", "first hypothesis"],
            (
                (f["id"], f"{f['host']} {f['service']}", " ".join(f["incidents"]) or "none",
                 f"{f['delay_s']:.0f} s" if f["delay_s"] is not None else "–", f["cause_rank"] or "–", f["first"])
                for f in scenario["faults"]
            ),
        )  # fmt: skip
    total = report["total"]
    typer.echo(
        f"All: {total['found']}/{total['faults']} found, {total['exactly_one']} with exactly one incident, "
        f"cause first in {total['cause_first']}, in the first three in {total['cause_top3']}, "
        f"median delay {total['median_delay_s']:.0f} s, "
        f"{total['false']} false incidents in {total['quiet_minutes']:.0f} quiet minutes."
    )


def promote(
    version: Annotated[str, typer.Argument(help="Version to use (`logsense models`).")],
    name: Name = "failure",
    force: Annotated[bool, typer.Option("--force", help="Even if it is worse than the one in use.")] = False,
    data: Data = DEFAULT_DATA,
    config: Config = None,
    json: Json = False,
) -> None:
    """Use this version from now on, unless it does worse on held-out data than the one in use."""
    from logsense import model_runs
    from logsense.config import load_settings

    answer = model_runs.promote(load_settings(config), data, name, version, force=force)
    print_json(answer) if json else typer.echo(answer["text"])
    if not answer["promoted"]:
        raise typer.Exit(1)


def rollback(name: Name = "failure", data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Go back to the version that was in use before."""
    from logsense import model_runs

    answer = model_runs.rollback(data, name)
    print_json(answer) if json else typer.echo(answer["text"])


models = typer.Typer(
    name="models", help="The models and their cards: list, show, fit.", invoke_without_command=True,
)  # fmt: skip


@models.callback()
def list_models(context: typer.Context, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """List the models with their scores; `show` prints a card, `fit` says whether the one in use still fits."""
    from logsense import model_runs

    if context.invoked_subcommand:
        return
    rows = model_runs.models(data)
    if json:
        print_json(rows)
        return
    table(
        "",
        ["name", "version", "in use", "created", ">average precision", ">announced", ">failures", "calibrated"],
        (
            (r["name"], r["version"], "yes" if r["in_use"] else "", r["created"][:19], *_brief(r["card"]))
            for r in rows
        ),
        empty="No models. `logsense train FOLDER…` makes one.",
    )  # fmt: skip


def _brief(card: dict[str, Any]) -> tuple[str, str, str, str]:
    """What the service passes on, on the held-out part: precision with its interval, announced failures."""
    score = card["scores"].get("scores", {}).get("served")
    if score is None:
        return "–", "–", "–", "–"
    precision = "{value:.3f} ({low:.2f}–{high:.2f})".format(**score["average_precision"])
    return precision, str(score["announced"]), str(score["onsets"]), "yes" if card["calibrated"] else "no"


@models.command("show")
def show_model(
    version: Annotated[str, typer.Argument(help="Version [the one in use].")] = "",
    name: Name = "failure",
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Print a model's card: data, period, scores with intervals, reliability, limits, versions, sha256."""
    from logsense import model_runs
    from logsense.errors import NotFound

    for row in model_runs.models(data):
        if row["name"] == name and (row["version"] == version or (not version and row["in_use"])):
            print_json(row) if json else print_card(row["card"])
            return
    raise NotFound(f"There is no model {name}/{version or '(in use)'}.", fix="`logsense models` lists them")


@models.command("fit")
def fit_model(
    name: Name = "failure", data: Data = DEFAULT_DATA, config: Config = None, tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:  # fmt: skip
    """Say whether the model in use still fits what is seen here: features, forecasts, new kinds of lines."""
    found = workspace(data, config, tenant).desk.fit(name)
    if json:
        print_json(found)
    elif found is None:
        typer.echo("No model is in use.")
    else:
        says = {True: "fits", False: "no longer fits", None: "cannot be judged yet"}[found["fits"]]
        typer.echo(f"{found['name']}/{found['version']} {says}: {found['why']}")
        for feature, value in found.get("shifted", []):
            typer.echo(f"  {visible(feature)}: PSI {value:.2f}")


def print_card(card: dict[str, Any]) -> None:
    """A model's card: what it was made of, how good it is, what it must not be trusted with, what it was made by."""
    typer.echo(
        f"{card['name']} {card['version']} ({card['fit'].get('estimator', card['kind'])}), {card['created'][:19]}"
    )
    data = card["data"]
    typer.echo(f"trained on {', '.join(data.get('recordings', []))}: {data.get('hosts', 0)} hosts, "
               f"{data.get('steps', 0)} steps, {card['fit'].get('onsets', 0)} failures with a precursor, "
               f"{data.get('from', '')[:16]} to {data.get('to', '')[:16]}")  # fmt: skip
    if card["scores"]:
        _print_scores(card["scores"])
        table(
            "Reliability on held-out data",
            [">forecast", ">came true", ">steps"],
            (
                (f"{b['forecast']:.1%}", f"{b['observed']:.1%}" + (f" ({b['low']:.0%}–{b['high']:.0%})" if "low" in b
                 else ""), b["steps"])
                for b in card["scores"].get("reliability", [])
            ),
        )  # fmt: skip
    for limit in card["limits"]:
        typer.echo(f"  limit: {limit}")
    typer.echo(f"  made with {', '.join(f'{k} {v}' for k, v in card['libraries'].items())}")
    typer.echo(f"  sha256 {card['sha256']}")


def _print_scores(report: dict[str, Any]) -> None:
    """An evaluation: the forecasts beside the baselines, and what became of each failure."""
    table(
        f"On held-out data ({report['host_days']:.2f} host-days)",
        ["forecast by", ">average precision", ">null", ">p", ">announced", ">lead", ">false alarms", ">time in alarm"],
        (
            (s["name"], "{value:.3f} ({low:.2f}–{high:.2f})".format(**s["average_precision"]), f"{s['null']:.3f}",
             f"{s['p_value']:.3f}", f"{s['announced']}/{s['onsets']}",
             f"{s['median_lead_s']:.0f} s" if s["median_lead_s"] is not None else "–", s["false_alarms"],
             f"{s['share_in_alarm']:.1%}")
            for s in report["scores"].values()
        ),
    )  # fmt: skip
    table(
        "",
        ["failure", "recording", "host", ">precursor", "announced", ">lead"],
        (
            (o["id"], o["recording"], o["host"], f"{o['precursor_s']:.0f} s" if o["precursor_s"] is not None else "–",
             "yes" if o["announced"] else "no", f"{o['lead_s']:.0f} s" if o["announced"] else "–")
            for o in report["onsets"]
        ),
    )  # fmt: skip
    for note in report["notes"]:
        typer.echo(f"  note: {note}")
