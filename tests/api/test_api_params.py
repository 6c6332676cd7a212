"""Times in parameters."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logsense.api.params import window
from logsense.api.problems import BadParameter

T = 1_772_330_400


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-03-01T02:00:00Z", T * 10**9),
        ("2026-03-01T03:00:00+01:00", T * 10**9),
        ("2026-03-01T02:00:00.123456789Z", T * 10**9 + 123_456_789),
        (str(T), T * 10**9),
        (f"{T}000", T * 10**9),
        (f"{T}000000000", T * 10**9),
        ("", None),
        (None, None),
    ],
)
def test_spellings(text: str | None, ns: int | None) -> None:
    assert window(text, None).from_ns == ns


def test_relative_times_count_from_now() -> None:
    span = window("-15m", "now")
    assert span.to_ns is not None
    assert span.from_ns is not None
    assert span.to_ns - span.from_ns == 900 * 10**9
    assert abs(span.to_ns - time.time_ns()) < 5 * 10**9


@given(st.one_of(st.text(max_size=40), st.from_regex(r"-?[0-9T:.+Z-]{1,30}", fullmatch=True)))
def test_anything_else_is_refused_politely(text: str) -> None:
    try:
        span = window(text, None)
    except BadParameter as refused:
        assert refused.where == "from"
    else:
        assert span.from_ns is None or 0 <= span.from_ns < 2**63
