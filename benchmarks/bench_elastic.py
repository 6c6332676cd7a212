"""The Elasticsearch index beside ``helpers.parallel_bulk`` with the same documents, on one real server, in one run.

    python benchmarks/bench_elastic.py [--lines 60000] [--days 2] [--rounds 3]

Uses LOGSENSE_ELASTICSEARCH_URL or starts a server of its own (``tests/elasticsearch_server.py``). Both sides begin
with records and make the same documents of them, write into daily indices with the same mapping and ids, and end with a
refresh. Prints lines a second (median of the rounds, sides taking turns) and p50/p95 of five kinds of question.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bench_index import make_lines, timed
from logsense.index.elastic import ElasticIndex, ElasticOptions
from logsense.index.elastic.documents import day, log_document
from logsense.record import LogRecord, Query
from tests.elasticsearch_server import Server, Unavailable, remove

BATCH = 4_000  # what the worker reads from the spool at once


def open_new(url: str, folder: str) -> ElasticIndex:
    options = ElasticOptions(urls=[url], prefix=f"bench-{uuid.uuid4().hex[:8]}")
    return ElasticIndex(Path(folder), writer=True, options=options)


def ours(index: ElasticIndex, records: list[LogRecord]) -> float:
    begun = time.perf_counter()
    for at in range(0, len(records), BATCH):
        index.write_logs(records[at : at + BATCH])
    index.commit()
    return len(records) / (time.perf_counter() - begun)


def theirs(index: ElasticIndex, records: list[LogRecord], url: str) -> float:
    from elasticsearch import Elasticsearch, helpers

    options = index.options

    def actions() -> Iterator[dict[str, Any]]:
        for record in records:
            yield {
                "_index": f"{options.prefix}-logs-{day(record.timestamp_ns)}",
                "_id": record.id,
                "_source": log_document(record, options.indexed_chars, options.stored_chars),
            }

    client = Elasticsearch(url)
    begun = time.perf_counter()
    for _ in helpers.parallel_bulk(client, actions(), thread_count=4, chunk_size=2000):
        pass
    client.indices.refresh(index=f"{options.prefix}-logs-*")
    took = time.perf_counter() - begun
    client.close()
    return len(records) / took


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
    parser.add_argument("--lines", type=int, default=60_000)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
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
    records = [record for _, record in make_lines(chosen.lines, chosen.days)]
    speeds: dict[str, list[float]] = {"ElasticIndex": [], "helpers.parallel_bulk": []}
    try:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(chosen.rounds + 1):  # the first round warms up both sides and does not count
                for name in speeds:
                    index = open_new(url, folder)
                    speed = ours(index, records) if name == "ElasticIndex" else theirs(index, records, url)
                    if number:
                        speeds[name].append(speed)
                    last = number == chosen.rounds and name == "ElasticIndex"
                    if last:
                        found = index.search(Query(), limit=0)[0]
                        print(f"{found:,} lines, {chosen.days} days, {os.cpu_count()} cores shared with the server")
                        questions(index)
                    remove(index)
                    index.close()
        for name, values in speeds.items():
            print(f"  {name:28} {statistics.median(values):9,.0f} lines/s   ({min(values):,.0f} to {max(values):,.0f})")
        ratio = statistics.median(speeds["ElasticIndex"]) / statistics.median(speeds["helpers.parallel_bulk"])
        print(f"  ratio                        {ratio:9.2f}")
    finally:
        if server is not None:
            server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
