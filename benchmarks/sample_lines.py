"""Any number of lines with the variety of the recordings in ``samples/``: for benchmarks that need millions.

The recordings go through the real parser and miner once. Each made line is one of theirs with every number,
address and identifier in its parameters drawn anew (the same shape, other digits), so hosts, services, levels and
templates keep their shares while values are as varied as in life.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

from logsense.config import Settings, shipped
from logsense.feed import Hints, find_pipeline, pipeline_files
from logsense.mine import Miner
from logsense.parse import Parser
from logsense.record import LogRecord, Template
from logsense.sources.read_file import read_file

SCENARIOS = ("server", "database", "network")
DAY_NS = 86_400 * 10**9
_DIGITS = re.compile(r"\d+")
_HEX = re.compile(r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{6,}\b")


def recorded() -> tuple[list[LogRecord], list[Template]]:
    """The recordings' lines, parsed and mined, in the order of time; and their templates."""
    settings = Settings()
    parser, miner = Parser(settings.section("parse")), Miner(settings.section("mine"))
    records: list[LogRecord] = []
    for name in SCENARIOS:
        spec = find_pipeline(name)
        for source in spec.source:
            if source.type != "tail":
                continue
            hints = Hints(source.format, source.host, source.service, spec.time_zone, spec.name)
            for found in pipeline_files(source, Path(shipped("samples")) / name):
                for events in read_file(str(found.path), fields={**hints.fields(), **found.fields}):
                    records += parser.parse(events)
    records += parser.flush()
    records.sort(key=lambda record: record.timestamp_ns)
    return miner.process(records), miner.templates()


def lines(records: list[LogRecord], count: int, days: float, start_ns: int, seed: int = 1) -> Iterator[LogRecord]:
    """``count`` lines over ``days``, in time order, drawn from ``records``."""
    rng = random.Random(seed)
    step = int(days * DAY_NS / max(1, count))

    def digits(match: re.Match[str]) -> str:
        length = len(match[0])
        if length == 1:
            return match[0]
        return str(rng.randrange(10 ** (length - 1), 256 if length == 3 else 10**length))

    def hexes(match: re.Match[str]) -> str:
        return f"{rng.getrandbits(4 * len(match[0])):0{len(match[0])}x}"

    own = [{name: value for name, value in r.fields.items() if name != "log.file.path"} for r in records]
    for number in range(count):
        at = number % len(records) if rng.random() < 0.5 else rng.randrange(len(records))
        record = records[at]
        message, parameters = record.message, []
        for value in record.parameters:
            fresh = _DIGITS.sub(digits, _HEX.sub(hexes, value)) if any(map(str.isdigit, value)) else value
            if fresh != value:
                message = message.replace(value, fresh, 1)
            parameters.append(fresh)
        time_ns = start_ns + number * step + rng.randrange(max(1, step))
        yield LogRecord(
            id=f"b{seed:x}-{number:x}",
            timestamp_ns=time_ns,
            message=message,
            source=record.source,
            ingested_ns=time_ns + 10**6,
            host=record.host,
            service=record.service,
            level=record.level,
            pipeline=record.pipeline,
            outcome=record.outcome,
            template_id=record.template_id,
            parameters=parameters,
            fields=dict(own[at]),
        )
