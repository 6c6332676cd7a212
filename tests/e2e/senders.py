"""Clients of every protocol that acknowledges, and of syslog over TCP, which does not: numbered records in batches.

A client says of each batch which records the server acknowledged. ``NobodyListens`` means that nothing was sent, so the
same batch may be sent again; any other error means that the answer was cut off: those records may be there or not, are
never sent again, and must not be there twice.
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack

from tests.e2e.running import Running, free_port

BATCH = 100
Numbers = range


class NobodyListens(Exception):
    """The connection was refused: the server saw nothing of the batch."""


class Busy(Exception):
    """The server said that it takes nothing now (429, 503): the same batch may be sent again."""


def text(number: int) -> str:
    return f"request {number} served by worker {number % 7} in {number % 113} ms"


def number_of(message: str) -> int:
    """The number in a record's text."""
    return int(message.partition("request ")[2].split(" ", 1)[0])


def connect(port: int) -> socket.socket:
    try:
        return socket.create_connection(("127.0.0.1", port), 30)
    except ConnectionRefusedError as error:
        raise NobodyListens from error


# HTTP: (path, content type, body of a batch, whether an answer of 2xx acknowledges all of it)


def _lines(numbers: Numbers) -> bytes:
    rows = [{"message": text(n), "host.name": "web1", "service.name": "shop"} for n in numbers]
    return "\n".join(map(json.dumps, rows)).encode()


def _bulk(numbers: Numbers) -> bytes:
    return "".join(f'{{"index":{{"_index":"shop"}}}}\n{{"message":"{text(n)}"}}\n' for n in numbers).encode()


def _loki(numbers: Numbers) -> bytes:
    now = time.time_ns()
    values = [[str(now + i), text(n)] for i, n in enumerate(numbers)]
    return json.dumps({"streams": [{"stream": {"app": "shop"}, "values": values}]}).encode()


def _otlp(numbers: Numbers) -> bytes:
    records = [{"timeUnixNano": str(time.time_ns()), "body": {"stringValue": text(n)}} for n in numbers]
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()


def _hec(numbers: Numbers) -> bytes:
    return "".join(json.dumps({"event": text(n), "host": "web1", "sourcetype": "shop"}) for n in numbers).encode()


def _datadog(numbers: Numbers) -> bytes:
    return json.dumps([{"message": text(n), "service": "shop", "hostname": "web1"} for n in numbers]).encode()


JSON, NDJSON = "application/json", "application/x-ndjson"
HTTP: dict[str, tuple[str, str, Callable[[Numbers], bytes]]] = {
    "jsonlines": ("/api/v1/logs", NDJSON, _lines),
    "bulk": ("/_bulk", NDJSON, _bulk),
    "loki": ("/loki/api/v1/push", JSON, _loki),
    "otlp_http": ("/v1/logs", JSON, _otlp),
    "splunk_hec": ("/services/collector/event", JSON, _hec),
    "datadog": ("/api/v2/logs", JSON, _datadog),
}


def send_http(server: Running, name: str, numbers: Numbers) -> set[int]:
    path, kind, body_of = HTTP[name]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        try:
            connection.connect()
        except ConnectionRefusedError as error:
            raise NobodyListens from error
        connection.request("POST", path, body_of(numbers), {"Content-Type": kind})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status in (429, 503):
        assert int(answer.headers["Retry-After"]) > 0
        raise Busy
    assert 200 <= answer.status < 300, (name, answer.status, body[:300])
    if name == "bulk":
        assert json.loads(body)["errors"] is False
    return set(numbers)


# Sockets


def _relp(port: int, numbers: Numbers) -> set[int]:
    """Each record has an answer of its own."""
    frames = [b"1 open 30 relp_version=0\ncommands=syslog\n"]
    for at, number in enumerate(numbers, 2):
        message = f"<14>1 2026-11-24T20:00:00Z web1 shop 7 - - {text(number)}".encode()
        frames.append(b"%d syslog %d %s\n" % (at, len(message), message))
    known: set[int] = set()
    with connect(port) as link:
        link.sendall(b"".join(frames))
        buffer = b""
        while len(known) < len(numbers):
            data = link.recv(65536)
            if not data:
                break
            buffer += data
            *whole, buffer = buffer.split(b"\n")
            for line in whole:
                words = line.split(b" ")
                if len(words) >= 4 and words[1] == b"rsp" and words[3] == b"200" and words[0] != b"1":
                    known.add(numbers[int(words[0]) - 2])
    return known


