"""Does a line cost the same with many templates, and after many lines? CPU microseconds per line, and memory.

    python benchmarks/bench_scaling.py [--templates 100,1000,10000] [--lines 60000]
    python benchmarks/bench_scaling.py --templates 100,1000,10000,50000 --lines 500000   the long form

The miner alone reads lines of so many message types of ten services (made of words, so no mask helps), each with a
number and a name that vary. Beside it plain Drain3 (``TemplateMiner`` with its example masks) on the same lines. The
limit of templates per service is the default: what goes beyond it is counted as ``unclustered``, and the sum of all
counts must be the number of lines.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from bench_mine import plain

from logsense.collector import collect_seldom
from logsense.mine import Miner
from logsense.record import LogRecord

SERVICES = 10
SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "zu")


def make_lines(templates: int, count: int) -> list[tuple[str, str]]:
    """(service, line), message types in random order, each about equally often."""
    rng = random.Random(1)

    def word() -> str:
        return "".join(rng.choices(SYLLABLES, k=3))

    kinds = [(f"service{i % SERVICES}", [word() for _ in range(rng.randrange(4, 9))]) for i in range(templates)]
    lines = []
    for _ in range(count):
        service, words = rng.choice(kinds)
        lines.append((service, f"{' '.join(words)} id={rng.randrange(10**6)} user u{rng.randrange(1000)}"))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", default="100,1000,10000")
    parser.add_argument("--lines", type=int, default=60_000)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    collect_seldom()
    print(f"{options.lines:,} lines of {SERVICES} services; CPU µs per line, first pass and warm")
    for templates in map(int, options.templates.split(",")):
        lines = make_lines(templates, options.lines)
        miner = Miner()
        took = []
        for turn in range(2):
            records = [
                LogRecord(str(i), i, line, "bench", 0, service=service) for i, (service, line) in enumerate(lines)
            ]
            start = time.process_time()
            for at in range(0, len(records), 1000):
                miner.process(records[at : at + 1000])
            took.append((time.process_time() - start) / len(lines) * 1e6)
            found = miner.templates()
            assert sum(template.count for template in found) == (turn + 1) * len(lines)
        peer = plain([line for _, line in lines[:20_000]], parameters=False)
        start = time.process_time()
        peer()
        peer_us = (time.process_time() - start) / min(20_000, len(lines)) * 1e6
        alive = sum(not template.alias_of for template in found)
        loose = sum(template.count for template in found if template.text == "<*>") / (2 * len(lines))
        print(
            f"  {templates:6,} message types: {took[0]:7.1f} {took[1]:6.1f}   plain Drain3 {peer_us:7.1f}"
            f"   ({alive:,} templates, {loose:.0%} unclustered)"
        )


if __name__ == "__main__":
    main()
