"""What hostile, broken and unlucky clients do to a real server: it goes on answering, in bounded memory."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.places import Place
from tests.e2e.running import Running, free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]
IDLE = 2000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, module_place: Place) -> Iterator[Running]:
    made = Running(tmp_path_factory.mktemp("faults") / "data", settings=module_place.toml)
    made.ports = {name: free_port() for name in ("relp", "lines")}  # type: ignore[attr-defined]
    with made.config.open("a") as config:
        config.write("\n[ports]\n" + "".join(f"{k} = {v}\n" for k, v in made.ports.items()))  # type: ignore[attr-defined]
    with made:
        yield made


def resident_mb(server: Running, field: str = "VmRSS") -> float:
    assert server.process is not None
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise AssertionError(field)


def answers_quickly(server: Running) -> None:
    begin = time.monotonic()
    assert server.post_lines([{"message": "still here"}]) == 200
    assert time.monotonic() - begin < 2


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10)


def test_clients_that_stall_within_their_requests_hold_nobody_up(server: Running) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(100):
            one = stack.enter_context(connect(server.port))
            head = b"POST /api/v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
            if number % 3 == 0:
                one.sendall(head[: 20 + number % 40])  # within the headers
            elif number % 3 == 1:
                one.sendall(head + b'Content-Length: 1000000\r\n\r\n{"message":"half')
            else:
                one.sendall(head + b'Transfer-Encoding: chunked\r\n\r\n10\r\n{"message":"ha')
        answers_quickly(server)
    found = server.get("/api/v1/search?q=half")  # what was never complete was never accepted
    assert found["total"] == 0


def test_thousands_of_idle_connections(server: Running) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < IDLE + 500:
        pytest.skip("the limit of open files is too low")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    before = resident_mb(server)
    try:
        with contextlib.ExitStack() as stack:
            ports = (server.port, server.syslog_port, server.ports["relp"], server.ports["lines"])  # type: ignore[attr-defined]
            for number in range(IDLE):
                stack.enter_context(connect(ports[number % 4]))
            answers_quickly(server)
            with connect(ports[1]) as sender:
                sender.sendall(b"<13>Nov 24 22:00:00 web1 app: among the idle\n")
            server.wait_for("/api/v1/search?q=%22among+the+idle%22", lambda found: found["total"] == 1)
            assert resident_mb(server) - before < 200
        answers_quickly(server)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def bomb(unpacked: int) -> bytes:
    """gzip of ``unpacked`` bytes that are no single run, made in pieces."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    piece = b'{"message":"' + b"\0" * (1024 * 1024) + b'"}\n'
    parts = [packer.compress(piece) for _ in range(unpacked // len(piece))]
    return b"".join([*parts, packer.flush()])


@pytest.mark.parametrize("path", ["/api/v1/logs", "/_bulk", "/v1/logs", "/services/collector", "/gelf", "/write"])
def test_a_gzip_bomb_is_refused_early_in_bounded_memory(server: Running, path: str) -> None:
    packed = bomb(1024**3)
    assert len(packed) < 10 * 1024**2
    before = resident_mb(server)
    begin = time.monotonic()
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-ndjson"}
    code, _ = server.request("POST", path, packed, headers)
    assert code == 413
    assert time.monotonic() - begin < 10
    assert resident_mb(server) - before < 450  # the limit is 256 MB unpacked
    answers_quickly(server)


def test_an_announced_giant_is_refused_before_it_is_sent(server: Running) -> None:
    with connect(server.port) as one:
        one.sendall(b"POST /_bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")
        assert one.recv(4096).startswith(b"HTTP/1.1 413")


def test_times_that_run_backwards_are_kept_as_they_are(server: Running) -> None:
    """A sender whose clock was set back, by hours and to the epoch."""
    now = time.time()
    offsets = [0, -7200, -1, -86_400 * 400, 86_400 * 400, -now + 1]
    lines = [
        {"message": f"backwards {n}", "@timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + offset)),
         "host": "clock1"} for n, offset in enumerate(offsets)
    ]  # fmt: skip
    for line in lines:
        assert server.post_lines([line]) == 200
    span = "&from=1970-01-01T00:00:00Z&to=2100-01-01T00:00:00Z"
    found = server.wait_for(f"/api/v1/search?q=backwards&limit=100{span}", lambda f: f["total"] == len(lines))
    stamps = {hit["message"]: hit["@timestamp"][:19] for hit in found["hits"]}
    assert stamps == {line["message"]: line["@timestamp"][:19] for line in lines}


def test_garbage_on_every_port_ends_the_connection_and_nothing_else(server: Running) -> None:
    with connect(server.ports["relp"]) as one:  # type: ignore[attr-defined]
        one.sendall(b"\x16\x03\x01" + b"\xff" * 1000)
        assert one.recv(10) == b""
    with connect(server.port) as one:
        one.sendall(b"\x16\x03\x01" + b"\xff" * 1000)
        with contextlib.suppress(ConnectionError):
            one.recv(1000)
    answers_quickly(server)
    assert json.loads(server.request("GET", "/healthz")[1])["status"] == "ok"