def _fluent(port: int, numbers: Numbers) -> set[int]:
    entries = [[int(time.time()), {"message": text(n), "host": "web1"}] for n in numbers]
    chunk = f"chunk-{numbers.start}"
    with connect(port) as link:
        link.sendall(msgpack.packb(["shop.log", entries, {"chunk": chunk}]))
        unpacker = msgpack.Unpacker()
        while data := link.recv(4096):
            unpacker.feed(data)
            for answer in unpacker:
                assert answer == {"ack": chunk}
                return set(numbers)
    return set()


def _lumberjack(port: int, numbers: Numbers) -> set[int]:
    frames = []
    for at, number in enumerate(numbers, 1):
        event = json.dumps({"message": text(number), "host": {"name": "web1"}}).encode()
        frames.append(b"2J" + struct.pack(">II", at, len(event)) + event)
    packed = zlib.compress(b"".join(frames))
    last, buffer = 0, b""
    with connect(port) as link:
        link.sendall(b"2W" + struct.pack(">I", len(numbers)) + b"2C" + struct.pack(">I", len(packed)) + packed)
        while last < len(numbers) and (data := link.recv(4096)):
            buffer += data
            while len(buffer) >= 6:
                assert buffer[:2] == b"2A"
                last, buffer = struct.unpack(">I", buffer[2:6])[0], buffer[6:]
    return set(numbers[:last])


def _syslog(port: int, numbers: Numbers) -> set[int]:
    """Nothing is acknowledged; what arrives must still not be there twice."""
    lines = [f"<14>Nov 24 20:00:00 web1 shop[7]: {text(n)}\n" for n in numbers]
    with connect(port) as link:
        link.sendall("".join(lines).encode())
    return set()


SOCKETS: dict[str, Callable[[int, Numbers], set[int]]] = {"relp": _relp, "fluent": _fluent, "lumberjack": _lumberjack}
ALL = (*HTTP, *SOCKETS, "syslog")


@dataclass
class Load:
    """One thread a protocol, until ``stop``; ``sent`` and ``acknowledged`` count by protocol."""

    server: Running
    ports: dict[str, int]
    names: Sequence[str] = ALL
    pause_s: float = 0.0
    sent: dict[str, int] = field(default_factory=dict)
    acknowledged: dict[str, set[int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sent = dict.fromkeys(self.names, 0)
        self.acknowledged = {name: set() for name in self.names}
        self._lock = threading.Lock()
        self._next = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(name,), name=name) for name in self.names]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Let every client end the batch that it is at."""
        self._stop.set()
        for thread in self._threads:
            thread.join(90)
        assert not any(thread.is_alive() for thread in self._threads)
        assert self.problems == []

    def total(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    def _run(self, name: str) -> None:
        while not self._stop.is_set():
            with self._lock:
                numbers = range(self._next, self._next + BATCH)
                self._next += BATCH
            known = self._batch(name, numbers)
            if known is None:
                return
            self.sent[name] += BATCH
            self.acknowledged[name] |= known
            self._stop.wait(self.pause_s)

    def _batch(self, name: str, numbers: Numbers) -> set[int] | None:
        """The acknowledged ones; None when it was stopped before anything was sent."""
        while True:
            try:
                if name in HTTP:
                    return send_http(self.server, name, numbers)
                if name in SOCKETS:
                    return SOCKETS[name](self.ports[name], numbers)
                return _syslog(self.server.syslog_port, numbers)
            except (NobodyListens, Busy):
                if self._stop.is_set():
                    return None
                time.sleep(0.05)
            except (OSError, http.client.HTTPException):
                return set()  # cut in the middle: nobody knows
            except Exception as error:  # a wrong answer: the test must hear of it
                self.problems.append(f"{name}: {type(error).__name__}: {error}")
                return None


def with_ports() -> tuple[dict[str, int], str]:
    """Free ports of the socket protocols, and the settings that open them."""
    ports = {name: free_port() for name in SOCKETS}
    return ports, "[ports]\n" + "".join(f"{name} = {port}\n" for name, port in ports.items())


def counted(records: Any) -> dict[int, int]:
    """number → how often it was found."""
    found: dict[int, int] = {}
    for record in records:
        number = number_of(record.message)
        found[number] = found.get(number, 0) + 1
    return found
