"""A real HTTP server (uvicorn) with receivers that write into a real spool."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from logsense import errors
from logsense.record import MetricPoint, RawEvent
from logsense.spool import DiskSpool, SpoolIntake, SpoolOptions


class Server:
    """``url`` to send to; ``events()`` and ``points()`` give what arrived in the spool since the start."""

    def __init__(self, directory: Path, receivers: tuple[Any, ...], options: SpoolOptions) -> None:
        self.spool = DiskSpool(directory, options)
        self.intake = SpoolIntake(self.spool)
        app = FastAPI()

        @app.exception_handler(errors.LogsenseError)
        async def problem(request: Request, error: errors.LogsenseError) -> JSONResponse:
            headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, errors.Overloaded) else None
            body = {"title": error.what, "status": error.status, "why": error.why, "fix": error.fix}
            return JSONResponse(body, error.status, headers, "application/problem+json")

        for receiver in receivers:
            if receiver.prefix:
                app.include_router(receiver.router(self.intake), prefix=receiver.prefix)
            app.include_router(receiver.router(self.intake))
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", http="httptools"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._reader = self.spool.open_reader()
        self._events: list[RawEvent] = []
        self._points: list[MetricPoint] = []

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self.spool.close()

    def events(self) -> list[RawEvent]:
        while True:
            events, points, _ = self._reader.read(1000)
            self._events += events
            self._points += points
            if not events and not points:
                return self._events

    def points(self) -> list[MetricPoint]:
        self.events()
        return self._points

    def forget(self) -> None:
        """Start anew, for the next test."""
        self.events()
        self._events, self._points = [], []

    def messages(self) -> list[str]:
        return [e.message for e in self.events()]

    def wait_for(self, count: int, timeout_s: float = 15) -> list[RawEvent]:
        """The events, once there are ``count`` of them (or the time is up)."""
        deadline = time.monotonic() + timeout_s
        while len(self.events()) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        return self._events


@pytest.fixture(scope="module")
def module_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("spool"), request.module.RECEIVERS, SpoolOptions())
    one.start()
    yield one
    one.stop()


@pytest.fixture
def server(module_server: Server) -> Server:
    """The server of this module, with all of its ``RECEIVERS`` and nothing received."""
    module_server.forget()
    return module_server


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """``serve(receiver, …, max_bytes=…)`` starts a server of the test's own, with options of the spool."""
    with contextlib.ExitStack() as stack:

        def start(*receivers: Any, **spool_options: Any) -> Server:
            server = Server(tmp_path / "spool", receivers, SpoolOptions(**spool_options))
            server.start()
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30, trust_env=False) as one:
        yield one
