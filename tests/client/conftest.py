"""One real server with a known set of lines, asked by the Python client and over MCP."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.e2e.running import Running

LINES = 2300  # more than two pages


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("client") / "data"
    now = time.time()
    lines = []
    for number in range(LINES):
        host, level = f"db{number % 3}", "error" if number % 10 == 0 else "info"
        message = (
            f"could not connect to server 10.0.0.{number % 250}: connection refused"
            if level == "error"
            else f"checkpoint complete after {number} ms"
        )
        lines.append({"@timestamp": now - 3600 + number, "message": message, "host": host, "service": "postgresql",
                      "level": level})  # fmt: skip
    with Running(data) as server:
        assert server.post_lines(lines[:2000]) < 300 and server.post_lines(lines[2000:]) < 300
        server.wait_for("/api/v1/search?q=&limit=1", lambda found: found["total"] >= LINES, timeout_s=90)
        yield server
