"""A server whose Elasticsearch is busy, unready or full: it goes on accepting, says what is wrong, loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.places import Place, placed
from tests.e2e.running import Running
from tests.faulty_node import FaultyNode

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("elasticsearch")]
DAY = "2026-03-01"


@pytest.fixture
def node(elasticsearch_url: str) -> Iterator[FaultyNode]:
    with FaultyNode(elasticsearch_url) as made:
        yield made


@pytest.fixture
def behind(node: FaultyNode, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with placed("elasticsearch", request, tmp_path / "place", url=node.url) as place:
        yield place
        node.fault = None


def post(server: Running, first: int, count: int) -> None:
    lines = [{"message": f"request {n} served", "@timestamp": f"{DAY}T02:00:00Z", "host.name": f"web{n % 7}"}
             for n in range(first, first + count)]  # fmt: skip
    assert server.post_lines(lines) == 200


def held_up(server: Running, said: str) -> dict[str, Any]:
    """``/readyz`` once it names the problem."""
    state = server.wait_for("/readyz", lambda a: any(said in p["what"] and p["since"] for p in a["problems"]), 60)
    (problem,) = state["problems"]
    assert not state["ready"] and said in state["checks"]["index"]
    assert problem["why"] and problem["where"]
    assert "nothing is lost" in problem["fix"]
    return dict(problem)


@contextmanager
def blocked(client: Any, name: str) -> Iterator[None]:
    """The index takes no writes. Set again and again: a node whose disk is not full takes the block away by itself."""

    def block(on: bool | None) -> None:
        client.ask("PUT", f"/{name}/_settings", {"index.blocks.read_only_allow_delete": on})

    done = threading.Event()

    def hold() -> None:
        while not done.wait(0.3):
            block(True)

    block(True)
    holder = threading.Thread(target=hold)
    holder.start()
    try:
        yield
    finally:
        done.set()
        holder.join()
        block(None)


def doctor(server: Running) -> str:
    """What the command says, as a person at the machine would ask."""
    done = subprocess.run(
        [sys.executable, "-m", "logsense", "doctor", "--data", str(server.data), "--config", str(server.config),
         "--json"], capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return str(next(row for row in json.loads(done.stdout) if row["source"] == "index")["advice"])


def well(server: Running) -> None:
    server.wait_for(
        "/readyz",
        lambda a: a["ready"] and not a["problems"] and a["checks"]["spool"]["backlog_bytes"] == 0,
        300,
    )


def test_busy_unready_and_full(tmp_path: Path, node: FaultyNode, behind: Place) -> None:
    with Running(tmp_path / "data", settings=behind.toml) as server:
        post(server, 0, 300)
        well(server)
        # The last line of each host waits a moment for lines that go on with it.
        server.wait_for("/api/v1/search?q=request&limit=1", lambda a: a["total"] == 300, 60)
        # 429 to every write, while questions are answered
        with node.failing(429, only="_bulk"):
            post(server, 300, 300)
            held_up(server, "too busy")
            assert server.get("/api/v1/search?q=request&limit=1")["total"] == 300
            assert "too busy" in doctor(server)
            page = server.request("GET", "/sources", headers={"Accept": "text/html"})[1].decode()
            assert "too busy" in page
        well(server)
        # 503 to everything
        with node.failing(503):
            post(server, 600, 300)
            held_up(server, "not ready")
            assert server.request("GET", "/api/v1/search?q=request")[0] == 503
            said = doctor(server)  # answers although the index does not
            assert "Elasticsearch" in said and "What to do" in said
        well(server)
        # the disk of the real node is nearly full: this block is what it sets itself
        index = behind.reader(tmp_path / "data")
        name = index._lines._store.name("logs", DAY.replace("-", "."))  # type: ignore[attr-defined]
        client = index._lines._store.client  # type: ignore[attr-defined]
        with blocked(client, name):
            post(server, 900, 300)
            problem = held_up(server, "disk is nearly full")
            assert "retention_days" in problem["fix"] and name in problem["where"]
            assert "disk is nearly full" in doctor(server)
        well(server)
        assert index.dead_letters() == 0  # type: ignore[attr-defined]
        index.close()
    found = behind.count(tmp_path / "data")
    assert sorted(found) == list(range(1200)) and set(found.values()) == {1}
