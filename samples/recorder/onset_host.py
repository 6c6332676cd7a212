"""A small "host" of ``record_onsets.py``: a folder of logs, a tmpfs volume, a memory cgroup and sampled gauges.

Lighter than ``recorder.host``: no namespaces, because dozens of these run side by side. Limits are real all the same:
blocks and inodes of the volume, memory of the cgroup, descriptors of the process.
"""

from __future__ import annotations

import json
import os
import random
import re
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from recorder.values import stamp

MEMORY_ROOT = Path("/sys/fs/cgroup/memory")
HERE = Path(__file__).resolve().parent
Gauge = Callable[[], dict[str, float]]
#: A unit that fails this often within this time is not started again (StartLimitBurst=, StartLimitIntervalSec=).
START_LIMIT = (6, 300.0)


class Rig:
    """One host. ``dialect`` decides what its metrics are called: ``otel`` or ``prometheus``."""

    def __init__(self, work: Path, take: str, name: str, dialect: str, rng: random.Random, **limits: int) -> None:
        self.name, self.dialect, self.rng = name, dialect, rng
        self.limits = {"disk": 16 * 2**20, "inodes": 1200, "memory": 72 * 2**20, "files": 160} | limits
        self.home, self.logs, self.volume = work / "run" / name, work / "logs" / name, work / "volumes" / name
        for folder in (self.home, self.logs, self.volume):
            folder.mkdir(parents=True)
            folder.chmod(0o777)
        size = f"size={self.limits['disk']},nr_inodes={self.limits['inodes']},mode=777"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(self.volume)], check=True)
        self.group = f"{take}/{name}"
        (MEMORY_ROOT / self.group).mkdir(parents=True)
        (MEMORY_ROOT / self.group / "memory.limit_in_bytes").write_text(str(self.limits["memory"]))
        self.interval = float(rng.choice((1, 2, 2, 5)))
        self.gauges: list[Gauge] = [self.resources]
        self.rows: list[tuple[float, dict[str, float]]] = []
        self.closers: list[Callable[[], Any]] = []
        self.procs: list[subprocess.Popen[Any]] = []
        self.service: Service | None = None
        self.closing = threading.Event()

    # --- logs --------------------------------------------------------------------------------------------------

    def write(self, service: str, line: str) -> None:
        with (self.logs / f"{service}.log").open("a") as file:
            file.write(line + "\n")

    def syslog(self, tag: str, text: str) -> None:
        clock = stamp().replace("Z", "000+00:00")
        self.write("syslog", f"{clock} {self.name} {tag}: {text}")

    # --- processes ---------------------------------------------------------------------------------------------

    def spawn(self, argv: list[str], *, user: str = "", **kw: Any) -> subprocess.Popen[Any]:
        """Start a process inside the limits of this host; it is ended with the host."""
        files = f"prlimit --nofile={self.limits['files']}:{self.limits['files']} "
        drop = f"setpriv --reuid={user} --regid={user} --init-groups " if user else ""
        script = f'echo $$ > {MEMORY_ROOT / self.group}/cgroup.procs; exec {files}{drop}"$@"'
        kw = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT} | kw
        proc = subprocess.Popen(["sh", "-c", script, "sh", *argv], cwd=self.home, start_new_session=True, **kw)
        self.procs.append(proc)
        return proc

    # --- metrics -----------------------------------------------------------------------------------------------

    def resources(self) -> dict[str, float]:
        """Volume, memory and descriptors, from statvfs, the cgroup and /proc."""
        fs, group = os.statvfs(self.volume), MEMORY_ROOT / self.group
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used = int((group / "memory.usage_in_bytes").read_text()) - int(stat["total_inactive_file"])
        files = 0
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                files = max(files, sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()))
        total, free = fs.f_blocks * fs.f_frsize, fs.f_bavail * fs.f_frsize
        if self.dialect == "prometheus":
            return {
                "node_filesystem_avail_bytes": free,
                "node_filesystem_size_bytes": total,
                "node_filesystem_files_free": fs.f_ffree,
                "node_filesystem_files": fs.f_files,
                "container_memory_working_set_bytes": used,
                "container_spec_memory_limit_bytes": self.limits["memory"],
                "process_open_fds": files,
                "process_max_fds": self.limits["files"],
            }
        return {
            "system.filesystem.utilization": round(1 - free / total, 4),
            "system.filesystem.inodes.usage": fs.f_files - fs.f_ffree,
            "system.filesystem.inodes.limit": fs.f_files,
            "system.memory.utilization": round(used / self.limits["memory"], 4),
            "process.open_file_descriptors": files,
            "process.file_descriptors.limit": self.limits["files"],
        }

    def sample_until(self, done: threading.Event) -> None:
        """A row an interval, from a thread of its own. A gauge that fails leaves its cells empty."""
        due = time.monotonic()
        while not done.is_set():
            due += self.interval
            if done.wait(max(0.0, due - time.monotonic())):
                return
            row: dict[str, float] = {}
            moment = time.time()
            for gauge in self.gauges:
                with suppress(Exception):
                    row.update(gauge())
            self.rows.append((moment, row))

    def save_rows(self, path: Path) -> None:
        names = list(dict.fromkeys(name for _, row in self.rows for name in row))
        with path.open("w") as file:
            file.write(",".join(["@timestamp", *names]) + "\n")
            for moment, row in self.rows:
                cells = [_cell(row.get(name)) for name in names]
                file.write(",".join([stamp(moment), *cells]) + "\n")

    def close(self) -> None:
        self.closing.set()
        for closer in reversed(self.closers):
            with suppress(Exception):
                closer()
        for proc in self.procs:
            with suppress(ProcessLookupError):
                os.killpg(proc.pid, signal.SIGKILL)
                os.killpg(proc.pid, signal.SIGCONT)
            proc.wait()
        group = MEMORY_ROOT / self.group
        for _ in range(20):
            with suppress(OSError):
                for pid in (group / "cgroup.procs").read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
                group.rmdir()
                break
            time.sleep(0.1)
        subprocess.run(["umount", "-l", str(self.volume)], check=False)


