"""Root causes on the shop of services recorded by ``samples/record_shop.py``: resources, delays, defects, crashes.

    python samples/record_shop.py shop-recording && PYTHONPATH=. python -m benchmarks.rca_shop shop-recording

Lines and metrics go through the pipeline with its detectors. Three questions: is the place right when one asks for the
time of the fault (``logsense diagnose``), is nothing found when one asks for a time without any, and what do the
incidents say that opened by themselves?
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.rca_feed import Feed
from benchmarks.rca_score import Answer, answer, print_answers, print_quiet, with_citations
from logsense.diagnosis import diagnose_range
from logsense.record import Hypothesis, Incident, RawEvent
from logsense.sources.metrics_csv import MetricsCsv, MetricsCsvOptions

SECOND = 1_000_000_000
EARLY_S = 20  # an incident is dated to a window of ten seconds, and noise may lie just before a fault
AFTER_S = 12  # what a fault leaves behind is not normal
NORMAL_S = 600
QUIET_S = 20  # a stretch without faults that is asked about; between two faults there is hardly more
KNOWN_S = 120  # normal time that it is compared with at least


def read_lines(folder: Path) -> Iterator[RawEvent]:
    for path in sorted(folder.glob("logs/*/*.log")):
        fields = {"host.name": path.parent.name, "service.name": path.stem, "pipeline": "services"}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
            yield RawEvent(line, f"tail:{path.parent.name}", 0, fields, f"{path.stem}-{number:x}")


def ingest(feed: Feed, folder: Path) -> None:
    feed.lines(read_lines(folder))
    for path in sorted(folder.glob("metrics/*.csv")):
        for points in MetricsCsv(MetricsCsvOptions(host=path.stem)).read(path):
            feed.points(points)
    feed.pipeline.commit(None)


def calm(faults: list[dict[str, Any]], before_ns: int, begun_ns: int) -> list[tuple[int, int]]:
    """The stretches of the last ten minutes that no fault touches."""
    at, periods = max(begun_ns, before_ns - NORMAL_S * SECOND), []
    for fault in faults:
        start_ns, end_ns = _ns(fault["start"]), _ns(fault["end"]) + AFTER_S * SECOND
        if end_ns > at and start_ns < before_ns:
            if start_ns > at:
                periods.append((at, start_ns))
            at = max(at, end_ns)
    return [*periods, (at, before_ns)] if before_ns > at else periods


@dataclass(slots=True)
class Told:
    """What somebody who only sees the incidents learns: per fault what they say of it, and how they are cut."""

    said: list[Answer] = field(default_factory=list)
    own: int = 0  # faults with an incident that began with them
    one: int = 0  # with exactly one
    beside: int = 0  # incidents that belong to no fault

    def add(self, other: Told) -> None:
        self.said += other.said
        self.own, self.one, self.beside = self.own + other.own, self.one + other.one, self.beside + other.beside


def owners(faults: list[dict[str, Any]], incidents: Iterable[Incident]) -> dict[str, list[Incident]]:
    """The incidents of each fault by its id, "" for none: by the time that an incident says it began."""
    found: dict[str, list[Incident]] = {}
    for incident in incidents:
        mine = [
            fault["id"] for fault in faults
            if _ns(fault["start"]) - EARLY_S * SECOND <= incident.start_ns < _ns(fault["end"]) + AFTER_S * SECOND
        ]  # fmt: skip
        found.setdefault(mine[0] if mine else "", []).append(incident)
    return found


def quiet_windows(faults: list[dict[str, Any]], begun_ns: int) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """(from, to, normal periods before) of stretches that no fault touches."""
    last_ns = max(_ns(fault["start"]) for fault in faults)
    at = begun_ns + KNOWN_S * SECOND
    while at + QUIET_S * SECOND <= last_ns:
        touched = [
            _ns(fault["end"]) + AFTER_S * SECOND for fault in faults
            if _ns(fault["start"]) < at + QUIET_S * SECOND and _ns(fault["end"]) + AFTER_S * SECOND > at
        ]  # fmt: skip
        if touched:
            at = max(touched)
            continue
        yield at, at + QUIET_S * SECOND, calm(faults, at, begun_ns)
        at += QUIET_S * SECOND


def evaluate(folder: Path) -> tuple[list[Answer], list[Answer], Told]:
    """(asked for the time of each fault, asked for quiet times, said by the incidents that opened by themselves)."""
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    faults = labels["faults"]
    incidents: dict[str, Incident] = {}
    with tempfile.TemporaryDirectory(prefix="logsense-rca-") as data:
        feed = Feed(Path(data), told=lambda i: incidents.__setitem__(i.id, i))
        pipeline = feed.pipeline
        ingest(feed, folder)
        feed.analyse()
        asked, quiet, told = [], [], Told()
        owned = owners(faults, (incident for incident in incidents.values() if not incident.merged_into))
        told.beside = len(owned.get("", ()))
        calls, addresses = pipeline.dependencies.edges(), pipeline.dependencies.places()
        begun_ns = _ns(labels["start"])
        for start_ns, end_ns, normal in quiet_windows(faults, begun_ns):
            found = diagnose_range(pipeline.index, start_ns, end_ns, calls=calls, addresses=addresses, normal=normal)
            name = f"{folder.name} +{(start_ns - begun_ns) // SECOND} s"
            quiet.append(answer(name, "quiet", set(), found.hypotheses))
        for fault in faults:
            start_ns, end_ns = _ns(fault["start"]), _ns(fault["end"])
            found = diagnose_range(
                pipeline.index, start_ns, end_ns, calls=calls, addresses=addresses,
                normal=calm(faults, start_ns, begun_ns),
            )  # fmt: skip
            name = f"{fault['kind']} at {fault['service']}"
            one = answer(name, fault["kind"], {fault["host"]}, found.hypotheses)
            asked.append(with_citations(one, pipeline.index, found))
            mine = owned.get(fault["id"], [])
            told.own, told.one = told.own + bool(mine), told.one + (len(mine) == 1)
            best: list[Hypothesis] = max(mine, key=lambda i: i.score).hypotheses if mine else []
            told.said.append(answer(name, fault["kind"], {fault["host"]}, best))
        pipeline.close()
    return asked, quiet, told


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000) * (SECOND // 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description="Root-cause ranking on recordings of the shop of services.")
    parser.add_argument("folder", type=Path, nargs="+", help="what samples/record_shop.py wrote")
    parser.add_argument("--verbose", action="store_true", help="a line for each fault")
    args = parser.parse_args()
    asked, quiet, told = list[Answer](), list[Answer](), Told()
    for folder in args.folder:
        if not (folder / "labels.json").exists():
            raise SystemExit(f"{folder} is no recording: write one with samples/record_shop.py.")
        one, two, three = evaluate(folder)
        asked, quiet = asked + one, quiet + two
        told.add(three)
    print_answers("Shop, asked for the time of the fault", asked, verbose=args.verbose)
    print_quiet("Shop, asked for times without a fault", quiet, verbose=args.verbose)
    print_answers("Shop, what the incidents say", told.said, verbose=args.verbose)
    print(
        f"  an incident that began with it: {told.own} of {len(told.said)} faults, exactly one: {told.one}; "
        f"{told.beside} incidents beside the faults"
    )


if __name__ == "__main__":
    main()
