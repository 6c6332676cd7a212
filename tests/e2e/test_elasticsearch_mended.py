"""States that people mend: lines wait, whoever looks is told what is wrong and what to do, and nothing is lost."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from logsense.index.elastic import ElasticIndex, ElasticOptions
from logsense.record import Query
from tests.e2e.running import Running
from tests.elasticsearch_server import Server

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.slow,
    pytest.mark.xdist_group("elasticsearch"),
    pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate"),
]
LINES = 200


@pytest.fixture(scope="module")
def secure(secure_elasticsearch: Server) -> Server:
    return secure_elasticsearch


def options(server: Server, key: str, prefix: str) -> dict[str, Any]:
    urls, ca_file = [server.url], str(server.certificate)
    return {"urls": urls, "ca_file": ca_file, "max_backoff_s": 1.0, "api_key": key, "prefix": prefix}


def settings(table: dict[str, Any]) -> str:
    rows = "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items())
    return f'[index]\ntype = "elasticsearch"\n[elasticsearch]\n{rows}'


def post(server: Running, first: int, at_s: float) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))
    lines = [{"message": f"request {n} served", "host": f"web{n % 5}", "@timestamp": stamp}
             for n in range(first, first + LINES)]  # fmt: skip
    assert server.post_lines(lines) == 200


def held_up(server: Running, said: str) -> dict[str, Any]:
    state = server.wait_for("/readyz", lambda a: any(said in p["what"] for p in a["problems"]))
    (problem,) = state["problems"]
    assert not state["ready"] and problem["why"] and "nothing is lost" in problem["fix"]
    assert said in json.dumps(server.get("/api/v1/sources"))  # as the page of sources and doctor show it
    return dict(problem)


def well(server: Running, total: int) -> None:
    server.wait_for("/readyz", lambda a: a["ready"] and a["checks"]["spool"]["backlog_bytes"] == 0)
    server.wait_for("/api/v1/search?q=request&limit=1&from=2026-01-01T00:00:00Z", lambda a: a["total"] == total)


def all_there(table: dict[str, Any], folder: Path, count: int) -> None:
    index = ElasticIndex(folder, writer=False, options=ElasticOptions(**table))
    assert sorted(int(record.message.split()[1]) for record in index.scan(Query())) == list(range(count))
    assert index.dead_letters() == 0
    index.close()


def test_a_key_that_lacks_a_right(secure: Server, tmp_path: Path) -> None:
    poor = options(secure, secure.api_key("read", "view_index_metadata"), "logsense-key")
    right = options(secure, secure.api_key(), "logsense-key")
    with Running(tmp_path / "data", settings=settings(poor)) as server:
        post(server, 0, time.time())
        problem = held_up(server, "lacks a right")
        assert "read, write and manage" in problem["fix"] and problem["where"].startswith(secure.url)
        assert server.get("/api/v1/search?q=request")["total"] == 0  # asking is allowed
        assert server.stop() == 0
        text = server.config.read_text().replace(poor["api_key"], right["api_key"])
        server.config.write_text(text)
        server.start()
        well(server, LINES)
    all_there(right, tmp_path / "none", LINES)


def test_the_limit_of_shards(secure: Server, tmp_path: Path) -> None:
    table = options(secure, secure.api_key(), "logsense-limit")

    def limit(shards: int | None) -> None:
        secure.post("/_cluster/settings", {"persistent": {"cluster.max_shards_per_node": shards}}, "PUT")

    with Running(tmp_path / "data", settings=settings(table)) as server:
        post(server, 0, time.time())
        well(server, LINES)
        limit(1)
        try:
            post(server, LINES, time.time() - 5 * 86_400)  # a day that has no index yet
            problem = held_up(server, "limit of shards")
            assert "retention_days" in problem["fix"] and "cluster.max_shards_per_node" in problem["fix"]
            assert server.get("/api/v1/search?q=request&limit=1")["total"] == LINES
        finally:
            limit(None)
        well(server, 2 * LINES)
    all_there(table, tmp_path / "none", 2 * LINES)
