"""One-shot readers (files, standard input), recorded metrics, and the host's own."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from logsense import errors
from logsense.record import MetricPoint, RawEvent
from logsense.sources.hostmetrics import HostMetricsOptions, HostMetricsSource
from logsense.sources.metrics_csv import MetricsCsv, MetricsCsvOptions
from logsense.sources.read_file import read_file
from logsense.sources.stdin import StdinOptions, StdinSource


def flat(batches: Any) -> list[RawEvent]:
    return [event for batch in batches for event in batch]


def test_a_file_in_batches_with_stable_ids_and_progress(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(f"line {i}\n" for i in range(2500)) + "last without newline")
    told: list[int] = []
    batches = list(read_file(path, fields={"service.name": "s"}, progress=told.append))
    assert [len(b) for b in batches] == [1000, 1000, 501]
    events = flat(batches)
    assert events[-1].message == "last without newline" and events[0].source == f"file:{path}"
    assert events[0].fields == {"log.file.path": str(path), "service.name": "s"}
    assert sum(told) == path.stat().st_size
    assert [e.id for e in events] == [e.id for e in flat(read_file(path))] and len({e.id for e in events}) == 2501


def test_gzip_is_recognised_by_content(tmp_path: Path) -> None:
    path = tmp_path / "named-like-plain.log"
    path.write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\nthree"))
    told: list[int] = []
    assert [e.message for e in flat(read_file(path, progress=told.append))] == ["one", "two", "three"]
    assert sum(told) == path.stat().st_size


def test_damaged_gzip_gives_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(os.urandom(20_000).hex(" ", 30).replace(" ", "\n").encode())[:-2000])
    events: list[RawEvent] = []
    with pytest.raises(errors.BadInput, match="damaged gzip"):
        for batch in read_file(path):
            events += batch
    assert len(events) > 300


def test_what_cannot_be_read_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(errors.BadInput, match="is a directory"):
        list(read_file(tmp_path))
    with pytest.raises(errors.BadInput, match="does not exist"):
        list(read_file(tmp_path / "none"))
    if os.getuid():
        (tmp_path / "secret").write_text("x")
        (tmp_path / "secret").chmod(0)
        with pytest.raises(errors.BadInput, match="may not be read"):
            list(read_file(tmp_path / "secret"))


def test_empty_and_odd_files(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"")
    assert list(read_file(path)) == []
    path.write_bytes(b"\n\n\r\n  \n")
    assert list(read_file(path)) == []
    path.write_bytes(b"\xff\x00\n" + b"y" * 3_000_000 + b"\nend")
    events = flat(read_file(path, max_line_bytes=1000))
    assert [len(e.message) for e in events] == [5, 1000, 3]
    assert events[1].fields["logsense.truncated_bytes"] == 2_999_000


@pytest.mark.parametrize("data", [b"a\nb\nlast", gzip.compress(b"a\nb\nlast", mtime=0)])
def test_standard_input(data: bytes) -> None:
    code = (
        "from logsense.sources.read_file import read_file as r\nfor b in r('-'): print([(e.message, e.id) for e in b])"
    )
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[('a', None), ('b', None), ('last', None)]"


def test_standard_input_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x\ny\n")))
    assert [e.message for e in flat(read_file("-", source="pipe"))] == ["x", "y"]


async def test_stdin_source_hands_over_at_once(intake: Any, running: Callable[..., Any]) -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as stream:
        running(StdinSource(StdinOptions({"service.name": "s"}), stream), intake)
        os.write(write_end, b"one\ntwo\npart")
        assert await intake.wait_for(2) == ["one", "two"]
        intake.refuse = 2
        os.write(write_end, b" three\nrest")
        os.close(write_end)
        assert await intake.wait_for(4) == ["one", "two", "part three", "rest"]
    assert intake.events[0].fields == {"service.name": "s"}


async def test_stdin_source_takes_a_file_and_ends(tmp_path: Path, intake: Any) -> None:
    (tmp_path / "in").write_bytes(b"a\n" * 100_000)
    with (tmp_path / "in").open("rb") as stream:
        await asyncio.wait_for(StdinSource(stream=stream).run(intake), 10)
    assert len(intake.events) == 100_000


CSV = """@timestamp,system.cpu.utilization,"system.disk.utilization{mountpoint=/data,device=sda}",odd
2026-01-02T03:04:05.250Z,0.5,0.25,
2026-01-02T03:04:06.250Z,,0.26,not a number
not a time,1,2,3
2026-01-02T04:04:07+01:00,nan,0.27

