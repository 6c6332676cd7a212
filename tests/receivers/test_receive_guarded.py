"""Ports without API keys: networks, certificates, the shared key of Fluent forward, limits, whose lines they are."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import socket
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgpack
import pytest

from logsense import errors
from logsense.caller import Caller
from logsense.gate import Gate, certificate_names
from logsense.limits import Limiter, LimitOptions
from logsense.receivers._sockets import SocketOptions, SocketReceiver
from logsense.receivers.fluent_forward import FluentForwardReceiver
from logsense.receivers.gelf import GelfReceiver
from logsense.receivers.raw_lines import RawLinesReceiver
from logsense.receivers.relp import RelpReceiver
from logsense.record import MetricPoint, RawEvent
from logsense.sources.syslog import SyslogOptions, SyslogSource
from tests.receivers.test_receive_ports import Recorder, running, talk, until
from tests.shippers.run import certificates

KEY = "a shared secret"


class Doors:
    """What a gate hands over to: remembers who sent what, and keeps the limits as the server does."""

    def __init__(self, limits: LimitOptions | None = None) -> None:
        self.limiter = Limiter(limits or LimitOptions())
        self.kept: list[tuple[Caller, str]] = []
        self.lost: dict[str, int] = {}
        self.refused = 0

    def gate(self, *networks: str, tenant: str = "default", certificates: dict[str, str] | None = None) -> Gate:
        allowed = [ipaddress.ip_network(one) for one in networks]
        return Gate(self.door, self.limiter, networks=allowed, tenant=tenant, certificates=certificates)

    def door(self, caller: Caller) -> Any:
        doors = self

        class Door:
            async def accept(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
                if caller.source:
                    try:
                        doors.limiter.check(caller.source, len(events), 1)
                    except errors.Overloaded:
                        doors.refused += 1
                        raise
                doors.kept += [(caller, event.message) for event in events]

            def dropped(self, source: str, count: int) -> None:
                doors.lost[source] = doors.lost.get(source, 0) + count

        return Door()


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A CA, a server certificate, a client certificate of ``client-7``, and one of a CA that nobody trusts."""
    folder = tmp_path_factory.mktemp("pki")
    ca, cert, key = certificates(folder)
    made = {"ca": ca, "cert": cert, "key": key, "client": folder / "client.pem", "stranger": folder / "stranger.pem"}

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    request, private, signed = (str(folder / n) for n in ("c.csr", "c.key", "c.pem"))
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=client-7", "-keyout", private, "-out", request)
    openssl("x509", "-req", "-days", "2", "-in", request, "-CA", str(ca), "-CAkey", str(folder / "ca.key"),
            "-CAcreateserial", "-out", signed)  # fmt: skip
    made["client"].write_text(Path(signed).read_text() + Path(private).read_text())
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=client-7",
            "-keyout", private, "-out", signed)  # fmt: skip
    made["stranger"].write_text(Path(signed).read_text() + Path(private).read_text())
    return made


def trusting(pki: dict[str, Path], own: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(pki["ca"]))
    if own:
        context.load_cert_chain(pki[own])
    return context


