"""Reading time stamps: text in a log's own layout → nanoseconds since 1970 UTC.

A layout is ``iso``, ``epoch`` or a ``strptime``-like string with the directives of ``DIRECTIVES``. Lines come in time
order, so nearly every line repeats the second of the line before: the calendar arithmetic is done once a second
and cached by the text without its fraction. Fractions keep all nine digits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from logsense.errors import BadConfig

SECOND = 1_000_000_000
DAY = 86_400 * SECOND

_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11,
    "dec": 12,
}  # fmt: skip

_ZONE = r"Z|[+-]\d{2}(?::?\d{2})?|[A-Z]{3,5}"
DIRECTIVES = {
    "%Y": r"(?P<Y>\d{4})",
    "%y": r"(?P<y>\d{2})",
    "%m": r"(?P<m>\d{1,2})",
    "%d": r" ?(?P<d>\d{1,2})",
    "%b": r"(?P<b>[A-Za-z]{3})[a-z]*",
    "%a": r"[A-Za-z]{3,9}",
    "%H": r" ?(?P<H>\d{1,2})",
    "%M": r"(?P<M>\d{1,2})",
    "%S": r"(?P<S>\d{1,2})",
    "%f": r"(?:[.,:](?P<f>\d{1,9}))?",  # with the separator before it; optional
    "%z": rf" ?(?P<z>{_ZONE})?",
}

# What the letters mean where the zone of the pipeline does not use them itself. Ambiguous ones (IST, and CST of
# China) are read as RFC 2822 or the tz database's most common use has them.
_ABBREVIATIONS = {
    "Z": 0, "UTC": 0, "GMT": 0, "UT": 0, "WET": 0, "WEST": 60, "BST": 60, "CET": 60, "CEST": 120, "MET": 60,
    "MEST": 120, "EET": 120, "EEST": 180, "MSK": 180, "IST": 330, "SGT": 480, "HKT": 480, "JST": 540, "KST": 540,
    "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300,
    "MST": -420, "MDT": -360, "PST": -480, "PDT": -420, "BRT": -180, "ART": -180,
}  # fmt: skip

_CACHE_LIMIT = 4096


def zone_of(name: str) -> tzinfo:
    """``UTC``, ``Europe/Berlin`` or a fixed offset such as ``-02:00``. Raises ``BadConfig`` for anything else."""
    if re.fullmatch(r"[+-]\d{2}(?::?\d{2})?", name):
        return timezone(timedelta(minutes=_offset_minutes(name)))
    try:
        return UTC if name in ("UTC", "Z", "") else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadConfig(
            f"unknown time zone {name!r}",
            why=str(error),
            fix="use a name of the tz database (Europe/Berlin) or an offset (+02:00)",
        ) from error


def _offset_minutes(text: str) -> int:
    digits = text[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return -minutes if text[0] == "-" else minutes


def fraction_ns(digits: str | None) -> int:
    """``"25"`` → 250,000,000."""
    return int(digits.ljust(9, "0")[:9]) if digits else 0


def epoch_ns(text: str | int | float) -> int | None:
    """Seconds, milli-, micro- or nanoseconds since 1970, told apart by magnitude; with or without a fraction.

    The borders lie so that each unit covers 1973 to 5138: 1e11 seconds, 1e14 milliseconds, 1e17 microseconds.
    """
    whole, _, digits = str(text).strip().partition(".")
    if not whole.lstrip("-").isdecimal() or (digits and not digits.isdecimal()) or len(whole) > 20:
        if not isinstance(text, float) or text != text or abs(text) > 1e19:
            return None
        whole, digits = str(int(text)), ""  # 1.7e+18
    number = int(whole)
    size = abs(number)
    unit = SECOND if size < 10**11 else 1_000_000 if size < 10**14 else 1_000 if size < 10**17 else 1
    part = fraction_ns(digits) * unit // SECOND
    return number * unit + (-part if whole.startswith("-") else part)


class _Zone:
    """A pipeline's zone, and the zones that time stamps name."""

    def __init__(self, zone: tzinfo) -> None:
        self.local = zone

    def at(self, named: str | None, moment: datetime) -> tzinfo:
        if not named:
            return self.local
        if named[0] in "+-":
            return timezone(timedelta(minutes=_offset_minutes(named)))
        if named not in ("Z", "UTC", "GMT") and moment.replace(tzinfo=self.local).tzname() == named:
            return self.local
        minutes = _ABBREVIATIONS.get(named)
        return self.local if minutes is None else timezone(timedelta(minutes=minutes))


def _to_ns(moment: datetime) -> int:
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND


