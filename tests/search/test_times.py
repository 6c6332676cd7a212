"""Time expressions of questions."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from logsense.search.times import find_time, from_ns, parse_moment, to_ns

NOW = datetime(2026, 11, 24, 14, 30, 15, tzinfo=UTC)  # a Tuesday

CASES = {
    "errors in the last 15 minutes": ("11-24 14:15:15", "11-24 14:30:15"),
    "errors within the past 2h": ("11-24 12:30:15", "11-24 14:30:15"),
    "what happened in the last half hour": ("11-24 14:00:15", "11-24 14:30:15"),
    "made-up usernames tried in the last couple of hours": ("11-24 12:30:15", "11-24 14:30:15"),
    "over the last three days": ("11-21 14:30:15", "11-24 14:30:15"),
    "in the last hour": ("11-24 13:30:15", "11-24 14:30:15"),
    "what broke 10 minutes ago": ("11-24 14:19:45", "11-24 14:20:45"),
    "since 2 hours ago": ("11-24 12:30:15", "11-24 14:30:15"),
    "last night": ("11-23 22:00:00", "11-24 06:00:00"),
    "which hosts could not reach the database last night?": ("11-23 22:00:00", "11-24 06:00:00"),
    "yesterday": ("11-23 00:00:00", "11-24 00:00:00"),
    "the day before yesterday": ("11-22 00:00:00", "11-23 00:00:00"),
    "refused listings yesterday afternoon": ("11-23 12:00:00", "11-23 18:00:00"),
    "yesterday evening": ("11-23 18:00:00", "11-24 00:00:00"),
    "today": ("11-24 00:00:00", "11-25 00:00:00"),
    "this morning": ("11-24 06:00:00", "11-24 12:00:00"),
    "wrong root credentials between 9 and 10 this morning": ("11-24 09:00:00", "11-24 10:00:00"),
    "between 2 and 3 on Tuesday": ("11-24 02:00:00", "11-24 03:00:00"),
    "between 2 and 3 pm last tuesday": ("11-17 14:00:00", "11-17 15:00:00"),
    "on Monday between 11 and 12, errors only": ("11-23 11:00:00", "11-23 12:00:00"),
    "between 22:00 and 23:30": ("11-23 22:00:00", "11-23 23:30:00"),
    "between 13:00 and 14:00": ("11-24 13:00:00", "11-24 14:00:00"),
    "between 11pm and 1am yesterday": ("11-23 23:00:00", "11-24 01:00:00"),
    "writes on 23 December 2017 between 22:15 and 22:30": ("2017-12-23 22:15:00", "2017-12-23 22:30:00"),
    "errors on 29 July 2015": ("2015-07-29 00:00:00", "2015-07-30 00:00:00"),
    "peers not reachable in the evening of August 24th 2015": ("2015-08-24 18:00:00", "2015-08-25 00:00:00"),
    "could not get out on July 27": ("07-27 00:00:00", "07-28 00:00:00"),
    "on the 30th of november": ("2025-11-30 00:00:00", "2025-12-01 00:00:00"),
    "in the night from the 10th to the 11th of November, warnings only": ("11-10 22:00:00", "11-11 06:00:00"),
    "since 14:00": ("11-24 14:00:00", "11-24 14:30:15"),
    "since yesterday evening": ("11-23 18:00:00", "11-24 14:30:15"),
    "since monday": ("11-23 00:00:00", "11-24 14:30:15"),
    "after 3pm yesterday": ("11-23 15:00:00", None),
    "before noon": (None, "11-24 12:00:00"),
    "until 2026-11-01": (None, "11-02 00:00:00"),
    "around 3am": ("11-24 02:30:00", "11-24 03:30:00"),
    "at 14:05": ("11-24 14:05:00", "11-24 14:06:00"),
    "at 3am": ("11-24 03:00:00", "11-24 04:00:00"),
    "2026-05-01T10:00:00Z": ("05-01 10:00:00", "05-01 10:00:01"),
    "on 2026-05-01": ("05-01 00:00:00", "05-02 00:00:00"),
    "from 2026-05-01 10:00 to 2026-05-01 11:30": ("05-01 10:00:00", "05-01 11:30:00"),
    "from 2026-05-01 to 2026-05-03": ("05-01 00:00:00", "05-04 00:00:00"),
    "2026-05-01T10:00:00+02:00": ("05-01 08:00:00", "05-01 08:00:01"),
    "last week": ("11-16 00:00:00", "11-23 00:00:00"),
    "this week": ("11-23 00:00:00", "11-24 14:30:15"),
    "last month": ("10-01 00:00:00", "11-01 00:00:00"),
    "last weekend": ("11-21 00:00:00", "11-23 00:00:00"),
    "crashes in may": ("05-01 00:00:00", "06-01 00:00:00"),
    "since march": ("03-01 00:00:00", "11-24 14:30:15"),
    "in December": ("2025-12-01 00:00:00", "01-01 00:00:00"),
    "数据库 最近15分钟 连接失败": ("11-24 14:15:15", "11-24 14:30:15"),
    "过去两小时": ("11-24 12:30:15", "11-24 14:30:15"),
    "昨晚哪些主机": ("11-23 18:00:00", "11-24 06:00:00"),
    "昨天下午": ("11-23 12:00:00", "11-23 18:00:00"),
}


def show(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    text = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return text.removeprefix("2026-")


@pytest.mark.parametrize("question", CASES)
def test_spans(question: str) -> None:
    span = find_time(question, NOW)
    assert span is not None
    assert (show(span.low), show(span.high)) == CASES[question]
    assert question[span.start : span.end].strip() == span.said


@pytest.mark.parametrize(
    "question",
    [
        "the server may have crashed",
        "clients may 5 times retry",
        "march of the replicas",
        "a second process started",
        "failed a second time",
        "between 5 and 10 retries",
        "from 3 to 5 replicas were lost",
        "port 22 refused",
        "error 404 on 10.0.0.5:8080",
        "version 1.12.2015",
        "the sun server sat idle",
        "how many bytes was it",
        "retry in 5 minutes",
        "",
        "may",
        "on the 45th of november",
        "last",
        "at the database",
        "connection from 10.1.2.3 to 10.1.2.4",
        "from client to server",
    ],
)
def test_what_is_no_time(question: str) -> None:
    assert find_time(question, NOW) is None


def test_days_and_clocks_are_of_the_askers_zone() -> None:
    now = NOW.astimezone(ZoneInfo("Asia/Shanghai"))  # 22:30 there
    span = find_time("yesterday", now)
    assert span is not None and show(span.low) == "11-22 16:00:00"
    span = find_time("since 14:00", now)
    assert span is not None and show(span.low) == "11-24 06:00:00"


def test_moments_of_field_syntax() -> None:
    assert show(parse_moment("2026-05-01T10:00:00Z", NOW)) == "05-01 10:00:00"
    assert show(parse_moment("2026-05-01", NOW)) == "05-01 00:00:00"
    assert show(parse_moment("2026-05-01", NOW, end=True)) == "05-02 00:00:00"
    assert show(parse_moment("now-15m", NOW)) == "11-24 14:15:15"
    assert show(parse_moment("now", NOW)) == "11-24 14:30:15"
    assert parse_moment("soon", NOW) is None


def test_nanoseconds_round_trip_and_the_ends_of_the_calendar() -> None:
    ns = 1_795_530_615_123_456_000
    assert to_ns(from_ns(ns, UTC)) == ns
    for odd in (0, -1, 2**63, -(2**63), 10**30):
        find_time("yesterday and last month", from_ns(odd, UTC))


def test_a_long_question_is_read_quickly() -> None:
    import time

    start = time.perf_counter()
    find_time("from the 10 at 5 on may between 3 and " * 50, NOW)
    find_time("1" * 2000, NOW)
    find_time("on the " * 300, NOW)
    assert time.perf_counter() - start < 1