def send_udp(port: int, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for one in datagrams:
            sender.sendto(one, ("127.0.0.1", port))


async def deliver(port: int, data: bytes) -> bytes:
    """The answer to a whole connection; nothing when it was closed on us."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    except ConnectionError:
        return b""
    return answer


# networks


@pytest.mark.parametrize(("networks", "address", "admitted"), [
    ((), "203.0.113.9", True), (("10.0.0.0/8",), "10.1.2.3", True), (("10.0.0.0/8",), "11.1.2.3", False),
    (("10.0.0.0/8",), "::ffff:10.1.2.3", True), (("fd00::/8",), "fd00::1", True), (("fd00::/8",), "10.1.2.3", False),
    (("10.0.0.0/8", "192.0.2.7/32"), "192.0.2.7", True), (("10.0.0.0/8",), "", False), (("10.0.0.0/8",), "x", False),
    (("fe80::/10",), "fe80::1%eth0", True),
])  # fmt: skip
def test_networks(networks: tuple[str, ...], address: str, admitted: bool) -> None:
    assert Doors().gate(*networks).admits(address) == admitted


async def test_who_is_in_no_allowed_network_is_not_read_over_tcp_and_counted_over_udp() -> None:
    doors = Doors()
    options = SocketOptions(gate=doors.gate("10.0.0.0/8"))
    async with running(RawLinesReceiver(options), Recorder()) as receiver:
        assert await deliver(receiver.ports["tcp"], b"let me in\n") == b""
        send_udp(receiver.ports["udp"], b"let me in")
        await until(lambda: doors.lost == {"lines:udp (not allowed)": 1})
    assert doors.kept == []
    options = SocketOptions(gate=doors.gate("127.0.0.0/8", tenant="team-a"))
    async with running(RawLinesReceiver(options), Recorder()) as receiver:
        await talk(receiver, b"tcp\n")
        send_udp(receiver.ports["udp"], b"udp")
        await until(lambda: len(doors.kept) == 2)
    assert {(caller.tenant, message) for caller, message in doors.kept} == {("team-a", "tcp"), ("team-a", "udp")}


async def test_the_same_for_syslog() -> None:
    doors = Doors()
    for gate, kept in ((doors.gate("10.0.0.0/8"), 0), (doors.gate("127.0.0.0/8", tenant="team-a"), 2)):
        source = SyslogSource(SyslogOptions(udp_port=0, tcp_port=0, gate=gate))
        async with running(source, Recorder()):  # type: ignore[arg-type]
            assert await deliver(source.ports["tcp"], b"<13>tcp\n") == b""
            send_udp(source.ports["udp"], b"<13>udp")
            await until(lambda kept=kept: len(doors.kept) == kept and (kept or doors.lost))
    assert doors.lost == {"syslog:udp (not allowed)": 1}
    assert {caller.tenant for caller, _ in doors.kept} == {"team-a"}


# client certificates


async def over_tls(port: int, context: ssl.SSLContext, data: bytes) -> bytes:
    """The answer; with TLS 1.3 a refused certificate shows only when something is read."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        writer.write(data)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(1000), 10)
        writer.close()
    except (OSError, ssl.SSLError):
        return b""
    return answer


async def test_relp_takes_only_certificates_of_the_authority_and_the_tenant_is_the_certificates(
    pki: dict[str, Path],
) -> None:
    doors = Doors()
    gate = doors.gate(certificates={"client-7": "team-b"})
    options = SocketOptions(certificate=pki["cert"], key=pki["key"], client_ca=pki["ca"], gate=gate)
    message = b"1 open 0\n2 syslog 5 <3>hi\n"
    async with running(RelpReceiver(options), Recorder()) as receiver:
        assert await over_tls(receiver.ports["tcp"], trusting(pki), message) == b""
        assert await over_tls(receiver.ports["tcp"], trusting(pki, "stranger"), message) == b""
        assert doors.kept == []
        assert b"200 OK" in await over_tls(receiver.ports["tcp"], trusting(pki, "client"), message)
        await until(lambda: doors.kept)
    assert [(c.tenant, c.source, m) for c, m in doors.kept] == [("team-b", "client-7", "<3>hi")]


async def test_syslog_over_tls_with_client_certificates(pki: dict[str, Path]) -> None:
    doors = Doors()
    source = SyslogSource(
        SyslogOptions(udp_port=None, tcp_port=None, tls_port=0, certificate=pki["cert"], key=pki["key"],
                      client_ca=pki["ca"], gate=doors.gate(certificates={"client-7": "team-b"}))
    )  # fmt: skip
    async with running(source, Recorder()):  # type: ignore[arg-type]
        assert await over_tls(source.ports["tls"], trusting(pki), b"<13>no\n") == b""
        context = trusting(pki, "client")
        _, writer = await asyncio.open_connection(
            "127.0.0.1", source.ports["tls"], ssl=context, server_hostname="localhost"
        )
        writer.write(b"<13>yes\n")
        await writer.drain()
        await until(lambda: doors.kept)
        writer.close()
    assert [(c.tenant, m) for c, m in doors.kept] == [("team-b", "<13>yes")]


def test_names_of_a_certificate() -> None:
    certificate = {
        "subject": ((("organizationName", "x"),), (("commonName", "a"),)),
        "subjectAltName": (("DNS", "b.example"), ("IP Address", "10.0.0.1"), ("DNS", "a")),
    }
    assert certificate_names(certificate) == ["a", "b.example"]
    assert certificate_names(None) == []


# Fluent forward


class Forward:
    """A client of the forward protocol, by the book."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.unpacker = msgpack.Unpacker(raw=False, unicode_errors="surrogateescape")

    async def __aenter__(self) -> Forward:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def read(self) -> Any:
        while True:
            for message in self.unpacker:
                return message
            data = await asyncio.wait_for(self.reader.read(4096), 10)
            if not data:
                return None
            self.unpacker.feed(data)

    async def send(self, message: Any) -> None:
        self.writer.write(msgpack.packb(message))
        await self.writer.drain()

    async def log_in(self, key: str, user: str = "", password: str = "") -> Any:
        kind, options = await self.read()
        assert kind == "HELO"
        self.nonce, auth = raw(options["nonce"]), raw(options["auth"])
        self.salt = b"\xff\x00salt"
        digest = hashlib.sha512(self.salt + b"client" + self.nonce + key.encode()).hexdigest()
        secret = hashlib.sha512(auth + user.encode() + password.encode()).hexdigest() if auth else ""
        await self.send(["PING", "client", self.salt, digest, user, secret])
        return await self.read()


def raw(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


async def test_fluent_forward_with_a_shared_key() -> None:
    doors = Doors()
    async with running(FluentForwardReceiver(SocketOptions(gate=doors.gate()), KEY), Recorder()) as receiver:
        async with Forward(receiver.ports["tcp"]) as good:
            pong = await good.log_in(KEY)
            assert pong[:3] == ["PONG", True, ""]
            proof = hashlib.sha512(good.salt + pong[3].encode() + good.nonce + KEY.encode()).hexdigest()
            assert pong[4] == proof  # the server proves that it knows the key, too
            await good.send(["app", [[1_772_330_400, {"message": "one"}]], {"chunk": "c1"}])
            assert await good.read() == {"ack": "c1"}
        async with Forward(receiver.ports["tcp"]) as wrong:
            assert (await wrong.log_in("another"))[:3] == ["PONG", False, "shared_key mismatch"]
            assert await wrong.read() is None  # closed
        async with Forward(receiver.ports["tcp"]) as silent:
            await silent.read()
            await silent.send(["app", [[1_772_330_400, {"message": "two"}]], {"chunk": "c2"}])
            assert await silent.read() is None
    assert [m for _, m in doors.kept] == ["one"]


async def test_fluent_forward_with_users() -> None:
    doors = Doors()
    receiver = FluentForwardReceiver(SocketOptions(gate=doors.gate()), KEY, {"ann": "pw"})
    async with running(receiver, Recorder()):
        for user, password, passed in (
            ("ann", "pw", True),
            ("ann", "no", False),
            ("bob", "pw", False),
            ("", "", False),
        ):
            async with Forward(receiver.ports["tcp"]) as one:
                assert (await one.log_in(KEY, user, password))[1] is passed
    assert doors.kept == []


@pytest.mark.parametrize("message", [["PING"], ["PING", 1, 2, 3, 4, 5], None, {"a": 1}, ["PONG"] * 6, "PING"])
async def test_fluent_forward_hangs_up_on_a_broken_handshake(message: Any) -> None:
    async with running(FluentForwardReceiver(None, KEY), Recorder()) as receiver, Forward(receiver.ports["tcp"]) as one:
        await one.read()
        await one.send(message)
        assert await one.read() is None


# limits


def test_a_bucket_fills_by_the_second_and_takes_large_requests_when_full() -> None:
    now = [0.0]
    limiter = Limiter(LimitOptions(lines_per_s=10, burst_s=2, exempt=("friend",)), clock=lambda: now[0])
    assert limiter.take("a", 20, 0) == 0  # the burst
    assert limiter.take("a", 1, 0) == pytest.approx(0.1)
    assert limiter.take("b", 20, 0) == 0  # another source has its own
    assert limiter.take("friend", 10_000, 0) == 0
    now[0] = 1.0
    assert limiter.take("a", 10, 0) == 0
    now[0] = 3.0
    assert limiter.take("a", 100, 0) == 0  # larger than the burst: taken when full …
    assert limiter.take("a", 1, 0) == pytest.approx(8.1)  # … and paid for afterwards
    limiter.give_back("a", 100, 0)
    assert limiter.take("a", 20, 0) == 0
    now[0] = 0.0  # the clock went back
    assert limiter.take("a", 1, 0) > 0
    with pytest.raises(errors.Overloaded) as refusal:
        limiter.check("a", 20, 0)
    assert refusal.value.retry_after_s >= 2 and "10 lines/s" in refusal.value.why


def test_bytes_are_limited_too_and_nothing_is_by_default() -> None:
    assert Limiter(LimitOptions()).take("a", 10**9, 10**12) == 0
    limiter = Limiter(LimitOptions(bytes_per_s=100, burst_s=1), clock=lambda: 0.0)
    assert limiter.take("a", 10**6, 100) == 0
    assert limiter.take("a", 1, 50) == pytest.approx(0.5)


async def test_udp_beyond_its_limit_is_counted_for_its_source_and_tcp_waits() -> None:
    doors = Doors(LimitOptions(lines_per_s=5, burst_s=1))
    async with running(RawLinesReceiver(SocketOptions(gate=doors.gate())), Recorder()) as receiver:
        send_udp(receiver.ports["udp"], *[b"%d" % n for n in range(300)])
        name = "lines:udp from 127.0.0.1 (over its limit)"
        await until(lambda: len(doors.kept) + doors.lost.get(name, 0) == 300)
    assert 5 <= len(doors.kept) <= 60 and list(doors.lost) == [name]
    doors = Doors(LimitOptions(lines_per_s=20, burst_s=0.5))
    async with running(RawLinesReceiver(SocketOptions(gate=doors.gate())), Recorder()) as receiver:
        for number in range(3):
            await talk(receiver, b"".join(b"%d-%d\n" % (number, n) for n in range(10)))
        async with asyncio.timeout(30):
            while len(doors.kept) < 30:
                await asyncio.sleep(0.05)
    assert doors.refused > 0 and doors.lost == {}  # made to wait, nothing lost
    assert sorted(m for _, m in doors.kept) == sorted(f"{a}-{b}" for a in range(3) for b in range(10))


# GELF


async def test_gelf_over_tcp_ends_with_nul_or_with_newline() -> None:
    indented = json.dumps({"short_message": "indented", "_a": {"b": 1}}, indent=2).encode()
    cases: list[tuple[bytes, list[str]]] = [
        (b'{"short_message":"a"}\0{"short_message":"b"}\0', ["a", "b"]),
        (b'{"short_message":"a"}\n{"short_message":"b"}\n', ["a", "b"]),
        (b'{"short_message":"a"}\n{"short_message":"b"}', ["a", "b"]),
        (indented + b"\0" + indented + b"\0", ["indented", "indented"]),
        (b'{"short_message":"a"}\n\0{"short_message":"b"}\n\0', ["a", "b"]),
    ]
    for body, expected in cases:
        for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
            intake = Recorder()
            async with running(GelfReceiver(), intake) as receiver:
                reader, writer = await asyncio.open_connection("127.0.0.1", receiver.ports["tcp"])
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                writer.write_eof()
                await asyncio.wait_for(reader.read(), 10)
                writer.close()
            assert [e.message for e in intake.events] == expected, body


def test_a_receiver_says_first_only_what_its_protocol_says() -> None:
    for one in (RelpReceiver(), RawLinesReceiver(), GelfReceiver(), FluentForwardReceiver()):
        assert isinstance(one, SocketReceiver) and one.connection("").greeting == b""
