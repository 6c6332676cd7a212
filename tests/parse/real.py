"""What the logs of our own runs hold, by level and by kind: ``python -m tests.parse.real``.

The kind of a record is what it says happened (``event.action``), or else the format that it was found to be.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.parse.beats import read

#: What redis-cli printed, which is no log: replies with a value a line.
NO_LOGS = {"redis/acl_log.txt", "redis/info.txt", "redis/slowlog.txt"}
#: The reply to MONITOR stands above what it monitors.
REPLIES = {"redis/monitor.log": 1}
REAL_LOGS = Path(__file__).parents[3] / "shared/data/real"


@dataclass
class Found:
    """Counts of one file."""

    records: int = 0
    unparsed: int = 0
    formats: str = ""
    levels: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)


def files(root: Path) -> list[Path]:
    """Every log under ``root``."""
    found = (path for path in root.rglob("*") if path.suffix in (".log", ".csv", ".json", ".txt"))
    return sorted(path for path in found if path.relative_to(root).as_posix() not in NO_LOGS)


def count(file: Path) -> Found:
    parser, records = read(file)
    found = Found(len(records), formats=parser.formats().get(file.name, ""))
    for record in records:
        found.unparsed += record.outcome == "unparsed"
        found.levels[record.level or "none"] += 1
        found.kinds[str(record.fields.get("event.action") or found.formats)] += 1
    return found


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else REAL_LOGS
    if not root.is_dir():
        print(f"{root} is not here: nothing to count", file=sys.stderr)
        return 2
    unparsed = 0
    for file in files(root):
        found = count(file)
        unparsed += found.unparsed - REPLIES.get(file.relative_to(root).as_posix(), 0)
        print(f"{file.relative_to(root)}: {found.records} records, {found.unparsed} unparsed, {found.formats}")
        for title, counts in (("levels", found.levels), ("kinds", found.kinds)):
            print(f"    {title}: " + ", ".join(f"{name} {number}" for name, number in counts.most_common(12)))
    print(f"{unparsed} records are unparsed")
    return 1 if unparsed else 0


if __name__ == "__main__":
    sys.exit(main())
