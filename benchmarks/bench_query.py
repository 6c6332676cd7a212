"""How long questions take over a million lines, in the embedded index and in a real Elasticsearch, in one run.

    python benchmarks/bench_query.py [--lines 1000000] [--days 7] [--index embedded --index elasticsearch] [--busy 2000]

Lines are made from ``samples/`` with realistic variety (``sample_lines``). Every kind of question is asked with other
words, hosts and times each time; p50 and p95 are of ``--runs`` questions. "natural language" is what the search page
does: the question is understood, embedded, matched to templates, and answered with lines, histogram and facets.
``--busy`` lets a writer of its own add so many lines a second meanwhile. Elasticsearch: LOGSENSE_ELASTICSEARCH_URL or
a server of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.sample_lines import lines, recorded
from logsense.collector import collect_seldom
from logsense.config import Settings
from logsense.pipeline import make_enricher
from logsense.record import LogRecord, Query, Template
from logsense.registry import open_index
from logsense.stages import Index
from logsense.workspace import Workspace
from tests.elasticsearch_server import Server, Unavailable, remove

START_NS = 1_790_000_000 * 10**9
BATCH = 4_000
COMMIT_EVERY = 40_000
#: As people ask; none of the words need stand in a line.
ASKED = (
    "who is trying to guess passwords", "which service ran out of memory", "sessions that wait for a lock",
    "why can't the shop reach its database", "disk is getting full", "a service was restarted",
    "name lookups that fail", "slow requests at the proxy", "too many open connections",
    "certificate or handshake trouble",
)  # fmt: skip


def fill(index: Index, records: Sequence[LogRecord], templates: Sequence[Template], count: int, days: float) -> None:
    enricher = make_enricher(Settings())
    enriched, vectors = enricher.enrich(list(templates))
    index.put_templates(enriched)
    index.put_template_vectors([t.id for t in enriched], vectors, enricher.embedder.name)
    part: list[LogRecord] = []
    for number, record in enumerate(lines(list(records), count, days, START_NS), 1):
        part.append(record)
        if len(part) == BATCH or number == count:
            index.write_logs(part)
            part = []
        if number % COMMIT_EVERY == 0 or number == count:
            index.commit()


def percentiles(ask: Callable[[int], object], runs: int) -> tuple[float, float]:
    """p50 and p95 in milliseconds; the first call is left out."""
    ask(0)
    took = []
    for run in range(1, runs + 1):
        begun = time.perf_counter()
        ask(run)
        took.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(took), statistics.quantiles(took, n=20)[18]


def questions(
    space: Workspace, records: Sequence[LogRecord], days: float
) -> Iterator[tuple[str, Callable[[int], Any]]]:
    rng = random.Random(3)
    index = space.index
    some = rng.sample(list(records), 400)
    spoken = [[w for w in r.message.split() if w.isalpha() and len(w) > 3] for r in some]
    spoken = [words for words in spoken if len(words) >= 2]
    hosts = sorted({r.host for r in records if r.host})
    services = sorted({r.service for r in records if r.service})
    levels = ["error", "warning", "info"]
    span = int(days * 86_400) * 10**9

    def words(n: int) -> list[str]:
        return spoken[n % len(spoken)]

    def within(n: int) -> tuple[int, int]:
        low = START_NS + (n * 7919 % 97) * span // 120
        return low, low + span // 20

    yield "keyword (one word)", lambda n: index.search(Query(text=words(n)[0]), limit=50)
    yield "keyword (two words)", lambda n: index.search(Query(text=" ".join(words(n)[:2])), limit=50)
    yield "an address", lambda n: index.search(Query(text=f"10.0.{n % 9}.{n % 50 + 10}"), limit=50)
    yield "phrase", lambda n: index.search(Query(phrases=[" ".join(words(n)[:2])]), limit=50)
    yield "filter: host, level, hours", lambda n: index.search(
        Query(hosts=[hosts[n % len(hosts)]], levels=[levels[n % 3]], from_ns=within(n)[0], to_ns=within(n)[1]),
        limit=50, by_time=True,
    )  # fmt: skip
    yield (
        "filter: service, all days",
        lambda n: index.search(Query(services=[services[n % len(services)]]), limit=50, by_time=True),
    )
    yield "histogram, all lines", lambda n: index.histogram(Query(), span // (50 + n % 20) // 10**9 * 10**9)
    yield (
        "histogram, level and service",
        lambda n: index.histogram(Query(levels=[levels[n % 2]], services=[services[n % len(services)]]), span // 60),
    )
    yield "terms: hosts of a word", lambda n: index.terms(Query(text=words(n)[0]), "host")
    yield (
        "natural language",
        lambda n: space.search(ASKED[n % len(ASKED)] + (" on " + hosts[n % len(hosts)]) * (n % 3 == 0)),
    )


@contextlib.contextmanager
def busy(data: Path, kind: str, prefix: str, rate: int) -> Iterator[None]:
    """A writer in a process of its own, as the worker is one."""
    if not rate:
        yield
        return
    command = [sys.executable, __file__, "--feed", str(data), "--kind", kind, "--prefix", prefix, "--busy", str(rate)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ))
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def feed(data: Path, settings: Settings, rate: int) -> None:
    """``rate`` lines a second until ended, committed every second as the worker does."""
    index = open_index(data, settings, writer=True)
    records, _ = recorded()
    made = lines(records, 10**9, 10**9 / rate / 86_400, time.time_ns(), seed=2)
    print("feeding", flush=True)
    begun, written = time.monotonic(), 0
    while True:
        index.write_logs([next(made) for _ in range(max(1, rate // 4))])
        written += max(1, rate // 4)
        if written // rate != (written - rate // 4) // rate:
            index.commit()
        time.sleep(max(0.0, begun + written / rate - time.monotonic()))


def settings_of(kind: str, prefix: str) -> Settings:
    return Settings({"index": {"type": kind}, "elasticsearch": {"prefix": prefix}})


def measure(kind: str, folder: Path, chosen: argparse.Namespace) -> None:
    prefix = f"bench-{uuid.uuid4().hex[:8]}"
    settings = settings_of(kind, prefix)
    records, templates = recorded()
    begun, cpu = time.perf_counter(), time.process_time()
    index = open_index(folder, settings, writer=True)
    try:
        fill(index, records, templates, chosen.lines, chosen.days)
        took = time.perf_counter() - begun
        print(f"\n{kind}: {chosen.lines:,} lines of {chosen.days:g} days written in {took:.0f} s "
              f"({time.process_time() - cpu:.0f} CPU s here; {len(templates)} templates)")  # fmt: skip
        index.close()
        space = Workspace(folder, settings)
        assert space.wait_for_models(), "the embedding model cannot be loaded"
        assert space.index.search(Query(), limit=0)[0] == chosen.lines
        with busy(folder, kind, prefix, chosen.busy):
            for name, ask in questions(space, records, chosen.days):
                before = resource.getrusage(resource.RUSAGE_SELF)
                p50, p95 = percentiles(ask, chosen.runs)
                after = resource.getrusage(resource.RUSAGE_SELF)
                spent = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / (chosen.runs + 1)
                print(
                    f"  {name:30} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms   {spent * 1e3:7.1f} ms of CPU here", flush=True
                )
        space.close()
    finally:
        if kind == "elasticsearch":
            index = open_index(folder, settings, writer=False)
            remove(index)
            index.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--index", action="append", choices=["embedded", "elasticsearch"], default=None)
    parser.add_argument("--busy", type=int, default=0, help="lines a second that are written meanwhile")
    parser.add_argument("--feed", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    parser.add_argument("--prefix", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.feed:
        feed(chosen.feed, settings_of(chosen.kind, chosen.prefix), chosen.busy)
    collect_seldom()  # as the server does
    load = "{:.1f} {:.1f} {:.1f}".format(*os.getloadavg())
    print(f"{os.cpu_count()} cores, load {load} before; questions asked by one client, {chosen.busy} lines/s written")
    for kind in chosen.index or ["embedded", "elasticsearch"]:
        server = None
        if kind == "elasticsearch" and not os.environ.get("LOGSENSE_ELASTICSEARCH_URL"):
            try:
                server = Server(heap="1g")
                server.start()
            except Unavailable as error:
                print(f"{kind}: not measured, there is none: {error}")
                continue
            os.environ["LOGSENSE_ELASTICSEARCH_URL"] = server.url
        try:
            with tempfile.TemporaryDirectory(prefix="bench-query-") as folder:
                measure(kind, Path(folder) / "data", chosen)
        finally:
            if server is not None:
                server.close()
                del os.environ["LOGSENSE_ELASTICSEARCH_URL"]
    return 0


if __name__ == "__main__":
    sys.exit(main())
