"""What failed and when: what is kept, what is refused, and files of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from logsense.errors import BadInput, NotFound
from logsense.failure_files import read_failures
from logsense.failures import FailureLog, FailureReport, read_failure
from logsense.timefmt import SECOND, parse_time

NOW = parse_time("2026-03-01T12:00:00Z")
ROW = {"host": "db1", "start": "2026-03-01T02:14:00Z"}


def read(**members: Any) -> FailureReport:
    return read_failure({**ROW, **members}, now_ns=NOW)


def test_a_report_survives_and_the_same_id_changes_it(tmp_path: Path) -> None:
    first = read(id="t1", kind="disk_full")
    assert [outcome for _, outcome in FailureLog(tmp_path).put([first])] == ["added"]
    assert [outcome for _, outcome in FailureLog(tmp_path).put([first])] == ["unchanged"]
    ended = read(id="t1", kind="disk_full", end="2026-03-01T02:31:00Z")
    assert [outcome for _, outcome in FailureLog(tmp_path).put([ended])] == ["changed"]
    (kept,) = FailureLog(tmp_path).all()
    assert kept.end_ns - kept.start_ns == 17 * 60 * SECOND
    assert kept.reported_ns > 0
    assert FailureLog(tmp_path).remove("t1").host == "db1"
    assert FailureLog(tmp_path).all() == []
    with pytest.raises(NotFound):
        FailureLog(tmp_path).remove("t1")


def test_a_script_without_ids_may_repeat_itself(tmp_path: Path) -> None:
    log = FailureLog(tmp_path)
    log.put([read(), read(kind="oom")])
    log.put([read(), read(kind="oom")])
    assert sorted(f.kind for f in log.all()) == ["", "oom"]


def test_reports_are_found_by_host_and_time_newest_first(tmp_path: Path) -> None:
    log = FailureLog(tmp_path)
    log.put([read(id=f"{h}{n}", host=h, start=NOW // SECOND - n * 3600) for h in ("a", "b") for n in range(4)])
    hour = 3600 * SECOND
    assert [f.id for f in log.all(host="a")] == ["a0", "a1", "a2", "a3"]
    assert [f.id for f in log.all(NOW - 2 * hour, NOW, host="b")] == ["b1", "b2"]
    assert len(log.all(limit=3)) == 3


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"host": ""}, "no host"),
        ({"host": None}, "no host"),
        ({"host": 5}, "not a text"),
        pytest.param({"host": "a\x00b"}, "characters", id="nul"),
        pytest.param({"host": "\ud800"}, "characters", id="surrogate"),
        pytest.param({"host": "x" * 501}, "501", id="long host"),
        ({"start": ""}, "no start"),
        ({"start": "soonish"}, "no time"),
        ({"start": True}, "no time"),
        ({"start": [1]}, "no time"),
        ({"start": float("nan")}, "no time"),
        ({"start": 1e300}, "no time"),
        ({"start": "2027-03-01T00:00:00Z"}, "no time that"),
        ({"start": 12}, "no time that"),
        ({"end": "2026-03-01T02:14:00Z"}, "does not come"),
        ({"end": "2028-03-01T02:14:00Z"}, "does not come"),
        ({"cause": "2026-03-01T02:15:00Z"}, "does not lie"),
        pytest.param({"note": "x" * 10_001}, "10001", id="long note"),
        ({"nots": "x"}, "unknown member"),
    ],
)
def test_what_cannot_be_a_failure_is_refused_and_says_why(members: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(**members)
    assert said in refused.value.why
    assert refused.value.fix


@pytest.mark.parametrize("start", [1772331240, 1772331240.5, 1772331240500, "1772331240", "-15m", "now"])
def test_times_come_in_many_forms(start: Any) -> None:
    assert read(start=start).start_ns > parse_time("2026-03-01T02:00:00Z") - SECOND


def test_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logsense.failures.MAX_FAILURES", 2)
    log = FailureLog(tmp_path)
    with pytest.raises(BadInput):
        log.put([read(id=str(n)) for n in range(3)])
    assert log.all() == []


FAULTS = {
    "scenario": "server",
    "faults": [
        {"id": "leak", "kind": "oom", "host": "app1", "service": "orders", "start": "2026-02-01T00:00:00Z",
         "effect": "2026-02-01T00:05:00Z", "end": "2026-02-01T00:06:00Z", "cause": "a leak"}
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", json.dumps([{"host": "app1", "start": "2026-02-01T00:05:00Z", "note": "a, b"}])),
        ("a.json", json.dumps({"failures": [{"host": "app1", "start": "2026-02-01T00:05:00Z"}]})),
        ("a.json", json.dumps({"host": "app1", "start": "2026-02-01T00:05:00Z"})),
        ("a.jsonl", '\n{"host": "app1", "start": "2026-02-01T00:05:00Z"}\n\n'),
        ("a.csv", '\ufeffhost,start,note\napp1,2026-02-01T00:05:00Z,"a, b"\n'),
        ("labels.json", json.dumps(FAULTS)),
    ],
)
def test_files_of_every_form_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    (report,) = read_failures(path, by="mira")
    assert (report.host, report.start_ns, report.by) == ("app1", parse_time("2026-02-01T00:05:00Z"), "mira")


def test_a_recordings_cause_is_kept(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text(json.dumps(FAULTS), encoding="utf-8")
    (report,) = read_failures(tmp_path / "labels.json")
    assert report.start_ns - report.cause_ns == 300 * SECOND


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("a.jsonl", '{"host": "a", "start": 1772331240}\n{"host": \n', "a.jsonl:2"),
        ("a.jsonl", '{"host": "a", "start": 1772331240}\n[]\n', "a.jsonl:2"),
        ("a.json", '[{"host": "a", "start": 1772331240}, {"host": "b"}]', "a.json [1]"),
        ("a.json", "17", ""),
        pytest.param("a.json", "[" * 100_000, "a.json:1", id="deep"),
        ("a.csv", "host,start\na\n", "a.csv:2"),
        ("a.csv", "host,start\na,b,c,d\n", "a.csv:2"),
        ("a.csv", 'host,start\n"a', "a.csv"),
        ("labels.json", '{"faults": [1]}', ""),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_taken(tmp_path: Path, name: str, text: str, where: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as refused:
        read_failures(path)
    assert where in refused.value.where


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", None])
def test_files_that_cannot_be_read_are_named(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "a.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(BadInput, match=r"a\.json"):
        read_failures(path)
