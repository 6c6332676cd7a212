"""How long grouping a storm of signals takes, and explaining an incident.

    python benchmarks/bench_incidents.py [--signals 100000] [--lines 20000]

Grouping: signals of half an hour on 400 hosts that call each other in threes, half of them of a storm that begins on
one host and spreads, fed window by window with relations and with embeddings of their templates, as the worker does.
Explaining: an incident of ten services whose lines state their requests: gathering the evidence from the index,
ranking and writing the summary, once with everything read anew and once as the worker does it when the incident has
grown, with the lines of minutes that it has read before. Wall and CPU seconds; nothing of it is from a peer,
the limits are ours: 10 s and 300 ms.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.rca_feed import Feed
from logsense.diagnosis import explain
from logsense.incidents import Incidents, Meaning
from logsense.record import Incident, RawEvent, Signal
from logsense.rootcause import RequestLines

SECOND = 1_000_000_000
T0 = 1_764_000_000 * SECOND
HOSTS, TEMPLATES, WINDOW_S, LASTS_S = 400, 2_000, 10, 1800
KINDS = ("log.severity", "log.new", "log.rate", "metric.high", "metric.low", "log.unit")
SERVICES = {f"svc{n}": [f"svc{m}" for m in (2 * n + 1, 2 * n + 2) if m < 10] for n in range(10)}  # a binary tree
BEFORE_S, FAULT_S = 600, 120


def storm(count: int, rng: random.Random) -> Iterator[list[Signal]]:
    """Windows of signals. Every second one belongs to the storm, which reaches more hosts as it goes on."""
    windows = LASTS_S // WINDOW_S
    number = 0
    for tick in range(windows):
        start_ns = T0 + tick * WINDOW_S * SECOND
        window = []
        for _ in range(count // windows + (tick < count % windows)):
            reached = 1 + tick * HOSTS // (2 * windows)
            host = rng.randrange(reached) if number % 2 else rng.randrange(HOSTS)
            kind = rng.choice(KINDS)
            words = f"`{rng.choice(('cannot reach', 'no space on', 'timeout of'))} upstream number {rng.randrange(99)}`"
            window.append(
                Signal(f"s{number}", kind, start_ns, start_ns + WINDOW_S * SECOND, rng.uniform(2, 9), f"host{host}",
                       f"svc{host % 17}", "p", "" if kind.startswith("metric") else f"t{rng.randrange(TEMPLATES)}",
                       f"m{number % 9}" if kind.startswith("metric") else "", text=f"{words} 3 times")
            )  # fmt: skip
            number += 1
        yield window


def group(count: int) -> int:
    rng, found = random.Random(1), set[str]()
    meaning = Meaning()
    vectors = np.random.default_rng(1).normal(size=(TEMPLATES, 384)).astype(np.float32)
    meaning.put([f"t{n}" for n in range(TEMPLATES)], vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    edges = {(f"host{n}", f"host{n + 1}") for n in range(HOSTS) if n % 3 < 2}
    incidents = Incidents(related=lambda a, b: (a, b) in edges, similarity=meaning.similarity)
    for tick, window in enumerate(storm(count, rng)):
        found |= {one.id for one in incidents.update(window, T0 + (tick + 1) * WINDOW_S * SECOND)}
    return len(found)


def request_lines(count: int) -> Iterator[RawEvent]:
    """Requests through a tree of ten services, at an even pace; one service is slow at the end."""
    rng = random.Random(2)
    events: list[tuple[int, str, str]] = []

    def visit(name: str, at: int, request: str) -> int:
        late = 150e6 if name == "svc4" and at >= T0 + BEFORE_S * SECOND else 0.0
        for text in ("received", *(f"calls {called}" for called in SERVICES[name])):
            events.append((at, name, f"request_id={request} {text}"))
            at += int(rng.lognormvariate(0, 0.5) * 2e6)
            if text.startswith("calls"):
                at = visit(text.removeprefix("calls "), at, request)
        events.append((at, name, f"request_id={request} done"))
        return at + int(rng.lognormvariate(0, 0.5) * 2e6 + late)

    per_request = sum(2 + len(called) for called in SERVICES.values())
    requests = count // per_request
    for which in range(requests):
        visit("svc0", T0 + which * (BEFORE_S + FAULT_S) * SECOND // requests, f"{which:08x}")
    for number, (at, name, text) in enumerate(sorted(events)):
        yield RawEvent(text, f"tail:{name}", at, {"host.name": f"{name}-1", "service.name": name}, f"{number:x}")


def timed(work: Callable[[], Any], rounds: int = 5) -> tuple[float, float, Any]:
    """Median wall and CPU seconds, and the last answer."""
    walls, cpus, answer = [], [], None
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        answer = work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus), answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=100_000)
    parser.add_argument("--lines", type=int, default=20_000, help="lines of requests around the incident")
    args = parser.parse_args()

    wall, cpu, found = timed(lambda: group(args.signals), 1)
    print(f"grouping {args.signals:,} signals: {wall:.2f} s ({cpu:.2f} s of CPU), {found} incidents")

    with tempfile.TemporaryDirectory(prefix="logsense-bench-") as folder, Feed(Path(folder)) as feed:
        index = feed.pipeline.index
        feed.lines(request_lines(args.lines))
        start_ns, end_ns = T0 + BEFORE_S * SECOND, T0 + (BEFORE_S + FAULT_S) * SECOND
        hosts = [f"{name}-1" for name in SERVICES]
        signals = [
            Signal(f"s{n}", "log.rate", start_ns + n * SECOND, end_ns, 5.0, host=host, text="fewer lines")
            for n, host in enumerate(hosts)
        ]
        index.put_signals(signals)
        feed.pipeline.commit(None)
        incident = Incident("inc-1", "trouble", "open", "high", start_ns, end_ns, hosts=hosts,
                            signal_ids=[signal.id for signal in signals])  # fmt: skip
        calls = feed.pipeline.dependencies.edges()
        for again, reader in (("", None), (" again", RequestLines())):
            if reader is not None:
                explain(index, incident, calls=calls, reader=reader)
            wall, cpu, told = timed(partial(explain, index, incident, calls=calls, reader=reader))
            print(f"explaining an incident{again}, {args.lines:,} lines of requests: {wall * 1000:.0f} ms "
                  f"({cpu * 1000:.0f} ms of CPU): {told.title}")  # fmt: skip


if __name__ == "__main__":
    main()
