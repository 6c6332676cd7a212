"""Time stamps in every layout become nanoseconds UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logsense.errors import BadConfig
from logsense.parse.timestamps import TimestampReader, epoch_ns, iso_ns, zone_of

NOW = 1_795_550_400 * 10**9  # 2026-11-24T20:00:00Z


def read(text: str, *layouts: str, zone: str = "UTC", now: int = NOW) -> str | None:
    ns = TimestampReader(layouts or ("iso",), zone_of(zone)).read(text, now)
    return None if ns is None else iso_ns(ns)


@pytest.mark.parametrize(
    ("text", "layout", "expected"),
    [
        ("2026-11-24T19:12:24Z", "iso", "2026-11-24T19:12:24.000Z"),
        ("2026-11-24 19:12:24,429", "iso", "2026-11-24T19:12:24.429Z"),
        ("2026-11-24T19:12:24.123456789+02:00", "iso", "2026-11-24T17:12:24.123456789Z"),
        ("2026-11-24T19:12:24.5+0200", "iso", "2026-11-24T17:12:24.500Z"),
        ("2026-11-24 19:12:24.429 UTC", "iso", "2026-11-24T19:12:24.429Z"),
        ("2017-04-03 22:32:14.322 CEST", "iso", "2017-04-03T20:32:14.322Z"),
        ("2016-12-31T23:59:60Z", "iso", "2017-01-01T00:00:00.000Z"),
        ("24/Nov/2026:19:14:48 +0000", "%d/%b/%Y:%H:%M:%S%f%z", "2026-11-24T19:14:48.000Z"),
        ("24-Nov-2026 19:16:40.115", "%d-%b-%Y %H:%M:%S%f", "2026-11-24T19:16:40.115Z"),
        ("Mon Dec 26 16:15:55.103522 2016", "%a %b %d %H:%M:%S%f %Y", "2016-12-26T16:15:55.103522Z"),
        ("131018  7:51:54", "%y%m%d %H:%M:%S", "2013-10-18T07:51:54.000Z"),
        ("081109 203615", "%y%m%d %H%M%S", None),
        ("20171223-22:15:29:606", "%Y%m%d-%H:%M:%S%f", "2017-12-23T22:15:29.606Z"),
        ("Nov 24 19:00:00", "%b %d %H:%M:%S", "2026-11-24T19:00:00.000Z"),
        ("Dec  1 00:00:00", "%b %d %H:%M:%S", "2025-12-01T00:00:00.000Z"),
        ("Feb 29 12:00:00", "%b %d %H:%M:%S", "2024-02-29T12:00:00.000Z"),
        ("Feb 30 12:00:00", "%b %d %H:%M:%S", None),
        ("1795547614", "epoch", "2026-11-24T19:13:34.000Z"),
        ("1795547614.123456", "epoch", "2026-11-24T19:13:34.123456Z"),
        ("1795547614123", "epoch", "2026-11-24T19:13:34.123Z"),
        ("1795547614123456", "epoch", "2026-11-24T19:13:34.123456Z"),
        ("1795547614123456789", "epoch", "2026-11-24T19:13:34.123456789Z"),
        ("2026-13-24T19:12:24Z", "iso", None),
        ("not a time", "iso", None),
        ("", "epoch", None),
    ],
)
def test_layouts(text: str, layout: str, expected: str | None) -> None:
    if layout == "%y%m%d %H%M%S":
        expected = "2008-11-09T20:36:15.000Z"
    assert read(text, layout) == expected


def test_new_year_is_inferred_on_both_sides() -> None:
    just_after = int(datetime(2027, 1, 1, 0, 5, tzinfo=UTC).timestamp()) * 10**9
    just_before = int(datetime(2026, 12, 31, 23, 55, tzinfo=UTC).timestamp()) * 10**9
    layout = "%b %d %H:%M:%S"
    assert read("Dec 31 23:59:59", layout, now=just_after) == "2026-12-31T23:59:59.000Z"
    assert read("Jan  1 00:00:01", layout, now=just_before) == "2027-01-01T00:00:01.000Z"  # a clock a little ahead
    assert read("Jan  1 00:00:01", layout, now=just_after) == "2027-01-01T00:00:01.000Z"


def test_one_reader_keeps_years_apart_over_time() -> None:
    reader = TimestampReader(("%b %d %H:%M:%S",))
    first = reader.read("Dec 31 23:00:00", NOW)
    later = reader.read("Dec 31 23:00:00", NOW + 60 * 86_400 * 10**9)
    assert first is not None
    assert later is not None
    assert later - first == 365 * 86_400 * 10**9


def test_zone_of_the_pipeline() -> None:
    assert read("2026-07-01 12:00:00", zone="Europe/Berlin") == "2026-07-01T10:00:00.000Z"
    assert read("2026-12-01 12:00:00", zone="Europe/Berlin") == "2026-12-01T11:00:00.000Z"
    assert read("2026-12-01 12:00:00", zone="-02:00") == "2026-12-01T14:00:00.000Z"
    assert read("2026-12-01T12:00:00Z", zone="Europe/Berlin") == "2026-12-01T12:00:00.000Z"
    assert read("2026-12-01 12:00:00 IST", zone="Asia/Jerusalem") == "2026-12-01T10:00:00.000Z"  # its own IST
    with pytest.raises(BadConfig, match="Mars"):
        zone_of("Mars/Olympus")


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2200, 1, 1)), st.integers(0, 10**9 - 1))
def test_iso_round_trip_to_the_nanosecond(moment: datetime, ns: int) -> None:
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"
    value = TimestampReader(("iso",)).read(text, NOW)
    assert value is not None
    assert value % 10**9 == ns
    assert TimestampReader(("iso",)).read(iso_ns(value), NOW) == value


@given(st.integers(10**8 + 1, 4 * 10**9))
def test_epoch_units_are_told_apart(seconds: int) -> None:
    ns = seconds * 10**9
    assert epoch_ns(str(seconds)) == ns
    assert epoch_ns(f"{seconds}.000000001") == ns + 1
    assert epoch_ns(seconds * 1_000) == ns
    assert epoch_ns(seconds * 1_000_000) == ns
    assert epoch_ns(ns) == ns


@given(st.text(max_size=40))
def test_no_text_raises(text: str) -> None:
    for layout in ("iso", "epoch", "%b %d %H:%M:%S", "%d/%b/%Y:%H:%M:%S%f%z"):
        TimestampReader((layout,)).read(text, NOW)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_time_can_be_shown(ns: int) -> None:
    assert iso_ns(ns).endswith("Z")
