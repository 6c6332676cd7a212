"""Failures over HTTP: who may report, what is refused and how, and that tenants see only their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from logsense.api.app import ApiOptions, create_app
from logsense.api.credentials import authenticator
from logsense.config import Settings
from logsense.keys import KeyStore
from logsense.tenants import CallersIntake, Tenants, callers_space

PLACE = "/api/v1/failures"
ROW = {"host": "db1", "start": "2026-03-01T02:14:00Z", "kind": "disk_full", "id": "t1"}


@pytest.fixture
def tenants(tmp_path: Path) -> Iterator[Tenants]:
    made = Tenants(tmp_path, Settings(), load_models=False)
    made.intake("team-a")
    yield made
    made.close()


@pytest.fixture
def client(tenants: Tenants, tmp_path: Path) -> TestClient:
    keys = KeyStore(tmp_path)
    options = ApiOptions(authenticate=authenticator(keys), keys=keys)
    return TestClient(create_app(callers_space(tenants), CallersIntake(tenants), [], options=options))


def test_reports_are_kept_changed_listed_and_taken_back(client: TestClient) -> None:
    first = client.post(PLACE, json=ROW).json()
    assert (first["added"], first["failures"][0]["outcome"]) == (1, "added")
    assert client.post(PLACE, json=ROW).json()["unchanged"] == 1
    assert client.post(PLACE, json={**ROW, "end": 1772331660}).json()["changed"] == 1
    many = client.post(PLACE, json=[{**ROW, "id": f"m{n}", "host": f"web{n}"} for n in range(3)]).json()
    assert many["added"] == 3
    assert {f["id"] for f in client.get(PLACE).json()} == {"t1", "m0", "m1", "m2"}
    assert [f["id"] for f in client.get(f"{PLACE}?host=web1").json()] == ["m1"]
    assert client.get(f"{PLACE}/t1").json()["end"] == "2026-03-01T02:21:00Z"
    assert client.get("/api/v1/failure-labels?from=2026-02-01T00:00:00Z&to=now").json()["counts"]["reported"] == 4
    assert client.delete(f"{PLACE}/t1").json()["host"] == "db1"
    assert client.get(f"{PLACE}/t1").status_code == 404
    assert client.delete(f"{PLACE}/t1").status_code == 404


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"start": 1772331240}, "Field required"),
        ({"host": "", "start": 1772331240}, "at least 1"),
        ({"host": "a", "start": "soonish"}, "no time"),
        ({"host": "a", "start": 1772331240, "end": 1772331240}, "does not come"),
        ({"host": "a", "start": 1772331240, "color": "red"}, "not permitted"),
        ({"host": "a\u0000", "start": 1772331240}, "characters"),
        ([], "it holds 0"),
        ([ROW, {**ROW, "start": "x"}], "no time"),
        ("text", ""),
        (None, ""),
    ],
)
def test_bad_reports_are_refused_with_reasons_and_nothing_is_kept(client: TestClient, body: Any, said: str) -> None:
    answer = client.post(PLACE, json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["why"] and answer.json()["fix"]
    assert client.get(PLACE).json() == []


def test_the_bad_row_of_a_list_is_named(client: TestClient) -> None:
    assert client.post(PLACE, json=[ROW, {**ROW, "start": "x"}]).json()["where"] == "failure 1"


def test_tenants_see_only_their_own_and_nobody_reports_for_one_that_is_not(client: TestClient) -> None:
    assert client.post(PLACE, json=ROW, headers={"x-scope-orgid": "team-a"}).status_code == 200
    assert client.get(PLACE).json() == []
    assert len(client.get(PLACE, headers={"x-scope-orgid": "team-a"}).json()) == 1
    refused = client.post(PLACE, json=ROW, headers={"x-scope-orgid": "team-x"})
    assert refused.status_code == 404 and "tenant" in refused.json()["detail"]
    assert client.get(PLACE, headers={"x-scope-orgid": "team-y"}).json() == []
    train = client.post("/api/v1/models/train", json={}, headers={"x-scope-orgid": "team-x"})
    assert train.status_code == 404


def test_scopes_say_who_may_report_and_train(client: TestClient, tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    keys = {s: {"authorization": f"Bearer {store.add(s, [s], ())}"} for s in ("ingest", "search", "admin")}
    for method, place in (("post", PLACE), ("delete", f"{PLACE}/t1"), ("post", "/api/v1/models/train"),
                          ("post", "/api/v1/models/rollback"), ("delete", "/api/v1/jobs/job-1")):  # fmt: skip
        assert client.request(method, place).status_code == 401
        for scope in ("ingest", "search"):
            assert client.request(method, place, headers=keys[scope]).status_code == 403, (place, scope)
    answer = client.post(PLACE, json={**ROW, "by": "somebody else"}, headers=keys["admin"])
    assert answer.json()["failures"][0]["by"] == "admin", "a key's own name wins"
    assert client.get(PLACE, headers=keys["search"]).status_code == 200
    assert client.get("/api/v1/jobs", headers=keys["ingest"]).status_code == 403
