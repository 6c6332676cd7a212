"""Lines a second of the miner beside plain Drain3: same lines, same run, one core.

    python benchmarks/bench_mine.py [--lines 20000] [--repeat 3] [--data ../shared/data]

Each repeat starts with nothing learned; "warm" is a second pass over the same lines, "new" a pass over the same lines
with every number drawn anew and an id of random letters and digits at the end: none occurs twice. "plain" is drain3's
TemplateMiner with its example masks, as people use it: `add_log_message` per line. "+params" also calls
`extract_parameters`, which ours always does. Times are CPU seconds of this process, the best of the repeats.
Ratios are ours to plain; the last line is their mean over the labelled systems.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import json
import logging
import random
import re
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig

from logsense.collector import collect_seldom
from logsense.mine import Miner
from logsense.record import LogRecord

LABELLED = "labelled "
EXAMPLE_MASKS = (
    (r"((?<=[^A-Za-z0-9])|^)(([0-9a-f]{2,}:){3,}([0-9a-f]{2,}))((?=[^A-Za-z0-9])|$)", "ID"),
    (r"((?<=[^A-Za-z0-9])|^)(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})((?=[^A-Za-z0-9])|$)", "IP"),
    (r"((?<=[^A-Za-z0-9])|^)(0x[a-f0-9A-F]+)((?=[^A-Za-z0-9])|$)", "HEX"),
    (r"((?<=[^A-Za-z0-9])|^)([\-\+]?\d+)((?=[^A-Za-z0-9])|$)", "NUM"),
)


def sources(data: Path, limit: int) -> Iterator[tuple[str, list[str]]]:
    """(name, message texts) of what is there: raw lines first, then the labelled samples, then our own."""
    bgl = data / "logad/bgl_first60k/bgl.log.gz"
    if bgl.exists():
        with gzip.open(bgl, "rt", errors="replace") as file:
            yield "BGL", [line.rstrip("\n").split(" ", 9)[-1] for line in itertools.islice(file, limit)]
    postgresql = data / "real/postgresql/postgresql.json"
    if postgresql.exists():
        with postgresql.open() as file:
            yield "PostgreSQL", [json.loads(line)["message"] for line in itertools.islice(file, limit)]
    for table in sorted(data.glob("parsing/*/*_2k.log_structured_corrected.csv")):
        with table.open(newline="", encoding="utf-8", errors="replace") as file:
            rows = itertools.islice(csv.DictReader(file), limit)
            yield f"{LABELLED}{table.parent.name}", [row["Content"] for row in rows]
    for log in sorted(Path(__file__).parent.parent.glob("samples/*/logs/*/*.log")):
        with log.open(errors="replace") as file:
            yield f"{log.parent.name}/{log.stem}"[:22], [line.rstrip("\n") for line in itertools.islice(file, limit)]


def all_new(lines: list[str]) -> list[str]:
    """The same lines, none of which occurs twice, whatever a cache takes for the same."""
    rng = random.Random(1)

    def other(match: re.Match[str]) -> str:
        return str(rng.randrange(10 ** (len(match[0]) - 1), 10 ** len(match[0])))

    # Three digits alone may be a status, which is no variable.
    numbers = re.compile(r"(?<!\d)(?!\d{3}(?!\d))\d+")
    return [f"{numbers.sub(other, line)} id={rng.getrandbits(64):016x}" for line in lines]


def plain(lines: list[str], *, parameters: bool) -> Callable[[], None]:
    """A run with a fresh miner, made outside of the time taken."""
    config = TemplateMinerConfig()
    config.profiling_enabled = False
    config.masking_instructions = [MaskingInstruction(pattern, name) for pattern, name in EXAMPLE_MASKS]
    miner = TemplateMiner(None, config)

    def run() -> None:
        for line in lines:
            result = miner.add_log_message(line)
            if parameters:
                miner.extract_parameters(result["template_mined"], line)

    return run


def ours(lines: list[str]) -> Callable[[], None]:
    """The same for ours."""
    miner = Miner()
    records = [LogRecord(str(i), i, line, "bench", 0, service="bench") for i, line in enumerate(lines)]

    def run() -> None:
        for i in range(0, len(records), 1000):
            miner.process(records[i : i + 1000])

    return run


def cpu_seconds(make: Callable[[], Callable[[], None]], repeat: int) -> tuple[float, float]:
    """(first pass, second pass) over the lines: the best of ``repeat`` fresh miners."""
    passes = []
    for _ in range(repeat):
        run = make()
        times = []
        for _ in range(2):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
        passes.append(times)
    return min(p[0] for p in passes), min(p[1] for p in passes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent.parent.parent / "shared/data")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    collect_seldom()  # as the service does
    ours(["warm up"])()  # imports and compiles, which a service does once
    print(f"{'lines/s':22} {'lines':>6} | {'plain':>8} {'+params':>8} {'ours':>9} {'ratio':>6} | warm:", end="")
    print(f" {'plain':>8} {'ours':>9} {'ratio':>6} | new: {'plain':>8} {'ours':>9} {'ratio':>6}")
    ratios: list[tuple[float, float, float]] = []
    for name, lines in sources(options.data, options.lines):
        if not lines:
            continue
        n = len(lines)
        plain_s, plain_warm = cpu_seconds(lambda lines=lines: plain(lines, parameters=False), options.repeat)
        params_s, _ = cpu_seconds(lambda lines=lines: plain(lines, parameters=True), 1)
        ours_s, ours_warm = cpu_seconds(lambda lines=lines: ours(lines), options.repeat)
        print(f"{name:22} {n:6,} | {n / plain_s:8,.0f} {n / params_s:8,.0f} {n / ours_s:9,.0f}", end="")
        print(f" {plain_s / ours_s:5.1f}x |      ", end="")
        print(f" {n / plain_warm:8,.0f} {n / ours_warm:9,.0f} {plain_warm / ours_warm:5.1f}x |     ", end="")
        new = all_new(lines)
        plain_new, _ = cpu_seconds(lambda new=new: plain(new, parameters=False), options.repeat)
        ours_new, _ = cpu_seconds(lambda new=new: ours(new), options.repeat)
        print(f" {n / plain_new:8,.0f} {n / ours_new:9,.0f} {plain_new / ours_new:5.1f}x")
        if name.startswith(LABELLED):
            ratios.append((plain_s / ours_s, plain_warm / ours_warm, plain_new / ours_new))
    if ratios:
        first, warm, new_ratio = (fmean(column) for column in zip(*ratios, strict=True))
        print(f"mean ratio of {len(ratios)} labelled systems: {first:.2f}x, warm {warm:.1f}x, all new {new_ratio:.2f}x")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
