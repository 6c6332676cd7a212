"""Listens for syslog over UDP, TCP and TLS. Lines are kept as text; taking them apart is the parser's work."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import resource
import secrets
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logsense import errors
from logsense.gate import Gate, certificate_names
from logsense.record import RawEvent
from logsense.sources._deliver import accept_patiently
from logsense.sources.lines import decode
from logsense.sources.proc_net import kernel_drops
from logsense.sources.syslog_frames import SyslogFramer
from logsense.stages import Intake
from logsense.tls import server_context

log = logging.getLogger(__name__)

_UDP, _TCP, _TLS = "syslog:udp", "syslog:tcp", "syslog:tls"
_CHUNK = 128 * 1024
_DROPS_INTERVAL_S = 5.0


@dataclass(frozen=True, slots=True)
class SyslogOptions:
    """Where to listen. A port of None is off; 0 takes a free one."""

    #: Address to listen on; empty means all, IPv4 and IPv6.
    host: str = "127.0.0.1"
    #: UDP port (RFC 5426), usually 514.
    udp_port: int | None = 5514
    #: TCP port (RFC 6587), usually 514.
    tcp_port: int | None = 5514
    #: TLS port (RFC 5425), usually 6514; needs ``certificate``.
    tls_port: int | None = None
    #: PEM file with the server's certificate chain.
    certificate: Path | None = None
    #: PEM file with its key, when the certificate file does not hold it.
    key: Path | None = None
    #: PEM file with the CA that clients' certificates must be signed by; none means that clients need no certificate.
    client_ca: Path | None = None
    #: Who may send and whose lines they are; none lets everybody in.
    gate: Gate | None = None
    #: Bytes of a message that are kept.
    max_message_bytes: int = 1024 * 1024
    #: UDP messages that may wait in memory for the spool; more are dropped and counted.
    udp_queue: int = 50_000
    #: Bytes of the kernel's receive buffer for UDP.
    udp_buffer_bytes: int = 8 * 1024 * 1024
    #: Open TCP connections; further ones are closed at once.
    max_connections: int = 10_000


class SyslogSource:
    """RFC 3164 and RFC 5424 as senders really send them; the sender's address becomes ``log.source.address``.

    TCP connections are not read while the spool is full, so senders wait. UDP cannot wait: what the queue or the
    kernel's buffer could not hold is counted by ``intake.dropped``.
    """

    name = "syslog"

    def __init__(self, options: SyslogOptions | None = None) -> None:
        self.options = options or SyslogOptions()
        if self.options.tls_port is not None and self.options.certificate is None:
            raise errors.BadConfig("syslog over TLS needs a certificate", fix="set certificate (and key)")
        #: "udp", "tcp", "tls" → the port, once listening.
        self.ports: dict[str, int] = {}
        self.listening = asyncio.Event()
        self._connections: set[asyncio.Task[Any]] = set()

    async def run(self, intake: Intake) -> None:
        """Until cancelled. Raises ``BadConfig`` when a port cannot be opened."""
        options = self.options
        datagrams = options.gate.datagrams() if options.gate is not None else intake
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._end_connections)
            queue = None if options.udp_port is None else await self._listen_udp(options.udp_port, datagrams, stack)
            if options.tcp_port is not None:
                await self._listen_tcp("tcp", options.tcp_port, None, intake, stack)
            if options.tls_port is not None:
                assert options.certificate is not None  # checked at construction
                context = server_context(options.certificate, options.key, options.client_ca)
                await self._listen_tcp("tls", options.tls_port, context, intake, stack)
            self.listening.set()
            async with asyncio.TaskGroup() as tasks:
                if queue is not None:
                    tasks.create_task(self._deliver_udp(queue, datagrams))
                    tasks.create_task(self._count_kernel_drops(datagrams))
                await asyncio.Event().wait()

    # UDP

    async def _listen_udp(self, port: int, intake: Intake, stack: contextlib.AsyncExitStack) -> _UdpQueue:
        options = self.options
        queue = _UdpQueue(options, intake)
        with _explained("udp", options.host, port):
            host = options.host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104 - asked for
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: queue, local_addr=(host, port)
            )
        stack.callback(transport.close)
        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.udp_buffer_bytes)
        self.ports["udp"] = sock.getsockname()[1]
        return queue

    async def _deliver_udp(self, queue: _UdpQueue, intake: Intake) -> None:
        events: list[RawEvent] = []
        try:
            while True:
                await queue.filled.wait()
                events = queue.take(2000)
                await accept_patiently(intake, events)
                events = []
        finally:  # being stopped: what was received is kept if there is room (perhaps again, under the same ids)
            events += queue.take(self.options.udp_queue)
            try:
                await intake.accept(events)
            except errors.Overloaded:
                intake.dropped(_UDP, len(events))

    async def _count_kernel_drops(self, intake: Intake) -> None:
        before = kernel_drops(self.ports["udp"])
        while True:
            await asyncio.sleep(_DROPS_INTERVAL_S)
            now = kernel_drops(self.ports["udp"])
            if now > before:
                intake.dropped(_UDP, now - before)
            before = now

    # TCP and TLS

    async def _listen_tcp(
        self, kind: str, port: int, context: ssl.SSLContext | None, intake: Intake, stack: contextlib.AsyncExitStack
    ) -> None:
        source = _TLS if context else _TCP
        _allow_many_files(self.options.max_connections)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._connections.add(task)
            try:
                await self._serve(reader, writer, source, intake)
            except asyncio.CancelledError:
                pass  # the source is being stopped
            finally:
                self._connections.discard(task)
                writer.close()

        with _explained(kind, self.options.host, port):
            server = await asyncio.start_server(
                connected, self.options.host or None, port, ssl=context, limit=_CHUNK, backlog=1024
            )
        stack.callback(server.close)
        self.ports[kind] = server.sockets[0].getsockname()[1]

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: str, intake: Intake
    ) -> None:
        peer = writer.get_extra_info("peername")
        address = str(peer[0]).removeprefix("::ffff:") if peer else ""
        if len(self._connections) > self.options.max_connections:
            log.warning("syslog: %s refused: %d connections are open", address, self.options.max_connections)
            return
        if self.options.gate is not None:
            if not self.options.gate.admits(address):
                log.warning("syslog: %s refused: it is in none of the networks that may send", address)
                return
            intake = self.options.gate.connection(address, certificate_names(writer.get_extra_info("peercert")))
        framer = SyslogFramer(self.options.max_message_bytes)
        ended = False
        while not ended:
            try:
                data = await reader.read(_CHUNK)
            except (OSError, ssl.SSLError):  # reset by the peer: what came before counts
                data = b""
            ended = not data
            frames = framer.feed(data)
            last = framer.close() if ended else None
            if last:
                frames.append(last)
            received = time.time_ns()
            events = [e for frame, cut in frames if (e := _event(frame, cut, source, address, received))]
            if events:
                await accept_patiently(intake, events)

    async def _end_connections(self) -> None:
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


class _UdpQueue(asyncio.DatagramProtocol):
    """What arrived and is not yet in the spool."""

    def __init__(self, options: SyslogOptions, intake: Intake) -> None:
        self._events: deque[RawEvent] = deque()
        self._size, self._max_bytes, self._gate = options.udp_queue, options.max_message_bytes, options.gate
        self._intake = intake
        self.filled = asyncio.Event()
        self._id_prefix, self._numbers = f"u{secrets.token_hex(8)}", itertools.count()

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if len(self._events) >= self._size:
            self._intake.dropped(_UDP, 1)
            return
        address = str(addr[0]).removeprefix("::ffff:")
        if self._gate is not None and not self._gate.admits(address):
            self._intake.dropped(f"{_UDP} (not allowed)", 1)
            return
        if self._gate is not None and not self._gate.takes(address, 1, len(data)):
            self._intake.dropped(f"{_UDP} from {address} (over its limit)", 1)
            return
        cut = max(0, len(data) - self._max_bytes)
        event = _event(data[: self._max_bytes], cut, _UDP, address, time.time_ns())
        if event is not None:
            event.id = f"{self._id_prefix}-{next(self._numbers):x}"
            self._events.append(event)
            self.filled.set()

    def take(self, limit: int) -> list[RawEvent]:
        events = [self._events.popleft() for _ in range(min(limit, len(self._events)))]
        if not self._events:
            self.filled.clear()
        return events


def _event(frame: bytes, cut: int, source: str, address: str, received_ns: int) -> RawEvent | None:
    """One message as text: without delimiters at its ends; None when nothing is left."""
    message = decode(frame.rstrip(b"\r\n\0")).lstrip(" \ufeff")
    if not message or message.isspace():
        return None
    fields: dict[str, Any] = {"log.source.address": address}
    if cut:
        fields["log.flags"] = ["truncated"]
        fields["logsense.truncated_bytes"] = cut
    return RawEvent(message, source, received_ns, fields)


@contextlib.contextmanager
def _explained(kind: str, host: str, port: int | None) -> Any:
    try:
        yield
    except OSError as error:
        raise errors.BadConfig(
            f"Cannot listen for syslog on {kind} {host or '*'}:{port}",
            why=error.strerror or str(error),
            fix="choose another port, stop the program that uses it, or allow this process to use ports below 1024",
        ) from error


def _allow_many_files(wanted: int) -> None:
    """Raise the soft limit of open files towards the hard one: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = min(hard, wanted + 1024) if hard != resource.RLIM_INFINITY else wanted + 1024
    if soft < target:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
