"""The short form of ``make fuzz``, in one process and with the same examples on every run.

No receiver answers 5xx or raises on whatever it is sent, and what receivers accept goes through the whole pipeline.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logsense import registry
from logsense.api.app import create_app
from logsense.config import Settings
from logsense.mine import Miner
from logsense.parse import Parser, Redactor
from logsense.receivers._sockets import SocketOptions
from logsense.record import MetricPoint, RawEvent
from logsense.sources.syslog_frames import SyslogFramer
from logsense.spool import codec
from logsense.worker import Worker
from tests.fuzz.mutate import bomb
from tests.fuzz.requests import DATAGRAMS, GRPC, HTTP, SAMPLES, STREAMS, Request, http_requests, lines

FEW = settings(max_examples=40, deadline=None, derandomize=True, database=None,
               suppress_health_check=list(HealthCheck))  # fmt: skip
pytestmark = pytest.mark.xdist_group("fuzz")


class Keeper:
    """An intake that keeps all, as the spool would give it back."""

    def __init__(self) -> None:
        self.events: list[RawEvent] = []
        self.points: list[MetricPoint] = []

    async def accept(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        self.keep(events, metrics)

    def accept_sync(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        self.keep(events, metrics)

    def dropped(self, source: str, count: int) -> None:
        pass

    def keep(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint]) -> None:
        back, points = codec.decode(codec.encode(events, metrics), f"f{len(self.events):x}-")
        assert (len(back), len(points)) == (len(events), len(metrics))
        self.events += back
        self.points += points


@pytest.fixture(scope="module")
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture(scope="module")
def send(keeper: Keeper) -> Iterator[Callable[[Request], int]]:
    """Send a request to the whole application and give the status."""
    fake = importlib.import_module("tests.ui.fake_workspace").FakeWorkspace()
    app = create_app(fake, keeper, registry.receivers())
    loop = asyncio.new_event_loop()
    transport = httpx.ASGITransport(app=app)  # raises what the application raises
    client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    def sent(request: Request) -> int:
        headers = {name: value.encode("latin-1", "replace") for name, value in request.headers.items()}
        call = client.request(request.method, request.path, content=request.body, headers=headers)
        return int(loop.run_until_complete(call).status_code)

    yield sent
    loop.run_until_complete(client.aclose())
    loop.close()


@pytest.mark.parametrize("name", HTTP)
def test_no_request_is_answered_with_5xx(name: str, send: Callable[[Request], int]) -> None:
    @FEW
    @given(http_requests(name))
    def check(request: Request) -> None:
        assert send(request) < 500

    check()


def test_a_bomb_is_refused(send: Callable[[Request], int]) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert send(Request("/v1/logs", bomb(257), headers)) == 413


@pytest.mark.parametrize("name", [n for n in STREAMS if n != "syslog"])
def test_a_connection_is_closed_at_worst(name: str, keeper: Keeper) -> None:
    receiver = registry.load(registry.PORTS[name])(SocketOptions())

    @FEW
    @given(STREAMS[name], st.integers(1, 2000))
    def check(data: bytes, piece: int) -> None:
        connection = receiver.connection("192.0.2.1")
        try:
            for at in range(0, len(data), piece):
                keeper.keep(*connection.feed(data[at : at + piece])[0])
            keeper.keep(*connection.end())
        except ValueError:  # the peer is told by closing
            pass

    check()


@FEW
@given(STREAMS["syslog"], st.integers(1, 2000))
def test_syslog_frames_hold_every_byte_sent(data: bytes, piece: int) -> None:
    framer = SyslogFramer(100_000)
    for at in range(0, len(data), piece):
        framer.feed(data[at : at + piece])
    framer.close()


@pytest.mark.parametrize("name", [n for n in DATAGRAMS if n != "syslog"])
def test_a_datagram_is_dropped_at_worst(name: str, keeper: Keeper) -> None:
    receiver = registry.load(registry.PORTS[name])(SocketOptions())

    @FEW
    @given(DATAGRAMS[name])
    def check(data: bytes) -> None:
        with contextlib.suppress(ValueError):  # counted as dropped
            keeper.keep(*receiver.datagram(data, "192.0.2.1"))

    check()


def test_the_pipeline_takes_whatever_was_accepted(tmp_path: Path, keeper: Keeper) -> None:
    """Everything that the tests above made the receivers accept, and broken lines of every format."""
    made: list[bytes] = []

    @settings(FEW, max_examples=600)
    @given(lines(SAMPLES))
    def collect(line: bytes) -> None:
        made.append(line)

    collect()
    texts = [text for line in made for text in line.decode("utf-8", "backslashreplace").split("\n")]
    keeper.keep([RawEvent(text, f"s{n % 7}", 10**18, {}) for n, text in enumerate(texts)], ())
    parser, redactor, miner = Parser(), Redactor(), Miner()
    records = [*parser.parse(keeper.events), *parser.flush()]
    assert sum(row["accepted"] for row in parser.stats().values()) == len(keeper.events)
    assert all(record.template_id for record in miner.process(redactor.process(records)))
    # Through the index with the times as they are for some; a day each costs time, so the others get one.
    for event in keeper.events[::20]:
        event.fields["@timestamp"] = "2026-11-24T20:00:00Z"
    keeper.events = keeper.events[:20] + keeper.events[::20]
    worker = Worker(tmp_path / "data", Settings(), models=False)
    worker.spool.append(keeper.events, keeper.points[:100])
    worker.drain()
    worker.analyse()
    assert sum(row["accepted"] for row in worker.pipeline.stats().values()) == len(keeper.events) > 50
    worker.close()


def test_the_long_form_knows_all_receivers() -> None:
    """A receiver that is added must be fuzzed, too."""
    sockets = {*STREAMS, "otlp_grpc"} - {"syslog"}
    assert sockets == set(registry.PORTS)
    assert len(GRPC) == 2
