"""Disks that are full: of the spool (whole requests are refused), of the index (lines wait), and both recover."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from logsense.index import EmbeddedIndex
from logsense.record import Query
from tests.e2e.running import Running
from tests.e2e.senders import ALL, HTTP, Load, counted, with_ports
from tests.e2e.small_disk import fill, small_disk

pytestmark = pytest.mark.xdist_group("disks")
UNTIL_THE_END = "[spool]\nkeep_free_bytes = 0\n"


def found_in(data: Path) -> dict[int, int]:
    index = EmbeddedIndex(data / "index", writer=False)
    found = counted(index.scan(Query()))
    index.close()
    return found


def post(server: Running, name: str, numbers: range) -> tuple[int, dict[str, str]]:
    """Status and headers of one batch by ``name``."""
    path, kind, body = HTTP[name]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", path, body(numbers), {"Content-Type": kind})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, dict(answer.headers.items())


def test_a_full_disk_at_the_spool_refuses_whole_requests(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with small_disk(data / "spool", 8) as spool, Running(data, settings=UNTIL_THE_END) as server:
        assert post(server, "jsonlines", range(50))[0] == 200
        ballast = fill(spool, leave=64 * 1024)  # room for small batches only
        refused: set[int] = set()
        accepted = set(range(50))
        first = 1000
        for name in (*HTTP, *HTTP):
            numbers = range(first, first + 3000)  # more than there is room for
            first += 3000
            status, headers = post(server, name, numbers)
            assert status in (429, 503), name  # 503 is what Splunk's and Datadog's clients retry
            assert int(headers["retry-after"]) >= 1, name
            refused |= set(numbers)
        assert server.get("/healthz")
        ballast.unlink()
        for name in HTTP:
            numbers = range(first, first + 500)
            first += 500
            assert 200 <= post(server, name, numbers)[0] < 300, name
            accepted |= set(numbers)
        server.wait_for("/readyz", lambda a: a["ready"] and a["checks"]["spool"]["backlog_bytes"] == 0, 60)
        assert server.stop() == 0
        found = found_in(data)
        assert set(found) == accepted  # nothing of a refused request was kept, everything of the others was
        assert set(found.values()) == {1}


def doctor(data: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "logsense", "doctor", "--json", "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ}, timeout=120)
    return list(json.loads(done.stdout))


def index_down(folder: Path, *, seconds: float, pause_s: float) -> None:
    """Every protocol sends while the index cannot be written for ``seconds``; afterwards all is there once."""
    data = folder / "data"
    ports, settings = with_ports()
    with small_disk(data / "index", 64) as index, Running(data, settings=settings) as server:
        load = Load(server, ports, pause_s=pause_s)
        load.start()
        try:
            server.wait_for("/api/v1/search?q=request", lambda a: a["total"] > 0, 60)
            worker = server.worker_pid()
            ballast = fill(index)
            server.wait_for("/readyz", lambda a: a["checks"]["index"].startswith(("down", "waiting")), 60)
            down, before = time.monotonic(), load.total()
            advice = [row["advice"] for row in doctor(data) if row["source"] == "index"]
            assert len(advice) == 1 and "cannot be written" in advice[0] and "wait in the spool" in advice[0]
            while time.monotonic() - down < seconds or load.total() <= before:
                state = json.loads(server.request("GET", "/readyz")[1])
                assert state["checks"]["index"] != "ok" and state["checks"]["worker"] == "ok", state
                time.sleep(1)
                assert time.monotonic() - down < seconds + 60, "nothing was accepted while the index was down"
            assert server.worker_pid() == worker  # it waits; it is not started again and again
            backlog = json.loads(server.request("GET", "/readyz")[1])["checks"]["spool"]["backlog_bytes"]
            assert backlog > 0
            ballast.unlink()
            server.wait_for("/readyz", lambda a: a["ready"], 60)
            load.finish()
            server.wait_for("/readyz", lambda a: a["checks"]["spool"]["backlog_bytes"] == 0, 300)
            assert server.stop() == 0
        finally:
            load.finish()
        found = found_in(data)
        acknowledged = set().union(*load.acknowledged.values())
        print(f"\nindex down for {seconds:.0f} s: {load.total()} acknowledged ({load.total() - before} of them since), "
              f"backlog {backlog} bytes, {sum(n not in found for n in acknowledged)} lost, "
              f"{sum(count > 1 for count in found.values())} doubled")  # fmt: skip
        assert acknowledged <= set(found)
        assert set(found.values()) == {1}
        assert all(load.acknowledged[name] for name in ALL if name != "syslog")


def test_a_full_disk_at_the_index_costs_only_time(tmp_path: Path) -> None:
    index_down(tmp_path, seconds=5, pause_s=2.0)


@pytest.mark.slow
def test_the_index_is_down_for_ten_minutes(tmp_path: Path) -> None:
    index_down(tmp_path, seconds=600, pause_s=5.0)
