"""What people see and change of templates, over a real index: lists, one in full, drift, edits and their refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from logsense.api.app import create_app
from logsense.cli import app
from logsense.cli.templates import spark
from logsense.config import Settings
from logsense.drift import drift
from logsense.editing import Conflict
from logsense.errors import BadInput, NotFound
from logsense.mine.parameters import names, view
from logsense.mine.values import kind_of, kind_of_all, number_of
from logsense.record import RawEvent
from logsense.worker import Worker
from logsense.workspace import Workspace

T0 = 1_772_330_400 * 10**9
MINUTE = 60 * 10**9


def event(message: str, at: int, host: str = "db1", service: str = "shop", level: str = "info") -> RawEvent:
    line = {"@timestamp": at // 10**9, "message": message, "host.name": host, "service.name": service, "level": level}
    return RawEvent(json.dumps(line), "test", at)


def traffic() -> list[RawEvent]:
    """Two hours: orders all the time, a cache that falls silent after one, an error that begins then."""
    made = []
    for minute in range(120):
        at = T0 + minute * MINUTE
        made += [event(f"order {n} of user={('ann', 'bob', 'eve')[n % 3]} took {n % 50} ms", at + n * 10**9,
                       host=f"db{n % 2}") for n in range(6)]  # fmt: skip
        if minute < 60:
            made.append(event(f"cache refreshed from 10.0.0.{minute % 4} port {4000 + minute}", at))
        elif minute % 2:
            made.append(event("payment gateway unreachable", at, level="error"))
    made.append(event("tables analysed", T0 + 30 * MINUTE, service="cron"))
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    run(tmp_path, traffic())
    return tmp_path


def run(folder: Path, events: list[RawEvent]) -> None:
    worker = Worker(folder, Settings(), models=False)
    if events:
        worker.spool.append(events)
    worker.drain()
    worker.close()


@pytest.fixture
def space(data: Path) -> Iterator[Workspace]:
    made = Workspace(data, load_models=False)
    yield made
    made.close()


def one(space: Workspace, words: str, **options: Any) -> dict[str, Any]:
    (row,) = space.templates(text=words, **options)
    return row


def test_the_list(space: Workspace) -> None:
    rows = space.templates(course=True)
    assert [r["count"] for r in rows] == [720, 60, 30, 1]
    assert sum(r["count"] for r in rows) == sum(n for r in rows for _, n in r["course"]["buckets"]) == 811
    assert sum(r["share"] for r in rows) == pytest.approx(1, abs=1e-3)
    assert [r["template"] for r in rows if r["new"]] == ["payment gateway unreachable"]
    assert [r["template"] for r in rows if r["rare"]] == ["tables analysed"]
    assert space.templates(only_rare=True)[0]["service"] == "cron"
    assert [r["count"] for r in space.templates(order="rare")] == [1, 30, 60, 720]
    assert space.templates(order="new")[0]["template"] == "payment gateway unreachable"
    late = space.templates(from_=T0 + 60 * MINUTE, to=T0 + 90 * MINUTE)
    assert [r["count"] for r in late] == [180, 15]
    with pytest.raises(BadInput):
        space.templates(order="colour")


def test_one_in_full(space: Workspace) -> None:
    found = space.template(one(space, "order")["id"])
    order, user, took = found["parameters"]
    assert (order["name"], order["type"], order["distinct"]) == ("order", "integer", 6)
    assert (user["name"], user["type"], dict(user["top"])) == ("user", "word", {"ann": 240, "bob": 240, "eve": 240})
    assert took["quantiles"] == [0, 1, 3, 4, 5]
    assert [(h["host"], h["count"]) for h in found["hosts"]] == [("db0", 360), ("db1", 360)]
    assert sum(n for _, n in found["histogram"]["buckets"]) == found["count"] == 720
    assert space.template(found["id"][:6])["id"] == found["id"]
    cache = space.template(one(space, "cache")["id"])
    assert [(p["name"], p["field"], p["type"]) for p in cache["parameters"]] == [
        ("from", "source.ip", "ip"), ("port", "source.port", "integer"),
    ]  # fmt: skip


def test_named_parameters_are_fields_of_the_search(space: Workspace) -> None:
    found = space.search("source.ip:10.0.0.1", limit=100)
    assert found["total"] == 15
    assert {h["fields"]["source.ip"] for h in found["hits"]} == {"10.0.0.1"}
    assert space.search("source.ip:10.0.0.1 source.port:4001", limit=1)["total"] == 1
    assert space.search("user.name:ann", limit=1)["total"] == 240


def test_an_unknown_id_names_the_nearest(space: Workspace) -> None:
    known = one(space, "order")["id"]
    wrong = known[:-1] + ("0" if known[-1] != "0" else "1")
    for ask in (space.template, lambda t: space.edit_template("rename", t, label="x")):
        with pytest.raises(NotFound) as error:
            ask(wrong)
        assert known in error.value.fix


def test_drift(space: Workspace) -> None:
    found = space.template_drift(from_=T0 + 60 * MINUTE)
    assert [(r["template"], r["before"], r["after"]) for r in found["new"]] == [("payment gateway unreachable", 0, 30)]
    assert [(r["template"][:5], r["before"], r["after"]) for r in found["vanished"]] == [("cache", 60, 0)]
    assert found["changed"] == []
    space.edit_template("noise", found["new"][0]["id"])
    assert space.template_drift(from_=T0 + 60 * MINUTE)["new"] == []
    with pytest.raises(BadInput):
        space.template_drift(from_=T0 - MINUTE)


def test_edits_are_seen_at_once_and_reach_the_search_when_the_worker_has_them(data: Path, space: Workspace) -> None:
    cache, pay, cron = (one(space, words)["id"] for words in ("cache", "payment", "tables"))
    space.edit_template("rename", cache, label="cache warmed", by="mira", note="asked by ops")
    merge = space.edit_template("merge", pay, into=cache)
    space.edit_template("noise", cron)
    for _ in range(2):
        shown = one(space, "warmed")
        assert (shown["count"], shown["merged"], shown["label"]) == (90, 1, "cache warmed")
        assert space.template(pay)["alias_of"] == cache
        assert [r["id"] for r in space.templates(noise="only")] == [cron]
        assert sum(r["count"] for r in space.templates(noise="show")) == 811
        run(data, [])
    assert space.search(f"template:{cache}", limit=1)["total"] == 90
    assert space.search("tables analysed", limit=1)["total"] == 1
    edits = space.template(cache)["edits"]
    assert [(e["kind"], e["by"], e["note"]) for e in edits[:1]] == [("rename", "mira", "asked by ops")]
    space.edit_template("undo", undoes=merge["edit"])
    assert one(space, "payment")["count"] == 30
    run(data, [])
    assert space.search(f"template:{cache}", limit=1)["total"] == 60
    assert [e["holds"] for e in space.template_edits()] == [False, True, False, True]


def test_a_split_by_command_and_its_undoing(data: Path, space: Workspace) -> None:
    order = one(space, "order")["id"]
    space.edit_template("split", order, parameter=2)
    later = [event(f"order 7 of user={name} took 5 ms", T0 + 121 * MINUTE) for name in ("ann", "ann", "bob")]
    run(data, later)
    rows = {r["template"]: r["count"] for r in space.templates()}
    assert rows["order <*> of user=ann took <*> ms"] == 2
    assert rows["order <*> of user=bob took <*> ms"] == 1
    assert sum(rows.values()) == 814
    assert len(space.template(order)["split_into"]) == 2
    assert space.template(one(space, "bob")["id"])["split_of"] == order
    space.edit_template("undo", order)
    assert one(space, "order")["count"] == 723
    run(data, [])
    assert (one(space, "order")["count"], space.search(f"template:{order}", limit=1)["total"]) == (723, 723)


def test_what_is_refused_and_why(space: Workspace) -> None:
    cache, pay, cron = (one(space, words)["id"] for words in ("cache", "payment", "tables"))

    def refused(kind: str, template: str = "", error: type[Exception] = Conflict, **members: Any) -> str:
        before = space.template_edits()
        with pytest.raises(error) as caught:
            space.edit_template(kind, template, **members)
        assert space.template_edits() == before
        return str(caught.value)

    assert "different services" in refused("merge", cron, into=pay)
    assert "into itself" in refused("merge", pay, into=pay)
    assert "no template" in refused("merge", pay, NotFound, into="feedfeedfeed")
    assert "no parameter 3" in refused("split", cache, BadInput, parameter=3)
    assert "nobody merged" in refused("split", cache)
    assert "empty" in refused("rename", cache, BadInput, label=" ")
    assert "printable" in refused("rename", cache, BadInput, label="a\x1b[31m")
    assert "not marked" in refused("noise", cache, on=False)
    assert "no edit 9" in refused("undo", error=NotFound, undoes=9)
    assert "Nothing was changed" in refused("undo", cache, NotFound)
    assert "Unknown kind" in refused("paint", cache, BadInput)
    space.edit_template("merge", cron, into=pay, force=True)
    assert "already" in refused("merge", cron, into=cache)
    assert "circle" in refused("merge", pay, into=cron)
    space.edit_template("rename", pay, label="payments fail")
    assert "this name already" in refused("rename", cache, label="payments fail")
    space.edit_template("split", cron)
    assert space.template(cron)["alias_of"] == ""


def test_the_forms_of_the_page_work_and_other_sites_cannot_press_them(space: Workspace) -> None:
    cache, pay = (one(space, words)["id"] for words in ("cache", "payment"))
    client = TestClient(create_app(space, None, []), headers={"accept": "text/html"}, follow_redirects=False)  # type: ignore[arg-type]

    def press(kind: str, template: str, form: dict[str, str], **headers: str) -> Any:
        return client.post(f"/templates/{template}/{kind}", data=form, headers=headers)

    assert press("noise", cache, {"on": "1"}, Origin="https://evil.example").status_code == 403
    assert space.template_edits() == []
    assert press("rename", cache, {"label": "cache warmed", "by": "mira"}).headers["location"].endswith("done=rename")
    assert press("merge", pay, {"into": cache}).status_code == 303
    assert press("merge", pay, {"into": "nothing"}).status_code == 404
    assert press("noise", cache, {"on": "1"}).status_code == 303
    assert press("noise", cache, {"on": "1"}).status_code == 409
    assert press("undo", cache, {"edit": "x"}).status_code == 400
    page = client.get(f"/templates/{cache}").text
    assert "cache warmed" in page
    assert "Marked as noise" in page
    assert "cache warmed" not in client.get("/templates").text
    assert "cache warmed" in client.get("/templates?show=noise").text
    assert press("split", pay, {}).status_code == 303
    assert press("noise", cache, {"on": "0"}).status_code == 303
    assert [r["count"] for r in space.templates()] == [720, 60, 30, 1]


def test_the_api_says_who_and_refuses_unknown_members(space: Workspace) -> None:
    cache = one(space, "cache")["id"]
    client = TestClient(create_app(space, None, []))  # type: ignore[arg-type]
    answer = client.post(f"/api/v1/templates/{cache}/rename", json={"label": "warm", "by": "ann"})
    assert (answer.status_code, answer.json()["by"], answer.json()["holds"]) == (200, "ann", True)
    assert client.post(f"/api/v1/templates/{cache}/rename", json={"colour": "red"}).status_code == 422
    assert client.post(f"/api/v1/templates/{cache}/paint", json={}).status_code == 422
    assert client.post(f"/api/v1/templates/{cache}/noise", json={"on": False}).status_code == 409
    assert client.get("/api/v1/templates?q=warm&course=1").json()[0]["course"]["buckets"]
    assert client.get("/api/v1/template-edits").json()[0]["label"] == "warm"


def test_the_commands(data: Path, space: Workspace) -> None:
    runner = CliRunner(env={"COLUMNS": "200"})

    def ok(*arguments: str) -> str:
        result = runner.invoke(app, [*arguments, "--data", str(data)])
        assert result.exit_code == 0, result.output
        return result.output

    cache = one(space, "cache")["id"]
    assert "payment gateway unreachable" in ok("templates", "--new")
    assert "tables analysed" not in ok("templates", "--since", "2026-03-01T03:00:00Z")
    ok("template", "rename", cache[:8], "cache warmed", "--by-name", "mira")
    shown = ok("templates", cache)
    assert "cache warmed" in shown
    assert "mira" in shown
    assert "10.0.0.1 ×15" in shown
    ok("template", "noise", cache, "--note", "boring")
    assert "cache warmed" not in ok("templates")
    assert "boring" in ok("template", "edits")
    ok("template", "undo", cache)
    assert "cache warmed" in ok("templates")
    assert "Ceased" in ok("templates", "--drift")
    assert json.loads(ok("templates", "--drift", "--json"))["vanished"][0]["id"] == cache


def test_drift_is_no_noise() -> None:
    assert drift([5] * 20, [5] * 20, 60, 60) is None
    assert drift([5, 4, 6, 5] * 5, [6, 5, 4, 7] * 5, 60, 60) is None
    assert drift([0, 0, 90, 0, 0], [60, 0, 0, 0, 160], 60, 60) is None  # comes in bursts anyhow
    assert drift([0] * 5, [0] * 5, 60, 60) is None
    grown = drift([50] * 20, [150] * 20, 60, 60)
    assert grown is not None
    assert grown.kind == "changed"
    assert drift([1] * 3, [0] * 3, 60, 60) is None  # three lines prove nothing


def test_kinds_of_values() -> None:
    kinds = {
        "10.0.0.1": "ip", "fe80::1": "ip", "10.0.0.1:22": "address", "[::1]:80": "address", "12": "integer",
        "1.5": "decimal", "15ms": "duration", "3 kB": "size", "40%": "percent", "/var/log": "path",
        "http://x/y": "url", "a@b.org": "email", "db1.example.org": "host", "v1.2.3": "version", "true": "boolean",
        "0xdeadbeef": "hex", "00:1a:2b:3c:4d:5e": "mac", "2026-03-01": "time", "root": "word", "two words": "text",
        "123e4567-e89b-12d3-a456-426614174000": "uuid", "": "text",
    }  # fmt: skip
    assert {value: kind_of(value) for value in kinds} == kinds
    assert kind_of_all(["1", "2.5"]) == "decimal"
    assert kind_of_all(["a", "1"]) == "word"
    assert kind_of_all([]) == "unknown"
    assert number_of("15ms") == pytest.approx(0.015)
    assert number_of("2 KiB") == 2048
    assert number_of("x") is None
    assert number_of("9" * 400) is None


def test_names_of_parameters() -> None:
    assert names("user=<*> from <*> (port <*>) GET <*> <*>") == ("user", "from", "port", "", "")
    assert [p.kind for p in view("took <*> by <*>", [["5", "ann"], ["7", "bob"]])] == ["integer", "word"]
    assert view("nothing varies", [[]]) == []


def test_spark_shows_where_nothing_was() -> None:
    assert spark([0, 1, 8, 4]) == " ▁█▄"
    assert spark([]) == ""
