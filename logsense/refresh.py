"""When people have said enough that is new, the model is trained anew in the background.

Reports of failures and verdicts about incidents are what counts. Whatever is trained replaces the model in use only
if it is better on failures that it has not seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logsense.errors import Busy, LogsenseError
from logsense.failures import FailureLog
from logsense.jobs import FOLDER, Jobs
from logsense.record import Incident

log = logging.getLogger(__name__)

MARK = "refresh.json"
INCIDENTS = 2000


@dataclass(frozen=True, slots=True)
class RefreshOptions:
    """``[models]``: how models keep up with what people say."""

    #: New reports of failures and verdicts about incidents after which a model is trained anew; 0 never does.
    refresh_after: int = 10
    #: Seconds between two looks for them.
    check_every_s: float = 300.0
    #: Name of the model that is kept up to date.
    name: str = "failure"
    #: Niceness of training, 0 to 19: the service comes first, a job takes what it leaves.
    nice: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.nice <= 19:
            raise ValueError("nice lies between 0 and 19")
        if self.refresh_after < 0 or self.check_every_s < 1:
            raise ValueError("refresh_after is zero or above, check_every_s at least 1")


def feedback(data: Path, incidents: Iterable[Incident], since_ns: int) -> int:
    """Reports and verdicts that came after ``since_ns``. A verdict that was changed counts once more."""
    reports = sum(report.reported_ns > since_ns for report in FailureLog(data).all())
    verdicts = sum(a.kind == "feedback" and a.at_ns > since_ns for i in incidents for a in i.actions)
    return reports + verdicts


def refresh_if_due(
    data: Path, incidents: Callable[[], Iterable[Incident]], jobs: Jobs, options: RefreshOptions
) -> dict[str, Any] | None:
    """Start a job when enough is new; the job, or None. While another job runs, the next look tries again."""
    if not options.refresh_after:
        return None
    since = _mark(data)
    new = feedback(data, incidents(), since)
    if new < options.refresh_after:
        return None
    try:
        job = jobs.start("refresh", {"name": options.name, "feedback": new}, by="logsense")
    except Busy:
        return None
    work = data / FOLDER / f".{MARK}"
    work.write_text(json.dumps({"until_ns": time.time_ns()}), encoding="utf-8")
    work.replace(data / FOLDER / MARK)
    return job


async def keep_fresh(look: Callable[[], object], every_s: float) -> None:
    """Look for feedback for as long as the service runs. Never ends by itself."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await asyncio.to_thread(look)
        except LogsenseError as error:
            log.warning("feedback could not be looked for: %s", error.what)


def _mark(data: Path) -> int:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return int(json.loads((data / FOLDER / MARK).read_text(encoding="utf-8"))["until_ns"])
    return 0