class _Layout:
    """One layout, compiled. ``read`` costs a regex match and a dictionary look-up for a second seen before."""

    def __init__(self, layout: str, zone: _Zone) -> None:
        text = "%Y-%m-%d[T ]%H:%M:%S%f%z" if layout == "iso" else layout
        pattern = "".join(
            DIRECTIVES.get(part) or (part if layout == "iso" else re.escape(part))
            for part in re.split(r"(%[A-Za-z])", text)
        )
        self._regex = re.compile(pattern + r"\s*\Z", re.ASCII)
        names = self._regex.groupindex
        self._fraction = names.get("f", 0)
        self._zone = zone
        self._yearless = "Y" not in names and "y" not in names
        self._cache: dict[tuple[str, str] | tuple[str, str, int], int | None] = {}
        self._names = names
        # The last time stamp up to its fraction and behind it, the day it came, and what it stands for without one.
        self._last: tuple[str, str, int, int] = ("\0", "", 0, 0)

    def read(self, text: str, received_ns: int) -> int | None:
        head, tail, day, base = self._last
        if text.startswith(head) and text.endswith(tail) and (not self._yearless or received_ns // DAY == day):
            # The same second as before: only the digits between are new.
            size = len(head)
            digits = text[size + 1 : len(text) - len(tail)]
            if 0 < len(digits) < 10 and digits.isdecimal() and digits.isascii() and text[size] in ".,:":
                return base + int(digits.ljust(9, "0"))
        return self._read(text, received_ns)

    def _read(self, text: str, received_ns: int) -> int | None:
        match = self._regex.match(text)
        if match is None:
            return None
        digits = None
        head, tail = text, ""
        if self._fraction:
            digits = match[self._fraction]
            if digits:
                start, end = match.span(self._fraction)
                head, tail = text[:start], text[end:]
        key = (head, tail, received_ns // DAY) if self._yearless else (head, tail)
        try:
            base = self._cache[key]
        except KeyError:
            if len(self._cache) >= _CACHE_LIMIT:
                self._cache.clear()
            base = self._cache[key] = self._base(match, received_ns)
        if base is None:
            return None
        if digits:
            self._last = head[:-1], tail, received_ns // DAY, base
            return base + int(digits.ljust(9, "0"))
        return base

    def _base(self, match: re.Match[str], received_ns: int) -> int | None:
        part = match.groupdict()
        month = _MONTHS.get(part["b"].lower(), 0) if part.get("b") else int(part.get("m") or 0)
        second = int(part.get("S") or 0)
        try:
            if self._yearless:
                moment = self._infer_year(month, part, received_ns)
            else:
                year = int(part["Y"]) if part.get("Y") else _century(int(part["y"] or 0))
                moment = datetime(year, month, int(part["d"] or 0), int(part["H"] or 0), int(part["M"] or 0))
            moment = moment.replace(tzinfo=self._zone.at(part.get("z"), moment))
            # A leap second (:60) counts into the next minute, as POSIX time has it.
            return _to_ns(moment) + second * SECOND if second <= 60 else None
        except (ValueError, OverflowError):
            return None

    def _infer_year(self, month: int, part: dict[str, str | None], received_ns: int) -> datetime:
        """The latest year in which the moment is not more than a day after its arrival (clocks and zones differ)."""
        limit = datetime(1970, 1, 1) + timedelta(microseconds=(received_ns + DAY + DAY // 2) // 1000)
        for year in range(limit.year, limit.year - 9, -1):  # 29 February may be up to eight years back
            try:
                moment = datetime(year, month, int(part["d"] or 0), int(part["H"] or 0), int(part["M"] or 0))
            except ValueError:
                if month != 2:
                    raise
                continue
            if moment <= limit:
                return moment
        raise ValueError("no such day")


def _century(year: int) -> int:
    """Two-digit years as POSIX reads them: 69–99 are 19xx."""
    return year + (1900 if year >= 69 else 2000)


class TimestampReader:
    """Reads the time stamps of one log format. Layouts are tried in order, the last one that fitted first."""

    def __init__(self, layouts: Sequence[str], zone: tzinfo = UTC) -> None:
        shared = _Zone(zone)
        self._layouts = [None if layout == "epoch" else _Layout(layout, shared) for layout in layouts]

    def read(self, text: str, received_ns: int) -> int | None:
        """Nanoseconds, or None when no layout fits or the moment does not exist (31 February)."""
        for position, layout in enumerate(self._layouts):
            value = epoch_ns(text) if layout is None else layout.read(text, received_ns)
            if value is not None:
                if position:
                    self._layouts.insert(0, self._layouts.pop(position))
                return value
        return None


def iso_ns(ns: int) -> str:
    """RFC 3339 in UTC; milli-, micro- or nanoseconds as far as they say something."""
    seconds, rest = divmod(ns, SECOND)
    try:
        head = (datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        head, rest = ("9999-12-31T23:59:59" if ns > 0 else "0001-01-01T00:00:00"), 0
    if rest % 1_000_000 == 0:
        return f"{head}.{rest // 1_000_000:03d}Z"
    return f"{head}.{rest // 1000:06d}Z" if rest % 1000 == 0 else f"{head}.{rest:09d}Z"
