"""The live tail of a real server: a line that ``logger`` sends by syslog shows up in a browser and on a terminal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.running import Running
from tests.ui.browser import NEEDS_CHROMIUM, RESULTS, Watched

pytestmark = pytest.mark.xdist_group("live")  # one server for all
#: Seconds for what takes one or two on a quiet machine.
PATIENCE = 90


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("live") / "data") as running:
        assert running.post_lines([{"message": "before anybody looked", "host.name": "web1"}]) == 200
        running.wait_for("/api/v1/search?q=looked", lambda a: a["total"] == 1, timeout_s=PATIENCE)
        yield running


@pytest.fixture
def address(server: Running) -> str:
    """The pages of the real server for ``window``."""
    return server.url


def log(server: Running, text: str) -> None:
    """Send one line as a host would; where ``logger`` is missing, in the form that it sends."""
    logger = shutil.which("logger")
    if logger:
        command = [logger, "--server", "127.0.0.1", "--port", str(server.syslog_port), "--tcp", "--tag", "shop", text]
        subprocess.run([*command, "--rfc5424"], check=True, timeout=30)
        return
    with socket.create_connection(("127.0.0.1", server.syslog_port), timeout=30) as connection:
        connection.sendall(f"<13>1 2026-11-24T03:00:00Z web1 shop - - - {text}\n".encode())


@NEEDS_CHROMIUM
def test_a_line_sent_by_logger_appears_in_the_browser(window: Watched, server: Running) -> None:
    page = window.open("/search?q=checkout&live=1")
    page.get_by_text("Live: waiting for new lines").wait_for()
    log(server, "nothing of interest")
    begun = time.monotonic()
    log(server, "checkout failed: card declined <script>alert(1)</script>")
    row = page.locator("#hits > li").first
    row.get_by_text("checkout failed: card declined").wait_for(timeout=PATIENCE * 1000)
    print(f"logger to browser: {time.monotonic() - begun:.2f} s")
    assert "<script>alert(1)</script>" in row.inner_text()
    assert page.locator("#hits > li").count() == 1
    RESULTS.mkdir(exist_ok=True)
    page.screenshot(path=RESULTS / "live-by-logger.png")


def listen(server: Running, last: str, opened: Future[None]) -> tuple[str, list[str]]:
    """Position and messages of the first lines that a client behind ``last`` is told."""
    request = urllib.request.Request(f"{server.url}/api/v1/tail?q=resume", headers={"Last-Event-ID": last})
    position = ""
    with urllib.request.urlopen(request, timeout=PATIENCE) as stream:
        for raw in stream:
            text = raw.decode().rstrip("\n")
            if text.startswith("retry: "):
                opened.set_result(None)  # the position is taken: what is sent from now on is told
            elif text.startswith("id: "):
                position = text[4:]
            elif text.startswith('data: {"lines"'):
                return position, [line["message"] for line in json.loads(text[6:])["lines"]]
    return position, []


def test_a_stream_goes_on_behind_what_the_client_has_seen(server: Running) -> None:
    opened: Future[None] = Future()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(listen, server, "", opened)
        opened.result(timeout=PATIENCE)
        server.post_lines([{"message": "resume one"}])
        position, messages = waiting.result(timeout=PATIENCE)
    assert messages == ["resume one"]
    server.post_lines([{"message": "resume two, while away"}])  # nobody listens
    server.wait_for("/api/v1/search?q=resume", lambda a: a["total"] == 2, timeout_s=PATIENCE)
    assert listen(server, position, Future())[1] == ["resume two, while away"]


def test_search_follow_prints_new_lines_until_it_is_stopped(server: Running, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "logsense", "search", "--follow", "terminal", "--json", "--data", str(server.data)]
    output = (tmp_path / "out").open("w+b")
    process = subprocess.Popen(
        [*command, "--config", str(server.config)], stdout=output, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    try:
        deadline = time.monotonic() + 2 * PATIENCE
        found: list[str] = []
        sent = 0
        while time.monotonic() < deadline and not found:
            sent += 1  # again and again: how long the command takes to begin is not known
            server.post_lines([{"message": f"terminal line {sent}"}, {"message": "something else"}])
            time.sleep(1)
            found = (tmp_path / "out").read_text(encoding="utf-8").splitlines()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) == 130
    finally:
        process.kill()
        process.wait()
        output.close()
    lines = [json.loads(line) for line in (tmp_path / "out").read_text(encoding="utf-8").splitlines()]
    assert lines
    assert all(line["message"].startswith("terminal line") for line in lines)
    ids = [line["id"] for line in lines]
    assert len(ids) == len(set(ids))


def test_the_server_stops_although_somebody_listens(server: Running) -> None:
    with urllib.request.urlopen(f"{server.url}/api/v1/tail", timeout=PATIENCE) as stream:
        assert stream.readline().startswith(b"retry: ")
        begun = time.monotonic()
        server.stop()
        rest = stream.read()
    assert b"event: end" in rest
    print(f"stopped in {time.monotonic() - begun:.1f} s")
