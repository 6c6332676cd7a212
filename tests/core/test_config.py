"""Settings and pipelines: an unknown key names file, line and the nearest key; every option is documented."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from logsense import config
from logsense.config import SECTIONS, Settings, load_pipeline, load_settings, options_help, pipelines_dir
from logsense.errors import BadConfig


def write(folder: Path, text: str) -> Path:
    path = folder / "logsense.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_need_no_file() -> None:
    assert load_settings(None).section("server").port == 8514


def test_a_setting_is_taken(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "[server]\nport = 1234\n[worker]\ncommit_every_s = 2\n"))
    assert settings.section("server").port == 1234
    assert settings.section("worker").commit_every_s == 2.0


@pytest.mark.parametrize(
    ("text", "where", "fix"),
    [
        ("[server]\nhost = 'a'\nprot = 1\n", ":3", "port"),
        ("[sever]\nport = 1\n", ":1", "server"),
        ("[server]\nport = '1'\n", ":2", "port = 10"),
        ("[server]\nport = true\n", ":2", "port = 10"),
        ("[server\n", ":1", "mend"),
    ],
)
def test_a_mistake_names_its_place_and_what_to_do(tmp_path: Path, text: str, where: str, fix: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadConfig) as error:
        load_settings(path)
    assert error.value.where == f"{path}{where}"
    assert fix in error.value.fix


def test_missing_and_binary_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="cannot be read"):
        load_settings(tmp_path / "none.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadConfig, match="UTF-8"):
        load_settings(tmp_path / "b.toml")


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_every_section_has_defaults_and_documents_every_key(section: str) -> None:
    options = Settings().section(section)
    documented = {name: text for name, _, text in options_help(type(options)) if text}
    assert set(documented) == {f.name for f in dataclasses.fields(options)}


@pytest.mark.parametrize("path", sorted(pipelines_dir().glob("*.toml")), ids=lambda p: p.stem)
def test_the_pipelines_that_come_with_logsense_are_right(path: Path) -> None:
    spec = load_pipeline(path)
    assert spec.name == path.stem
    assert spec.source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 'x'\n", "reads nothing"),
        ("[[source]]\ntype = 'tail'\npath = 'a'\n", "Missing key 'name'"),
        ("name = 'x'\n[[source]]\ntype = 'tial'\npath = 'a'\n", "Unknown source type"),
        ("name = 'x'\n[[source]]\ntype = 'tail'\npaht = 'a'\n", "Unknown key 'paht'"),
    ],
)
def test_a_wrong_pipeline_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadConfig, match=message):
        load_pipeline(path)


def test_shipped_prefers_what_is_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "logsense" / "shipped" / "models"
    inside.mkdir(parents=True)
    monkeypatch.setattr(config, "__file__", str(tmp_path / "logsense" / "config.py"))
    assert config.shipped("models") == inside
    assert config.shipped("pipelines") == tmp_path / "pipelines"
