"""Workers that ``kill -9`` themselves at a named point; run as a program of its own by ``test_kill_in_commit``.

Everything is imported once, then each death is a forked child: a point costs a fraction of a second.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import logsense.index.database
import logsense.index.elastic.bulk
import logsense.index.rows
import logsense.index.shards
import logsense.pipeline
import logsense.spool.reader
from logsense.config import Settings
from logsense.record import RawEvent
from logsense.spool import DiskSpool, SpoolOptions
from logsense.worker import Worker
from tests.e2e.senders import text

RECORDS, DAYS, BATCH = 600, 3, 100
SEGMENT = 20_000

# The order of a commit: counters, each day's rows and lines, metrics, the state of each component, the checkpoint.
# (function, killed before or after its work, at which call)
POINTS = (
    ("logsense.pipeline:Pipeline._step_index", "after", 2),
    ("logsense.index.rows:RowWriter.flush", "after", 1),
    ("logsense.index.rows:RowWriter.flush", "after", 2),
    ("logsense.index.shards:ShardWriter.commit", "after", 1),
    ("logsense.index.shards:ShardWriter.commit", "after", 3),
    ("logsense.index.database:Database.commit", "before", 2),
    ("logsense.pipeline:Miner.save", "after", 1),
    ("logsense.pipeline:Forecaster.save", "after", 2),
    ("logsense.pipeline:Pipeline.commit", "after", 2),
    ("logsense.spool.reader:SpoolReader.checkpoint", "before", 2),
    ("logsense.spool.reader:SpoolReader.checkpoint", "after", 3),
)

#: The same where the index is in Elasticsearch: requests under way, written but not refreshed, refreshed.
ELASTIC_POINTS = (
    ("logsense.pipeline:Pipeline._step_index", "after", 2),
    ("logsense.index.elastic.bulk:Bulk._launch", "after", 1),
    ("logsense.index.elastic.bulk:Bulk._send", "after", 2),
    ("logsense.index.elastic.bulk:Bulk.flush", "after", 1),
    ("logsense.index.elastic.store:Store.commit", "before", 2),
    ("logsense.index.elastic.store:Store.commit", "after", 2),
    *POINTS[6:],
)


def dying(work: Callable[..., Any], when: str, number: int) -> Callable[..., Any]:
    calls = itertools.count(1)

    @functools.wraps(work)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        last = next(calls) == number
        if last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        found = work(*arguments, **named)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return wrapped


def accept(data: Path, first: int) -> None:
    """What receivers do: records of three days, so that a commit writes several shards; some have ids of their own."""
    spool = DiskSpool(data / "spool", SpoolOptions(segment_bytes=SEGMENT))
    for start in range(first, first + RECORDS, BATCH):
        spool.append(
            [
                RawEvent(text(n), "test", 10**18, {"@timestamp": f"2026-11-{20 + n % DAYS}T10:00:00Z"},
                         f"own-{n}" if n % 10 == 0 else None)
                for n in range(start, start + BATCH)
            ]
        )  # fmt: skip
    spool.close()


def work(data: Path, tables: dict[str, Any], point: str = "", when: str = "", number: int = 0) -> None:
    """Empty the spool, a commit a batch; with a point, die there."""
    if point:
        module, _, path = point.partition(":")
        kind, _, name = path.partition(".")
        owner = getattr(sys.modules[module], kind)
        setattr(owner, name, dying(getattr(owner, name), when, number))
    settings = Settings({"spool": {"segment_bytes": SEGMENT}, "worker": {"batch_lines": BATCH}, **tables})
    worker = Worker(data, settings, models=False)
    while worker.step():
        worker.commit()
    worker.close()


def in_child(do: Callable[..., None], *arguments: Any) -> int:
    """The exit status of a forked child that runs ``do``."""
    pid = os.fork()
    if not pid:
        try:
            do(*arguments)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main() -> int:
    """One data folder lives through all deaths; new records come before each."""
    data, tables = Path(sys.argv[1]), json.loads(sys.argv[2])
    logsense.pipeline.model_in_use(data)  # imports the libraries of the model here rather than in each child
    for number, point in enumerate(ELASTIC_POINTS if tables else POINTS):
        in_child(accept, data, number * RECORDS)
        status = in_child(work, data, tables, *point)
        if status != -signal.SIGKILL:
            print(f"{point} was not reached: {status}", file=sys.stderr)
            return 1
    return in_child(work, data, tables)


if __name__ == "__main__":
    sys.exit(main())
