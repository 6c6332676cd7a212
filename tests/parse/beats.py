"""How our fields compare with the documents that others expect of the same lines: ``python -m tests.parse.beats``.

The folder (by default ``../shared/data/parsers/beats``, or the argument) holds a module a folder, in it log files and
beside each ``<file>-expected.json``, a list of flat documents with ``log.offset``. The table counts, a module and a
group of fields, the events that carry a field of the group and those in which all of them are equal.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logsense.parse import ParseOptions, Parser, to_ecs
from logsense.parse.levels import level_of
from logsense.parse.timestamps import TimestampReader
from logsense.record import LogRecord, RawEvent

BEATS = Path(__file__).parents[3] / "shared/data/parsers/beats"
NOW = 1_795_550_400 * 10**9  # 2026-11-24T20:00:00Z

#: Field of the expected documents → (group, where we have it).
FIELDS = {
    "@timestamp": ("time", "@timestamp"),
    "log.level": ("level", "log.level"),
    "message": ("message", "message"),
    **{name: ("user", name) for name in ("user.name", "user.id", "user.effective.name")},
    **{name: ("client", name) for name in ("source.ip", "source.port", "client.ip", "client.port")},
    "postgresql.log.client_addr": ("client", "source.ip"),
    "postgresql.log.client_port": ("client", "source.port"),
    **{name: ("server", name) for name in ("destination.ip", "destination.port", "network.transport")},
    "event.duration": ("duration", "event.duration"),
    "event.outcome": ("outcome", "event.outcome"),
    **{
        name: ("http", name)
        for name in ("http.request.method", "http.response.status_code", "http.response.bytes", "http.version",
                     "http.request.referrer", "url.path", "url.query", "user_agent.original")
    },
    "http.response.body.bytes": ("http", "http.response.bytes"),
    "http.request.body.bytes": ("http", "http.request.bytes"),
    "postgresql.log.database": ("database", "db.name"),
    "postgresql.log.query": ("database", "db.query.text"),
    "postgresql.log.sql_state_code": ("database", "error.code"),
    "mysql.slowlog.query": ("database", "db.query.text"),
    "mysql.slowlog.schema": ("database", "db.name"),
    "mysql.thread_id": ("database", "mysql.thread_id"),
    "mysql.slowlog.rows_sent": ("database", "mysql.slowlog.rows_sent"),
    "mysql.slowlog.rows_examined": ("database", "mysql.slowlog.rows_examined"),
    **{name: ("process", name) for name in ("process.pid", "process.name", "process.executable")},
    "host.hostname": ("process", "host.name"),
    **{name: ("dns", name) for name in ("dns.question.name", "dns.question.type", "dns.response_code")},
}  # fmt: skip
SECTIONS = {"DETAIL", "STATEMENT", "HINT", "CONTEXT", "LOCATION"}
_ISO = TimestampReader(("iso",))


@dataclass
class Score:
    """Counts of one module, by group and by field."""

    carried: Counter[str] = field(default_factory=Counter)
    equal: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    fields_equal: Counter[str] = field(default_factory=Counter)
    events: int = 0
    whole: int = 0
    missing: int = 0  # events of which we have no record
    wrong: list[str] = field(default_factory=list)


def read(file: Path, zone: str = "UTC") -> tuple[Parser, list[LogRecord]]:
    """Parse a file; ids of the records are the offsets of their first lines."""
    parser, offset, events = Parser(ParseOptions(timezone=zone)), 0, []
    for raw in file.read_bytes().split(b"\n"):
        events.append(RawEvent(raw.decode("utf-8", "backslashreplace"), file.name, NOW, {}, str(offset)))
        offset += len(raw) + 1
    if not events[-1].message:
        events.pop()
    return parser, [*parser.parse(events), *parser.flush()]


def same(module: str, name: str, want: Any, document: dict[str, Any], record: LogRecord) -> bool:
    """Whether we say the same. Where the other side writes things differently, the comment says how."""
    got = document.get(FIELDS[name][1])
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
    if name in ("source.ip", "client.ip") and got is None:
        got = document.get("source.ip", document.get("source.address"))
    return str(got).strip() == str(want).strip()


def _events(folder: Path) -> Iterator[tuple[Path, dict[str, Any], LogRecord | None]]:
    for expected_file in sorted(folder.rglob("*-expected.json")):
        file = Path(str(expected_file).removesuffix("-expected.json"))
        expected = json.loads(expected_file.read_text())
        zone = next((event["event.timezone"] for event in expected if "event.timezone" in event), "UTC")
        records = {record.id: record for record in read(file, zone if re.match(r"[+-]\d", zone) else "UTC")[1]}
        for event in expected:
            yield file, event, records.get(str(event["log.offset"]))


def compare(folder: Path) -> Score:
    """Score the module in ``folder``."""
    score = Score()
    for file, event, record in _events(folder):
        if record is None:
            # A section of a PostgreSQL message is part of its record here and an event of its own there.
            score.missing += event.get("log.level") not in SECTIONS
            continue
        document = to_ecs(record)
        score.events += 1
        groups: dict[str, bool] = {}
        for name in FIELDS.keys() & event.keys():
            equal = same(folder.name, name, event[name], document, record)
            group, ours = FIELDS[name]
            groups[group] = groups.get(group, True) and equal
            score.fields[name] += 1
            score.fields_equal[name] += equal
            if not equal:
                got = document.get(ours)
                score.wrong.append(f"{file.name}@{event['log.offset']} {name}: {got!r} instead of {event[name]!r}")
        score.carried.update(list(groups))
        score.equal.update(group for group, equal in groups.items() if equal)
        score.whole += all(groups.values())
    return score


def main() -> int:
    arguments = [word for word in sys.argv[1:] if word != "-v"]
    root = Path(arguments[0]) if arguments else BEATS
    if not root.is_dir():
        print(f"{root} is not here: nothing to compare with", file=sys.stderr)
        return 2
    low = 0
    print(f"{'module':<14}{'group':<12}{'events':>8}{'equal':>8}{'share':>9}")
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        score = compare(folder)
        for group in sorted(score.carried):
            share = score.equal[group] / score.carried[group]
            low += share < 0.98
            print(f"{folder.name:<14}{group:<12}{score.carried[group]:>8}{score.equal[group]:>8}{share:>9.1%}"
                  f"{'' if share >= 0.98 else '  below 98 %'}")  # fmt: skip
        print(f"{folder.name:<14}{'everything':<12}{score.events:>8}{score.whole:>8}"
              f"{score.whole / max(score.events, 1):>9.1%}  {score.missing} without a record")  # fmt: skip
        if "-v" in sys.argv:
            print("\n".join(f"    {line[:300]}" for line in score.wrong))
    print(f"{low} groups are below 98 %")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
