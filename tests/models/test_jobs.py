"""Training and its kin as real processes: progress, one at a time, cancelled, killed; the store is never half made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logsense.config import Settings
from logsense.errors import BadInput, Busy, NotFound
from logsense.jobs import FOLDER, Jobs, write_job
from logsense.lifecycle.store import ModelStore
from logsense.workspace import Workspace

WAIT_S = 600.0  # a job takes what others leave: on a busy machine that is little
TRAIN: dict[str, Any] = {
    "name": "mine",
    "collect": {"source": "index", "horizon_s": 300},
    "preprocess": {"by": "failures"},
    "evaluate": {"bootstrap": 20, "shifts": 100},
}
SETTINGS = Settings({"labels": {"merge_s": 60}, "predict": {"step_s": 30}, "models": {"nice": 0}})


@pytest.fixture
def space(estate: Path) -> Iterator[Workspace]:
    made = Workspace(estate, SETTINGS, load_models=False)
    yield made
    made.close()


def until(done: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while not (found := done()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found
    return found


def test_a_model_is_trained_from_the_index_and_put_in_use(space: Workspace, estate: Path) -> None:
    desk = space.desk
    started = desk.train(TRAIN, by="mira")
    assert started["state"] == "queued" and started["by"] == "mira"
    with pytest.raises(Busy) as refused:
        desk.train(TRAIN)
    assert started["id"] in refused.value.where
    seen = []

    def ended() -> Any:
        job = desk.job(started["id"])
        seen.append(job["progress"])
        return job if job["state"] not in ("queued", "running") else None

    job = until(ended)
    assert job["state"] == "done", job
    assert seen == sorted(seen) and job["progress"] == 1.0
    assert any(0 < share < 1 for share in seen)
    assert job["result"]["decision"]["promoted"], job["result"]["decision"]
    card = desk.model("mine")["card"]
    assert card["data"]["source"] == "index" and card["data"]["labels"]["derived"] > 5
    assert card["calibrated"] is False and any("uncalibrated" in limit for limit in card["limits"])
    assert card["scores"]["reliability"] and card["scores"]["curves"]["served"]
    served = card["scores"]["scores"]["served"]
    assert served["announced"] == served["onsets"] >= 3
    back = desk.wait(desk.rollback("mine")["id"], WAIT_S)
    assert back["state"] == "failed" and "nothing to roll" in back["problem"]["what"]
    assert desk.model("mine")["version"] == "1"
    assert [j["kind"] for j in desk.jobs()] == ["rollback", "train"]


@pytest.mark.slow
def test_evaluate_promote_and_roll_back(space: Workspace, estate: Path) -> None:
    desk = space.desk
    for number in (1, 2):
        made = desk.wait(desk.train({**TRAIN, "deploy": {"use": number == 1}})["id"], WAIT_S)
        assert made["result"]["version"] == str(number), made
    assert made["result"]["decision"] is None and desk.model("mine")["version"] == "1"
    report = desk.wait(desk.evaluate("mine", "2", TRAIN)["id"], WAIT_S)
    assert report["result"]["scores"]["served"]["announced"] > 0
    chosen = desk.wait(desk.promote("mine", "2")["id"], WAIT_S)
    assert chosen["result"]["promoted"], "as good as the one in use on what neither has seen"
    assert desk.model("mine")["version"] == "2"
    back = desk.wait(desk.rollback("mine")["id"], WAIT_S)
    assert back["result"]["version"] == "1" == desk.model("mine")["version"]


def test_a_cancelled_job_leaves_nothing(space: Workspace, estate: Path) -> None:
    long = {**TRAIN, "evaluate": {"bootstrap": 100_000, "shifts": 100_000}}
    job = space.desk.train(long)
    until(lambda: space.desk.job(job["id"])["progress"] > 0.1)
    space.desk.cancel(job["id"])
    ended = space.desk.wait(job["id"], WAIT_S)
    assert ended["state"] == "cancelled" and ended["problem"] is None
    assert ModelStore([estate / "models"]).names() == []
    assert space.desk.cancel(job["id"])["state"] == "cancelled"
    until(lambda: _starts(space))  # the lock is free again


def _starts(space: Workspace) -> bool:
    try:
        job = space.desk.rollback("failure")
    except Busy:
        return False
    return space.desk.wait(job["id"], WAIT_S)["state"] == "failed"


def test_a_job_dies_with_the_service_that_started_it(space: Workspace, estate: Path) -> None:
    code = f"""
import time
from pathlib import Path
from logsense.config import Settings
from logsense.jobs import Jobs
plan = {TRAIN | {"evaluate": {"bootstrap": 100_000, "shifts": 100_000}}!r}
print(Jobs(Path({str(estate)!r}), Settings({SETTINGS.tables!r})).start("train", plan)["id"], flush=True)
time.sleep(600)
"""
    service = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert service.stdout is not None
        job_id = service.stdout.readline().strip()
        until(lambda: space.desk.job(job_id)["progress"] > 0.1)
        with pytest.raises(Busy):
            space.desk.rollback("failure")
    finally:
        os.kill(service.pid, signal.SIGKILL)
        service.wait()
        service.stdout.close()  # type: ignore[union-attr]
    job = until(lambda: (j := space.desk.job(job_id))["state"] in ("failed", "cancelled") and j)
    assert job["ended"]
    assert ModelStore([estate / "models"]).names() == []


def test_too_little_history_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    from logsense.index.embedded import EmbeddedIndex
    from tests.models.conftest import fill

    index = EmbeddedIndex(tmp_path / "index", writer=True)
    fill(index)
    index.close()
    space = Workspace(tmp_path, Settings({"labels": {"failure_level": "emergency"}}), load_models=False)
    job = space.desk.wait(space.desk.train(TRAIN)["id"], WAIT_S)
    assert job["state"] == "failed"
    assert job["problem"]["what"] == "There is not enough history to train on."
    assert "0 failures" in job["problem"]["why"] and "/api/v1/failures" in job["problem"]["fix"]
    space.close()


def test_what_can_be_refused_is_refused_at_once(space: Workspace) -> None:
    with pytest.raises(NotFound, match="recording"):
        space.desk.train({"collect": {"source": "recordings", "recordings": ["../../etc"]}})
    with pytest.raises(BadInput):
        space.desk.train({"collect": {"source": "recordings"}})
    with pytest.raises(BadInput):
        space.desk.train({"collect": {"source": "index", "since": "soonish"}})
    with pytest.raises(NotFound):
        space.desk.promote("failure", "999")
    with pytest.raises(NotFound):
        space.desk.job("job-../../x")
    assert space.desk.jobs() == []


def test_a_job_whose_process_is_gone_has_failed(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    write_job(folder, {"id": "job-1-a", "kind": "train", "state": "running", "progress": 0.5, "doing": "fitting",
                       "pid": 2**22 + 1, "born": 1.0, "created": "", "ended": None, "by": "", "request": {},
                       "result": None, "problem": None})  # fmt: skip
    (folder / "job-2-b.json").write_text("{")
    (job,) = Jobs(tmp_path, Settings()).all()
    assert job["state"] == "failed" and "ended while it ran" in job["problem"]["why"]
    assert "pid" not in job
