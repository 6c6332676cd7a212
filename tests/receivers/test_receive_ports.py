"""The protocols with a port of their own, spoken over real sockets as their clients do."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import struct
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgpack
import pytest
from fastapi import FastAPI

from logsense import errors
from logsense.receivers._sockets import SocketOptions, SocketReceiver
from logsense.receivers.fluent_forward import FluentForwardReceiver
from logsense.receivers.gelf import Chunks, GelfHttpReceiver, GelfReceiver, unpack
from logsense.receivers.graphite import GraphiteReceiver, parse_line
from logsense.receivers.lumberjack import LumberjackReceiver
from logsense.receivers.raw_lines import RawLinesReceiver
from logsense.receivers.relp import RelpReceiver
from logsense.receivers.statsd import StatsdReceiver
from logsense.record import MetricPoint, RawEvent
from tests.shippers.run import certificates


class Recorder:
    """Refuses the first ``refusals`` batches."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals, self.lost = refusals, 0
        self.events: list[RawEvent] = []
        self.points: list[MetricPoint] = []

    async def accept(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        if self.refusals:
            self.refusals -= 1
            raise errors.Overloaded("full", retry_after_s=0)
        self.events += events
        self.points += metrics

    def accept_sync(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        raise AssertionError("a receiver runs in the event loop")

    def dropped(self, source: str, count: int) -> None:
        self.lost += count


@asynccontextmanager
async def running(receiver: SocketReceiver, intake: Recorder) -> AsyncIterator[SocketReceiver]:
    task = asyncio.create_task(receiver.run(intake))
    await asyncio.wait_for(receiver.listening.wait(), 5)
    try:
        yield receiver
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def talk(receiver: SocketReceiver, *pieces: bytes, answer: int = 0) -> bytes:
    """Send the pieces one by one, then read ``answer`` bytes (or to the end)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", receiver.ports["tcp"])
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)
    if answer:
        got = await asyncio.wait_for(reader.readexactly(answer), 5)
    else:
        writer.write_eof()
        got = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return got


async def until(holds: Any) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


def send_udp(receiver: SocketReceiver, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for one in datagrams:
            sender.sendto(one, ("127.0.0.1", receiver.ports["udp"]))


def split_everywhere(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


# RELP


async def test_relp_acknowledges_each_message_after_it_was_accepted() -> None:
    intake = Recorder(refusals=2)
    body = b"1 open 30 relp_version=0\ncommands=syslog\n2 syslog 6 <3>one\n3 syslog 7 <3>two\n\n4 close 0\n"
    async with running(RelpReceiver(), intake) as receiver:
        got = await talk(receiver, *split_everywhere(body))
    assert [e.message for e in intake.events] == ["<3>one", "<3>two"]
    assert got.startswith(b"1 rsp ") and b"2 rsp 6 200 OK\n" in got and b"3 rsp 6 200 OK\n" in got
    assert got.endswith(b"4 rsp 0\n0 serverclose 0\n")


async def test_relp_hangs_up_on_what_is_not_relp() -> None:
    intake = Recorder()
    async with running(RelpReceiver(), intake) as receiver:
        assert await talk(receiver, b"GET / HTTP/1.1\r\n" * 10) == b""
        assert await talk(receiver, b"1 syslog 999999999 x") == b""
    assert intake.events == []


# GELF


GELF = {"version": "1.1", "host": "web01", "short_message": "héllo", "timestamp": 1700000000.25, "level": 3,
        "_service": "shop"}  # fmt: skip


async def test_gelf_over_tcp_and_udp() -> None:
    intake = Recorder()
    plain = json.dumps(GELF).encode()
    long = json.dumps({**GELF, "full_message": "x" * 5000}).encode()
    packed = zlib.compress(long)
    pieces = [b"\x1e\x0f" + b"8bytesid" + bytes([n, 3]) + packed[n * 20 : (n + 1) * 20 if n < 2 else None]
              for n in (2, 0, 1)]  # fmt: skip
    async with running(GelfReceiver(), intake) as receiver:
        await talk(receiver, *split_everywhere(plain + b"\0" + plain + b"\0"))
        send_udp(receiver, gzip.compress(plain), zlib.compress(plain), plain, *pieces)
        await until(lambda: len(intake.events) == 6)
        send_udp(receiver, b"\x1e\x0fshort", gzip.compress(plain)[:-9])
        await until(lambda: intake.lost == 2)
    assert [len(e.message) for e in intake.events] == [5, 5, 5, 5, 5, 5000]
    one = intake.events[0].fields
    assert one["host.name"] == "web01" and one["service.name"] == "shop" and one["log.level"] == "error"
    assert one["@timestamp"] == "2023-11-14T22:13:20.250Z"


async def test_gelf_over_http_as_graypy_sends_it() -> None:
    intake, app = Recorder(), FastAPI()
    app.include_router(GelfHttpReceiver().router(intake))
    headers = {"content-encoding": "gzip,deflate"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        packed = zlib.compress(json.dumps(GELF).encode())
        assert (await client.post("/gelf", content=packed, headers=headers)).status_code == 202
        assert (await client.post("/gelf", content=packed[:-6], headers=headers)).status_code == 400
    assert [e.message for e in intake.events] == ["héllo"]


def test_gelf_chunks_are_bounded() -> None:
    chunks = Chunks()
    for number in range(20_000):
        chunks.add(b"\x1e\x0f" + number.to_bytes(8, "big") + b"\x00\x02" + b"x" * 8000, "10.0.0.1")
    assert chunks._bytes <= 64 * 1024**2 + 8000
    with pytest.raises(ValueError, match="too large"):
        unpack(gzip.compress(b" " * 20_000_000))


# Plain lines


async def test_plain_lines_over_tcp_and_udp() -> None:
    intake = Recorder()
    async with running(RawLinesReceiver(), intake) as receiver:
        await talk(receiver, b"one\r\n\n", b'{"msg":"two","host":"h"}\nthr', b"ee")
        await until(lambda: len(intake.events) == 3)
        send_udp(receiver, b"four\nfive\n", b"\xff")
        await until(lambda: len(intake.events) == 6)
    assert [e.message for e in intake.events] == ["one", "two", "three", "four", "five", "\\xff"]
    assert intake.events[1].fields["host.name"] == "h"
    assert intake.events[0].fields["log.source.address"] == "127.0.0.1"
    assert all(e.id for e in intake.events[3:])


async def test_a_line_without_end_does_not_fill_the_memory() -> None:
    intake = Recorder()
    async with running(RawLinesReceiver(SocketOptions(max_message_bytes=1000)), intake) as receiver:
        await talk(receiver, *[b"x" * 700] * 5, b"\nnext\n")
        await until(lambda: len(intake.events) == 2)
    assert [len(e.message) for e in intake.events] == [1000, 4]


async def test_a_client_that_stops_within_a_message_is_let_go_and_an_idle_one_is_not() -> None:
    intake = Recorder()
    async with running(RelpReceiver(SocketOptions(stall_s=0.2)), intake) as receiver:
        idle_reader, idle = await asyncio.open_connection("127.0.0.1", receiver.ports["tcp"])
        reader, writer = await asyncio.open_connection("127.0.0.1", receiver.ports["tcp"])
        writer.write(b"1 syslog 100 begin")
        begin = time.monotonic()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert time.monotonic() - begin < 3
        idle.write(b"1 syslog 4 <3>x\n")
        assert await asyncio.wait_for(idle_reader.readexactly(15), 5) == b"1 rsp 6 200 OK\n"
        writer.close()
        idle.close()


# Fluent forward


async def test_fluent_forward_in_all_modes_with_acknowledgements() -> None:
    intake = Recorder()
    stamp = msgpack.ExtType(0, struct.pack(">II", 1_700_000_000, 250_000_000))
    record = {"log": "hello", "host": "web01", "level": "error"}
    packed = b"".join(msgpack.packb([stamp, record]) for _ in range(2))
    messages = [
        ["app.x", 1_700_000_000, record],
        ["app.x", [[stamp, record], [[stamp, {}], record]], {"chunk": "c1"}],
        ["app.x", packed, {"chunk": "c2"}],
        ["app.x", gzip.compress(packed) + gzip.compress(packed), {"chunk": "c3", "compressed": "gzip"}],
    ]
    data = b"".join(msgpack.packb(m) for m in messages)
    async with running(FluentForwardReceiver(), intake) as receiver:
        got = await talk(receiver, *split_everywhere(data))
    unpacker = msgpack.Unpacker()
    unpacker.feed(got)
    assert list(unpacker) == [{"ack": "c1"}, {"ack": "c2"}, {"ack": "c3"}]
    assert len(intake.events) == 9 and {e.message for e in intake.events} == {"hello"}
    assert intake.events[-1].fields["@timestamp"] == "2023-11-14T22:13:20.250Z"
    assert intake.events[0].fields["host.name"] == "web01" and intake.events[0].fields["fluent.tag"] == "app.x"


@pytest.mark.parametrize("data", [b"\xc1" * 40, msgpack.packb(5), msgpack.packb(["t", b"\xc1"]), b"\x93" * 600])
async def test_fluent_hangs_up_on_garbage(data: bytes) -> None:
    intake = Recorder()
    async with running(FluentForwardReceiver(), intake) as receiver:
        assert await talk(receiver, data) == b""
    assert intake.events == []


# Lumberjack


def lumberjack(*documents: dict[str, Any], first: int = 1) -> bytes:
    frames = b""
    for number, document in enumerate(documents, first):
        body = json.dumps(document).encode()
        frames += b"2J" + struct.pack(">II", number, len(body)) + body
    return frames


async def test_lumberjack_plain_and_compressed() -> None:
    intake = Recorder(refusals=1)
    docs = [{"@timestamp": "2026-01-01T00:00:00Z", "message": f"m{n}", "host": {"name": "web01"}, "@metadata": {}}
            for n in range(4)]  # fmt: skip
    packed = zlib.compress(lumberjack(*docs[2:]))
    data = b"2W" + struct.pack(">I", 2) + lumberjack(*docs[:2])
    data2 = b"2W" + struct.pack(">I", 2) + b"2C" + struct.pack(">I", len(packed)) + packed
    async with running(LumberjackReceiver(), intake) as receiver:
        got = await talk(receiver, data, data2, answer=12)
    assert got == b"2A" + struct.pack(">I", 2) + b"2A" + struct.pack(">I", 2)
    assert [e.message for e in intake.events] == ["m0", "m1", "m2", "m3"]
    assert intake.events[3].fields == {"@timestamp": "2026-01-01T00:00:00Z", "host.name": "web01"}


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"2C\0\0\0\x04abcd", b"2J\0\0\0\x01\xff\xff\xff\xff",
                                  b"2D\0\0\0\x01\xff\xff\xff\xff"])  # fmt: skip
async def test_lumberjack_hangs_up_on_garbage(data: bytes) -> None:
    intake = Recorder()
    async with running(LumberjackReceiver(), intake) as receiver:
        assert await talk(receiver, data) == b""
    assert intake.events == []


# Graphite and StatsD


async def test_graphite_over_tcp_and_udp() -> None:
    intake = Recorder()
    async with running(GraphiteReceiver(), intake) as receiver:
        await talk(receiver, b"load.1m;host=web01;dc=x 1.5 1700000000\nbad\nload -1 -1\n")
        send_udp(receiver, b"a 1 1700000000\nb 2 1700000000")
        await until(lambda: len(intake.points) == 4)
    first = intake.points[0]
    assert (first.name, first.host, first.timestamp_ns, first.value) == ("load.1m", "web01", 17 * 10**17, 1.5)
    assert first.labels == {"dc": "x"} and intake.points[1].host == "127.0.0.1"
    assert parse_line(b"a nan 1700000000", "h") is None and parse_line(b"", "h") is None


async def test_statsd_sums_up() -> None:
    intake = Recorder()
    async with running(StatsdReceiver(every_s=0.2), intake) as receiver:
        send_udp(receiver, b"hits:1|c|@0.5\nhits:1|c\nqueue:5|g\nqueue:+2|g", b"bad", b"x:nan|c")
        send_udp(receiver, b"t:10|ms\nt:30|ms|#host:web01\nu:x|s\nu:y|s")
        await until(lambda: len(intake.points) >= 11)
    values = {(p.name, p.host): p.value for p in intake.points}
    assert values["hits", "127.0.0.1"] == pytest.approx(3 / 0.2) and values["queue", "127.0.0.1"] == 7
    assert values["t.max", "web01"] == 30 and values["u", "127.0.0.1"] == 2
    assert intake.lost == 2


async def test_a_taken_port_is_explained() -> None:
    async with running(RawLinesReceiver(), Recorder()) as receiver:
        second = RawLinesReceiver(SocketOptions(port=receiver.ports["tcp"]))
        with pytest.raises(errors.BadConfig, match="Cannot listen for lines"):
            await second.run(Recorder())


async def test_tls(tmp_path: Path) -> None:
    ca, cert, key = certificates(tmp_path)
    intake = Recorder()
    context = ssl.create_default_context(cafile=str(ca))
    async with running(RawLinesReceiver(SocketOptions(certificate=cert, key=key)), intake) as receiver:
        _, writer = await asyncio.open_connection("localhost", receiver.ports["tcp"], ssl=context)
        writer.write(b"secret\n")
        await until(lambda: len(intake.events) == 1)
        writer.close()
    with pytest.raises(errors.BadConfig, match="certificate"):
        await RawLinesReceiver(SocketOptions(certificate=tmp_path / "nothing.pem")).run(intake)
