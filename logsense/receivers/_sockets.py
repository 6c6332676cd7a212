"""What the protocols with a port of their own share: listening, connections, datagrams, waiting for room.

Such a receiver is a ``stages.Source``: it has ``name`` and ``run``. It says what a connection's bytes or a datagram
mean; everything else is here. A connection is not read while the spool is full, so its sender waits; datagrams
cannot wait and are counted by ``intake.dropped`` when the queue is full.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
import socket
import ssl
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logsense import errors
from logsense.deliver import accept_patiently
from logsense.gate import Gate, certificate_names
from logsense.record import MetricPoint, RawEvent
from logsense.stages import Intake
from logsense.tls import server_context

log = logging.getLogger(__name__)

CHUNK = 128 * 1024
Parsed = tuple[list[RawEvent], list[MetricPoint]]


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """One port of a protocol. 0 takes a free one."""

    #: Address to listen on; empty means all, IPv4 and IPv6.
    host: str = "127.0.0.1"
    #: Port, for TCP and (where the protocol has it) UDP.
    port: int = 0
    #: PEM file with the server's certificate chain; TCP is then TLS.
    certificate: Path | None = None
    #: PEM file with its key, when the certificate file does not hold it.
    key: Path | None = None
    #: PEM file of the authority that clients' certificates must be signed by; none means that they need none.
    client_ca: Path | None = None
    #: Who may send and whose lines they are; none lets everybody in.
    gate: Gate | None = None
    #: Bytes of one message that are kept; a longer one ends the connection where the protocol has no way to skip it.
    max_message_bytes: int = 16 * 1024 * 1024
    #: Open connections; further ones are closed at once.
    max_connections: int = 10_000
    #: A connection that is within a message and sends nothing for so long is closed (seconds).
    stall_s: float = 120.0
    #: Datagrams that may wait in memory for the spool.
    udp_queue: int = 50_000


class BadFrame(ValueError):
    """The peer does not speak the protocol: the connection is closed."""


class Connection:
    """One peer. ``feed`` gives it bytes; it returns what they complete and what is answered once that is kept."""

    def __init__(self, address: str, options: SocketOptions) -> None:
        self.address, self.options = address, options

    def feed(self, data: bytes) -> tuple[Parsed, bytes]:
        """Raises ``BadFrame``."""
        raise NotImplementedError

    def end(self) -> Parsed:
        """What was still unfinished when the peer closed in order."""
        return [], []

    @property
    def greeting(self) -> bytes:
        """What the protocol's server says first."""
        return b""

    @property
    def within(self) -> bool:
        """Whether a message has begun and not ended: then silence is a stall."""
        return False

    @property
    def closing(self) -> bool:
        """Whether the peer said that it is done."""
        return False


