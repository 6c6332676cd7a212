"""Commands for the life of a model: train, evaluate, promote, rollback, models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from logsense.cli.common import DEFAULT_DATA, Config, Data, Json, print_json, table
from logsense.cli.feed import Progress

Name = Annotated[str, typer.Option("--model", help="Name of the model.")]


def add_to(app: typer.Typer) -> None:
    app.command()(train)
    app.command()(evaluate)
    app.command()(promote)
    app.command()(rollback)
    app.command()(models)


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
    """
    from logsense import trials
    from logsense.config import load_settings

    with Progress(quiet=json) as progress:
        card = trials.train(
            recordings,
            load_settings(config),
            into or data / "models",
            name,
            holdout=holdout or (),
            use=use,
            progress=progress,
        )
    if json:
        print_json(card)
        return
    _print_card(card)
    decision = card["decision"]
    if decision is None:
        typer.echo(f"Use it: logsense promote {card['version']} --model {name}")
    else:
        typer.echo(f"{'In use' if decision['promoted'] else 'Not in use'}: {decision['why']}")


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
    from logsense import trials
    from logsense.config import load_settings

    settings = load_settings(config)
    with Progress(quiet=json) as progress:
        if what == "samples":
            report = trials.evaluate_samples(recordings or trials.default_recordings(), settings, progress=progress)
        else:
            report = trials.evaluate_model(what, recordings or trials.default_recordings(), settings, data, name,
                                           progress=progress)  # fmt: skip
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
    from logsense import trials
    from logsense.config import load_settings

    answer = trials.promote(data, load_settings(config), name, version, force=force)
    print_json(answer) if json else typer.echo(answer["text"])
    if not answer["promoted"]:
        raise typer.Exit(1)


def rollback(name: Name = "failure", data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Go back to the version that was in use before."""
    from logsense import trials

    answer = trials.rollback(data, name)
    print_json(answer) if json else typer.echo(answer["text"])


def models(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """List the models with their scores."""
    from logsense import trials

    rows = trials.models(data)
    if json:
        print_json(rows)
        return
    table(
        "",
        ["name", "version", "in use", "created", "scores"],
        (
            (r["name"], r["version"], "yes" if r["in_use"] else "", r["created"][:19],
             ", ".join(f"{k} {v:.3g}" for k, v in r["card"].get("scores", {}).items() if isinstance(v, int | float)))
            for r in rows
        ),
        empty="No models. `logsense train FOLDER…` makes one.",
    )  # fmt: skip


def _print_card(card: dict[str, Any]) -> None:
    """A trained model's card: what it was made of and how good it is."""
    typer.echo(f"{card['name']} {card['version']} ({card['fit']['estimator']}), {card['created'][:19]}")
    data = card["data"]
    typer.echo(f"trained on {', '.join(data['recordings'])}: {data['hosts']} hosts, {data['steps']} steps, "
               f"{card['fit']['onsets']} failures with a precursor")  # fmt: skip
    _print_scores(card["scores"])
    for limit in card["limits"]:
        typer.echo(f"  limit: {limit}")


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
