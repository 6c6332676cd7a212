"""The commands: failures, pipelines, cards and pictures, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from logsense import model_runs
from logsense.cli import app
from logsense.errors import BadConfig, BadInput, LogsenseError, NotFound
from logsense.lifecycle.run import STEPS
from tests.models.conftest import START

WHEN = str(START // 10**9)


def run(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(words), catch_exceptions=True)


def said(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.exception or result.output
    return result.output


def refused(*words: str) -> LogsenseError:
    error = run(*words).exception
    assert isinstance(error, LogsenseError)
    return error


def test_failures_are_added_imported_listed_and_removed(estate: Path, tmp_path: Path) -> None:
    data = ("--data", str(estate))
    assert "1 added" in said("failures", "add", "h0", WHEN, "--kind", "disk_full", "--id", "t1", *data)
    assert "1 changed" in said("failures", "add", "h0", WHEN, "--end", str(START // 10**9 + 60), "--id", "t1", *data)
    file = tmp_path / "more.csv"
    file.write_text(f"host,start,kind\nh1,{WHEN},oom\nh1,{int(WHEN) + 900},oom\n", encoding="utf-8")
    assert "2 added" in said("failures", "import", str(file), *data)
    assert "2 known already" in said("failures", "import", str(file), *data)
    rows = json.loads(said("failures", "list", "--json", *data))
    assert [row["host"] for row in rows].count("h1") == 2
    everything = json.loads(said("failures", "list", "--all", "--json", *data))
    assert everything["counts"]["reported"] == 3 and everything["counts"]["derived"] > 5
    assert "level critical" in said("failures", "list", "--all", *data)
    assert "no failure any more" in said("failures", "remove", "t1", *data)
    assert isinstance(refused("failures", "remove", "t1", *data), NotFound)
    assert isinstance(refused("failures", "add", "h0", "soonish", *data), BadInput)


@pytest.mark.parametrize("name", model_runs.plan_names())
def test_every_pipeline_reads_and_shows_its_steps_in_order(name: str) -> None:
    text = said("pipeline", "show", name)
    places = [text.index(f"{number}. {step}") for number, (step, _) in enumerate(STEPS, 1)]
    assert places == sorted(places)
    assert name in said("pipeline", "list")


def test_a_mistake_in_a_pipeline_names_file_line_and_nearest_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[collect]\nsource = "index"\n\n[train]\nestimater = "logistic"\n', encoding="utf-8")
    error = refused("pipeline", "run", str(file))
    assert isinstance(error, BadConfig) and f"{file}:5" in error.where and "estimator" in error.fix
    file.write_text('[collect]\nsource = "tea leaves"\n', encoding="utf-8")
    assert "tea leaves" in refused("pipeline", "run", str(file)).why
    assert "own-history" in refused("pipeline", "run", "nix").fix


def test_the_card_in_use_is_shown_with_versions_and_digest(tmp_path: Path) -> None:
    text = said("models", "show", "--data", str(tmp_path))
    for words in ("sha256", "scikit-learn", "limit:", "forecast by"):
        assert words in text
    assert "yes" in said("models", "--data", str(tmp_path))
    assert isinstance(refused("models", "show", "999", "--data", str(tmp_path)), NotFound)


def test_pictures_are_written_and_what_cannot_be_is_said(estate: Path, tmp_path: Path) -> None:
    data = ("--data", str(estate))
    svg = tmp_path / "disk.svg"
    assert "h0" in said("chart", "metric", "h0", "system.disk.utilization", "-o", str(svg), *data)
    assert svg.read_text(encoding="utf-8").startswith("<svg")
    assert said("chart", "metric", "h0", "system.disk.utilization", "-o", "-", *data).startswith("<svg")
    assert (
        "neither .svg nor .png"
        in refused("chart", "metric", "h0", "system.disk.utilization", "-o", "a.gif", *data).what
    )
    assert isinstance(refused("chart", "metric", "h0", "nix", "-o", str(svg), *data), NotFound)
    assert isinstance(refused("chart", "risk", "h0", "-o", str(svg), *data), NotFound)
    missing = tmp_path / "no" / "disk.svg"
    assert "cannot be written" in refused(
        "chart", "metric", "h0", "system.disk.utilization", "-o", str(missing), *data
    ).what  # fmt: skip


def test_no_name_leads_out_of_the_folders_of_recordings(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text("{}")
    for name in ("..", "../..", "/etc", ".", "", "a\0b", "holdout/../../..", str(tmp_path)):
        with pytest.raises(NotFound):
            model_runs.find_recording(name, tmp_path)
    own = tmp_path / "recordings" / "mine"
    own.mkdir(parents=True)
    (own / "labels.json").write_text("{}")
    assert model_runs.find_recording("mine", tmp_path) == own
    assert {"mine", "server", "holdout/server"} <= set(model_runs.recording_names(tmp_path))
