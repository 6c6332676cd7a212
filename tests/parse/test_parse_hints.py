"""What whoever reads a file says about it, and lines that wait for more when the process ends."""

from __future__ import annotations

from logsense.parse import ParseOptions, Parser
from logsense.record import LogRecord, RawEvent

NOW = 1_795_521_600_000_000_000  # 2026-11-24T12:00:00Z


def event(line: str, number: int = 0, **fields: str) -> RawEvent:
    return RawEvent(line, "file:x", NOW, {k.replace("__", "."): v for k, v in fields.items()}, f"x-{number}")


def parse(*events: RawEvent) -> list[LogRecord]:
    parser = Parser()
    return [*parser.parse(events), *parser.flush()]


def test_a_time_zone_is_used_for_times_that_name_none() -> None:
    line = "2026-11-24 03:00:00,123 INFO started"
    (here,) = parse(event(line))
    (berlin,) = parse(event(line, logsense__time_zone="Europe/Berlin"))
    assert here.timestamp_ns - berlin.timestamp_ns == 3600 * 10**9
    assert "logsense.time_zone" not in berlin.fields


def test_a_format_is_used_without_detection() -> None:
    (record,) = parse(event("2026-11-24T03:00:00Z web1 sshd[1]: hello", logsense__format="generic"))
    assert record.host == ""
    (record,) = parse(event("2026-11-24T03:00:00Z web1 sshd[1]: hello"))
    assert record.host == "web1"


def test_hints_that_mean_nothing_change_nothing() -> None:
    (record,) = parse(
        event("2026-11-24T03:00:00Z web1 sshd[1]: hi", logsense__format="no such", logsense__time_zone="Moon")
    )
    assert record.host == "web1"
    assert record.outcome == "parsed"


def test_a_service_hint_fills_a_gap_and_overrides_nothing() -> None:
    (syslog,) = parse(event("2026-11-24T03:00:00Z web1 sshd[1]: hello", logsense__service="syslog"))
    (plain,) = parse(event("2026-11-24 03:00:00 started", logsense__service="orders"))
    assert (syslog.service, plain.service) == ("sshd", "orders")


def test_a_held_record_survives_a_restart() -> None:
    """The lines before and after the restart become one record, as without it."""
    lines = ["2026-11-24 03:00:00,1 ERROR failed", "Traceback (most recent call last):", '  File "a.py", line 1, in f']
    more = ["    f()", "ValueError: bad", "2026-11-24 03:00:01,1 INFO next"]
    whole = parse(*(event(line, n) for n, line in enumerate(lines + more)))
    first, second = Parser(), Parser()
    cut = first.parse([event(line, n) for n, line in enumerate(lines)])
    held = first.pending()
    assert [e.message for e in held] == lines
    cut += second.resume(held)
    cut += second.parse([event(line, n + len(lines)) for n, line in enumerate(more)])
    cut += second.flush()
    assert [(r.id, r.message, r.original) for r in cut] == [(r.id, r.message, r.original) for r in whole]
    counted = [p.stats()["file:x"]["accepted"] for p in (first, second)]
    assert sum(counted) == len(lines + more)


def test_nothing_is_pending_when_nothing_is_held() -> None:
    parser = Parser(ParseOptions())
    parser.parse([event("2026-11-24T03:00:00Z web1 sshd[1]: hello")])
    parser.flush()
    assert parser.pending() == []


def test_a_banner_without_a_time_is_of_the_time_below_it() -> None:
    lines = [
        "mysqld, Version: 8.0 started with:",
        "2026-11-24 03:00:00 INFO ready",
        "and a stray line of no known form",
    ]
    records = parse(*(event(line, n, log__file__path="/x") for n, line in enumerate(lines)))
    assert {r.timestamp_ns for r in records} == {records[-1].timestamp_ns}
    assert records[0].timestamp_ns < NOW


def test_lines_without_a_time_from_elsewhere_are_of_their_arrival() -> None:
    records = parse(event("2026-11-24 03:00:00 INFO ready"), event("something of no known form", 1))
    assert len(records) == 2
    assert records[-1].timestamp_ns == NOW
