"""Lines a second of the miner beside plain Drain3: same lines, same run, one core.

    python benchmarks/bench_mine.py [--lines 20000] [--repeat 3] [--data ../shared/data]

"plain" is drain3's TemplateMiner with its example masks, as people use it: `add_log_message` per line. "plain+params"
also calls `extract_parameters`, which ours always does. Times are CPU seconds of this process, the best of the
repeats; each repeat starts with nothing learned. Ratios are ours to plain.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import itertools
import json
import logging
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig

from logsense.mine import Miner
from logsense.record import LogRecord

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
    for name in ("HDFS", "OpenSSH", "Spark", "Android", "Zookeeper"):
        table = data / f"parsing/{name}/{name}_2k.log_structured_corrected.csv"
        if table.exists():
            with table.open(newline="", encoding="utf-8", errors="replace") as file:
                yield name, [row["Content"] for row in itertools.islice(csv.DictReader(file), limit)]
    for log in sorted(Path(__file__).parent.parent.glob("samples/*/logs/*.log"))[:8]:
        with log.open(errors="replace") as file:
            yield f"{log.parts[-3]}/{log.stem}"[:24], [line.rstrip("\n") for line in itertools.islice(file, limit)]


def plain(lines: list[str], *, parameters: bool) -> None:
    config = TemplateMinerConfig()
    config.profiling_enabled = False
    config.masking_instructions = [MaskingInstruction(pattern, name) for pattern, name in EXAMPLE_MASKS]
    miner = TemplateMiner(None, config)
    for line in lines:
        result = miner.add_log_message(line)
        if parameters:
            miner.extract_parameters(result["template_mined"], line)


def ours(lines: list[str]) -> None:
    miner = Miner()
    records = [LogRecord(str(i), i, line, "bench", 0, service="bench") for i, line in enumerate(lines)]
    for i in range(0, len(records), 1000):
        miner.process(records[i : i + 1000])


def cpu_seconds(run: Callable[[], None], repeat: int) -> float:
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent.parent.parent / "shared/data")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    ours(["warm up"])  # imports and compiles, which a service does once
    print(f"{'':24} {'lines':>7} {'plain':>9} {'plain+params':>13} {'ours':>9} {'ratio':>6} {'with params':>12}")
    for name, lines in sources(options.data, options.lines):
        if not lines:
            continue
        plain_s = cpu_seconds(lambda lines=lines: plain(lines, parameters=False), options.repeat)
        params_s = cpu_seconds(lambda lines=lines: plain(lines, parameters=True), 1)
        ours_s = cpu_seconds(lambda lines=lines: ours(lines), options.repeat)
        n = len(lines)
        print(
            f"{name:24} {n:7,} {n / plain_s:9,.0f} {n / params_s:13,.0f} {n / ours_s:9,.0f} "
            f"{plain_s / ours_s:5.1f}x {params_s / ours_s:11.1f}x"
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
