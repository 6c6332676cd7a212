"""Times as clients state them, to nanoseconds and to RFC 3339 text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

_NUMBER = re.compile(r"\d{1,20}(\.\d{1,20})?")
_FRACTION = re.compile(r"\.(\d+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def epoch_to_ns(value: Any) -> int | None:
    """A number (or its text) of seconds, ms, µs or ns since 1970 as nanoseconds; None for anything else.

    The unit follows from the magnitude: seconds until the year 5138, then the next finer unit.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        exact: int | Decimal = value
    elif isinstance(value, float):
        if value != value or abs(value) == float("inf"):
            return None
        exact = Decimal(repr(value))  # what the client wrote, without binary rounding
    elif isinstance(value, str) and _NUMBER.fullmatch(value):
        exact = Decimal(value)
    else:
        return None
    if exact < 0:
        return None
    for limit, factor in ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (10**19, 1)):
        if exact < limit:
            return _in_range(int(exact * factor))
    return None


def to_ns(value: Any) -> int | None:
    """An epoch number or an ISO 8601 text (UTC when it names no zone) as nanoseconds, else None."""
    ns = epoch_to_ns(value)
    if ns is not None or not isinstance(value, str):
        return ns
    fraction = _FRACTION.search(value)
    try:
        moment = datetime.fromisoformat(_FRACTION.sub("", value, count=1))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - _EPOCH
    rest = int(fraction[1][:9].ljust(9, "0")) if fraction else 0
    return _in_range((delta.days * 86_400 + delta.seconds) * 10**9 + rest)


def _in_range(ns: int) -> int | None:
    """Nanoseconds are 64-bit integers everywhere behind us: the years 1677 to 2262."""
    return ns if -(2**63) <= ns < 2**63 else None


def ns_to_text(ns: int) -> str:
    """Nanoseconds since 1970 as RFC 3339 UTC with as many digits as needed."""
    seconds, rest = divmod(ns, 10**9)
    try:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(ns)
    if not rest:
        return text + "Z"
    digits = f"{rest:09d}"
    width = 3 if digits.endswith("000000") else 6 if digits.endswith("000") else 9
    return f"{text}.{digits[:width]}Z"
