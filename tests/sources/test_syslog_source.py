"""Syslog over real sockets, with logger(1) and rsyslog where they are installed."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logsense import errors
from logsense.sources.syslog import SyslogOptions, SyslogSource
from logsense.sources.syslog_frames import SyslogFramer

A, B = b"<34>1 2026-01-02T03:04:05Z web1 app - - - hello", b"<13>Oct 11 22:14:15 web1 su: 'su root' failed"


def counted(message: bytes) -> bytes:
    return b"%d %s" % (len(message), message)


def frames(data: bytes, size: int = 0, max_bytes: int = 1000) -> list[bytes]:
    framer = SyslogFramer(max_bytes)
    out = []
    for at in range(0, len(data), size or max(1, len(data))):
        out += framer.feed(data[at : at + (size or len(data))])
    last = framer.close()
    return [frame for frame, _ in [*out, *([last] if last else [])]]


@pytest.mark.parametrize("size", [0, 1, 2, 7])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (A + b"\n" + B + b"\n", [A, B]),
        (A + b"\0" + B + b"\0", [A, B]),
        (A + b"\r\n" + B, [A + b"\r", B]),
        (counted(A) + counted(B), [A, B]),
        (counted(A) + b"\n" + counted(B) + b"\n", [A, B]),
        (counted(A) + B + b"\n" + counted(A), [A, B, A]),
        (counted(A + b"\nsecond line") + counted(B), [A + b"\nsecond line", B]),
        (b"  " + A + b"\n\n\n " + B + b"\n", [A, B]),
        (b"2026 is no length\n12 neither\n7\n" + A, [b"2026 is no length", b"12 neither", b"7", A]),
        (b"99999999999999999999 <x\n" + A, [b"99999999999999999999 <x", A]),
        (counted(A)[:-3], [A[:-3]]),
        (b"", []),
        (b"\n\n\0 ", []),
        (b"12", [b"12"]),
        ("\ufeff".encode() + A + b"\n", ["\ufeff".encode() + A]),
    ],
)
def test_framing(size: int, data: bytes, expected: list[bytes]) -> None:
    assert frames(data, size) == expected


@pytest.mark.parametrize("size", [0, 1, 64])
def test_long_messages_are_cut_and_the_next_is_whole(size: int) -> None:
    long = b"<1>" + b"x" * 500
    assert frames(long + b"\n" + A + b"\n", size, max_bytes=100) == [long[:100], A]
    assert frames(counted(long) + counted(A), size, max_bytes=100) == [long[:100], A]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.integers(1, 50))
def test_counted_frames_carry_any_bytes(bodies: list[bytes], size: int) -> None:
    messages = [b"<1>" + body for body in bodies]
    assert frames(b"".join(map(counted, messages)), size) == messages


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 50))
def test_garbage_never_raises_and_never_grows_the_buffer(data: bytes, size: int) -> None:
    frames(data, size, max_bytes=50)


async def start(running: Callable[..., Any], intake: Any, **options: Any) -> SyslogSource:
    source = SyslogSource(SyslogOptions(**({"udp_port": 0, "tcp_port": 0} | options)))
    running(source, intake)
    await asyncio.wait_for(source.listening.wait(), 5)
    return source


async def test_udp(intake: Any, running: Callable[..., Any]) -> None:
    source = await start(running, intake)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for data in (A, b"", b"\n", b" " + B + b"\n\0", "\ufeff<1>ünï".encode(), b"\xff\xfe\x00bad", b"m" * 60_000):
            sender.sendto(data, ("127.0.0.1", source.ports["udp"]))
    messages = await intake.wait_for(5)
    assert messages == [A.decode(), B.decode(), "<1>ünï", "\\xff\\xfe\x00bad", "m" * 60_000]
    assert intake.events[0].source == "syslog:udp"
    assert intake.events[0].fields == {"log.source.address": "127.0.0.1"}


async def test_udp_that_cannot_be_kept_is_counted(intake: Any, running: Callable[..., Any]) -> None:
    source = await start(running, intake, udp_queue=100)
    intake.refuse = 10**9
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for i in range(3000):
            sender.sendto(b"<1>%d" % i, ("127.0.0.1", source.ports["udp"]))
            if i % 100 == 0:
                await asyncio.sleep(0)
    await asyncio.sleep(0.2)
    intake.refuse = 0
    await asyncio.sleep(0.2)
    assert intake.drops["syslog:udp"] > 0 and intake.events
    assert intake.drops["syslog:udp"] + len(intake.events) == 3000


async def test_udp_in_the_queue_survives_a_stop(intake: Any, running: Callable[..., Any]) -> None:
    source = SyslogSource(SyslogOptions(udp_port=0, tcp_port=None))
    stop = running(source, intake)
    await source.listening.wait()
    intake.refuse = 10**9
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for i in range(50):
            sender.sendto(b"<1>%d" % i, ("127.0.0.1", source.ports["udp"]))
    await asyncio.sleep(0.1)
    intake.refuse = 0
    await stop()
    assert intake.messages() == [f"<1>{i}" for i in range(50)]


async def test_tcp_connections_of_every_framing(intake: Any, running: Callable[..., Any]) -> None:
    source = await start(running, intake)
    for data in (A + b"\n" + B + b"\n", counted(A) + counted(B), A + b"\0" + B + b"\0", A + b"\r\n" + B):
        _, writer = await asyncio.open_connection("127.0.0.1", source.ports["tcp"])
        writer.write(data)
        writer.close()
        await writer.wait_closed()
    assert sorted(await intake.wait_for(8)) == sorted([A.decode(), B.decode()] * 4)


async def test_tcp_waits_while_the_spool_is_full(intake: Any, running: Callable[..., Any]) -> None:
    source = await start(running, intake)
    intake.refuse = 10**9
    _, writer = await asyncio.open_connection("127.0.0.1", source.ports["tcp"])
    lines = [b"<1>%d %s\n" % (i, b"x" * 200) for i in range(20_000)]

    async def send() -> None:
        for at in range(0, len(lines), 100):
            writer.writelines(lines[at : at + 100])
            await writer.drain()

    sending = asyncio.create_task(send())
    await asyncio.sleep(0.3)
    assert not intake.events
    intake.refuse = 0
    await asyncio.wait_for(sending, 10)
    writer.close()
    messages = await intake.wait_for(20_000)
    assert [m.split()[0] for m in messages] == [f"<1>{i}" for i in range(20_000)]


async def test_many_idle_connections(intake: Any, running: Callable[..., Any]) -> None:
    source = await start(running, intake, max_connections=1000)
    writers = []
    for i in range(1000):
        _, writer = await asyncio.open_connection("127.0.0.1", source.ports["tcp"])
        writer.write(b"<1>first of %d\n<1>unfinished" % i)
        writers.append(writer)
    await intake.wait_for(1000)
    reader, extra = await asyncio.open_connection("127.0.0.1", source.ports["tcp"])
    assert await asyncio.wait_for(reader.read(), 5) == b""  # one too many
    extra.close()
    for writer in writers:
        writer.close()
    assert (await intake.wait_for(2000)).count("<1>unfinished") == 1000


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    path = tmp_path / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", tmp_path / "key.pem", "-out", path], check=True, capture_output=True)
    return path


async def test_tls(intake: Any, running: Callable[..., Any], certificate: Path) -> None:
    tls = {"tls_port": 0, "certificate": certificate, "key": certificate.with_name("key.pem")}
    source = await start(running, intake, udp_port=None, tcp_port=None, **tls)
    context = ssl.create_default_context(cafile=certificate)
    _, writer = await asyncio.open_connection(
        "127.0.0.1", source.ports["tls"], ssl=context, server_hostname="localhost"
    )
    writer.write(counted(A) + counted(B))
    await writer.drain()
    writer.close()
    assert await intake.wait_for(2) == [A.decode(), B.decode()]
    assert intake.events[0].source == "syslog:tls"


async def test_start_up_errors_say_what_to_do(intake: Any, certificate: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(errors.BadConfig) as caught:
            await SyslogSource(SyslogOptions(udp_port=None, tcp_port=taken.getsockname()[1])).run(intake)
        assert caught.value.fix and "in use" in caught.value.why
    with pytest.raises(errors.BadConfig, match="needs a certificate"):
        SyslogSource(SyslogOptions(tls_port=0))
    missing = SyslogOptions(udp_port=None, tcp_port=None, tls_port=0, certificate=certificate.with_name("key.pem"))
    with pytest.raises(errors.BadConfig, match="cannot be loaded"):
        await SyslogSource(missing).run(intake)


@pytest.mark.skipif(not shutil.which("logger"), reason="needs logger(1)")
@pytest.mark.parametrize(
    "mode", [["-d", "--rfc5424"], ["-d", "--rfc3164"], ["-T", "--rfc5424"], ["-T", "--rfc5424", "--octet-count"]]
)
async def test_logger(intake: Any, running: Callable[..., Any], mode: list[str]) -> None:
    source = await start(running, intake)
    port = source.ports["udp" if "-d" in mode else "tcp"]
    command = ["logger", "-n", "127.0.0.1", "-P", str(port), *mode, "-t", "myapp", "-p", "local0.warning"]
    for i in range(2):
        process = await asyncio.create_subprocess_exec(*command, f"hello {i} — ünï")
        assert await process.wait() == 0
    messages = await intake.wait_for(2)
    assert all(m.startswith("<132>") and m.endswith(f"hello {i} — ünï") for i, m in enumerate(messages))


RSYSLOG = """
global(workDirectory="{dir}" localHostname="web01.example")
module(load="imuxsock" SysSock.Use="off") input(type="imuxsock" Socket="{dir}/log.sock" CreatePath="on")
action(type="omfwd" protocol="{protocol}" {framing} target="127.0.0.1" port="{port}" template="{template}")
"""


@pytest.mark.skipif(not (shutil.which("logger") and shutil.which("rsyslogd")), reason="needs rsyslogd and logger(1)")
@pytest.mark.parametrize(
    ("protocol", "framing", "template"),
    [
        ("tcp", 'TCP_Framing="octet-counted"', "RSYSLOG_SyslogProtocol23Format"),
        ("tcp", "", "RSYSLOG_TraditionalForwardFormat"),
        ("udp", "", "RSYSLOG_SyslogProtocol23Format"),
    ],
)
async def test_rsyslog(
    intake: Any, running: Callable[..., Any], tmp_path: Path, protocol: str, framing: str, template: str
) -> None:
    source = await start(running, intake)
    config = tmp_path / "r.conf"
    values = {"dir": tmp_path, "protocol": protocol, "framing": framing, "template": template}
    config.write_text(RSYSLOG.format(port=source.ports[protocol], **values))
    rsyslog = await asyncio.create_subprocess_exec("rsyslogd", "-n", "-f", str(config), "-i", str(tmp_path / "r.pid"))
    try:
        async with asyncio.timeout(10):
            while not (tmp_path / "log.sock").exists():
                await asyncio.sleep(0.05)
        for i in range(3):
            logger = await asyncio.create_subprocess_exec(
                "logger", "-u", str(tmp_path / "log.sock"), "-t", "sshd", "-p", "auth.info", f"Failed password {i}"
            )
            await logger.wait()
        await intake.wait_for(3)
    finally:
        rsyslog.terminate()
        await rsyslog.wait()
    messages = [m for m in intake.messages() if "Failed password" in m]
    assert [m[-1] for m in messages] == ["0", "1", "2"] and all(m.startswith("<38>") for m in messages)
