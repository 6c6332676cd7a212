"""Fuzzes a real server for a while: ``make fuzz`` (``FUZZ_SECONDS=600``).

Every HTTP receiver, every port of its own over TCP and UDP, OTLP over gRPC, and (by schemathesis) every operation of
the OpenAPI document, in turns. It fails on an answer of 5xx, a server or worker that ends, a traceback in the log, a
good record that is no longer accepted, and on memory that grows without bound.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable

from logsense import registry
from tests.e2e.running import Running, free_port
from tests.fuzz.mutate import bomb
from tests.fuzz.requests import DATAGRAMS, GRPC, HTTP, STREAMS, Request, http_requests

ROUND = 60  # examples of one target in a turn
GROWTH_MB = 700  # a bomb may unpack to 256 MB, and a few requests are at work at a time


class Found(Exception):
    """What must not happen."""


class Target:
    """The server with all ports open, and what was sent to it so far."""

    def __init__(self, folder: Path) -> None:
        self.ports = {name: free_port() for name in registry.PORTS}
        lines = "".join(f"{name} = {port}\n" for name, port in self.ports.items())
        self.server = Running(folder / "data", settings=f"[ports]\n{lines}")
        self.sent: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self.peak = {"server": 0.0, "worker": 0.0}
        self._log_at = 0

    def http(self, name: str, request: Request) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            headers = {key: value.encode("latin-1", "replace") for key, value in request.headers.items()}
            connection.request(request.method, request.path, request.body, headers)  # type: ignore[arg-type]
            status = connection.getresponse().status
        finally:
            connection.close()
        self.sent[name] += 1
        self.answers[status] += 1
        if status >= 500:
            raise Found(f"{name}: {request.method} {request.path} is answered with {status}: {request.body[:300]!r}")

    def stream(self, name: str, data: bytes) -> None:
        port = self.server.syslog_port if name == "syslog" else self.ports[name]
        self.sent[f"{name}:tcp"] += 1
        with socket.create_connection(("127.0.0.1", port), 30) as link, contextlib.suppress(OSError):
            link.sendall(data)
            link.shutdown(socket.SHUT_WR)
            while link.recv(65536):
                pass

    def datagram(self, name: str, data: bytes) -> None:
        port = self.server.syslog_port if name == "syslog" else self.ports[name]
        self.sent[f"{name}:udp"] += 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.sendto(data[:60_000], ("127.0.0.1", port))

    def grpc(self, method: str, data: bytes) -> None:
        import grpc

        self.sent["otlp_grpc"] += 1
        with grpc.insecure_channel(f"127.0.0.1:{self.ports['otlp_grpc']}") as channel:
            try:
                channel.unary_unary(method)(data, timeout=30)
            except grpc.RpcError as error:
                if error.code() in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE):
                    raise Found(f"{method}: {error.code()} {error.details()}: {data[:300]!r}") from error

    def bomb(self, data: bytes) -> None:
        for path in ("/api/v1/logs", "/_bulk", "/v1/logs", "/services/collector", "/gelf", "/write", "/collectd"):
            headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
            self.http("bomb", Request(path, data, headers))

    def check(self) -> None:
        """Still well: alive, no traceback, and a good record is accepted."""
        process = self.server.process
        if process is None or process.poll() is not None:
            raise Found(f"the server ended: {self.server.output()}")
        with Path(self.server.log.name).open("rb") as log:
            log.seek(self._log_at)
            news = log.read().decode("utf-8", "replace")
            self._log_at = log.tell()
        if "Traceback" in news or "worker ended" in news:
            raise Found(f"in the log: {news[-4000:]}")
        if self.server.post_lines([{"message": "a good record"}]) != 200:
            raise Found("a good record is refused")
        for name, now in self.memory("VmHWM").items():
            self.peak[name] = max(self.peak[name], now)

    def memory(self, field: str = "VmRSS") -> dict[str, float]:
        """Resident megabytes of the two processes now, or with ``VmHWM`` the most that they ever had."""
        assert self.server.process is not None
        return {
            "server": memory_mb(self.server.process.pid, field),
            "worker": memory_mb(self.server.worker_pid(), field),
        }


def memory_mb(pid: int, field: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    return 0.0


def rounded(megabytes: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.0f}" for name, value in megabytes.items())


def examples(strategy: Any, do: Callable[[Any], None], turn: int) -> None:
    @seed(turn)
    @settings(max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(value: Any) -> None:
        do(value)

    run()


def openapi(target: Target, turn: int) -> None:
    """Operations of the API's own description, with parameters that fit it and that do not."""
    import schemathesis

    schema = schemathesis.openapi.from_url(f"{target.server.url}/openapi.json")
    for result in schema.get_all_operations():
        operation = result.ok()

        def call(case: Any) -> None:
            answer = case.call(timeout=60)
            target.sent["openapi"] += 1
            target.answers[answer.status_code] += 1
            # /readyz answers 503 by design while the worker starts.
            if answer.status_code >= 500 and case.path != "/readyz":
                raise Found(f"{case.method} {answer.url}: {answer.status_code} {answer.text[:300]}")

        for mode in schemathesis.GenerationMode:
            with contextlib.suppress(Unsatisfiable):  # an operation without parameters cannot be asked wrongly
                examples(operation.as_strategy(generation_mode=mode), call, turn)


