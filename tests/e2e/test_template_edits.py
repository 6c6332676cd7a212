"""People's edits against a real server: applied without a restart, kept over `kill -9` and over the next start."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.places import LONG_KINDS, Place
from tests.e2e.running import Running

JSON = {"Content-Type": "application/json"}


def until(ask: Callable[[], Any], what: str, timeout_s: float = 120) -> Any:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := ask():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what} did not come within {timeout_s} s")


@pytest.mark.parametrize("place", LONG_KINDS, indirect=True)
def test_edits_reach_a_running_worker_and_survive_a_kill(tmp_path: Path, place: Place) -> None:
    with Running(tmp_path / "data", settings=place.toml) as server:

        def send(*messages: str) -> None:
            rows = [{"@timestamp": time.time(), "message": m, "host.name": "web1"} for m in messages]
            assert server.post_lines(rows) == 200

        def total(question: str) -> int:
            return int(server.get(f"/api/v1/search?q={question}&limit=1")["total"])

        def edit(template: str, kind: str, **body: Any) -> dict[str, Any]:
            code, answer = server.request(
                "POST", f"/api/v1/templates/{template}/{kind}", json.dumps(body).encode(), JSON
            )
            assert code == 200, answer
            return dict(json.loads(answer))

        send("cache is warm again", "buffers were filled again")
        rows = until(lambda: (r := server.get("/api/v1/templates")) and len(r) == 2 and r, "both templates")
        warm, filled = (r["id"] for r in sorted(rows, key=lambda r: "cache" not in r["template"]))
        edit(filled, "merge", into=warm, by="ann")
        until(lambda: total(f"template:{warm}") == 2, "the merge in the search")
        edit(warm, "rename", label="caches filled")
        edit(warm, "noise", note="every night")  # and at once, before the worker can have seen it:
        server.kill()
        server.start()
        send("cache is warm again")
        until(lambda: total(f"template:{warm}") == 3, "the line after the kill")
        (shown,) = server.get("/api/v1/templates?noise=only")
        assert (shown["id"], shown["label"], shown["count"]) == (warm, "caches filled", 3)
        # Search follows what the worker wrote, not what the reader sees by itself.
        until(lambda: total(f"template:{filled}") == 3, "the alias in the search")
        merge = next(e for e in server.get("/api/v1/template-edits") if e["kind"] == "merge")
        assert merge["by"] == "ann"
        edit(filled, "undo", edit=merge["edit"])
        until(lambda: total(f"template:{warm}") == 2, "the undoing in the search")
        assert total(f"template:{filled}") == 1
