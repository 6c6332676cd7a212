"""The process of one job (see ``jobs``): does the work, writes how far it is, stops when asked or left alone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from logsense import model_runs
from logsense.config import Settings, build
from logsense.errors import LogsenseError
from logsense.jobs import FOLDER, STOP_S, born, read_job, write_job
from logsense.lifecycle.plan import Plan
from logsense.timefmt import iso

#: How often the file is written at most, and how often the wish to stop is looked for.
EVERY_S = 0.25


class _Stopped(BaseException):
    """Somebody asked for the end. No ``Exception``: nothing on the way may swallow it."""


class _Progress:
    """Writes how far the job is, at most four times a second."""

    def __init__(self, folder: Path, job: dict[str, Any]) -> None:
        self._folder, self.job, self._told = folder, job, 0.0

    def __call__(self, what: str, share: float) -> None:
        # Steps report on their own; a bar that went back would look like a mistake.
        self.job |= {"doing": what, "progress": max(self.job["progress"], round(min(1.0, share), 3))}
        if time.monotonic() - self._told >= EVERY_S:
            self._told = time.monotonic()
            write_job(self._folder, self.job)


def main(data: Path) -> None:
    """Read the order from standard input, do it, and leave the outcome in the job's file."""
    spec = json.loads(sys.stdin.buffer.read())
    folder = data / FOLDER
    job = read_job(folder, spec["job"])
    if job is None or job["state"] != "queued":
        return
    settings = Settings(spec["tables"], Path(spec["config"]) if spec["config"] else None)
    with contextlib.suppress(OSError):
        os.nice(settings.section("models").nice)
    job |= {"state": "running", "pid": os.getpid(), "born": born(os.getpid())}
    write_job(folder, job)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(folder / f"{job['id']}.cancel", spec["parent"]), daemon=True).start()
    try:
        try:
            job["result"] = _WORK[job["kind"]](job["request"], settings, data, _Progress(folder, job))
            job |= {"state": "done", "progress": 1.0}
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except _Stopped:
        job["state"] = "cancelled"
    except LogsenseError as error:
        job |= {"state": "failed", "problem": {n: getattr(error, n) for n in ("what", "why", "where", "fix")}}
    except Exception as error:  # noqa: BLE001 - whatever it is, the asker must hear of it
        print(f"job {job['id']}: {type(error).__name__}: {error}", file=sys.stderr)
        why = f"{type(error).__name__}: {error}"[:500]
        job |= {"state": "failed", "problem": {"what": "Something went wrong in the job.", "why": why, "where": "",
                                               "fix": "look into the server's log and report it"}}  # fmt: skip
    job |= {"doing": "", "ended": iso(time.time_ns())}
    os.close(spec["lock"])  # whoever reads that it has ended may start the next one
    write_job(folder, job)


def _stop(number: int, frame: object) -> None:
    raise _Stopped


def _watch(wish: Path, parent: int) -> None:
    """Stop when asked to, or when the service is gone. Native code that does not listen is ended all the same."""
    while os.getppid() == parent and not wish.exists():
        time.sleep(EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_S / 2)
    os._exit(1)


def _train(request: dict[str, Any], settings: Settings, data: Path, tell: model_runs.Tell) -> dict[str, Any]:
    made = model_runs.run_plan(plan_of(request), settings, data, tell=tell)
    return _outcome(made)


def _evaluate(request: dict[str, Any], settings: Settings, data: Path, tell: model_runs.Tell) -> dict[str, Any]:
    return model_runs.evaluate_version(plan_of(request["plan"]), settings, data, request["version"], tell=tell)


def _promote(request: dict[str, Any], settings: Settings, data: Path, tell: model_runs.Tell) -> dict[str, Any]:
    return model_runs.promote(
        settings, data, request["name"], request["version"], force=bool(request.get("force")), tell=tell
    )


def _rollback(request: dict[str, Any], settings: Settings, data: Path, tell: model_runs.Tell) -> dict[str, Any]:
    return model_runs.rollback(data, request["name"])


def _refresh(request: dict[str, Any], settings: Settings, data: Path, tell: model_runs.Tell) -> dict[str, Any]:
    return _outcome(model_runs.refresh(settings, data, request["name"], tell=tell))


def _outcome(made: dict[str, Any]) -> dict[str, Any]:
    """What a person wants to hear; the whole of it stands on the card."""
    card, report = made["card"], made["report"]
    return {
        "name": card["name"], "version": card["version"], "calibrated": card["calibrated"], "data": card["data"],
        "scores": report["scores"] if report else {}, "notes": report["notes"] if report else [],
        "decision": made["decision"],
    }  # fmt: skip


def plan_of(request: dict[str, Any]) -> Plan:
    """A plan that was sent as JSON."""
    made: Plan = build(Plan, request, where="request", section="", file=None)
    return made


Work = Callable[[dict[str, Any], Settings, Path, model_runs.Tell], dict[str, Any]]
_WORK: dict[str, Work] = {
    "train": _train,
    "evaluate": _evaluate,
    "promote": _promote,
    "rollback": _rollback,
    "refresh": _refresh,
}
