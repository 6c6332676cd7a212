"""The server's clock is set back while a record waits for its further lines."""

from __future__ import annotations

from logsense.parse import Parser
from logsense.record import RawEvent

SECOND = 1_000_000_000
NOW = 1_795_550_000 * SECOND
TRACE = "2026-11-24 19:53:20,123 ERROR [main] com.example.Shop - failed"


def test_a_held_record_does_not_wait_for_a_clock_that_was_set_back_to_come_again() -> None:
    parser = Parser()
    lines = (TRACE, "\tat com.example.Shop.buy(Shop.java:1)")
    done = parser.parse([RawEvent(line, "tail:a", NOW) for line in lines])
    assert done == []  # it may go on
    assert parser.flush(NOW - 1 * SECOND) == []  # the usual jitter of a clock
    (record,) = parser.flush(NOW - 3600 * SECOND)
    assert "Shop.java" in (record.original or record.message)
