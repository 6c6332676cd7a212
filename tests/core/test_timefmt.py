"""Times in and out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logsense.errors import BadInput
from logsense.timefmt import SECOND, iso, nice_step_ns, parse_time

NOON = 1_795_521_600 * SECOND  # 2026-11-24T12:00:00Z


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-11-24T12:00:00Z", NOON),
        ("2026-11-24T12:00:00", NOON),
        ("2026-11-24T13:00:00+01:00", NOON),
        ("2026-11-24T12:00:00.000000001Z", NOON + 1),
        ("2026-11-24", NOON - 43200 * SECOND),
        ("1795521600", NOON),
        ("1795521600.5", NOON + SECOND // 2),
        ("1795521600000", NOON),
        ("1795521600000000", NOON),
        ("1795521600000000000", NOON),
        ("now", NOON),
        ("-15m", NOON - 900 * SECOND),
        ("now-1d", NOON - 86400 * SECOND),
    ],
)
def test_spellings_of_a_time(text: str, ns: int) -> None:
    assert parse_time(text, now_ns=NOON) == ns


@pytest.mark.parametrize("text", ["yesterday-ish", "2026-13-01", "", "-15x", "12:00", "9" * 40])
def test_what_is_no_time_is_said_so(text: str) -> None:
    with pytest.raises(BadInput, match="from is no time"):
        parse_time(text, name="from")


@given(st.integers(-60_000_000_000 * SECOND, 250_000_000_000 * SECOND))
def test_iso_keeps_every_nanosecond(ns: int) -> None:
    assert parse_time(iso(ns)) == ns


@given(st.integers(0, 10**18), st.integers(1, 10**17))
def test_a_histogram_never_has_more_bars_than_asked(start: int, span: int) -> None:
    step = nice_step_ns(start, start + span, 60)
    assert span / step <= 60
    assert step % SECOND == 0
