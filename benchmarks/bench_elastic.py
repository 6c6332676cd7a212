"""logsense writing into Elasticsearch beside ``helpers.parallel_bulk`` of the same parsed lines, in one run.

    python benchmarks/bench_elastic.py [--lines 100000] [--days 1] [--rounds 2]

Uses LOGSENSE_ELASTICSEARCH_URL or starts a server of its own (``tests/elasticsearch_server.py``). All sides begin with
the same parsed lines (``sample_lines``), make documents of them, write into daily indices with the same mapping and
ids, and end with a refresh:

- ``logsense``: the pipeline of the worker: mines every line, counts it into windows, computes keywords and vectors of
  new and changed templates, and commits as a worker with a backlog does. Its documents hold template and parameters as
  well. It has seen 20,000 other lines before, as a running server has.
- ``logsense from nothing``: the same without those, so that all templates are born, and the models work on them, within
  the measured time.
- ``the index alone``: ``ElasticIndex.write_logs`` of the lines, nothing else.
- ``helpers.parallel_bulk``: four threads, chunks of 2,000.

The models are loaded before the clock starts, as in a running server. Prints lines a second (median of the rounds,
sides taking turns), CPU seconds here, and p50/p95 of five kinds of question.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bench_index import timed
from benchmarks.sample_lines import lines, recorded
from logsense.collector import collect_seldom
from logsense.config import Settings
from logsense.front import Parsed
from logsense.index.elastic import ElasticIndex, ElasticOptions
from logsense.index.elastic.documents import day, log_document
from logsense.pipeline import Pipeline
from logsense.record import LogRecord, Query
from logsense.worker import commit_pause_s
from tests.elasticsearch_server import Server, Unavailable, remove

BATCH = 4_000  # what the worker reads from the spool at once
COMMIT_S = 1.0  # [worker] commit_every_s
SEEN = 20_000
START_NS = 1_790_000_000 * 10**9


def fresh(count: int, days: float, seed: int = 1) -> list[LogRecord]:
    """Lines as the parser gives them: without template."""
    made = lines(RECORDED, count, days, START_NS, seed)
    return [dataclasses.replace(r, template_id="", parameters=[]) for r in made]


def open_new(url: str, folder: str) -> ElasticIndex:
    options = ElasticOptions(urls=[url], prefix=f"bench-{uuid.uuid4().hex[:8]}")
    return ElasticIndex(Path(folder) / "reader", writer=False, options=options)


def running(index: ElasticIndex, records: list[LogRecord], folder: str) -> float:
    return whole(index, records, folder, fresh(SEEN, 0.1, seed=2))


def whole(index: ElasticIndex, records: list[LogRecord], folder: str, seen: Sequence[LogRecord] = ()) -> float:
    """The worker's pipeline with all its stages behind the parser."""
    elastic = {"urls": index.options.urls, "prefix": index.options.prefix}
    data = Path(folder) / index.options.prefix
    pipeline = Pipeline(data, Settings({"index": {"type": "elasticsearch"}, "elasticsearch": elastic}))
    assert pipeline.enricher is not None
    while pipeline.enricher.state == "loading":
        time.sleep(0.05)
    pipeline.take(Parsed(list(seen)))
    pipeline.finish_enrichment(600)
    pipeline.commit(None)
    begun = committed = time.perf_counter()
    pause = COMMIT_S
    for at in range(0, len(records), BATCH):
        pipeline.take(Parsed(records[at : at + BATCH]))
        if time.perf_counter() - committed >= pause:
            stopped = time.perf_counter()
            pipeline.commit(None)
            committed = time.perf_counter()
            pause = commit_pause_s(COMMIT_S, committed - stopped)
    pipeline.finish_enrichment(600)
    pipeline.commit(None)
    took = time.perf_counter() - begun
    assert pipeline.enricher.state == "ok", pipeline.enricher.state
    pipeline.close()
    return took


