"""Real logs: every record of every file is parsed, and fields equal what others expect of the same lines."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from logsense.parse import ParseOptions, Parser, to_ecs
from logsense.parse.levels import level_of
from logsense.parse.timestamps import TimestampReader
from logsense.record import LogRecord, RawEvent

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
NOW = 1_795_550_400 * 10**9  # 2026-11-24T20:00:00Z


def read(file: Path, zone: str = "UTC") -> tuple[Parser, list[LogRecord]]:
    parser, offset, events = Parser(ParseOptions(timezone=zone)), 0, []
    for raw in file.read_bytes().split(b"\n"):
        events.append(RawEvent(raw.decode("utf-8", "backslashreplace"), file.name, NOW, {}, str(offset)))
        offset += len(raw) + 1
    if not events[-1].message:
        events.pop()
    return parser, [*parser.parse(events), *parser.flush()]


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


# Fields of the expected documents and where we have them.
FIELDS = {
    "@timestamp": "@timestamp", "log.level": "log.level", "message": "message", "user.name": "user.name",
    "user.id": "user.id", "user.effective.name": "user.effective.name", "source.ip": "source.ip",
    "source.port": "source.port", "event.duration": "event.duration", "event.outcome": "event.outcome",
    "http.request.method": "http.request.method", "http.response.status_code": "http.response.status_code",
    "http.response.body.bytes": "http.response.bytes", "http.response.bytes": "http.response.bytes",
    "http.version": "http.version", "http.request.referrer": "http.request.referrer", "url.path": "url.path",
    "url.query": "url.query", "user_agent.original": "user_agent.original", "process.pid": "process.pid",
    "process.name": "process.name", "process.executable": "process.executable", "host.hostname": "host.name",
    "postgresql.log.database": "db.name", "postgresql.log.client_addr": "source.ip",
    "postgresql.log.client_port": "source.port", "postgresql.log.query": "db.query.text",
    "postgresql.log.sql_state_code": "error.code",
}  # fmt: skip
SECTIONS = {"DETAIL", "STATEMENT", "HINT", "CONTEXT", "LOCATION"}
_ISO = TimestampReader(("iso",))


def same(module: str, name: str, want: Any, document: dict[str, Any], record: LogRecord) -> bool:
    """Whether we say the same. Where the other side writes things differently, the comment says how."""
    got = document.get(FIELDS[name])
    if name == "@timestamp":  # they keep milliseconds
        return (_ISO.read(want, NOW) or 0) // 10**6 == record.timestamp_ns // 10**6
    if name == "log.level":  # they keep the word
        words = {"LOG": "info", "FATAL": "critical", "PANIC": "emergency", "DETAIL": "info"}
        return got == (words.get(want) or level_of(want))
    if want in ("-", "unknown") and got is None:  # they keep the sign that stands for nothing
        return True
    if name == "message" and "http.response.status_code" in document:  # they have none; ours is made for mining
        return True
    if module == "postgresql" and name == "message":  # they put the bare statement or the whole line there
        ours = (record.message, str(document.get("db.query.text")), str(record.original))
        return want.replace("\n\t", "\n").strip() in [text.replace("\n\t", "\n").strip() for text in ours]
    if name == "event.duration":  # they calculate in single-precision floating point
        return got is not None and abs(got - int(want)) <= 1e-6 * int(want)
    if module == "auditd" and name == "event.outcome":  # they keep res=1
        want = {"1": "success", "0": "failure"}.get(want, want)
    if name == "process.name":  # they keep "launchd[1] (unit)" whole
        want = want.partition("[")[0]
    if name == "postgresql.log.query":  # they keep the tab that the server puts before further lines
        want, got = want.replace("\n\t", "\n"), str(got).replace("\n\t", "\n")
    if name == "source.ip" and got is None:
        got = document.get("source.address")
    return str(got).strip() == str(want).strip()


@pytest.mark.parametrize(
    ("module", "share"),
    [("postgresql", 0.99), ("nginx", 0.99), ("apache", 0.98), ("system", 0.99), ("haproxy", 0.99), ("auditd", 0.98)],
)
def test_fields_equal_the_expected_documents(module: str, share: float) -> None:
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    missing = 0
    for expected_file in sorted((need(DATA / "parsers" / "beats") / module).rglob("*-expected.json")):
        file = Path(str(expected_file).removesuffix("-expected.json"))
        expected = json.loads(expected_file.read_text())
        zone = next((event["event.timezone"] for event in expected if "event.timezone" in event), "UTC")
        records = {record.id: record for record in read(file, zone if zone[0] in "+-" else "UTC")[1]}
        for event in expected:
            record = records.get(str(event["log.offset"]))
            if record is None:
                # A section of a PostgreSQL message is part of its record here and an event of its own there.
                missing += event.get("log.level") not in SECTIONS
                continue
            document = to_ecs(record)
            for name in FIELDS.keys() & event.keys():
                total[name] += 1
                right[name] += same(module, name, event[name], document, record)
    assert missing == 0
    assert total.total() > 100
    wrong = {name: f"{right[name]}/{total[name]}" for name in total if right[name] != total[name]}
    assert right.total() / total.total() >= share, wrong


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
