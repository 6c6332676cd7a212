"""``logsense chart``: pictures as SVG or PNG, for a ticket, a report or a slide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from logsense.cli.common import DEFAULT_DATA, DEFAULT_TENANT, Config, Data, From, Tenant, To, moment, workspace
from logsense.errors import BadInput, NotFound

if TYPE_CHECKING:
    from logsense.pictures.frame import Picture

chart = typer.Typer(
    name="chart",
    help="Pictures as SVG or PNG: metric, risk, reliability, pr.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Out = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Where to: .svg or .png; - prints the SVG.")]
Name = Annotated[str, typer.Option("--model", help="Name of the model.")]
Version = Annotated[str, typer.Argument(metavar="[VERSION]", help="Version of the model [the one in use].")]


def add_to(app: typer.Typer) -> None:
    app.add_typer(chart)


@chart.command()
def metric(
    host: Annotated[str, typer.Argument(help="Host, as `logsense values host` lists it.")],
    name: Annotated[str, typer.Argument(help="Metric with its labels, e.g. 'disk.util{device=sda}'.")],
    out: Out,
    from_: From = None,
    to: To = None,
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """A metric with what is usual for it, its anomalies, and the incidents of its host.

    \b
    logsense chart metric db1 system.disk.utilization --from -6h -o disk.png
    """
    from logsense.pictures.series import metric_picture

    start, end = moment(from_, "--from"), moment(to, "--to")
    view = workspace(data, config, tenant).metric(host, name, from_=start, to=end)
    if not view["points"]:
        raise NotFound(f"There is nothing of {name!r} in this span.", fix="widen --from and --to")
    _write(metric_picture(view, host, name), out)


@chart.command()
def risk(
    host: Annotated[str, typer.Argument(help="Host, as `logsense values host` lists it.")],
    out: Out,
    from_: From = None,
    to: To = None,
    data: Data = DEFAULT_DATA,
    config: Config = None,
    tenant: Tenant = DEFAULT_TENANT,
) -> None:
    """The probability of failure of a host over time, with its incidents and the threshold of alarms."""
    from logsense.pictures.series import risk_picture
    from logsense.riskview import view

    shown = view(workspace(data, config, tenant), host, moment(from_, "--from"), moment(to, "--to"))
    if not shown["course"]:
        raise NotFound(
            f"There is no forecast of {host!r} in this span.", fix="`logsense forecast` lists hosts with a risk"
        )
    _write(risk_picture(shown["course"], host, shown["incidents"], shown["threshold"]), out)


@chart.command()
def reliability(version: Version = "", *, out: Out, name: Name = "failure", data: Data = DEFAULT_DATA) -> None:
    """Do the probabilities come true? Forecast against observed share on held-out data, with intervals."""
    from logsense.pictures.curves import reliability_picture

    _write_curve(reliability_picture(_card(data, name, version)), out)


@chart.command()
def pr(version: Version = "", *, out: Out, name: Name = "failure", data: Data = DEFAULT_DATA) -> None:
    """Precision over recall of the model, beside simple rules."""
    from logsense.pictures.curves import precision_recall_picture

    _write_curve(precision_recall_picture(_card(data, name, version)), out)


def _card(data: Path, name: str, version: str) -> dict[str, object]:
    from logsense import model_runs

    for row in model_runs.models(data):
        if row["name"] == name and (row["version"] == version or (not version and row["in_use"])):
            card: dict[str, object] = row["card"]
            return card
    raise NotFound(f"There is no model {name}/{version or '(in use)'}.", fix="`logsense models` lists them")


def _write_curve(picture: Picture | None, out: Path) -> None:
    if picture is None:
        raise NotFound("The card of this model holds no curve.", why="it was written before curves were kept",
                       fix="train it anew: `logsense pipeline run`")  # fmt: skip
    _write(picture, out)


def _write(picture: Picture, out: Path) -> None:
    svg = picture.svg(standalone=True)
    if str(out) == "-":
        typer.echo(svg)
        return
    form = out.suffix.lower()
    if form not in (".svg", ".png"):
        raise BadInput(f"{out} is neither .svg nor .png.", fix="end the name with one of them, or give - for the SVG")
    if form == ".png":
        from logsense.pictures.png import png

        body = png(svg)
    else:
        body = svg.encode("utf-8")
    try:
        out.write_bytes(body)
    except OSError as error:
        raise BadInput(
            f"{out} cannot be written.", why=error.strerror or str(error), fix="give another path"
        ) from error
    typer.echo(f"{out}: {picture.description}")
