"""Real logs: every record of every file is parsed, and fields equal what others expect of the same lines."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from logsense.parse.levels import level_of
from tests.parse.beats import BEATS, compare, read
from tests.parse.real import REAL_LOGS, REPLIES, count, files

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


def need(folder: Path) -> Path:
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: see its README for where it comes from")
    return folder


# What each file must be found to be, and how many records it has.
REAL = {
    "postgresql/postgresql.log": ("postgresql-stderr", 2241),
    "postgresql/postgresql.csv": ("postgresql-csvlog", 2241),
    "postgresql/postgresql.json": ("postgresql-jsonlog", 2241),
    "mariadb/error.log": ("mysql-error", 48),
    "mariadb/slow.log": ("mysql-slow, mysql-start", 32),
    "mariadb/general.log": ("mysql-general, mysql-start", 113),
    "mariadb/audit.log": ("mariadb-audit", 202),
    "redis/redis.log": ("redis", 62),
    "network/access.log": ("nginx-access", 6),
    "network/access.json": ("json-access", 6),
    "network/error.log": ("nginx-error", 12),
    "network/squid_access.log": ("squid-access", 4),
    "network/squid_cache.log": ("squid-cache", 31),
    "network/bind9_default.log": ("bind", 9),
    "network/bind9_query.log": ("bind", 19),
    "network/tshark_dns.txt": ("tshark", 34),
}


@pytest.mark.parametrize("name", REAL)
def test_every_record_of_our_own_runs_is_parsed(name: str) -> None:
    file = need(DATA / "real") / name
    parser, records = read(file)
    formats, count = REAL[name]
    assert [record.message for record in records if record.outcome == "unparsed"] == []
    assert parser.formats()[file.name] == formats
    assert len(records) == count


def test_every_file_of_our_own_runs_is_counted() -> None:
    """``python -m tests.parse.real`` prints it."""
    folder = need(REAL_LOGS)
    for file in files(folder):
        found = count(file)
        assert sum(found.levels.values()) == sum(found.kinds.values()) == found.records > 0
        assert found.unparsed == REPLIES.get(file.relative_to(folder).as_posix(), 0), file


def test_the_three_postgresql_logs_of_one_run_agree() -> None:
    folder = need(DATA / "real") / "postgresql"
    names = ("process.pid", "user.name", "db.name", "event.duration", "db.query.text", "event.outcome")
    runs = [
        # Parallel backends write the three logs in different order, and only stderr tells the position in words.
        sorted(
            (
                record.timestamp_ns,
                re.sub(r" at character \d+$", "", record.message),
                record.level,
                *(str(record.fields.get(name)) for name in names),
            )
            for record in read(folder / f"postgresql.{kind}")[1]
        )
        for kind in ("log", "csv", "json")
    ]
    for text, table, objects in zip(*runs, strict=True):
        assert text == table == objects


@pytest.mark.parametrize("module", ["postgresql", "nginx", "apache", "system", "haproxy", "auditd"])
def test_fields_equal_the_expected_documents(module: str) -> None:
    """Of the events that carry fields of a group, in at least 98 % all of them are equal, group by group."""
    score = compare(need(BEATS) / module)
    assert score.missing == 0
    assert score.fields.total() > 50
    shares = {group: score.equal[group] / score.carried[group] for group in score.carried}
    assert {group: share for group, share in shares.items() if share < 0.98} == {}, score.wrong


# Share of lines whose message is what the data set's authors call the content; the rest differs on purpose:
# Apache's client address is a field here, and a program's name is part of the text where no tag names it.
CONTENT = {
    "Android": 1.0, "Apache": 0.98, "BGL": 1.0, "HDFS": 1.0, "HPC": 0.99, "Hadoop": 1.0, "HealthApp": 0.999,
    "Linux": 0.99, "OpenSSH": 1.0, "Spark": 1.0, "Zookeeper": 1.0, "Proxifier": 0.0,
}  # fmt: skip


@pytest.mark.parametrize("system", CONTENT)
def test_public_systems_are_understood_by_general_formats(system: str) -> None:
    folder = need(DATA / "parsing") / system
    file = folder / f"{system}_2k.log"
    _, records = read(file)
    assert {record.outcome for record in records} == {"parsed"}
    assert not any("event.created" in record.fields for record in records)
    with (folder / f"{file.name}_structured_corrected.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(records) == len(rows)
    pairs = list(zip(records, rows, strict=True))
    equal = sum(" ".join(record.message.split()) == " ".join(row["Content"].split()) for record, row in pairs)
    assert equal / len(rows) >= CONTENT[system]
    if "Level" in rows[0] and system not in ("Linux", "Android"):  # Linux: that column is the host
        assert all(record.level == level_of(row["Level"]) for record, row in pairs)


SAMPLES = sorted((ROOT / "samples").rglob("logs/*/*.log"))


@pytest.mark.skipif(not SAMPLES, reason="samples/ holds no recordings")
@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: str(file.relative_to(ROOT / "samples")))
def test_recorded_samples_are_parsed(file: Path) -> None:
    _, records = read(file)
    unparsed = [record.message for record in records if record.outcome == "unparsed"]
    assert len(unparsed) <= 0.001 * len(records), unparsed[:5]
