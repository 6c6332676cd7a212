"""``logsense demo``: the main job on the recorded samples, then the pages to look at."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from logsense import __version__
from logsense.cli.ask import print_incident
from logsense.cli.common import SEVERITY_STYLE, short_time, visible, workspace
from logsense.cli.feed import Progress
from logsense.errors import BadInput

if TYPE_CHECKING:
    from rich.console import Console

    from logsense.config import Settings

MARK = "demo.json"
PREFIX = "logsense-demo"  # of the indices, where the demo is read into an Elasticsearch


def run_demo(data: Path, port: int, *, stay: bool, out: Console, index: str = "embedded") -> None:
    """Ingest the samples once (a second run reuses what the first one made), print, and serve unless told not to."""
    recordings = sample_folders()
    print_ = f"{index} {fingerprint(recordings)}"
    settings = demo_settings(index, port)
    if not is_current(data, print_) or is_empty(data, settings):
        fill(data, recordings, print_, settings, out)
    else:
        out.print(f"The samples are in {data} already (made by an earlier run; `make clean` removes them).")
    # For the worker, a process of its own, and for whoever follows the hints at the end from another shell.
    config = data / "demo.toml"
    where = f"urls = {json.dumps(settings.section('elasticsearch').urls)}\n" if index == "elasticsearch" else ""
    config.write_text(f'[index]\ntype = "{index}"\n\n[elasticsearch]\n{where}prefix = "{PREFIX}"\n', encoding="utf-8")
    report(data, config, out)
    if stay:
        serve_demo(data, settings, config, out)


def demo_settings(index: str, port: int) -> Settings:
    """Nothing is read from this machine: the pages show the samples alone."""
    from logsense.config import Settings

    server = {"port": port, "syslog_port": 0, "host_metrics_every_s": 0.0}
    settings = Settings({"server": server, "index": {"type": index}, "elasticsearch": {"prefix": PREFIX}})
    settings.section("index")  # a wrong name stops here
    return settings


def is_empty(data: Path, settings: Settings) -> bool:
    """Whether the folder is full but the index is not: another Elasticsearch than last time."""
    from logsense.registry import open_index

    index = open_index(data, settings, writer=False)
    try:
        return index.time_range() is None
    finally:
        index.close()


def sample_folders() -> list[Path]:
    from logsense.config import shipped

    folders = sorted(p.parent for p in shipped("samples").glob("*/labels.json"))
    if not folders:
        raise BadInput("There are no samples.", why="they come with a checkout of logsense, not with the wheel",
                       fix="clone the repository and run `make demo` there")  # fmt: skip
    return folders


def fingerprint(folders: list[Path]) -> str:
    """Changes when the samples or the code that reads them do, so that a demo never shows stale results."""
    digest = hashlib.sha256(__version__.encode())
    package = Path(__file__).resolve().parent.parent
    for root in (*folders, package):
        for file in sorted(p for p in root.rglob("*") if p.is_file() and p.suffix != ".pyc"):
            stat = file.stat()
            digest.update(f"{file.relative_to(root)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def is_current(data: Path, print_: str) -> bool:
    try:
        return bool(json.loads((data / MARK).read_text(encoding="utf-8"))["fingerprint"] == print_)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def fill(data: Path, recordings: list[Path], print_: str, settings: Settings, out: Console) -> None:
    from logsense.feed import Ingest, add_recording, find_pipeline
    from logsense.trials import read_label_file

    if data.exists():
        if any(data.iterdir()) and not (data / MARK).exists() and not (data / "index").is_dir():
            raise BadInput(f"{data} is not empty and no demo folder.", fix="give another one with --data")
        shutil.rmtree(data)
    clear_index(data, settings)
    begun = time.monotonic()
    with Progress() as progress:
        run = Ingest(data, settings, progress=progress)
        for folder in recordings:
            out.print(f"Reading samples/{folder.name} …")
            add_recording(run, find_pipeline(str(read_label_file(folder)["scenario"])), folder)
        result = run.finish()
    (data / MARK).write_text(json.dumps({"fingerprint": print_}), encoding="utf-8")
    out.print(
        f"{result['lines']:,} lines and {result['points']:,} metric points of {len(recordings)} recordings: parsed, "
        f"mined, indexed and analysed in {time.monotonic() - begun:.0f} s."
    )
    for note in result["notes"]:
        out.print(f"note: {note}", style="yellow", markup=False)


def clear_index(data: Path, settings: Settings) -> None:
    """An index outside the folder holds what an earlier demo wrote."""
    if settings.section("index").type == "elasticsearch":
        from logsense.index.elastic import ElasticIndex

        index = ElasticIndex(data / "index", writer=False, options=settings.section("elasticsearch"))
        index.clear()
        index.close()


def report(data: Path, config: Path, out: Console) -> None:
    """What broke, where, when and why; one incident in full; and how to ask."""
    from rich.text import Text

    from logsense.config import load_settings

    space = workspace(data, config)
    rows = sorted(space.incidents(limit=200), key=lambda r: r["start"])
    out.print(Text(f"\nWhat broke: {len(rows)} incidents", "bold"))
    for row in rows:
        out.print(Text.assemble(
            f"  {row['id']:7} {short_time(row['start'])}  ", (f"{row['severity']:9}", SEVERITY_STYLE[row["severity"]]),
            visible(row["title"]), (f"   {', '.join(row['hosts'][:3])}", "dim"),
        ))  # fmt: skip
    if rows:
        worst = max(rows, key=lambda r: (list(SEVERITY_STYLE)[::-1].index(r["severity"]), r["score"]))
        out.print(Text("\nOne of them in full\n", "bold"))
        print_incident(space.incident(worst["id"]))
    risks = [f for f in space.forecasts(limit=2000) if f["state"] == "ok"]
    warned = sorted({(f["host"], f["made"][:16]) for f in risks if f["probability"] >= 0.5})
    out.print(Text(f"\nForecasts: {len(risks)} made, {len(warned)} host-minutes at 50 % risk or more", "bold"))
    space.close()
    elsewhere = load_settings(config).section("index").type != "embedded"
    more = f" --config {config}" if elsewhere else ""
    typer.echo(f'\nAsk:   .venv/bin/logsense search "who is trying to guess passwords" --data {data}{more}')
    typer.echo(f"Read:  .venv/bin/logsense incidents --data {data}{more}")
    typer.echo("Check: .venv/bin/logsense evaluate samples   (against the injected faults)")


def serve_demo(data: Path, settings: Settings, config: Path, out: Console) -> None:
    from logsense.server import serve

    def banner(url: str) -> None:
        out.print(f"\nLook: {url}   (Ctrl-C ends it)", style="bold")

    serve(data, settings, config=config, say=lambda text: typer.echo(text, err=True), banner=banner)
    typer.echo("The demo has stopped.")