class SocketReceiver:
    """Listens on TCP, UDP or both. Subclasses set ``name`` and override ``connection`` or ``datagram``."""

    name = ""
    tcp = True
    udp = False

    def __init__(self, options: SocketOptions | None = None) -> None:
        self.options = options or SocketOptions()
        #: "tcp", "udp" → the port, once listening.
        self.ports: dict[str, int] = {}
        self.listening = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._refused = 0

    def connection(self, address: str) -> Connection:
        raise NotImplementedError

    def datagram(self, data: bytes, address: str) -> Parsed:
        """What one datagram says. Raises ``ValueError`` when it says nothing: it is counted as dropped."""
        raise NotImplementedError

    async def run(self, intake: Intake) -> None:
        """Until cancelled. Raises ``BadConfig`` when the port cannot be opened."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._end_connections)
            port, queue = self.options.port, None
            if self.tcp:
                port = await self._listen_tcp(port, intake, stack)
            if self.udp:
                queue = await self._listen_udp(port, intake, stack)
            self.listening.set()
            async with asyncio.TaskGroup() as tasks:
                if queue is not None:
                    tasks.create_task(self._deliver(queue))
                tasks.create_task(self.tick(self.options.gate.datagrams() if self.options.gate else intake))
                await asyncio.Event().wait()

    async def tick(self, intake: Intake) -> None:
        """Something that runs beside the listening."""

    # TCP

    async def _listen_tcp(self, port: int, intake: Intake, stack: contextlib.AsyncExitStack) -> int:
        options = self.options
        context = server_context(options.certificate, options.key, options.client_ca) if options.certificate else None

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                await self._serve(reader, writer, intake)
            except (asyncio.CancelledError, OSError, ssl.SSLError):
                pass  # we are being stopped, or the peer went while it was answered: it will send again
            finally:
                self._tasks.discard(task)
                writer.close()

        with explained(self.name, self.options.host, port):
            server = await asyncio.start_server(
                connected, self.options.host or None, port, ssl=context, limit=CHUNK, backlog=1024
            )
        stack.callback(server.close)
        self.ports["tcp"] = int(server.sockets[0].getsockname()[1])
        return self.ports["tcp"]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, intake: Intake) -> None:
        peer = writer.get_extra_info("peername")
        address = plain_address(peer)
        if len(self._tasks) > self.options.max_connections:
            log.warning("%s: %s refused: %d connections are open", self.name, address, self.options.max_connections)
            return
        if self.options.gate is not None:
            if not self.options.gate.admits(address):
                log.warning("%s: %s refused: it is in none of the networks that may send", self.name, address)
                return
            names = certificate_names(writer.get_extra_info("peercert"))
            intake = self.options.gate.connection(address, names)
        connection = self.connection(address)
        if connection.greeting:
            writer.write(connection.greeting)
            await writer.drain()
        while not connection.closing:
            try:
                wait = self.options.stall_s if connection.within else None
                data = await asyncio.wait_for(reader.read(CHUNK), wait)
            except TimeoutError:
                log.warning("%s: %s stopped within a message: closed", self.name, address)
                return
            except (OSError, ssl.SSLError):  # reset by the peer: what came before counts
                data = b""
            if not data:
                await self._keep(intake, connection.end())
                return
            try:
                parsed, reply = connection.feed(data)
            except ValueError as error:
                log.warning("%s: %s sent what is not understood: %s", self.name, address, error)
                return
            await self._keep(intake, parsed)
            if reply:
                writer.write(reply)
                await writer.drain()

    async def _keep(self, intake: Intake, parsed: Parsed) -> None:
        if parsed[0] or parsed[1]:
            await accept_patiently(intake, *parsed)

    async def _end_connections(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # UDP

    async def _listen_udp(self, port: int, intake: Intake, stack: contextlib.AsyncExitStack) -> _Datagrams:
        if self.options.gate is not None:
            intake = self.options.gate.datagrams()
        queue = _Datagrams(self, intake)
        host = self.options.host or ("::" if socket.has_dualstack_ipv6() else "0.0.0.0")  # noqa: S104 - asked for
        with explained(self.name, host, port):
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: queue, local_addr=(host, port)
            )
        stack.callback(transport.close)
        sock = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
        self.ports["udp"] = int(sock.getsockname()[1])
        return queue

    async def _deliver(self, queue: _Datagrams) -> None:
        intake = queue.intake
        try:
            while True:
                await queue.filled.wait()
                await self._keep(intake, queue.take(2000))
        finally:
            left = queue.take(self.options.udp_queue)
            if left[0] or left[1]:
                try:
                    await intake.accept(*left)
                except errors.Overloaded:
                    intake.dropped(f"{self.name}:udp", len(left[0]) + len(left[1]))


class _Datagrams(asyncio.DatagramProtocol):
    """What arrived and is not yet in the spool. Ids are given on arrival, so a batch that is tried again keeps them."""

    def __init__(self, receiver: SocketReceiver, intake: Intake) -> None:
        self._receiver, self.intake = receiver, intake
        self._waiting: deque[RawEvent | MetricPoint] = deque()
        self.filled = asyncio.Event()
        self._prefix, self._numbers = f"u{secrets.token_hex(8)}", itertools.count()

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        source, gate, address = f"{self._receiver.name}:udp", self._receiver.options.gate, plain_address(addr)
        if gate is not None and not gate.admits(address):
            self.intake.dropped(f"{source} (not allowed)", 1)
            return
        if len(self._waiting) >= self._receiver.options.udp_queue:
            self.intake.dropped(source, 1)
            return
        try:
            events, points = self._receiver.datagram(data, address)
        except ValueError as error:
            log.debug("%s: datagram from %s is not understood: %s", self._receiver.name, addr[0], error)
            self.intake.dropped(source, 1)
            return
        lines = max(1, len(events) + len(points))
        if gate is not None and not gate.takes(address, lines, len(data)):
            self.intake.dropped(f"{source} from {address} (over its limit)", lines)
            return
        for event in events:
            event.id = event.id or f"{self._prefix}-{next(self._numbers):x}"
        self._waiting.extend(events)
        self._waiting.extend(points)
        if self._waiting:
            self.filled.set()

    def take(self, limit: int) -> Parsed:
        taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        if not self._waiting:
            self.filled.clear()
        return [e for e in taken if isinstance(e, RawEvent)], [p for p in taken if isinstance(p, MetricPoint)]


class LineConnection(Connection):
    """Messages that end with one of the bytes in ``ends``. A longer one than allowed is cut and the rest skipped."""

    ends: Sequence[bytes] = (b"\n",)

    def __init__(self, address: str, options: SocketOptions) -> None:
        super().__init__(address, options)
        self._rest = bytearray()
        self._skipping = False

    def message(self, data: bytes) -> Parsed:
        raise NotImplementedError

    def feed(self, data: bytes) -> tuple[Parsed, bytes]:
        for other in self.ends[1:]:
            data = data.replace(other, self.ends[0])
        *whole, rest = data.split(self.ends[0])
        events: list[RawEvent] = []
        points: list[MetricPoint] = []
        for number, part in enumerate([*whole, rest]):
            if not self._skipping:
                self._rest += part
            if number < len(whole) or len(self._rest) > self.options.max_message_bytes:
                if self._rest:
                    found = self.message(bytes(self._rest[: self.options.max_message_bytes]))
                    events += found[0]
                    points += found[1]
                self._rest.clear()
                self._skipping = number >= len(whole)
        return (events, points), b""

    def end(self) -> Parsed:
        return self.message(bytes(self._rest)) if self._rest else ([], [])

    @property
    def within(self) -> bool:
        return bool(self._rest)


def plain_address(peer: Any) -> str:
    """The peer's IP address without IPv6's mapping of IPv4."""
    return str(peer[0]).removeprefix("::ffff:") if peer else ""


def now_ns() -> int:
    return time.time_ns()


@contextlib.contextmanager
def explained(name: str, host: str, port: int) -> Any:
    """An ``OSError`` as a ``BadConfig`` that says which port."""
    try:
        yield
    except OSError as error:
        raise errors.BadConfig(
            f"Cannot listen for {name} on {host or '*'}:{port}",
            why=error.strerror or str(error),
            fix="choose another port in [ports], or stop the program that uses it",
        ) from error
