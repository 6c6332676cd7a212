"""The front half: what it hands over, in this process and beside it, and what happens when it dies."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from logsense.config import load_settings
from logsense.errors import LogsenseError
from logsense.front import Front, LocalFront, Parsed
from logsense.front_process import FrontProcess, decode, encode
from logsense.record import LogRecord, MetricPoint, RawEvent
from logsense.spool import DiskSpool

HELD = RawEvent("2026-11-24 21:07:13,303 ERROR [orders.api] failed", "tail:app", 1_795_000_000_000_000_000, {}, "u1-1")
TRACE = ["Traceback (most recent call last):", '  File "a.py", line 1, in f', "KeyError: 'id'"]


def events(lines: list[str]) -> list[RawEvent]:
    return [RawEvent(line, "tail:app", time.time_ns()) for line in lines]


def read_until(front: Front, done: Callable[[list[LogRecord]], bool]) -> tuple[list[LogRecord], Parsed]:
    """Read batches until their records are enough; those and the last batch."""
    records: list[LogRecord] = []
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        parsed = front.read()
        if parsed is not None:
            records += parsed.records
            if done(records):
                return records, parsed
    raise AssertionError(f"only {len(records)} records came")


def test_a_batch_survives_the_pipe_whatever_it_holds() -> None:
    record = LogRecord(
        "i", 2**62, "m \ud800 \x00", "s", 5, "h", "sv", "error", "p", "orig", "unparsed",
        fields={"n": 1, "f": 1.5, "list": ["a", 2], "none": None, "true": True, "nested": {"k": [1]}},
    )  # fmt: skip
    sent = Parsed(
        [record], [MetricPoint("cpu", "h", 7, float("inf"), {"core": "1"})], '{"seg":16}', True, [HELD],
        {"s": {"accepted": 3}}, {"s": "json"}, 9, 1, True,
    )  # fmt: skip
    assert decode(encode(sent)) == sent


def test_numbers_that_no_format_holds_become_text() -> None:
    record = LogRecord("i", 1, "m", "s", 5, fields={"big": 10**30, "list": [10**30], 7: "key"})  # type: ignore[dict-item]
    got = decode(encode(Parsed([record]))).records[0].fields
    assert got == {"big": str(10**30), "list": [str(10**30)], "7": "key"}


@pytest.fixture(params=["local", "process"])
def front(request: pytest.FixtureRequest, tmp_path: Path):  # type: ignore[no-untyped-def]
    """A front whose spool holds what continues a line that was held back in an earlier life."""
    spool = DiskSpool(tmp_path / "spool")
    spool.append(events([*TRACE, "2026-11-24 21:07:14,000 INFO [orders.api] password=hunter22 up"]))
    if request.param == "local":
        made: Front = LocalFront(spool, load_settings(None), None, [HELD])
    else:
        made = FrontProcess(tmp_path, None, None, [HELD])
    yield made
    made.close()
    spool.close()


def test_what_was_held_back_goes_on_and_the_last_line_is_held_again(front: Front) -> None:
    records, last = read_until(front, lambda found: len(found) >= 1)
    assert records[0].id == "u1-1" and records[0].fields["error.type"] == "KeyError"
    assert last.replay and last.position is not None
    rest = [record for parsed in front.finish() for record in parsed.records]
    [up] = [record for record in (*records[1:], *rest) if record.message.endswith("up")]
    assert "hunter22" not in f"{up.message}{up.original}{up.fields}"


def test_an_empty_spool_is_told(front: Front) -> None:
    read_until(front, lambda found: len(found) >= 1)
    deadline = time.monotonic() + 120
    while not front.idle and time.monotonic() < deadline:
        front.read()
    assert front.idle


def test_the_death_of_the_process_is_noticed(tmp_path: Path) -> None:
    DiskSpool(tmp_path / "spool").close()
    front = FrontProcess(tmp_path, None, None, [])
    front._child.kill()
    with pytest.raises(LogsenseError, match="has ended"):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            front.read()
    assert list(front.finish()) == []
    front.close()
