"""``logsense pipeline``: the life of a model as one readable file, and its run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from logsense.cli.common import DEFAULT_DATA, DEFAULT_TENANT, Config, Data, Json, Tenant, place_of, print_json, table
from logsense.cli.feed import Progress
from logsense.cli.model import bar, print_made

pipeline = typer.Typer(
    name="pipeline",
    help="Collect, preprocess, train, evaluate, deploy: the life of a model from one file.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Which = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A file of pipelines/models, or your own .toml.")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(pipeline)


@pipeline.command()
def run(
    name: Which = "failure",
    into: Annotated[Path | None, typer.Option(help="Model folder to write to [DIR/models].")] = None,
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
    json: Json = False,
) -> None:
    """Run all steps; the model is put to use unless something speaks against it.

    \b
    logsense pipeline run failure          from the recorded samples: works in a fresh clone
    logsense pipeline run own-history      from what was indexed in --data
    """
    from logsense import model_runs

    plan = model_runs.load_plan(name)
    data, settings = place_of(data, config, tenant)
    with Progress(quiet=json) as progress:
        made = model_runs.run_plan(plan, settings, data, into=into, tell=bar(progress))
    print_made(made, json=json)


@pipeline.command()
def show(name: Which = "failure", json: Json = False) -> None:
    """Show the steps with their settings, defaults included."""
    from dataclasses import asdict

    from logsense import model_runs

    plan = asdict(model_runs.load_plan(name))
    if json:
        print_json(plan)
        return
    typer.echo(f"{plan['name']}: {plan['description']}")
    for number, step in enumerate(STEPS, 1):
        typer.echo(f"{number}. {step}")
        for key, value in plan[step].items():
            typer.echo(f"     {key} = {_shown(value)}")


@pipeline.command("list")
def list_(json: Json = False) -> None:
    """List the pipelines that come with logsense."""
    from logsense import model_runs

    rows = [{"name": name, "description": model_runs.load_plan(name).description} for name in model_runs.plan_names()]
    print_json(rows) if json else table("", ["name", "what it does"], ((r["name"], r["description"]) for r in rows))


#: In the order of ``lifecycle.run.STEPS``.
STEPS = ("collect", "preprocess", "train", "evaluate", "deploy")


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) or "–" if isinstance(value, list | tuple) else str(value) or "–"
