"""The worker process serves all tenants in turn: idle, damaged and waiting ones, and what people change meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from logsense import alive, registry
from logsense.front import LocalFront
from logsense.front_process import FrontProcess
from logsense.record import Incident
from logsense.server import Server
from logsense.workers import IDLE_MARK, Workers, _has_work
from tests.core.test_tenants import server, settings
from tests.e2e.small_disk import fill, small_disk
from tests.notify.conftest import Inbox

PATIENCE_S = 120.0


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    one = Inbox()
    yield one
    one.close()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Server]:
    one = server(tmp_path / "data")
    yield one
    one.tenants.close()


def send(made: Server, tenant: str, *messages: str) -> None:
    client = TestClient(made.app(lambda: None), base_url="http://localhost")
    body = b"\n".join(json.dumps({"message": message}).encode() for message in messages)
    assert client.post("/api/v1/logs", content=body, headers={"x-scope-orgid": tenant}).status_code == 200


def until(condition: Callable[[], bool]) -> Callable[[], bool]:
    """A ``stop`` that gives up some day."""
    deadline = time.monotonic() + PATIENCE_S
    return lambda: condition() or time.monotonic() > deadline


def test_an_idle_tenant_is_let_go_and_taken_up_again(tmp_path: Path) -> None:
    made = server(tmp_path, tenants={"idle_s": 1.0})
    try:
        client = TestClient(made.app(lambda: None), base_url="http://localhost")
        workers = Workers(tmp_path, settings(tenants={"idle_s": 1.0}), models=False)
        headers = {"x-scope-orgid": "a"}
        seen: list[str] = []

        def stop() -> bool:
            at_work = "a" in workers.at_work
            if not seen:
                assert client.post("/api/v1/logs", json={"message": "one"}, headers=headers).status_code == 200
                seen.append("sent")
            elif seen[-1] == "sent" and at_work:
                seen.append("at work")
            elif seen[-1] == "at work" and not at_work:
                seen.append("let go")
                assert client.post("/api/v1/logs", json={"message": "two"}, headers=headers).status_code == 200
            elif seen[-1] == "let go" and at_work:
                seen.append("again")
            return seen[-1] == "again" or time.monotonic() > deadline

        deadline = time.monotonic() + 120
        workers.run_until(stop)
        assert seen[-1] == "again"
        assert client.get("/api/v1/search?q=", headers=headers).json()["total"] == 2
        assert client.get("/api/v1/search?q=").json()["total"] == 0
    finally:
        made.tenants.close()


def test_a_damaged_tenant_does_not_stop_the_others(tmp_path: Path) -> None:
    made = server(tmp_path)
    try:
        client = TestClient(made.app(lambda: None), base_url="http://localhost")
        for tenant in ("bad", "good"):
            client.post("/api/v1/logs", json={"message": tenant}, headers={"x-scope-orgid": tenant})
        (tmp_path / "tenants" / "bad" / "state.db").write_bytes(b"no database" * 1000)
        workers = Workers(tmp_path, settings(), models=False)
        good = made.tenants.workspace("good")
        deadline = time.monotonic() + 60
        workers.run_until(lambda: bool(good.templates()) or time.monotonic() > deadline)
        assert [t["template"] for t in good.templates()] == ["good"]
        assert made.tenants.spool("bad").backlog_bytes() > 0  # nothing accepted is lost
    finally:
        made.tenants.close()


def test_an_edit_of_an_idle_tenant_is_applied_though_no_line_comes(made: Server) -> None:
    send(made, "a", *(f"user {n} logged in" for n in range(20)))
    place, space = made.data / "tenants" / "a", made.tenants.workspace("a")
    workers = Workers(made.data, settings(tenants={"idle_s": 1.0}), models=False)
    workers.run_until(until((place / IDLE_MARK).exists))
    template = space.templates()[0]["id"]
    space.edit_template("rename", template, label="somebody came")
    workers = Workers(made.data, settings(tenants={"idle_s": 1.0}), models=False)
    workers.run_until(until(lambda: space.index.templates()[0].label == "somebody came"))
    assert space.index.templates()[0].label == "somebody came"
    workers.run_until(until((place / IDLE_MARK).exists))
    assert "a" not in workers.at_work and not _has_work(place)  # with nothing left to do it is left alone


@pytest.mark.xdist_group("disks")
def test_a_full_disk_of_one_tenant_stops_nobody_else(tmp_path: Path) -> None:
    place = tmp_path / "data" / "tenants" / "a"
    with small_disk(place, 48):
        made = server(tmp_path / "data", spool={"keep_free_bytes": 0})
        send(made, "a", "first of a")
        workers = Workers(made.data, settings(), models=False)
        a, default = made.tenants.workspace("a"), made.tenants.workspace("default")
        workers.run_until(until(lambda: bool(a.templates())))
        send(made, "a", "second line of a")
        ballast = fill(place)
        send(made, "default", "one for default")
        workers.run_until(until(lambda: bool(alive.problem(place) and default.templates())))
        assert alive.problem(place) and not alive.problem(made.data)
        assert not a.ready()["ready"] and default.ready()["checks"]["index"] == "ok"
        ballast.unlink()
        workers.run_until(until(lambda: a.search("second")["total"] == 1))
        assert a.search("second")["total"] == 1 and not made.tenants.spool("a").backlog_bytes()
        made.tenants.close()


def test_only_the_default_tenant_has_a_process_that_parses(made: Server) -> None:
    send(made, "default", "one")
    send(made, "a", "two")
    workers = Workers(made.data, settings(worker={"processes": 2}), models=False, beside=True)
    kinds: dict[str, type] = {}

    def stop() -> bool:
        kinds.update((name, type(worker.front)) for name, worker in workers.at_work.items())
        return all(made.tenants.workspace(name).templates() for name in ("default", "a"))

    workers.run_until(until(stop))
    assert kinds == {"default": FrontProcess, "a": LocalFront}


def test_people_are_told_of_the_default_tenant_only(tmp_path: Path, inbox: Inbox) -> None:
    channel = {"name": "all", "type": "webhook", "url": inbox.url}
    made = server(tmp_path, notify={"channel": [channel], "settle_s": 0.0})
    try:
        now = time.time_ns()
        send(made, "a", "one")
        for tenant in ("default", "a"):
            incident = Incident(
                id=f"inc-{tenant}", title=tenant, status="open", severity="critical", start_ns=now, last_ns=now,
            )  # fmt: skip
            with_writer(tmp_path if tenant == "default" else tmp_path / "tenants" / tenant, incident)
        made.notifier.step()
        default, other = made.tenants.workspace("default"), made.tenants.workspace("a")
        assert default.incidents() and other.incidents()
        assert len(inbox.bodies) == 1 and "inc-default" in str(inbox.bodies) and "inc-a" not in str(inbox.bodies)
        inbox.answers = [500]
        with_writer(tmp_path, replace(incident, id="inc-default-2"))
        made.notifier.step()
        assert "notify:all" in [row["source"] for row in default.doctor()]
        assert not any("notify" in row["source"] for row in other.doctor())
    finally:
        made.tenants.close()


def with_writer(place: Path, incident: Incident) -> None:
    index = registry.open_index(place, settings(), writer=True)
    index.put_incidents([incident])
    index.commit()
    index.close()
