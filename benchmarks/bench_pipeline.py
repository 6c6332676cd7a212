"""Lines a second from HTTP to searchable, beside plain Drain3 alone on the same messages in the same run.

    python benchmarks/bench_pipeline.py [--lines 200000] [--clients 2]
    python benchmarks/bench_pipeline.py --lines 2000000           the long form
    python benchmarks/bench_pipeline.py --profile [--lines 60000] where the time goes, step by step, in one process

A client in a process of its own posts to ``/_bulk`` of a real ``logsense serve`` as Filebeat does. The clock runs from
the first request until the server says that nothing waits in its spool and the last line is found by search. CPU
seconds are those of the operating system per process, so they mean the same on a busy machine; peak memory is the
sum of the processes' own peaks. Plain Drain3 (``TemplateMiner`` with its example masks) runs in one thread, on the
messages that the parser takes out of the same lines.
"""

from __future__ import annotations

import argparse
import cProfile
import http.client
import json
import logging
import multiprocessing
import os
import pstats
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import orjson
import psutil

sys.path.insert(0, str(Path(__file__).parent))
from traffic import batches

ROOT = Path(__file__).parent.parent
MARK = "benchmarkends"
BODY_LINES = 1000
ACTION = b'{"create":{"_index":"logs-bench"}}\n'
GIVE_UP_S = 1800


def bodies(count: int, end_ns: int) -> Iterator[tuple[int, bytes]]:
    """(raw bytes of the lines, request body) of about ``BODY_LINES`` documents each."""
    parts: list[bytes] = []
    raw = held = 0
    for stream, first_ns, lines in batches(count, end_ns=end_ns):
        second, rest = divmod(first_ns, 10**9)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)) + f".{rest // 10**6:03d}Z"
        place = {"host": {"name": stream.host}, "log": {"file": {"path": stream.path}}}
        for line in lines:
            raw += len(line.encode()) + 1
            parts.append(ACTION + orjson.dumps({"@timestamp": stamp, "message": line, **place}) + b"\n")
        held += len(lines)
        if held >= BODY_LINES:
            yield raw, b"".join(parts)
            parts, raw, held = [], 0, 0
    end = {"message": f"{MARK} {end_ns}", "host": {"name": "bench"}}
    yield raw, b"".join([*parts, ACTION + orjson.dumps(end) + b"\n"])


