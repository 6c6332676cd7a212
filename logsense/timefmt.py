"""Times for people and programs: RFC 3339 out, and several spellings in."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from logsense.errors import BadInput

SECOND = 1_000_000_000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Steps that people can read off an axis, in seconds.
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800)


def iso(ns: int) -> str:
    """RFC 3339 in UTC; as many decimals as the time needs (none, 3, 6 or 9)."""
    seconds, rest = divmod(ns, SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]
    if rest:
        for digits in (3, 6, 9):
            unit = 10 ** (9 - digits)
            if rest % unit == 0:
                return f"{text}.{rest // unit:0{digits}d}Z"
    return text + "Z"


def parse_time(text: str, *, now_ns: int | None = None, name: str = "time") -> int:
    """Nanoseconds of RFC 3339 (UTC unless it states a zone), an epoch in s/ms/us/ns, ``now`` or ``-15m``.

    Raises BadInput, naming the parameter ``name``.
    """
    now = time.time_ns() if now_ns is None else now_ns
    text = text.strip()
    if text == "now":
        return now
    if relative := re.fullmatch(r"(?:now)?([+-])(\d{1,9})([smhdw])", text):
        delta = int(relative[2]) * _UNITS[relative[3]] * SECOND
        return now - delta if relative[1] == "-" else now + delta
    if re.fullmatch(r"-?\d{1,19}(\.\d{1,9})?", text):
        return _epoch(text)
    fraction = re.fullmatch(r"(.*:\d\d)\.(\d{1,9})(.*)", text)
    whole, digits, zone = (fraction[1], fraction[2], fraction[3]) if fraction else (text, "", "")
    try:
        moment = datetime.fromisoformat(whole + zone)
    except ValueError as error:
        raise BadInput(
            f"{name} is no time: {text!r}.", fix="use 2026-11-24T03:00:00Z, an epoch, now or -15m"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta_t = moment - _EPOCH
    return (delta_t.days * 86400 + delta_t.seconds) * SECOND + (int(digits.ljust(9, "0")) if digits else 0)


def zone(name: str) -> tzinfo:
    """The time zone ``name`` (``Europe/Berlin``, ``UTC``, ``+08:00``). Raises BadInput."""
    if offset := re.fullmatch(r"([+-])(\d\d):?(\d\d)", name):
        length = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        if length < timedelta(days=1):
            return timezone(length if offset[1] == "+" else -length)
    try:
        return ZoneInfo(name) if name.upper() not in ("UTC", "Z", "") else UTC
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise BadInput(
            f"There is no time zone {name[:80]!r}.", fix="use a name like Europe/Berlin, or +02:00"
        ) from error


def nice_step_ns(from_ns: int, to_ns: int, bars: int) -> int:
    """The smallest readable step that cuts the range into at most ``bars`` pieces."""
    need = (to_ns - from_ns) / SECOND / bars
    return next((s for s in _STEPS if s >= need), int(need / 604800 + 1) * 604800) * SECOND


def _epoch(text: str) -> int:
    """The unit is told by the size: 10 digits are seconds until the year 2286, 13 ms, 16 us, 19 ns."""
    value = text.split(".")[0].lstrip("-")
    scale = 1 if len(value) > 16 else 1000 if len(value) > 13 else 1_000_000 if len(value) > 11 else SECOND
    if "." in text:
        head, tail = text.split(".")
        sign = -1 if head.startswith("-") else 1
        return int(head) * scale + sign * int(tail.ljust(9, "0")) * scale // SECOND
    return int(text) * scale