def alone(index: ElasticIndex, records: list[LogRecord], folder: str) -> float:
    writer = ElasticIndex(Path(folder) / "writer", writer=True, options=index.options)
    begun = time.perf_counter()
    for at in range(0, len(records), BATCH):
        writer.write_logs(records[at : at + BATCH])
    writer.commit()
    took = time.perf_counter() - begun
    writer.close()
    return took


def theirs(index: ElasticIndex, records: list[LogRecord], folder: str) -> float:
    from elasticsearch import Elasticsearch, helpers

    options = index.options
    ElasticIndex(Path(folder) / "writer", writer=True, options=options).close()  # puts the mappings

    def actions() -> Iterator[dict[str, Any]]:
        for record in records:
            yield {
                "_index": f"{options.prefix}-logs-{day(record.timestamp_ns)}",
                "_id": record.id,
                "_source": log_document(record, options.indexed_chars, options.stored_chars),
            }

    client = Elasticsearch(options.urls)
    begun = time.perf_counter()
    for _ in helpers.parallel_bulk(client, actions(), thread_count=4, chunk_size=2000):
        pass
    client.indices.refresh(index=f"{options.prefix}-logs-*")
    took = time.perf_counter() - begun
    client.close()
    return took


SIDES = {"logsense": running, "logsense from nothing": whole, "the index alone": alone, "helpers.parallel_bulk": theirs}
RECORDED, _ = recorded()


def questions(index: ElasticIndex) -> None:
    low, high = index.time_range() or (0, 1)
    hour = (high - low) // 24
    for name, ask in (
        ("two words, best 50", lambda n: index.search(Query(text="authentication failure"))),
        ("an address", lambda n: index.search(Query(text=f"10.1.{n}.7"))),
        ("host and level, newest 50", lambda n: index.search(Query(hosts=[f"host{n % 20:02}"], levels=["error"]))),
        ("histogram of an error", lambda n: index.histogram(Query(levels=["error"]), 600 * 10**9)),
        ("hosts since some hour", lambda n: index.terms(Query(from_ns=low + n % 20 * hour), "host")),
    ):  # fmt: skip
        p50, p95 = timed(ask)
        print(f"  {name:28} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--days", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    server, url = None, os.environ.get("LOGSENSE_ELASTICSEARCH_URL", "")
    if not url:
        try:
            server = Server(heap="1g")
            server.start()
        except Unavailable as error:
            print(f"not measured, there is no Elasticsearch: {error}")
            return 0
        url = server.url
    collect_seldom()  # as the worker does
    load = "{:.1f} {:.1f} {:.1f}".format(*os.getloadavg())
    print(f"{chosen.lines:,} lines, {chosen.days:g} days, {os.cpu_count()} cores shared with the server; load {load}")
    speeds: dict[str, list[float]] = {name: [] for name in SIDES}
    cpu: dict[str, list[float]] = {name: [] for name in SIDES}
    try:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(chosen.rounds + 1):  # the first round warms up all sides and does not count
                count = chosen.lines if number else min(chosen.lines, 20_000)
                for name, side in SIDES.items():
                    index, records = open_new(url, folder), fresh(count, chosen.days)
                    before = time.process_time()
                    took = side(index, records, folder)
                    if number:
                        speeds[name].append(count / took)
                        cpu[name].append(time.process_time() - before)
                    assert index.search(Query(), limit=0)[0] == count + SEEN * (side is running)
                    if number == chosen.rounds and name == "logsense":
                        questions(index)
                    remove(index)
                    index.close()
        for name, values in speeds.items():
            print(
                f"  {name:28} {statistics.median(values):9,.0f} lines/s   ({min(values):,.0f} to {max(values):,.0f};"
                f" {statistics.median(cpu[name]):.1f} s of CPU here)"
            )
        peer = statistics.median(speeds["helpers.parallel_bulk"])
        for name in list(SIDES)[:-1]:
            print(f"  ratio of {name:22} {statistics.median(speeds[name]) / peer:9.2f}")
    finally:
        if server is not None:
            server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