1767323048.5,0.7
9999-12-31T00:00:00Z,1
99999999999,1
"""


def test_recorded_metrics(tmp_path: Path) -> None:
    (tmp_path / "db1.csv").write_text(CSV)
    (tmp_path / "web1.csv").write_bytes(gzip.compress(b"\xef\xbb\xbftimestamp,load\r\n2026-01-02T03:04:05Z,1e3\r\n"))
    reader = MetricsCsv(MetricsCsvOptions(str(tmp_path / "{host}.csv")))
    told: list[int] = []
    points = [p for batch in reader.read(progress=told.append) for p in batch]
    base = 1767323045 * 10**9
    labels = {"mountpoint": "/data", "device": "sda"}
    assert points == [
        MetricPoint("system.cpu.utilization", "db1", base + 250_000_000, 0.5),
        MetricPoint("system.disk.utilization", "db1", base + 250_000_000, 0.25, labels),
        MetricPoint("system.disk.utilization", "db1", base + 1_250_000_000, 0.26, labels),
        MetricPoint("system.disk.utilization", "db1", base + 2 * 10**9, 0.27, labels),
        MetricPoint("system.cpu.utilization", "db1", base + 3_500_000_000, 0.7),
        MetricPoint("load", "web1", base, 1000.0),
    ]
    assert reader.skipped == 4
    assert sum(told) == sum(p.stat().st_size for p in tmp_path.iterdir())


def test_a_csv_of_another_kind_is_refused(tmp_path: Path) -> None:
    for content in ("", "name,value\na,1\n", "@timestamp\n", "\x00\xff"):
        (tmp_path / "x.csv").write_text(content)
        with pytest.raises(errors.BadInput, match="no metrics CSV"):
            list(MetricsCsv().read(tmp_path / "x.csv"))


async def test_host_metrics_agree_with_the_kernel(intake: Any, running: Callable[..., Any]) -> None:
    running(HostMetricsSource(HostMetricsOptions(every_s=0.2, host="me")), intake)
    async with asyncio.timeout(10):
        while sum(p.name == "system.cpu.utilization" for p in intake.points) < 2:
            await asyncio.sleep(0.02)
    points = {(p.name, *p.labels.values()): p for p in intake.points}
    assert {p.host for p in intake.points} == {"me"}
    for name in ("system.cpu.utilization", "system.memory.utilization"):
        assert all(0 <= p.value <= 1 for p in intake.points if p.name == name)
    memory = psutil.virtual_memory()
    assert points["system.memory.utilization",].value == pytest.approx(1 - memory.available / memory.total, abs=0.1)
    assert points["process.count",].value == pytest.approx(len(psutil.pids()), rel=0.5)
    assert points["process.open_fds",].value > 10
    assert any(p.name == "system.disk.utilization" and p.labels["mountpoint"] for p in intake.points)
    assert {"system.load.1m", "tcp.connections.established", "system.memory.usage"} <= {p.name for p in intake.points}


def test_open_connections_are_counted() -> None:
    source = HostMetricsSource()

    def established() -> float:
        return next(p.value for p in source.measure() if p.name == "tcp.connections.established")

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        before = established()
        for _ in range(20):
            stack.enter_context(socket.create_connection(server.getsockname()))
            stack.enter_context(server.accept()[0])
        assert established() >= before + 30
