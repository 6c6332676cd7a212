"""Long work on models (train, evaluate, promote, roll back, refresh) beside the service: one at a time, in a process
of its own, with progress that can be asked for, and cancelled without a trace.

A job is a file ``jobs/<id>.json`` in the tenant's data folder, which its process rewrites as it goes. One lock for the
whole installation, held by the process for as long as it lives, keeps jobs apart: whoever is killed lets go of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from logsense.config import Settings
from logsense.errors import BadInput, Busy, NotFound
from logsense.timefmt import iso

KINDS = ("train", "evaluate", "promote", "rollback", "refresh")
FOLDER, LOCK = "jobs", "jobs.lock"
#: Finished jobs that are remembered.
KEPT = 50
#: After being asked to stop, a job has this long before its process is killed; the store never holds half a model.
STOP_S = 10.0
#: A process that has not begun by then never will.
_BEGINS_WITHIN_S = 120.0
_ENDED = ("done", "failed", "cancelled")


class Jobs:
    """The jobs of one data folder. ``root`` is the folder of the installation, whose lock they share."""

    def __init__(self, data: Path, settings: Settings, root: Path | None = None) -> None:
        self.folder, self._data, self._settings = data / FOLDER, data, settings
        self._lock = (root or data) / LOCK
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, kind: str, request: dict[str, Any], by: str = "") -> dict[str, Any]:
        """Begin a job and return it as it is then. Raises ``Busy`` while another one runs anywhere here."""
        if kind not in KINDS:
            raise BadInput(f"Unknown job {kind!r}.", fix=f"use one of {', '.join(KINDS)}")
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Busy(
                    "Another job is running.",
                    why="models are trained and judged one at a time, so that the service keeps its cores",
                    where=self._running() or "another tenant",
                    fix="wait for it (GET /api/v1/jobs), or cancel it",
                ) from error
            self._forget_old()
            job = {
                "id": f"job-{time.time_ns() // 1_000_000:013d}-{secrets.token_hex(3)}", "kind": kind, "state": "queued",
                "progress": 0.0, "doing": "starting", "created": iso(time.time_ns()), "ended": None, "by": by,
                "request": request, "result": None, "problem": None, "pid": 0, "born": 0.0,
            }  # fmt: skip
            write_job(self.folder, job)
            self._spawn(job, lock)
        finally:
            os.close(lock)  # the process holds it on
        return public(job)

    def _spawn(self, job: dict[str, Any], lock: int) -> None:
        # Settings may hold secrets: they go through a pipe, neither into a file nor into the list of processes.
        spec = {
            "job": job["id"], "tables": self._settings.tables, "config": str(self._settings.file or ""),
            "parent": os.getpid(), "lock": lock,
        }  # fmt: skip
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "logsense", "job", "--data", str(self._data)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=(lock,), start_new_session=True,
            # One core at most, whatever the libraries would take.
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        )  # fmt: skip
        self._processes[job["id"]] = process
        with contextlib.suppress(BrokenPipeError):
            assert process.stdin is not None
            process.stdin.write(json.dumps(spec, default=str).encode())
            process.stdin.close()
        threading.Thread(target=self._reap, args=(job["id"], process), name="job", daemon=True).start()

    def _reap(self, job_id: str, process: subprocess.Popen[bytes]) -> None:
        """When the process has ended without saying so, say it for it."""
        code = process.wait()
        self._processes.pop(job_id, None)
        job = read_job(self.folder, job_id)
        if job is not None and job["state"] not in _ENDED:
            self._end_for(job, f"its process ended with {code}")

    def all(self) -> list[dict[str, Any]]:
        """Newest first."""
        ids = sorted((p.stem for p in self.folder.glob("job-*.json")), reverse=True)
        return [public(job) for job_id in ids if (job := self._read(job_id))]

    def get(self, job_id: str) -> dict[str, Any]:
        """Raises ``NotFound``."""
        return public(self._found(job_id))

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Ask a job to stop. It is ``cancelled`` a moment later; one that has ended stays as it is."""
        job = self._found(job_id)
        if job["state"] not in _ENDED:
            (self.folder / f"{job_id}.cancel").touch()
            threading.Thread(target=self._insist, args=(job_id,), name="cancel-job", daemon=True).start()
        return public(job)

    def _insist(self, job_id: str) -> None:
        process = self._processes.get(job_id)
        if process is not None:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def wait(self, job_id: str, timeout_s: float) -> dict[str, Any]:
        """The job once it has ended, or as it is after ``timeout_s``. For commands and tests; the API polls."""
        deadline = time.monotonic() + timeout_s
        while (job := self.get(job_id))["state"] not in _ENDED and time.monotonic() < deadline:
            time.sleep(0.1)
        return job

    def close(self) -> None:
        """The service ends: so do its jobs."""
        for process in list(self._processes.values()):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in list(self._processes.values()):
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def _found(self, job_id: str) -> dict[str, Any]:
        job = self._read(job_id)
        if job is None:
            raise NotFound(f"There is no job {job_id[:100]!r}.", fix="GET /api/v1/jobs lists them")
        return job

    def _read(self, job_id: str) -> dict[str, Any] | None:
        """A job whose process is gone although it never ended (the machine or the server was killed) has failed."""
        job = read_job(self.folder, job_id)
        if job is not None and job["state"] not in _ENDED and job_id not in self._processes and not self._lives(job):
            self._end_for(job, "the service was ended while it ran")
        return job

    def _end_for(self, job: dict[str, Any], why: str) -> None:
        cancelled = (self.folder / f"{job['id']}.cancel").exists()
        job |= {
            "state": "cancelled" if cancelled else "failed", "doing": "", "ended": iso(time.time_ns()),
            "problem": None if cancelled else {
                "what": "The job did not end in order.", "why": why, "where": "", "fix": "start it again"},
        }  # fmt: skip
        write_job(self.folder, job)

    def _lives(self, job: dict[str, Any]) -> bool:
        if job["pid"]:
            return bool(job["born"] == born(job["pid"]))
        # Its process has not said its name yet: that takes a moment of imports.
        with contextlib.suppress(OSError):
            return time.time() - (self.folder / f"{job['id']}.json").stat().st_mtime < _BEGINS_WITHIN_S
        return False

    def _running(self) -> str:
        return next((j["id"] for j in self.all() if j["state"] not in _ENDED), "")

    def _forget_old(self) -> None:
        for path in sorted(self.folder.glob("job-*.json"), reverse=True)[KEPT - 1 :]:
            path.unlink(missing_ok=True)
        for path in self.folder.glob("*.cancel"):
            path.unlink(missing_ok=True)


def public(job: dict[str, Any]) -> dict[str, Any]:
    """A job as API and CLI show it."""
    return {name: value for name, value in job.items() if name not in ("pid", "born")}


def read_job(folder: Path, job_id: str) -> dict[str, Any] | None:
    """None when there is none, or its file was damaged."""
    if not job_id.startswith("job-") or not job_id.replace("-", "").isalnum():
        return None
    with contextlib.suppress(OSError, ValueError):
        job: dict[str, Any] = json.loads((folder / f"{job_id}.json").read_text(encoding="utf-8"))
        return job
    return None


def write_job(folder: Path, job: dict[str, Any]) -> None:
    """Replace the job's file in one step: readers see the old or the new one."""
    work = folder / f".{job['id']}.{os.getpid()}.{threading.get_ident()}"
    work.write_text(json.dumps(job), encoding="utf-8")
    work.replace(folder / f"{job['id']}.json")


def born(pid: int) -> float:
    """When a process was started; 0 when there is none. With the pid it names one process for ever."""
    import psutil

    try:
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return 0.0
