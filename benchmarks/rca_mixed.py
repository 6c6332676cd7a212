"""All three samples at once, as one estate sends them: are their faults still told apart?

    PYTHONPATH=. python -m benchmarks.rca_mixed [--holdout]

The recordings of the server, the databases and the network overlap in time. They are replayed together into one data
folder, then the incidents are held against the labels of each: found, exactly one a fault, the labelled cause first,
none in quiet time, and none that reaches into two of the three estates.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from logsense.config import Settings, shipped
from logsense.feed import Ingest, add_recording, find_pipeline
from logsense.incidents.scoring import read_labels, score
from logsense.record import Incident
from logsense.trials import read_label_file

SCENARIOS = ("server", "database", "network")


def replay(root: Path) -> list[Incident]:
    found: dict[str, Incident] = {}
    with tempfile.TemporaryDirectory(prefix="logsense-mixed-") as data:
        run = Ingest(Path(data), Settings({}), models=False)
        run.on_incident = lambda incident: found.__setitem__(incident.id, incident)
        for name in SCENARIOS:
            add_recording(run, find_pipeline(name), root / name)
        run.finish()
    return sorted(found.values(), key=lambda incident: incident.start_ns)


def main() -> None:
    parser = argparse.ArgumentParser(description="The three samples replayed at once.")
    parser.add_argument("--holdout", action="store_true", help="their independent second take")
    args = parser.parse_args()
    root = shipped("samples") / "holdout" if args.holdout else shipped("samples")
    incidents = replay(root)
    confused = [one for one in incidents if not one.merged_into and _estates(one) > 1]
    print(f"{len(incidents)} incidents; {len(confused)} reach into more than one estate")
    for name in SCENARIOS:
        faults, quiet = read_labels(read_label_file(root / name))
        mine = [one for one in incidents if one.pipeline == name and not one.merged_into]
        report = score(mine, faults, quiet)
        figures = report.figures()
        shares = "  ".join(f"{key} {figures[key]:.2f}" for key in ("found", "exactly_one", "cause_first"))
        print(f"  {name:10} {len(faults)} faults  {shares}  false incidents {len(report.false_incidents)}")
        for one in report.scores:
            if one.cause_rank != 1 or not one.exactly_one:
                print(f"    {one.fault.id}: {one.incidents or 'not found'}, cause {one.cause_rank or 'not named'}")


def _estates(incident: Incident) -> int:
    """Of how many recordings its hosts are: every host name occurs in one only."""
    return len({_ESTATE.get(host, host) for host in incident.hosts})


_ESTATE = {
    host: estate
    for estate, hosts in {
        "server": ("web1", "app1"),
        "database": ("db1", "db2", "db3", "cache1", "shop1"),
        "network": ("edge1", "api1", "api2", "ns1", "ns2", "proxy1"),
    }.items()
    for host in hosts
}


if __name__ == "__main__":
    main()
