"""A real server: report failures, train from what it indexed while lines go on coming in, use the model, kill it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from logsense.lifecycle.store import ModelStore
from tests.e2e.running import Running
from tests.models.conftest import FAILS_AT_S, START, estate

__all__ = ["estate"]  # a fixture: four hours of two hosts in an index
SETTINGS = (
    "[labels]\nmerge_s = 60\n[predict]\nstep_s = 30\n[models]\nnice = 0\nrefresh_after = 4\ncheck_every_s = 1.0\n"
)
WAIT_S = 600.0
TRAIN = {"name": "mine", "source": "index", "horizon_s": 300}


def ask(server: Running, method: str, place: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    status, answer = server.request(method, place, data, headers={"content-type": "application/json"})
    return status, json.loads(answer)


def ended(server: Running, job_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        status, job = ask(server, "GET", f"/api/v1/jobs/{job_id}")
        assert status == 200
        if job["state"] not in ("queued", "running"):
            return dict(job)
        # The service goes on: it takes lines and answers questions.
        assert server.request("POST", "/api/v1/logs", b"still here", headers={"content-type": "text/plain"})[0] < 300
        assert ask(server, "GET", "/api/v1/search?q=served&limit=1")[0] == 200
        time.sleep(0.5)
    raise AssertionError(f"{job_id} did not end")


@pytest.mark.slow
def test_a_server_learns_from_its_own_history_and_survives_its_own_death(estate: Path) -> None:
    with Running(estate, settings=SETTINGS) as server:
        onset = START // 10**9 + FAILS_AT_S[0]
        rows = [{"host": "h0", "start": onset, "end": onset + 60, "kind": "disk_full", "id": "ticket-1"}]
        assert ask(server, "POST", "/api/v1/failures", rows)[1]["added"] == 1
        labels = ask(server, "GET", "/api/v1/failure-labels")[1]
        assert labels["counts"]["reported"] == 1 and labels["counts"]["derived"] == len(FAILS_AT_S) - 1
        until = (START + 4 * 3600 * 10**9) // 10**9  # the lines of today are no part of it
        status, job = ask(server, "POST", "/api/v1/models/train", {**TRAIN, "until": str(until)})
        assert status == 202
        assert ask(server, "POST", "/api/v1/models/rollback", {})[0] == 409
        done = ended(server, job["id"])
        assert done["state"] == "done" and done["result"]["decision"]["promoted"], done
        used = next(m for m in ask(server, "GET", "/api/v1/models")[1] if m["name"] == "mine")
        assert used["in_use"] and used["card"]["data"]["labels"]["reported"] == 1
        status, job = ask(server, "POST", "/api/v1/models/train", TRAIN)
        assert status == 202
        server.kill_server()
        server.start()
        job = ended(server, job["id"])
        assert job["state"] in ("failed", "cancelled"), "it died with its server"
        assert ModelStore([estate / "models"]).versions("mine") == ["1"]
        assert not list((estate / "models").glob("mine/.new-*/model.toml"))
        # Four reports in all: now there is enough that is new, and the server trains by itself.
        rows = [{"host": "h1", "start": onset + n * 3600, "id": f"ticket-{n + 2}"} for n in range(3)]
        assert ask(server, "POST", "/api/v1/failures", rows)[1]["added"] == 3
        deadline = time.monotonic() + WAIT_S
        while (newest := ask(server, "GET", "/api/v1/jobs")[1][0])["kind"] != "refresh":
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert newest["by"] == "logsense" and newest["request"]["feedback"] == 4
