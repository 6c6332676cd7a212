"""Whether the filters of questions are compiled right, over raw logs with "now" at the end of each log.

PYTHONPATH=. python benchmarks/nl_filters.py [QUESTIONS.jsonl] [LOGS]

QUESTIONS are lines with ``system``, ``question`` and ``filters`` (``from``, ``to``, ``host``, ``service``,
``severity``, ``ip``, as ``../shared/data/nl`` has them), LOGS holds ``<System>/<System>_2k.log``. The product's parser
reads each log; what it finds is the catalogue that names are checked against. A time is right within a minute, an
absent filter is right when none was compiled.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from logsense.parse import Parser
from logsense.record import LogRecord, Query, RawEvent
from logsense.search import Catalog, understand
from logsense.timefmt import iso

DATA = Path(__file__).parents[2] / "shared" / "data"
SLACK_NS = 61 * 1_000_000_000
WARN = {"WARN": "warning", "ERROR": "error", "INFO": "info", "FATAL": "critical"}


@dataclass
class Corpus:
    """A parsed log and the time of its last line."""

    records: list[LogRecord]
    now_ns: int = 0
    catalog: Catalog = field(default_factory=Catalog)


def read(log: Path) -> Corpus:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    # lines without a year are dated by the clock of the reader: the log's own last change is not kept, so any will do
    events = [RawEvent(line, f"file:{log.name}", 1_800_000_000_000_000_000) for line in lines]
    parser = Parser()
    records = [*parser.parse(events), *parser.flush()]
    now = max(record.timestamp_ns for record in records)
    catalog = Catalog(
        sorted({r.host for r in records} - {""}),
        sorted({r.service for r in records} - {""}),
        sorted({r.level for r in records} - {""}),
        sorted({str(r.fields.get("log.logger", "")) for r in records} - {""}),
    )
    return Corpus(records, now, catalog)


def check(query: Query, wanted: dict[str, Any], now_ns: int) -> dict[str, bool]:
    """Filter name -> right."""
    right: dict[str, bool] = {}
    for name, got in (("from", query.from_ns), ("to", query.to_ns)):
        expected = moment(wanted[name], now_ns) if name in wanted else None
        if expected is None or got is None:
            # a span that reaches to "now" may as well be left open
            right[name] = (expected is None and got is None) or (name == "to" and got is not None and got >= now_ns)
        else:
            right[name] = abs(got - expected) <= SLACK_NS
    bounds = [right.pop("from"), right.pop("to")]
    right["time"] = all(bounds)
    right["host"] = sorted(query.hosts) == ([wanted["host"]] if "host" in wanted else [])
    # a component of a program (its logger) is a field of the line, not a service
    services = [*query.services, *(v for k, v in query.fields.items() if k == "log.logger")]
    right["service"] = services == ([wanted["service"]] if "service" in wanted else [])
    level = wanted.get("severity", "")
    right["severity"] = (WARN.get(level.upper(), level) in query.levels) if level else not query.levels
    right["ip"] = (wanted["ip"] in query.phrases or wanted["ip"] in query.fields.values()) if "ip" in wanted else True
    return right


def moment(text: str, now_ns: int) -> int:
    """Nanoseconds of a time that may lack its year: then it is the year of ``now``."""
    year = datetime.fromtimestamp(now_ns / 1e9, UTC).year
    full = text if text[:4].isdigit() else f"{year}-{text}"
    return int(datetime.fromisoformat(full).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def main(questions: Path, logs: Path) -> None:
    corpora: dict[str, Corpus] = {}
    totals: dict[str, list[int]] = {}
    for line in questions.read_text(encoding="utf-8").splitlines():
        question = json.loads(line)
        wanted = question.get("filters") or {}
        if not question["relevant"] and not wanted:
            continue
        system = question["system"]
        if system not in corpora:
            corpora[system] = read(logs / system / f"{system}_2k.log")
        corpus = corpora[system]
        query = understand(question["question"], now_ns=corpus.now_ns, catalog=corpus.catalog).query
        right = check(query, wanted, corpus.now_ns)
        kind = "filter questions" if wanted else "questions without a filter"
        for name, ok in [*right.items(), ("all", all(right.values()))]:
            count = totals.setdefault(f"{kind}: {name}", [0, 0])
            count[0] += ok
            count[1] += 1
        if not all(right.values()):
            bad = ", ".join(name for name, ok in right.items() if not ok)
            span = f"{query.from_ns and iso(query.from_ns)} to {query.to_ns and iso(query.to_ns)}"
            print(f"wrong {bad}: {question['question']!r}: {span}, {query.hosts} {query.services} {query.levels}")
    for name, (good, of) in totals.items():
        print(f"{name:40} {good / of:.2f}  ({good} of {of})")


if __name__ == "__main__":
    arguments = [Path(argument) for argument in sys.argv[1:]]
    main(arguments[0] if arguments else DATA / "nl" / "dev.jsonl", arguments[1] if arguments[1:] else DATA / "parsing")
