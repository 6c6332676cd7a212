"""Answers that are not lines, over a real index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from logsense.answers import answer
from logsense.catalog import find_moment
from logsense.index import EmbeddedIndex
from logsense.record import Incident, LogRecord, Query
from logsense.search.asking import Aggregate

HOUR = 3600 * 10**9
BEGIN = 1_795_000_000 * 10**9 // HOUR * HOUR


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedIndex]:
    """40 lines an hour apart: db0 three of four, user alice every fifth; a deploy at hour 30."""
    folder: Path = tmp_path_factory.mktemp("answers")
    with_index = EmbeddedIndex(folder, writer=True)
    records = [
        LogRecord(f"l{n}", BEGIN + n * HOUR, "login failed", "s", 0, host="db1" if n % 4 == 0 else "db0",
                  fields={"user.name": "alice"} if n % 5 == 0 else {})
        for n in range(40)
    ]  # fmt: skip
    records.append(LogRecord("d", BEGIN + 30 * HOUR + 1, "version 7 deployed", "s", 0, host="db0"))
    with_index.write_logs(records)
    with_index.put_incidents([Incident("INC-1", "login storm", "open", "high", BEGIN + HOUR, BEGIN + 2 * HOUR)])
    with_index.commit()
    yield with_index
    with_index.close()


FAILED = Query(text="failed")


def test_count(index: EmbeddedIndex) -> None:
    assert answer(index, FAILED, Aggregate("count"))["value"] == 40
    assert answer(index, FAILED, Aggregate("distinct", by="host"))["value"] == 2


def test_table_with_limits(index: EmbeddedIndex) -> None:
    assert answer(index, FAILED, Aggregate("table", by="host"))["rows"] == [["db0", 30], ["db1", 10]]
    assert answer(index, FAILED, Aggregate("table", by="host", least=11))["rows"] == [["db0", 30]]
    assert answer(index, FAILED, Aggregate("table", by="host", top=1))["rows"] == [["db0", 30]]
    assert answer(index, FAILED, Aggregate("table", by="user.name"))["rows"] == [["alice", 8]]
    nothing = answer(index, FAILED, Aggregate("table", by="host", least=1000))
    assert nothing["rows"] == [] and nothing["text"] == "Nothing found."


def test_series_sums_to_the_count(index: EmbeddedIndex) -> None:
    found = answer(index, FAILED, Aggregate("series", step_s=86400))
    assert found["step_s"] == 86400 and sum(count for _, count in found["rows"]) == 40
    assert answer(index, FAILED, Aggregate("series"))["rows"]


def test_first_and_last(index: EmbeddedIndex) -> None:
    assert answer(index, FAILED, Aggregate("first"))["hit"]["id"] == "l0"
    assert answer(index, FAILED, Aggregate("last"))["hit"]["id"] == "l39"
    assert answer(index, Query(text="nonsense"), Aggregate("first"))["at"] is None


def test_comparison(index: EmbeddedIndex) -> None:
    query = Query(text="failed", from_ns=BEGIN + 20 * HOUR, to_ns=BEGIN + 30 * HOUR)
    found = answer(index, query, Aggregate("compare", back_s=10 * 3600))
    assert (found["value"], found["before"]) == (10, 10) and "+0%" in found["text"]
    early = answer(index, query, Aggregate("compare", back_s=604800))
    assert early["before"] == 0 and "begins at" in early["text"]


def test_moments(index: EmbeddedIndex) -> None:
    deploy = find_moment(index, "deploy", BEGIN + 100 * HOUR)
    assert deploy is not None and deploy.at_ns == BEGIN + 30 * HOUR + 1
    assert find_moment(index, "deploy", BEGIN) is None and find_moment(index, "reboot", BEGIN + 100 * HOUR) is None
    incident = find_moment(index, "INC-1", BEGIN + 100 * HOUR)
    assert incident is not None and incident.what == "login storm"
    latest = find_moment(index, "incident", BEGIN + 100 * HOUR)
    assert latest is not None and latest.at_ns == BEGIN + HOUR
