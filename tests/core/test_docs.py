"""The documents say what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from logsense.cli import app
from logsense.config import SECTIONS, Settings

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")


@pytest.mark.parametrize(
    "name", [*READMES, "CONTRIBUTING.md", "samples/README.md", "models/README.md", "docs/models.md", "docs/speed.md"]
)
def test_links_lead_somewhere(name: str) -> None:
    path = ROOT / name
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("name", READMES)
def test_commands_and_sections_in_the_readme_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for command in re.findall(r"^    (?:\.venv/bin/)?logsense (\w+)", text, re.MULTILINE):
        assert command in commands
    for section, key in re.findall(r"^    \[(\w+)\]\n    (\w+) =", text, re.MULTILINE):
        assert section in SECTIONS
        assert hasattr(Settings().section(section), key)


def test_both_readmes_hold_the_same_commands_and_figures() -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in READMES)
    assert (
        re.findall(r"^    \S.*?(?=  #|$)", english, re.MULTILINE)[:6]
        == re.findall(r"^    \S.*?(?=  #|$)", chinese, re.MULTILINE)[:6]
    )
    for figure in (r"GA \.\d+", r"hit@1 \.\d+", r"\b\d{3},\d{3}\b"):
        assert re.findall(figure, english) == re.findall(figure, chinese) != []


def test_make_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in (*READMES, "CONTRIBUTING.md"):
        for target in re.findall(r"make ([a-z-]+)", (ROOT / name).read_text(encoding="utf-8")):
            assert target in targets, f"{name}: make {target}"


def test_the_page_about_models_names_what_exists() -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for command, below in re.findall(r"logsense (\w+)(?: (\w+))?", text):
        if command in commands and below and hasattr(commands[command], "commands"):
            assert below in commands[command].commands, f"{command} {below}"
    named = re.findall(r"^    logsense (\w+)", text, re.MULTILINE)
    assert len(named) > 8 and set(named) <= set(commands)
    for section, key in re.findall(r"`\[(\w+)\] (\w+)`", text):
        assert hasattr(Settings().section(section), key), f"[{section}] {key}"
