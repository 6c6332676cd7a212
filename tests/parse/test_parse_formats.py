"""Every format file holds what its samples say, and a wrong file stops the start with what, why, where and fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from logsense.errors import BadFormat
from logsense.parse import check_formats, formats_table, list_formats
from logsense.parse.loader import Formats, read_specs
from logsense.parse.options import ParseOptions
from logsense.parse.safety import first_characters, nested_repeat, too_slow
from logsense.parse.schema import read_spec

GOOD = """
title = "Good"
timestamp = ["iso"]

[[patterns]]
name = "line"
pattern = '''(?P<ts>\\S+) (?P<level>[A-Z]+) (?P<user>\\w+): (?P<message>.*)'''

[fields]
user = "user.name"

[[samples]]
line = '''2026-01-02T03:04:05Z WARN bob: hello'''
expect = { "log.level" = "warning", "user.name" = "bob", message = "hello" }
"""


def write(folder: Path, text: str, name: str = "mine") -> Path:
    file = folder / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_all_samples_hold_through_detection() -> None:
    assert [str(problem) for problem in check_formats(speed=False)] == []


@pytest.mark.slow
def test_no_pattern_is_slow_on_hostile_lines() -> None:
    assert [str(problem) for problem in check_formats()] == []


def test_list_names_title_samples_and_file() -> None:
    infos = list_formats()
    assert len(infos) >= 45
    assert all(info.samples >= 1 and info.title and Path(info.file).is_file() for info in infos)
    assert [info.name for info in infos] == sorted(info.name for info in infos)


def test_a_format_is_added_by_adding_a_file(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert "mine" in read_specs(str(tmp_path))
    assert check_formats(str(tmp_path), speed=False) == []


def test_own_file_replaces_the_built_in_one(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "redis")
    assert read_specs(str(tmp_path))["redis"].title == "Good"


@pytest.mark.parametrize(
    ("change", "what", "fix"),
    [
        (("title =", "titel ="), "titel", "title"),
        (('name = "line"', 'nmae = "line"'), "nmae", "name"),
        (('user = "user.name"', 'user = { field = "user.name", typ = "int" }'), "typ", "type"),
        (('user = "user.name"', 'user = { field = "user.name", type = "itn" }'), "itn", "int"),
        (("(?P<user>", "(?P<usr>"), "usr", "user"),
        (("(?P<ts>\\S+)", "(?P<ts>(\\w+\\s?)+)"), "exponential", "possessive"),
        (("(?P<ts>\\S+)", "(?P<ts>\\S+"), "not a regular expression", ""),
        (("timestamp =", 'derive = ["htpp"]\ntimestamp ='), "htpp", "http"),
        (("timestamp =", 'kind = "xml"\ntimestamp ='), "xml", "json"),
        (('timestamp = ["iso"]', "timestamp = 7"), "timestamp", ""),
        (("title =", "[title"), "not TOML", ""),
        (("[[samples]]", "[[patterns]]"), "unknown key", ""),
    ],
)
def test_a_wrong_file_is_refused_with_what_where_and_fix(
    tmp_path: Path, change: tuple[str, str], what: str, fix: str
) -> None:
    text = GOOD.replace(*change, 1)
    assert text != GOOD
    file = write(tmp_path, text)
    with pytest.raises(BadFormat) as caught:
        read_spec(file)
    assert what in caught.value.what + caught.value.why
    assert fix in caught.value.fix
    path, _, line = caught.value.where.rpartition(":")
    assert path == str(file)
    assert line.isdecimal()


def test_unknown_key_names_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD.replace("timestamp =", "timestmap ="))
    with pytest.raises(BadFormat) as caught:
        read_spec(file)
    assert caught.value.where == f"{file}:3"


def test_a_sample_that_does_not_hold_stops_the_start(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace('"user.name" = "bob"', '"user.name" = "alice"'))
    with pytest.raises(BadFormat, match="sample 1 of format 'mine' does not hold") as caught:
        Formats(ParseOptions(formats_dir=str(tmp_path)))
    assert "'bob' instead of 'alice'" in caught.value.why


def test_unknown_formats_and_folders_are_refused() -> None:
    with pytest.raises(BadFormat, match="nosuch"):
        Formats(ParseOptions(formats=("nosuch",)))
    with pytest.raises(BadFormat, match="no folder"):
        Formats(ParseOptions(formats_dir="/nowhere/at/all"))


@pytest.mark.parametrize("pattern", [r"(a+)+b", r"(?:\w+\s?)*$", r"(a|a*)+", r"(?:x*)*", r"(.*,)*.*x(.*,)*"])
def test_exploding_patterns_are_found(pattern: str) -> None:
    assert nested_repeat(pattern)


@pytest.mark.parametrize(
    "pattern", [r"(?:\w+, )*\w+", r"(?:#[^\n]*\n)*", r"(?:a++)+", r"(?:[a-z]+\.)+x", r"\d{1,3}(?:,\d{3})*"]
)
def test_harmless_patterns_pass(pattern: str) -> None:
    assert nested_repeat(pattern) == ""


def test_the_race_finds_what_structure_does_not() -> None:
    assert "ms on" in too_slow(r"\w*\w*\w*\w*x", ["abc"])
    assert too_slow(r"\w+ x", ["abc x"], anywhere=False) == ""


def test_first_characters() -> None:
    assert first_characters(r"\d{4}-") == frozenset("0123456789")
    assert first_characters(r"(?:<\d+>)?[A-C]x") == frozenset("<ABC")
    assert first_characters(r"(?:a|b*)c") == frozenset("abc")
    assert first_characters(r".*x") is None
    assert first_characters(r"[^x]") == frozenset(map(chr, range(128))) - {"x"}


# What issue after issue asks for by name: a format that is lost must not go unnoticed.
WANTED = """
postgresql-stderr postgresql-csvlog postgresql-jsonlog postgresql-messages mysql-error mysql-slow mysql-general
mysql-audit-json mariadb-audit mongodb redis oracle-alert oracle-listener mssql java elasticsearch rabbitmq
python-logging python-traceback go cri docker-json journald-json journal-export sshd sudo pam cron kernel auditd pf
cisco-ios cisco-asa dnsmasq unbound bind suricata-eve zeek-tsv zeek-json squid-access varnish envoy traefik
traefik-json iis-w3c aws-vpc-flow netflow-json windows-event-xml nginx-access nginx-error apache-error haproxy
"""


def test_the_formats_that_people_ask_for_are_there() -> None:
    assert set(WANTED.split()) <= {info.name for info in list_formats()}


def test_the_table_of_formats_is_up_to_date() -> None:
    """``logsense formats --markdown`` writes it."""
    table = (Path(__file__).parents[2] / "docs/formats.md").read_text(encoding="utf-8")
    assert formats_table() in table
