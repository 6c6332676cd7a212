"""From a question to the rendered page at a million lines, beside the search behind it alone.

    python benchmarks/bench_ask.py [--lines 1000000] [--days 3] [--rounds 3] [--data DIR] [--models]

Prints p50 and p95 in milliseconds (wall and CPU of this process) of ``Workspace.search`` and of ``GET /search`` as a
browser asks for it, how many questions the index was asked for each page, and what the page adds to the search.
``--data`` keeps the index for further runs; ``--models`` searches by meaning too. Lines are those of
``bench_index.py``, mined and indexed as the worker does.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from starlette.testclient import TestClient

from benchmarks.bench_index import make_lines
from logsense.api.app import create_app
from logsense.config import Settings
from logsense.index.embedded import EmbeddedIndex
from logsense.mine import Miner
from logsense.workspace import Workspace

QUESTIONS = (
    "which hosts had failed passwords",
    "level:error",
    "out of memory",
    "service:nginx upstream timed out",
    "duplicate key value violates unique constraint",
    "host:host3 level:critical",
    "what went wrong with the database connections",
    "SYN flooding",
    '"remaining connection slots"',
    "",
)
BATCH, COMMIT_EVERY = 2_000, 50_000


def fill(folder: Path, count: int, days: int) -> None:
    """An index of mined lines as the worker leaves it."""
    index = EmbeddedIndex(folder / "index", writer=True)
    miner = Miner()
    batch = []
    for done, (_, record) in enumerate(make_lines(count, days), 1):
        batch.append(record)
        if len(batch) == BATCH:
            index.write_logs(miner.process(batch))
            batch = []
        if done % COMMIT_EVERY == 0:
            index.commit()
            print(f"\r  {done:,} lines", end="", file=sys.stderr, flush=True)
    index.write_logs(miner.process(batch))
    index.put_templates(miner.changed())
    index.commit()
    index.close()
    print(file=sys.stderr)


def embed(folder: Path, settings: Settings) -> None:
    """Vectors of the templates, so that questions are understood by meaning."""
    from logsense.pipeline import make_enricher

    index = EmbeddedIndex(folder / "index", writer=True)
    enricher = make_enricher(settings)
    templates, vectors = enricher.enrich(index.templates())
    index.put_templates(templates)
    index.put_template_vectors([t.id for t in templates], vectors, enricher.embedder.name)
    index.close()


class Counted:
    """The index with every question to it counted."""

    def __init__(self, index: Any) -> None:
        self._index, self.asked = index, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._index, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self.asked[name] += 1
            return found(*arguments, **named)

        return call


def timed(ask: Callable[[str], Any], rounds: int) -> tuple[list[float], list[float]]:
    """Wall and CPU milliseconds of every question in every round; the first round warms up and is left out."""
    wall, cpu = [], []
    for at in range(rounds + 1):
        for question in QUESTIONS:
            begun, begun_cpu = time.perf_counter(), time.process_time()
            ask(question)
            if at:
                wall.append((time.perf_counter() - begun) * 1000)
                cpu.append((time.process_time() - begun_cpu) * 1000)
    return wall, cpu


def shown(name: str, wall: list[float], cpu: list[float]) -> None:
    def at(values: list[float], share: int) -> float:
        return statistics.quantiles(values, n=100, method="inclusive")[share - 1]

    print(f"{name:28} wall p50 {at(wall, 50):7.1f}  p95 {at(wall, 95):7.1f} ms   "
          f"CPU p50 {at(cpu, 50):7.1f}  p95 {at(cpu, 95):7.1f} ms")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--models", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.data or Path(temporary)
        if not (folder / "index").exists():
            fill(folder, options.lines, options.days)
        if options.models:
            embed(folder, Settings())
        space = Workspace(folder, load_models=options.models)
        space.wait_for_models()
        counted = Counted(space.index)
        client = TestClient(create_app(space, None, []), headers={"accept": "text/html"})  # type: ignore[arg-type]

        def page(question: str) -> None:
            answer = client.get("/search", params={"q": question})
            assert answer.status_code == 200, answer.text[:300]

        print(f"{space.index.search(_everything(), limit=0)[0]:,} lines, {len(QUESTIONS)} questions x {options.rounds}")
        search = timed(lambda q: space.search(q, limit=50, by_time=not q), options.rounds)
        pages = timed(page, options.rounds)
        shown("search", *search)
        shown("question to rendered page", *pages)
        added = statistics.median(pages[0]) - statistics.median(search[0])
        print(f"the page adds {added:.1f} ms (median)")
        space.index = counted  # type: ignore[assignment]
        space._searcher = None  # made anew over the counting index
        for question in QUESTIONS:
            counted.asked.clear()
            page(question)
            said = ", ".join(f"{name} {n}" for name, n in counted.asked.most_common())
            print(f"  {sum(counted.asked.values()):3} questions to the index: {question or '(all)'}: {said}")
        space.close()


def _everything() -> Any:
    from logsense.record import Query

    return Query()


if __name__ == "__main__":
    main()
