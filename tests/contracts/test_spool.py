"""What every ``Spool`` does; see ``logsense.stages.Spool``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logsense import errors
from logsense.record import MetricPoint, RawEvent
from logsense.spool import DiskSpool, SpoolOptions

Make = Callable[..., Any]


def disk(directory: Path, max_bytes: int = 2**30) -> DiskSpool:
    return DiskSpool(directory, SpoolOptions(max_bytes=max_bytes))


IMPLEMENTATIONS = (disk,)


@pytest.fixture(params=IMPLEMENTATIONS, ids=lambda f: f.__name__)
def make(request: pytest.FixtureRequest) -> Make:
    return request.param


def lines(first: int, count: int) -> list[RawEvent]:
    return [
        RawEvent(f"line {i}", "test", 1_700_000_000_000_000_000 + i, {"host.name": "a"})
        for i in range(first, first + count)
    ]


def drain(spool: Any) -> tuple[list[RawEvent], list[MetricPoint], Any]:
    events, points, position = [], [], None
    while True:
        more, metrics, position = spool.read(100)
        if not more and not metrics:
            return events, points, position
        events += more
        points += metrics


def test_what_is_appended_comes_back_in_order(make: Make, tmp_path: Path) -> None:
    spool = make(tmp_path / "spool")
    for first in range(0, 50, 5):
        spool.append(lines(first, 5), [MetricPoint("cpu", "a", first, 0.5, {"core": "1"})])
    events, points, _ = drain(spool)
    assert [e.message for e in events] == [f"line {i}" for i in range(50)]
    assert [p.timestamp_ns for p in points] == list(range(0, 50, 5))
    assert points[0] == MetricPoint("cpu", "a", 0, 0.5, {"core": "1"})
    assert events[3].fields == {"host.name": "a"} and events[3].received_ns == 1_700_000_000_000_000_003
    spool.close()


def test_ids_are_unique_and_the_same_on_every_reading(make: Make, tmp_path: Path) -> None:
    spool = make(tmp_path / "spool")
    spool.append(lines(0, 20))
    spool.append([RawEvent("own id", "test", 1, {}, "mine"), *lines(20, 5)])
    first, _, _ = drain(spool)
    spool.close()
    again = make(tmp_path / "spool")
    again.append(lines(25, 5))
    second, _, _ = drain(again)
    again.close()
    assert [e.id for e in first] == [e.id for e in second][:26]
    ids = [e.id for e in second]
    assert len(set(ids)) == 31 and "mine" in ids and None not in ids
    assert all(i.replace("-", "").replace("_", "").isalnum() and len(i) < 40 for i in ids)


def test_reading_goes_on_after_a_restart_at_the_checkpoint(make: Make, tmp_path: Path) -> None:
    spool = make(tmp_path / "spool")
    spool.append(lines(0, 10))
    events, _, position = spool.read(10)
    spool.checkpoint(position)
    spool.append(lines(10, 10))
    assert len(events) == 10
    spool.read(10)  # read but never checkpointed
    spool.close()
    again = make(tmp_path / "spool")
    again.open_reader(position)
    events, _, _ = drain(again)
    assert [e.message for e in events] == [f"line {i}" for i in range(10, 20)]
    again.close()


def test_space_is_reclaimed_after_the_checkpoint_only(make: Make, tmp_path: Path) -> None:
    spool = make(tmp_path / "spool")
    spool.append(lines(0, 100))
    spool.close()
    spool = make(tmp_path / "spool")
    assert spool.backlog_bytes() > 1000
    _, _, position = drain(spool)
    assert spool.backlog_bytes() > 1000
    spool.checkpoint(position)
    assert spool.backlog_bytes() == 0
    spool.close()


def test_a_full_spool_refuses_whole_batches_until_it_is_drained(make: Make, tmp_path: Path) -> None:
    spool = make(tmp_path / "spool", max_bytes=20_000)
    accepted = 0
    with pytest.raises(errors.Overloaded) as caught:
        while accepted < 10_000:
            spool.append(lines(accepted, 50))
            accepted += 50
    assert 0 < accepted < 10_000 and caught.value.retry_after_s > 0 and caught.value.why
    spool.close()
    spool = make(tmp_path / "spool", max_bytes=20_000)
    events, _, position = drain(spool)
    assert [e.message for e in events] == [f"line {i}" for i in range(accepted)]
    spool.checkpoint(position)
    spool.append(lines(accepted, 50))
    assert len(drain(spool)[0]) == 50
    spool.close()


def test_nothing_to_append_is_nothing(make: Make, tmp_path: Path) -> None:
    spool = make(tmp_path / "spool")
    spool.append([])
    events, points, _ = spool.read(10)
    assert events == [] and points == []
    spool.close()


def test_any_content_survives(make: Make, tmp_path: Path) -> None:
    spool = make(tmp_path / "spool")
    odd: list[tuple[str, dict[str, Any]]] = [
        ("", {}),
        ("a\x00b\nc\\xff ünï 🎉", {"": None, "n": float("nan")}),
        ("lone \ud800 surrogate", {"x": "\udc41", "\ud800": 1}),
        ("big", {"n": 10**30, "list": [1, {"a": [None]}], "set": {1}}),
        ("x" * 10_000_000, {}),
    ]
    deep: dict[str, Any] = {}
    for _ in range(2000):
        deep = {"d": deep}
    odd.append(("deep", {"deep": deep}))
    for depth in range(245, 258):  # around the encoder's limit
        nested: Any = 1
        for _ in range(depth):
            nested = {"d": nested}
        spool.append([RawEvent("nested", "test", 1, {"x": nested, "y": "kept"})])
    assert [e.fields["y"] for e in drain(spool)[0]] == ["kept"] * 13
    spool.append([RawEvent(message, "test", 1, fields) for message, fields in odd])
    spool.append([], [MetricPoint("m", "h", 1, float(v)) for v in ("nan", "inf", "-inf", "1e308")])
    spool.append(lines(0, 1))
    events, points, _ = drain(spool)
    assert len(events) == 7 and events[-1].message == "line 0"
    assert events[1].message == odd[1][0] and events[4].message == odd[4][0]
    assert events[2].message == "lone \\ud800 surrogate"
    assert events[3].fields["list"] == [1, {"a": [None]}] and events[3].fields["n"] == str(10**30)
    assert [str(p.value) for p in points] == ["nan", "inf", "-inf", "1e+308"]
    spool.close()