def post_all(port: int, folder: Path, number: int, clients: int) -> None:
    """One client: sends every ``clients``-th body, waits and sends again when told to (429), as shippers do."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    files = sorted(folder.glob("*.body"))
    for file in files[number::clients]:
        body = file.read_bytes()
        while True:
            connection.request("POST", "/_bulk", body, {"Content-Type": "application/x-ndjson"})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status == 200:
                assert content.split(b",", 2)[1] == b'"errors":false', content[:300]
                break
            assert answer.status == 429, (answer.status, content[:300])
            time.sleep(float(answer.headers.get("Retry-After", "1")))


class Served:
    """``logsense serve`` on the folder ``data``."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, _free_port()
        config = data.with_suffix(".toml")
        config.write_text("[server]\nhost_metrics_every_s = 0\nsyslog_port = 0\n", encoding="utf-8")
        command = [sys.executable, "-m", "logsense", "serve", "--data", str(data), "--port", str(self.port)]
        self.log = data.with_suffix(".log").open("wb")
        self.process = subprocess.Popen(
            [*command, "--config", str(config)],
            cwd=ROOT,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,  # a signal to this process must not end it before it was asked to stop
            env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        )
        self.wait_ready()

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return bytes(answer.read())

    def wait_ready(self) -> None:
        """Until the worker runs and the models are loaded: what a start costs is not measured here."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                if json.loads(self.get("/readyz"))["ready"]:
                    return
            except (OSError, ValueError):
                pass
            time.sleep(0.2)
        raise SystemExit(f"serve is not ready: {self.data.with_suffix('.log').read_text()[-2000:]}")

    def indexed(self) -> tuple[float, float]:
        """(records in the index, bytes that wait in the spool), from ``/metrics``."""
        found = {"logsense_indexed_lines_total": 0.0, "logsense_spool_bytes": 0.0}
        for line in self.get("/metrics").decode().splitlines():
            name = line.partition("{")[0].partition(" ")[0]
            if name in found:
                found[name] += float(line.rpartition(" ")[2])
        return found["logsense_indexed_lines_total"], found["logsense_spool_bytes"]

    def ends(self) -> bool:
        answer = json.loads(self.get(f"/elasticsearch/_search?q={MARK}&size=1"))
        return bool(answer["hits"]["total"]["value"])

    def processes(self) -> dict[str, psutil.Process]:
        server = psutil.Process(self.process.pid)
        found = {"server": server}
        for number, child in enumerate(server.children(recursive=True)):
            words = child.cmdline()
            name = next((word for word in words if word in ("worker", "parser")), child.name()[:12])
            found[name if name not in found else f"{name}{number}"] = child
        return found

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _peak_mb(process: psutil.Process) -> float:
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def end_to_end(lines: int, clients: int, root: Path) -> float:
    """Lines a second until all is searchable; prints the rest."""
    folder = root / "bodies"
    folder.mkdir()
    raw = 0
    for number, (size, body) in enumerate(bodies(lines, time.time_ns())):
        raw += size
        (folder / f"{number:06}.body").write_bytes(body)
    served = Served(root / "data")
    try:
        watched = served.processes()
        before = {name: _cpu_s(process) for name, process in watched.items()}
        start = time.perf_counter()
        senders = [
            multiprocessing.Process(target=post_all, args=(served.port, folder, number, clients))
            for number in range(clients)
        ]
        for sender in senders:
            sender.start()
        while any(sender.is_alive() for sender in senders):
            time.sleep(0.05)
        assert all(sender.exitcode == 0 for sender in senders)
        sent = time.perf_counter() - start
        while time.perf_counter() - start < GIVE_UP_S:
            if served.indexed()[1] == 0 and served.ends():
                break
            time.sleep(0.5)
        else:
            raise SystemExit("the lines did not become searchable")
        took = time.perf_counter() - start
        used = {name: _cpu_s(process) - before[name] for name, process in watched.items()}
        peaks = {name: _peak_mb(process) for name, process in watched.items()}
        records = served.indexed()[0]
    finally:
        served.stop()
    ratio = size_of(root / "data" / "index") / raw
    print(f"{lines:,} lines ({raw / 1e6:.0f} MB) became {records:,.0f} records")
    print(f"searchable at {lines / took:,.0f} lines/s ({took:.1f} s; accepted at {lines / sent:,.0f} lines/s)")
    print("CPU ms per 1,000 lines: ", end="")
    print(", ".join(f"{name} {seconds / lines * 1e6:.1f}" for name, seconds in used.items()), end="")
    print(f"; together {sum(used.values()) / lines * 1e6:.1f}")
    print("peak memory MB: ", end="")
    print(", ".join(f"{name} {mb:.0f}" for name, mb in peaks.items()), end="")
    print(f"; together {sum(peaks.values()):.0f}")
    print(f"index {ratio:.2f} bytes per raw byte")
    return lines / took


def plain_drain3(lines: int) -> float:
    """Messages a second of Drain3 alone."""
    from bench_mine import plain

    from logsense.parse import Parser
    from logsense.record import RawEvent

    parser = Parser()
    messages: list[str] = []
    for stream, first_ns, texts in batches(lines, end_ns=time.time_ns()):
        fields = {"host.name": stream.host, "log.file.path": stream.path}
        events = [RawEvent(text, "bench", first_ns, dict(fields)) for text in texts]
        messages += [record.message for record in parser.parse(events)]
    run = plain(messages, parameters=False)
    start = time.process_time()
    run()
    return len(messages) / (time.process_time() - start)


def profile(lines: int, root: Path, top: int, sort: str) -> None:
    """Run the server's and the worker's work in this process, and say what each step costs."""
    from logsense.collector import collect_seldom
    from logsense.config import load_settings
    from logsense.front import LocalFront
    from logsense.pipeline import ORDER, Pipeline
    from logsense.receivers.elastic_bulk import parse_bulk
    from logsense.spool import DiskSpool

    collect_seldom()
    spent: dict[str, float] = {}

    def timed(name: str, call):
        def run(*args, **kwargs):
            begin = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                spent[name] = spent.get(name, 0.0) + time.thread_time() - begin

        return run

    made = [body for _, body in bodies(lines, time.time_ns())]
    settings = load_settings(None)
    spool = DiskSpool(root / "spool", settings.section("spool"))
    pipeline = Pipeline(root / "data", settings, models=False)
    front = LocalFront(spool, settings, None, [])
    front._parser.parse = timed("parse", front._parser.parse)
    front._redactor.process = timed("redact", front._redactor.process)
    spool.read = timed("spool read", spool.read)
    pipeline._steps = tuple(
        timed(name, step) for name, step in zip(ORDER, pipeline._steps, strict=True)
    )  # what the worker runs, with a clock around it
    accept, append = timed("receive", parse_bulk), timed("spool write", spool.append)
    commit = timed("commit", pipeline.commit)
    profiler = cProfile.Profile() if top else None
    whole = time.process_time()
    if profiler:
        profiler.enable()
    for at in range(0, len(made), 20):
        for body in made[at : at + 20]:
            events, _, _ = accept(body)
            append(events)
        position = None
        while (parsed := front.read()) is not None:
            parsed.replay = False
            pipeline.take(parsed)
            position = parsed.position
        commit(position)
    if profiler:
        profiler.disable()
    whole = time.process_time() - whole
    pipeline.close()
    spool.close()
    print(f"{lines:,} lines; microseconds of the main thread per line:")
    for name, seconds in spent.items():
        print(f"  {name:12} {seconds / lines * 1e6:6.2f}")
    print(f"  {'sum':12} {sum(spent.values()) / lines * 1e6:6.2f}")
    print(f"  {'all threads':12} {whole / lines * 1e6:6.2f}")
    if profiler:
        pstats.Stats(profiler).sort_stats(sort).print_stats(top)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--profile", action="store_true", help="in one process, step by step")
    parser.add_argument("--top", type=int, default=0, help="with --profile: functions of cProfile to list")
    parser.add_argument("--sort", default="tottime", help="with --top: their order")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    root = Path(tempfile.mkdtemp(prefix="bench-pipeline-"))
    try:
        if options.profile:
            profile(options.lines, root, options.top, options.sort)
            return
        ours = end_to_end(options.lines, options.clients, root)
        peer = plain_drain3(min(options.lines, 50_000))
        print(
            f"plain Drain3 alone, one thread: {peer:,.0f} messages/s; logsense end to end is {ours / peer:.2f} of that"
        )
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
