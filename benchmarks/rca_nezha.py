"""Root causes on recordings laid out as Nezha's TrainTicket: the product's own way from lines to hypotheses.

    PYTHONPATH=. python -m benchmarks.rca_nezha ../shared/data/rca/nezha

Lines and metrics go through the pipeline (parse, redact, mine, index, detect); each fault is then diagnosed as
``logsense diagnose`` does it, with an alarm that says when something is wrong and no more. Expected below the folder:
``faulty/<day>/faults.json`` with ``log/`` and ``metric/`` beside it, and ``normal/<day>/log``. A log line's trace is
what its own text states. The log of a day is in pieces with hours between them; so the lines of a fault are compared
with the nearest minutes that hold lines and no fault, which stand for the minutes before it that an uninterrupted log
would have.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from benchmarks.rca_feed import Feed
from benchmarks.rca_score import Answer, answer, print_answers, with_citations
from logsense.diagnosis import diagnose_range
from logsense.record import MetricPoint, Query, RawEvent, Signal
from logsense.rootcause import RootcauseOptions

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
FAULT_S = 180  # a fault lasts about so long
AFTERMATH_S = 200  # minutes that touch a fault or what follows it are not normal
NORMAL_MINUTES = 10
POD = re.compile(r"(-[0-9a-f]{6,10})?-[a-z0-9]{5}$")  # what Kubernetes adds to the name of a deployment


@dataclass(frozen=True, slots=True)
class Fault:
    at_ns: int
    pod: str
    kind: str


def read_faults(path: Path) -> list[Fault]:
    table = json.loads(path.read_text(encoding="utf-8"))
    return sorted(
        (
            Fault(_ns(f"{one['inject_time']}+00:00"), one["inject_pod"], one["inject_type"])
            for hour in table.values()
            for one in hour
        ),
        key=lambda fault: fault.at_ns,
    )


def read_lines(folders: list[Path]) -> Iterator[RawEvent]:
    """Lines in time order, each once: the files of neighbouring minutes overlap. Broken rows are left out."""
    csv.field_size_limit(1 << 30)
    rows = set()
    for path in (path for folder in folders for path in sorted(folder.glob("*.csv*"))):
        with _open(path) as file:
            for row in csv.DictReader(file):
                if (row.get("TimeUnixNano") or "").isdigit() and row["PodName"] and row["Log"]:
                    rows.add((int(row["TimeUnixNano"]), row["PodName"], row["Log"]))
    for number, (at_ns, pod, text) in enumerate(sorted(rows)):
        fields = {"host.name": pod, "service.name": POD.sub("", pod)}
        yield RawEvent(text, f"pod:{pod}", at_ns, fields, f"{number:x}")


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="")
    return path.open(encoding="utf-8", errors="replace", newline="")


def read_points(folders: list[Path]) -> Iterator[MetricPoint]:
    """A point per cell of the pods' tables that holds a number."""
    for path in (path for folder in folders for path in sorted(folder.glob("*.csv"))):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if "PodName" not in row:
                    continue  # the front end's own table names no pod
                at_ns, pod = int(row["TimeStamp"]) * SECOND, row["PodName"]
                for name, value in row.items():
                    if name not in ("Time", "TimeStamp", "PodName") and value and value != "NaN":
                        yield MetricPoint(name, pod, at_ns, float(value), {"service": POD.sub("", pod)})


def normal_minutes(minutes: list[int], faults: list[Fault], around_ns: int) -> list[tuple[int, int]]:
    calm = [
        minute
        for minute in minutes
        if not any(
            minute < fault.at_ns + AFTERMATH_S * SECOND and minute + MINUTE > fault.at_ns - 5 * SECOND
            for fault in faults
        )
    ]
    nearest = sorted(calm, key=lambda minute: abs(minute - around_ns))[:NORMAL_MINUTES]
    return [(minute, minute + MINUTE) for minute in sorted(nearest)]


def evaluate_day(day: Path, normal: Path, *, logs: bool, metrics: bool, detect: bool) -> list[Answer]:
    """Ingest one day as a server would, then diagnose each of its faults."""
    faults = read_faults(day / "faults.json")
    with tempfile.TemporaryDirectory(prefix="logsense-rca-") as data:
        feed = Feed(Path(data))
        pipeline = feed.pipeline
        if logs:
            feed.lines(read_lines([day / "log", normal / "log"]))
        if metrics:
            feed.points(read_points([day / "metric"]))
        pipeline.commit(None)
        if detect:
            feed.analyse()
        minutes = [at for at, _ in pipeline.index.histogram(Query(), MINUTE)]
        options = RootcauseOptions(before_s=1800)  # a sample a minute: ten minutes are too few to know what is usual
        answers = []
        for fault in faults:
            end_ns = fault.at_ns + FAULT_S * SECOND
            alarm = Signal(f"alarm-{fault.at_ns:x}", "alert", fault.at_ns, end_ns, 1.0, text="something is wrong")
            pipeline.index.put_signals([alarm])
            pipeline.index.commit()
            begun = time.process_time()
            found = diagnose_range(
                pipeline.index, fault.at_ns, end_ns,
                calls=pipeline.dependencies.edges(), addresses=pipeline.dependencies.places(),
                options=options, normal=normal_minutes(minutes, faults, fault.at_ns),
            )  # fmt: skip
            name = f"{datetime.fromtimestamp(fault.at_ns / SECOND, UTC):%m-%d %H:%M} {POD.sub('', fault.pod)}"
            result = answer(name, fault.kind, {fault.pod}, found.hypotheses)
            result = replace(result, seconds=time.process_time() - begun)
            answers.append(with_citations(result, pipeline.index, found))
        pipeline.close()
    return answers


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND


def main() -> None:
    parser = argparse.ArgumentParser(description="Root-cause ranking on Nezha's recordings.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("../shared/data/rca/nezha"))
    parser.add_argument(
        "--mode", choices=["both", "logs", "metrics", "all"], default="all", help="what may be looked at"
    )
    parser.add_argument("--no-detect", action="store_true", help="leave out the detectors, which take half of the time")
    parser.add_argument("--verbose", action="store_true", help="a line for each fault")
    args = parser.parse_args()
    days = sorted(path.parent for path in args.folder.glob("faulty/*/faults.json"))
    if not days:
        raise SystemExit(f"There are no faults in {args.folder}: expected faulty/<day>/faults.json below it.")
    for mode in ("both", "logs", "metrics") if args.mode == "all" else (args.mode,):
        begun, answers = time.process_time(), []
        for day in days:
            answers += evaluate_day(
                day, args.folder / "normal" / day.name, logs=mode != "metrics", metrics=mode != "logs",
                detect=not args.no_detect,
            )  # fmt: skip
        title = {"both": "Nezha, logs and metrics", "logs": "Nezha, logs only", "metrics": "Nezha, metrics only"}[mode]
        print_answers(title, answers, verbose=args.verbose)
        print(f"  {time.process_time() - begun:.0f} CPU seconds in all")


if __name__ == "__main__":
    main()
