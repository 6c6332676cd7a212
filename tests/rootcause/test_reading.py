"""Lines of requests are read once: what a reader that remembers says is what the index says."""

from __future__ import annotations

import random

import pytest

from logsense.record import LogRecord, Query
from logsense.rootcause.reading import MINUTE, RequestLines
from logsense.rootcause.requests import line_of

from .test_gather import T0, SmallIndex

BEGIN = T0 // MINUTE * MINUTE
S = 1_000_000_000


class Counted(SmallIndex):
    """With how many lines were taken out of it."""

    taken = 0

    def scan(self, query: Query):
        for record in super().scan(query):
            self.taken += 1
            yield record


def line(at_s: float, number: int) -> LogRecord:
    text = f"request_id={number // 3:08x} step {number % 3}" if number % 5 else "no request here"
    return LogRecord(f"l{number}", BEGIN + int(at_s * S), text, "t", 0, "app1", "app", "info", template_id="T")


def filled(seconds: int = 600, every_s: float = 1.5) -> Counted:
    return Counted([line(n * every_s, n) for n in range(int(seconds / every_s))], {})


def plain(index: SmallIndex, from_s: float, to_s: float, most: int) -> list:
    query = Query(from_ns=BEGIN + int(from_s * S), to_ns=BEGIN + int(to_s * S))
    return [found for record in SmallIndex.scan(index, query) if (found := line_of(record))][:most]


def read(reader: RequestLines, index: SmallIndex, from_s: float, to_s: float, most: int = 10_000) -> list:
    return reader.read(index, BEGIN + int(from_s * S), BEGIN + int(to_s * S), most)


@pytest.mark.parametrize("kept", [0, 100, 40_000])
def test_any_stretch_reads_as_the_index_has_it(kept: int):
    index, reader, rng = filled(), RequestLines(kept), random.Random(kept)
    for _ in range(200):
        from_s, to_s = sorted((rng.uniform(-100, 700), rng.uniform(-100, 700)))
        most = rng.choice([0, 1, 30, 10_000])
        assert read(reader, index, from_s, to_s, most) == plain(index, from_s, to_s, most)


def test_minutes_are_read_once():
    index, reader = filled(), RequestLines()
    first = read(reader, index, 0, 600)
    taken = index.taken
    assert read(reader, index, 0, 600) == first
    assert read(reader, index, 125, 395) == plain(index, 125, 395, 10_000)
    assert index.taken == taken


def test_a_minute_with_a_late_line_is_read_anew():
    index, reader = filled(), RequestLines()
    read(reader, index, 0, 600)
    taken = index.taken
    index.records.append(line(130.2, 1001))
    found = read(reader, index, 0, 600)
    assert "l1001" in {one.id for one in found} and found == plain(index, 0, 600, 10_000)
    assert index.taken - taken == 41  # that minute alone


def test_what_is_remembered_is_bounded():
    index, reader = filled(), RequestLines(kept=100)  # 32 lines of requests a minute
    read(reader, index, 0, 600)
    taken = index.taken
    read(reader, index, 480, 600)
    assert index.taken == taken  # the latest are kept
    read(reader, index, 0, 120)
    assert index.taken > taken


def test_a_minute_cut_by_the_limit_is_not_taken_for_whole():
    index, reader = filled(), RequestLines()
    assert len(read(reader, index, 0, 600, most=50)) == 50
    assert read(reader, index, 0, 600) == plain(index, 0, 600, 10_000)
