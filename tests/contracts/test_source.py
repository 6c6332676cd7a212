"""What every ``Source`` does; see ``logsense.stages.Source``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from logsense import errors, registry
from logsense.receivers._sockets import SocketOptions
from logsense.record import MetricPoint, RawEvent
from logsense.sources.hostmetrics import HostMetricsOptions, HostMetricsSource
from logsense.sources.stdin import StdinSource
from logsense.sources.syslog import SyslogOptions, SyslogSource
from logsense.sources.tail import TailOptions, TailSource


class Recorder:
    """Refuses the first ``refusals`` batches."""

    def __init__(self, refusals: int) -> None:
        self.refusals = self.refused = refusals
        self.kept: list[RawEvent | MetricPoint] = []

    async def accept(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        await asyncio.sleep(0)
        if self.refusals:
            self.refusals -= 1
            raise errors.Overloaded("full", retry_after_s=0)
        self.kept += [*events, *metrics]

    def accept_sync(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        raise AssertionError("a source runs in the event loop")

    def dropped(self, source: str, count: int) -> None: ...


Feed = Callable[[], Any]


def tail(folder: Path, stack: contextlib.ExitStack) -> tuple[Any, Feed]:
    path = folder / "a.log"
    options = TailOptions((str(path),), folder / "positions.json", poll_interval_s=0.01, discover_interval_s=0.02)

    async def feed() -> None:
        with path.open("ab") as file:
            file.write(b"one\n\xff\x00 odd\n")

    return TailSource(options), feed


def stdin(folder: Path, stack: contextlib.ExitStack) -> tuple[Any, Feed]:
    read_end, write_end = os.pipe()
    stack.callback(os.close, write_end)

    async def feed() -> None:
        os.write(write_end, b"one\n\xff\x00 odd\n")

    return StdinSource(stream=stack.enter_context(os.fdopen(read_end, "rb"))), feed


def syslog(folder: Path, stack: contextlib.ExitStack) -> tuple[Any, Feed]:
    source = SyslogSource(SyslogOptions(udp_port=0, tcp_port=0))

    async def feed() -> None:
        await asyncio.wait_for(source.listening.wait(), 5)
        with socket.create_connection(("127.0.0.1", source.ports["tcp"])) as connection:
            connection.sendall(b"<1>one\n<2>\xff odd")

    return source, feed


def port(name: str, data: bytes) -> Any:
    """A protocol with a port of its own; ``data`` holds two entries."""

    def make(folder: Path, stack: contextlib.ExitStack) -> tuple[Any, Feed]:
        receiver = registry.load(registry.PORTS[name])(SocketOptions())

        async def feed() -> None:
            await asyncio.wait_for(receiver.listening.wait(), 5)
            connection = socket.create_connection(("127.0.0.1", receiver.ports["tcp"]))
            stack.callback(connection.close)
            connection.sendall(data)

        return receiver, feed

    make.__name__ = name
    return make


PORTS = {
    "relp": b"1 syslog 3 one\n2 syslog 4 \xff od\n",
    "gelf": b'{"short_message":"one"}\0\xff odd\0',
    "lines": b"one\n\xff odd\n",
    "fluent": b"\x93\xa1t\x01\x81\xa3log\xa3one" * 2,
    "lumberjack": b'2J\0\0\0\1\0\0\0\x0b{"msg":"a"}' + b"2J\0\0\0\2\0\0\0\x02\xff!",
    "graphite": b"a;host=h 1\nb;host=h 2\n",
}


def test_every_port_is_in_this_suite_or_has_one_of_its_own() -> None:
    assert set(registry.PORTS) == set(PORTS) | {"statsd", "otlp_grpc"}


@pytest.mark.parametrize("name", PORTS)
async def test_a_client_may_be_idle_between_messages_but_not_within_one(name: str) -> None:
    receiver = registry.load(registry.PORTS[name])(SocketOptions(stall_s=0.2))
    intake = Recorder(0)
    task = asyncio.create_task(receiver.run(intake))
    await asyncio.wait_for(receiver.listening.wait(), 5)
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.ports["tcp"])
    writer.write(PORTS[name])
    await asyncio.sleep(0.6)
    assert len(intake.kept) == 2 and not reader.at_eof()
    writer.write(PORTS[name])
    await asyncio.sleep(0.1)
    assert len(intake.kept) == 4
    await asyncio.sleep(0.05)
    writer.write(PORTS[name][:5])
    async with asyncio.timeout(5):
        while await reader.read(1000):
            pass
    writer.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def hostmetrics(folder: Path, stack: contextlib.ExitStack) -> tuple[Any, Feed]:
    async def feed() -> None: ...

    return HostMetricsSource(HostMetricsOptions(every_s=0.05)), feed


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as one:
        yield one


IMPLEMENTATIONS = (tail, stdin, syslog, hostmetrics, *(port(name, data) for name, data in PORTS.items()))


@pytest.mark.parametrize("make", IMPLEMENTATIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("refusals", [0, 3])
async def test_everything_arrives_though_the_spool_was_full(
    make: Any, refusals: int, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    source, feed = make(tmp_path, stack)
    intake = Recorder(refusals)
    assert source.name.isidentifier()
    task = asyncio.create_task(source.run(intake))
    await feed()
    async with asyncio.timeout(10):
        while len(intake.kept) < 2:
            assert not task.done() or task.result() is None
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert intake.refusals == 0
    for one in intake.kept:
        if isinstance(one, RawEvent):
            assert one.message and one.source and one.received_ns > 10**18
            one.message.encode()  # plain text: no surrogates
        else:
            assert one.name and one.host and one.timestamp_ns > 10**18


@pytest.mark.parametrize("make", IMPLEMENTATIONS, ids=lambda f: f.__name__)
async def test_it_ends_when_cancelled_also_while_it_waits_for_room(
    make: Any, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    source, feed = make(tmp_path, stack)
    task = asyncio.create_task(source.run(Recorder(10**9)))
    await feed()
    await asyncio.sleep(0.15)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
