"""What the worker waits for, left in the data folder for ``/readyz``, pages and ``doctor``.

The worker is a process of its own, and an index that takes no writes may still answer questions: only the worker knows.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logsense import alive
from logsense.errors import LogsenseError
from logsense.timefmt import iso

if TYPE_CHECKING:
    from logsense.stages import Index

FILE = "worker.waiting.json"
#: A shorter pause (one refused request, one restart of a node behind a proxy) is nothing that people need to hear of.
QUIET_S = 2.0
_EVERY_S = 1.0


class Waiting:
    """The worker's side. ``on`` is called again and again while something is waited for, ``over`` when it came."""

    def __init__(self, data: Path) -> None:
        self._path = data / FILE
        self._since = self._said_at = 0.0
        self._what = ""
        self._noted = True  # a worker before this one may have left a note

    def on(self, error: LogsenseError) -> None:
        now = time.time()
        self._since = self._since or now
        # The reason may change while waiting: a node that was away comes back with a full disk.
        if now - self._since < QUIET_S or (now - self._said_at < _EVERY_S and error.what == self._what):
            return
        self._said_at, self._what, self._noted = now, error.what, True
        note = {"what": error.what, "why": error.why, "where": error.where, "fix": error.fix, "since": self._since}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(note), encoding="utf-8")
        fresh.replace(self._path)

    def over(self) -> None:
        self._since = self._said_at = 0.0
        if self._noted:
            self._noted = False
            self._path.unlink(missing_ok=True)


def waiting_for(data: Path) -> dict[str, Any] | None:
    """{"what", "why", "where", "fix": texts, "since": seconds since 1970} of a waiting worker, None when none waits."""
    try:
        note = json.loads((data / FILE).read_text(encoding="utf-8"))
        texts = {name: str(note[name]) for name in ("what", "why", "where", "fix")}
        return {**texts, "since": float(note["since"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def index_problems(index: Index, data: Path) -> list[dict[str, Any]]:
    """What holds up the index, if anything does: {"check", "state": "down|waiting", "what", "why", "where", "fix",
    "since"}."""
    state, error = "waiting", {}
    try:
        index.time_range()
    except LogsenseError as problem:
        state = "down"
        error = {"what": problem.what, "why": problem.why, "where": problem.where, "fix": problem.fix, "since": None}
    # An index that answers may still take no writes, which only the worker knows; it also knows since when.
    note = waiting_for(data) if alive.worker_state(data) == "ok" else None  # a dead worker's note is none
    if note is not None:
        error = {**note, "since": iso(int(note["since"]) * 10**9)}
    elif said := alive.problem(data):  # said where nothing can be written any more
        fix = "free or mend the disk; accepted lines wait in the spool and are indexed when there is room"
        error = {"what": said, "why": "", "where": str(data), "fix": fix, "since": None}
    return [{"check": "index", "state": state, **error}] if error else []
