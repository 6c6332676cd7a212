"""Compare with a readable JSON Lines file under tests/golden; GOLDEN=1 rewrites it, and the diff shows in git."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


def check(name: str, rows: Iterable[Mapping]) -> None:
    """``name`` is below tests/golden, e.g. ``detect/disk_full.jsonl``."""
    path = GOLDEN / name
    got = [json.dumps(row, ensure_ascii=False) for row in rows]
    if os.environ.get("GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(got) + "\n", encoding="utf-8")
    wanted = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    diff = "\n".join(difflib.unified_diff(wanted, got, f"golden/{name}", "now", lineterm="", n=0))
    assert got == wanted, f"{diff}\nIf this is what you want: GOLDEN=1 pytest …"
