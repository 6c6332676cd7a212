"""Root causes on PetShop: latency, availability and requests of 42 nodes every five minutes, and their call graph.

    PYTHONPATH=. python -m benchmarks.rca_petshop ../shared/data/rca/petshop

Each issue is an index of its own: the metrics of the quiet period, moved to end where the issue's own begin, then the
issue's; the alert that the data state (which node, which metric) is its only signal. Expected below the folder:
``<traffic>/graph.csv``, ``<traffic>/<part>/issue_*/{metrics.csv,target.json}`` and ``<traffic>/noissue/metrics.csv``
for at least one traffic. In the part that is public beside this project every cause is the same node: it shows that
the method works, it cannot show that another would not.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.rca_score import Answer, answer, print_answers, with_citations
from logsense.config import Settings
from logsense.diagnosis import diagnose_range
from logsense.record import MetricPoint, Signal
from logsense.registry import open_index
from logsense.rootcause import RootcauseOptions

SECOND = 1_000_000_000
STEP_S = 300
ISSUE_S = 600  # an issue lasts about so long
Table = dict[tuple[str, str], list[tuple[float, float]]]


def read_metrics(path: Path) -> Table:
    """(node, ``metric.statistic``) -> (Unix time, value); empty cells are left out."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    nodes, metrics, statistics = rows[0], rows[1], rows[2]
    body = [row for row in rows[3:] if row and row[0][:1].isdigit()]
    return {
        (nodes[at], f"{metrics[at]}.{statistics[at].lower()}"): [(float(r[0]), float(r[at])) for r in body if r[at]]
        for at in range(1, len(nodes))
    }


def read_calls(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return [
        (row[0], node)
        for row in rows[1:]
        for node, cell in zip(rows[0][1:], row[1:], strict=True)
        if cell not in ("", "0", "0.0")
    ]


def points(issue: Table, quiet: Table) -> list[MetricPoint]:
    """The quiet period, ended a step before the issue's first sample, and the issue's own samples."""
    first = min(at for series in issue.values() for at, _ in series)
    last = max(at for series in quiet.values() for at, _ in series)
    moved = first - STEP_S - last
    return [
        MetricPoint(name, node, int(at + shift) * SECOND, value)
        for table, shift in ((quiet, moved), (issue, 0.0))
        for (node, name), series in table.items()
        for at, value in series
    ]


def diagnose_issue(folder: Path, quiet: Table, calls: list[tuple[str, str]]) -> Answer:
    target: dict[str, Any] = json.loads((folder / "target.json").read_text(encoding="utf-8"))
    alert, cause = target["target"], target["root_cause"]["node"]
    start_ns = int(alert["timestamp"]) * SECOND
    end_ns = start_ns + ISSUE_S * SECOND
    with tempfile.TemporaryDirectory(prefix="logsense-rca-") as data:
        index = open_index(Path(data), Settings({}), writer=True)
        index.write_metrics(points(read_metrics(folder / "metrics.csv"), quiet))
        kind = "metric.low" if alert["metric"] == "availability" else "metric.high"
        index.put_signals([Signal("alert", kind, start_ns, end_ns, 9.0, host=alert["node"], metric=alert["metric"])])
        index.commit()
        nodes = sorted({node for edge in calls for node in edge})
        found = diagnose_range(
            index, start_ns, end_ns, calls=calls, hosts=nodes, options=RootcauseOptions(before_s=10 * 86_400)
        )
        name = "/".join(folder.parts[-3:])
        result = answer(name, f"{folder.parts[-3]} {alert['metric']}", {cause}, found.hypotheses)
        result = with_citations(result, index, found)
        index.close()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description="Root-cause ranking on PetShop's metrics.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("../shared/data/rca/petshop"))
    parser.add_argument("--verbose", action="store_true", help="a line for each issue")
    args = parser.parse_args()
    issues = sorted(path.parent for path in args.folder.glob("*/*/issue_*/target.json"))
    if not issues:
        raise SystemExit(
            f"There are no issues in {args.folder}: expected <traffic>/<part>/issue_*/target.json below it."
        )
    quiet: dict[str, Table] = {
        path.parts[-3]: read_metrics(path) for path in sorted(args.folder.glob("*/noissue/metrics.csv"))
    }
    if not quiet:
        raise SystemExit(f"There is no quiet period in {args.folder}: expected <traffic>/noissue/metrics.csv.")
    answers = []
    for issue in issues:
        traffic = issue.parts[-3]
        usual = quiet.get(traffic, next(iter(quiet.values())))
        answers.append(diagnose_issue(issue, usual, read_calls(args.folder / traffic / "graph.csv")))
    print_answers("PetShop, metrics only", answers, verbose=args.verbose)


if __name__ == "__main__":
    main()