def targets(target: Target, packed: bytes) -> list[tuple[str, Callable[[int], None]]]:
    found: list[tuple[str, Callable[[int], None]]] = []
    for name in HTTP:
        found.append((name, lambda turn, n=name: examples(http_requests(n), lambda r: target.http(n, r), turn)))
    for name, strategy in STREAMS.items():
        found.append((f"{name}:tcp", lambda turn, n=name, s=strategy: examples(s, lambda d: target.stream(n, d), turn)))
    for name, strategy in DATAGRAMS.items():
        found.append((f"{name}:udp", lambda t, n=name, s=strategy: examples(s, lambda d: target.datagram(n, d), t)))
    for method, strategy in GRPC.items():
        found.append((method, lambda turn, m=method, s=strategy: examples(s, lambda d: target.grpc(m, d), turn)))
    found.append(("bombs", lambda turn: target.bomb(packed)))
    found.append(("openapi", lambda turn: openapi(target, turn)))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("-k", default="", help="only targets whose name contains this")
    arguments = parser.parse_args()
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="logsense-fuzz-") as folder:
        target = Target(Path(folder))
        with target.server as server:
            server.wait_for("/readyz", lambda a: a["ready"] and a["checks"]["models"] != "loading", 120)
            assert server.process is not None
            begin, start = time.monotonic(), target.memory()
            # What the first turn needs (models at work, buffers of the index) is no growth yet.
            warm: dict[str, float] = {}
            chosen = [item for item in targets(target, bomb(1024)) if arguments.k in item[0]]
            turn = arguments.seed
            while time.monotonic() - begin < arguments.seconds and len(problems) < 20:
                for name, run in chosen:
                    if time.monotonic() - begin >= arguments.seconds:
                        break
                    try:
                        run(turn)
                        target.check()
                    except (Found, AssertionError, ExceptionGroup, OSError, http.client.HTTPException) as error:
                        problems.append(f"{name} (seed {turn}): {type(error).__name__}: {error}"[:5000])
                        print(f"FOUND {problems[-1]}", flush=True)
                warm = warm or dict(target.peak)
                print(f"turn {turn}: {time.monotonic() - begin:.0f} s, MB {rounded(target.memory())}", flush=True)
                turn += 1
            server.wait_for("/readyz", lambda a: a["checks"]["spool"]["backlog_bytes"] == 0, 120)
            end = target.memory()
        print(f"seed {arguments.seed}, {time.monotonic() - begin:.0f} s, {sum(target.sent.values())} requests")
        print(", ".join(f"{name} {count}" for name, count in sorted(target.sent.items())))
        print(f"answers: {dict(sorted(target.answers.items()))}")
        print(f"MB: start {rounded(start)}, after the first turn at most {rounded(warm)}, "
              f"peak {rounded(target.peak)}, end {rounded(end)}")  # fmt: skip
        for name, before in warm.items():
            if target.peak[name] - before > GROWTH_MB:
                problems.append(f"the {name} grew from {before:.0f} to {target.peak[name]:.0f} MB")
                print(f"FOUND {problems[-1]}")
    print(f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
