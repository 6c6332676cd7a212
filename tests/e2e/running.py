"""A real ``logsense serve`` in a process group of its own, for tests that talk to it as a stranger would."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Running:
    """``with Running(folder) as server: server.get("/healthz")``. ``kill`` is ``kill -9`` of server and worker."""

    def __init__(self, data: Path, *arguments: str, host_metrics: bool = False, settings: str = "") -> None:
        self.data, self.port, self.arguments = data, free_port(), arguments
        self.syslog_port = free_port()
        self.config = data.parent / f"{data.name}.toml"
        every = 1.0 if host_metrics else 0.0
        self.config.write_text(f"[server]\nhost_metrics_every_s = {every}\n{settings}", encoding="utf-8")
        self.log = (data.parent / f"{data.name}.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Running:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.log.close()

    def start(self, timeout_s: float = 120) -> float:
        """Start and wait until it answers; the seconds that took (2 on a quiet machine)."""
        begin = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "logsense", "serve", "--data", str(self.data), "--port", str(self.port),
             "--syslog-port", str(self.syslog_port), "--config", str(self.config), *self.arguments],
            stdout=self.log, stderr=self.log, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        while time.monotonic() - begin < timeout_s:
            if self.process.poll() is not None:
                raise AssertionError(f"serve ended with {self.process.returncode}: {self.output()}")
            with contextlib.suppress(OSError):
                if self.request("GET", "/healthz")[0] == 200:
                    return time.monotonic() - begin
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"serve does not answer: {self.output()}")

    def start_again(self) -> float:
        """Stop and start; the seconds until it answers."""
        assert self.stop() == 0
        return self.start()

    def cpu_s(self) -> float:
        """CPU seconds that the server process has used so far."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> int:
        """SIGTERM, as a service manager would; the exit code."""
        if self.process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"serve did not end: {self.output()}") from None
        self.process = None
        return code

    def kill(self) -> None:
        """``kill -9`` of the server and of its worker at the same moment."""
        if self.process is None:
            return
        pids = [self.process.pid, *children(self.process.pid)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        deadline = time.monotonic() + 5
        while any(alive(pid) for pid in pids[1:]) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.process = None

    def kill_server(self) -> None:
        """``kill -9`` of the server alone: its worker finds itself without a parent and ends in order."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def kill_worker(self) -> bool:
        """``kill -9`` of the worker alone, which the server starts again; False when none runs just now."""
        pid = self.worker_pid()
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(pid)

    def worker_pid(self) -> int:
        """The worker's process id, 0 while there is none."""
        return next(iter(children(self.process.pid)), 0) if self.process else 0

    def output(self) -> str:
        return Path(self.log.name).read_text(encoding="utf-8", errors="replace")[-3000:]

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 30,
    ) -> tuple[int, bytes]:
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def get(self, path: str) -> Any:
        code, body = self.request("GET", path)
        assert code == 200, f"GET {path}: {code} {body[:500]!r}"
        return json.loads(body)

    def post_lines(self, lines: list[dict[str, Any]]) -> int:
        body = b"\n".join(json.dumps(line).encode() for line in lines)
        return self.request("POST", "/api/v1/logs", body, {"Content-Type": "application/x-ndjson"})[0]

    def wait_for(self, path: str, holds: Any, timeout_s: float = 120) -> Any:
        """Ask until ``holds(answer)``; the last answer."""
        deadline, answer = time.monotonic() + timeout_s, None
        while time.monotonic() < deadline:
            code, body = self.request("GET", path)
            answer = json.loads(body)
            if (code == 200 or (code == 503 and path == "/readyz")) and holds(answer):
                return answer
            time.sleep(0.2)
        raise AssertionError(f"{path} still answers {json.dumps(answer)[:1500]}\n{self.output()}")


def children(pid: int) -> list[int]:
    """Direct children, from /proc."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(p) for p in task.read_text().split()]
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