class Service:
    """A unit of a rig that is restarted when it exits, in systemd's words, with systemd's limit on restarts."""

    def __init__(self, rig: Rig, name: str, title: str, argv: list[str], delay: float = 2.0) -> None:
        self.rig, self.name, self.title, self.argv, self.delay = rig, name, title, argv, delay
        self.proc: subprocess.Popen[Any] | None = None
        self.restarts, self.failed_at = 0, 0.0
        self.exits: deque[float] = deque(maxlen=START_LIMIT[0])
        self.stats: dict[str, float] = {}
        self.lock = threading.Lock()
        self.wanted = False

    def start(self) -> None:
        self.wanted, self.failed_at = True, 0.0
        self.exits.clear()
        threading.Thread(target=self._supervise, daemon=True).start()

    def order(self, **words: Any) -> None:
        """One command to the program; lost when it is just down."""
        proc = self.proc
        with suppress(OSError, ValueError):
            if proc is not None and proc.stdin is not None:
                proc.stdin.write(json.dumps(words) + "\n")
                proc.stdin.flush()

    def stop(self) -> None:
        """An orderly stop (systemctl stop)."""
        self.wanted = False
        if self.proc is not None:
            self.proc.terminate()
            self.proc.wait()

    def _say(self, text: str) -> None:
        self.rig.syslog("systemd[1]", text)

    def _supervise(self) -> None:
        while self.wanted and not self.rig.closing.is_set():
            self._say(f"Started {self.name}.service - {self.title}.")
            self.proc = self.rig.spawn(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert self.proc.stdout is not None
            for line in self.proc.stdout:
                with suppress(ValueError):
                    self.stats = json.loads(line)
            code = self.proc.wait()
            self.stats = {}
            if self.rig.closing.is_set():
                return
            if not self.wanted:
                self._say(f"{self.name}.service: Deactivated successfully.")
                return
            kind = "signal" if code < 0 else "exit-code"
            status = f"killed, status={-code}/KILL" if code < 0 else f"exited, status={code}/FAILURE"
            self._say(f"{self.name}.service: Main process exited, code={status}")
            self._say(f"{self.name}.service: Failed with result '{kind}'.")
            self.exits.append(time.monotonic())
            time.sleep(self.delay)
            self.restarts += 1
            self._say(f"{self.name}.service: Scheduled restart job, restart counter is at {self.restarts}.")
            if len(self.exits) == START_LIMIT[0] and self.exits[-1] - self.exits[0] < START_LIMIT[1]:
                self._say(f"{self.name}.service: Start request repeated too quickly.")
                self._say(f"{self.name}.service: Failed with result '{kind}'.")
                self._say(f"Failed to start {self.name}.service - {self.title}.")
                self.failed_at = time.time()
                return

    def gauge(self) -> dict[str, float]:
        prometheus = self.rig.dialect == "prometheus"
        out: dict[str, float] = {
            "node_systemd_service_restart_total" if prometheus else "systemd.unit.restarts": self.restarts,
            "node_systemd_unit_active" if prometheus else "systemd.unit.active": float(bool(self.stats)),
        }
        if self.stats:
            names = ("http_requests_total", "http_request_errors_total", "http_request_duration_seconds")
            otel = ("http.server.requests", "http.server.errors", "http.server.duration")
            keys = ("requests", "errors", "slowest")
            values = [round(self.stats.get(key, 0.0), 4) for key in keys]
            out.update(zip(names if prometheus else otel, values, strict=True))
        return out


def follow_kernel(rigs: list[Rig], done: threading.Event) -> None:
    """Hand the kernel's reports of out-of-memory kills to the host whose cgroup they name."""
    fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(fd, 0, os.SEEK_END)
    waiting: Rig | None = None
    while not done.is_set():
        if not select.select([fd], [], [], 0.5)[0]:
            continue
        try:
            head, _, rest = os.read(fd, 8192).decode(errors="replace").partition(";")
        except OSError:  # overwritten before we read it
            continue
        text = rest.split("\n", 1)[0]
        line = f"[{int(head.split(',')[2]) / 1e6:12.6f}] {text}"
        if found := re.search(r"task_memcg=/([^,\s]+)", text):
            waiting = next((rig for rig in rigs if rig.group == found.group(1)), None)
            if waiting is not None:
                waiting.syslog("kernel", line.replace(waiting.group, f"system.slice/{waiting.name}"))
        elif "Killed process" in text and waiting is not None:
            waiting.syslog("kernel", line)
            waiting = None
    os.close(fd)


def _cell(value: float | None) -> str:
    """Five digits; a date (seconds since 1970) needs all of its own."""
    if value is None or value != value:
        return ""
    return str(int(value)) if value == int(value) and (abs(value) < 1e5 or 1e9 < value < 3e9) else f"{value:.5g}"
