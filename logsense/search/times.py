"""Time expressions in questions, by a small grammar of their common forms. Chinese ones are in ``times_zh``.

A general date parser is not used: it takes ``may`` for a month and ``second`` for a time, costs a second to
import, and returns points where a question means a span. Every form here yields a half-open span. Days and
clock times are of the asker's zone; a date without a year, a weekday and a clock time are the latest that have
begun. ``night`` is 22:00 to 06:00, ``morning`` 06 to 12, ``afternoon`` 12 to 18, ``evening`` 18 to 24.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

from logsense.search.chinese import is_chinese
from logsense.search.spans import Span, from_ns, midnight, to_ns
from logsense.search.times_zh import find_chinese

__all__ = ["Span", "find_time", "from_ns", "parse_moment", "to_ns"]

_DAY = timedelta(days=1)

_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_MONTH_NO = {name: at + 1 for at, name in enumerate(_MONTHS)} | {name[:3]: at + 1 for at, name in enumerate(_MONTHS)}
_MONTH_NO["sept"] = 9
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAY_NO = {name: at for at, name in enumerate(_WEEKDAYS)} | {name[:3]: at for at, name in enumerate(_WEEKDAYS)}
_WEEKDAY_NO |= {"tues": 1, "thur": 3, "thurs": 3}
_NUMBERS = {"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
_NUMBERS |= {"nine": 9, "ten": 10, "eleven": 11, "twelve": 12}
_NUMBERS |= {"a": 1, "an": 1, "couple": 2, "few": 3, "several": 3, "fifteen": 15, "twenty": 20, "thirty": 30}
_NUMBERS |= {"forty": 40, "fifty": 50, "sixty": 60}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PARTS = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (22, 30), "noon": (12, 13)}

# Building blocks. `may` and `march` are verbs far more often than months, so they need company (_date).
_M = "(?:" + "|".join(sorted(_MONTH_NO, key=len, reverse=True)) + r")\b\.?"
_W = "(?:" + "|".join(sorted(_WEEKDAY_NO, key=len, reverse=True)) + r")\b"
_N = r"(?:\d{1,6}(?:\.\d+)?|" + "|".join(sorted(_NUMBERS, key=len, reverse=True)) + ")"
_UNIT = r"(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|[smhdw])\b"
_PART = r"(?:morning|afternoon|evening|night|noon)"
_ISO = r"\d{4}-\d\d?-\d\d?(?:[t ]\d\d?:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)?(?:\s?(?:z|[+-]\d\d:?\d\d)(?![\w.]))?"
_AM_PM = r"[ap]\.?m\b\.?"
_CLOCK = rf"(?:(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d)?(?:\s?{_AM_PM})?|(?:1[0-2]|0?\d)\s?{_AM_PM}|noon|midday|midnight)"
_HOUR = rf"(?:{_CLOCK}|(?:[01]?\d|2[0-4])(?:\s?(?:o'?clock|h)\b)?)"
_NTH = r"(?:the\s+)?\d{1,2}(?:st|nd|rd|th)?"
_DATE = (
    rf"(?:{_NTH}\s+(?:of\s+)?{_M}(?:,?\s+\d{{4}})?|{_M}\s+(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)?\b(?!:)(?:,?\s+\d{{4}})?"
    r"|\d{1,2}[./]\d{1,2}[./]\d{4})"
)
_DAYWORD = (
    r"(?:the\s+day\s+before\s+yesterday|yesterday|today|tonight|last\s+night|overnight"
    rf"|(?:last|this|on)\s+{_W}|{_W})"
)


def find_time(text: str, now: datetime) -> Span | None:
    """The first time expression in ``text``, or None. ``now`` carries the asker's zone."""
    low = text.lower()
    if len(low) != len(text):  # a letter whose lower case is longer would shift positions
        low = text
    if is_chinese(text) and (span := find_chinese(text, now)):
        return span
    for rule in _RULES:
        try:
            span = rule(low, now)
        except (ValueError, OverflowError):  # 31 February, the year 10000
            continue
        if span is not None:
            return Span(span.low, span.high, text[span.start : span.end].strip(), span.start, span.end)
    return None


def parse_moment(text: str, now: datetime, *, end: bool = False) -> datetime | None:
    """A single moment, for ``from:`` and ``to:``; a span gives its start, or its end with ``end``."""
    text = text.strip().strip("\"'")
    if text.lower() == "now":
        return now
    relative = re.fullmatch(r"(?:now)?-(\d{1,6})([smhdw])", text.lower())
    if relative:
        return now - timedelta(seconds=int(relative[1]) * _UNITS[relative[2]])
    try:
        span = _moment(text.lower(), now)
    except (ValueError, OverflowError):
        return None
    if span is None:
        return None
    return span[1] if end and len(text) <= 10 and "-" in text else span[0]


# --- moments: a word group to its span ----------------------------------------------------------


def _moment(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """ISO time, day with or without clock time, clock time alone."""
    text = " ".join(text.split())
    if re.fullmatch(_ISO, text):
        return _iso(text, now)
    clock = re.search(rf"(?:^|\s)(?:at\s+)?({_HOUR})$", text)
    if clock and (day := _day(text[: clock.start()].strip(), now)):
        low, high = _clock(clock[1], day[0])
        return low, high
    clock = re.match(rf"(?:at\s+)?({_CLOCK})(?:\s+|$)", text)
    if clock:
        rest = text[clock.end() :].strip()
        day = _day(rest, now)
        if day is not None:
            return _clock(clock[1], day[0], part=next((p for p in _PARTS if p in rest), ""))
        if not rest:
            return _latest(*_clock(clock[1], midnight(now)), now)
    return _day(text, now)


def _iso(text: str, now: datetime) -> tuple[datetime, datetime]:
    zone = re.search(r"\s?(z|[+-]\d\d:?\d\d)$", text) if ":" in text else None
    body = text[: zone.start()] if zone else text
    match = re.fullmatch(r"(\d{4})-(\d\d?)-(\d\d?)(?:[t ](\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?", body)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second = (int(part) if part else 0 for part in match.groups()[:6])
    micro = int((match[7] or "0").ljust(6, "0")[:6])
    tz = datetime.fromisoformat(f"2000-01-01T00:00:00{zone[1].upper()}").tzinfo if zone else now.tzinfo
    low = datetime(year, month, day, hour, minute, second, micro, tz)
    wide = _DAY if match[4] is None else timedelta(minutes=1) if match[6] is None else timedelta(seconds=1)
    return low, low + (wide if match[7] is None else timedelta(microseconds=1))


def _day(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """A day, or a part of one."""
    text = re.sub(r"^(?:on|in|at|the|of|,)\s+(?=\S)", "", text.strip().strip(",")).strip()
    today = midnight(now)
    if text in ("last night", "overnight"):
        start = today - _DAY
        return start + timedelta(hours=22), start + timedelta(hours=30)
    if text == "tonight":
        start = today - _DAY if now.hour < 6 else today
        return start + timedelta(hours=18), start + timedelta(hours=30)
    part = re.search(rf"(?:^|\s)(?:in\s+the\s+|at\s+|during\s+the\s+)?({_PART})$", text)
    if part is None:
        part_first = re.match(rf"(?:the\s+)?({_PART})\s+(?:of|on)\s+", text)
        rest, name = (text[part_first.end() :], part_first[1]) if part_first else (text, "")
    else:
        rest, name = text[: part.start()].strip(), part[1]
    start_of = _day_start(rest, now)
    if start_of is None:
        return None
    if not name:
        return start_of, start_of + _DAY
    low, high = _PARTS[name]
    return start_of + timedelta(hours=low), start_of + timedelta(hours=high)


def _day_start(text: str, now: datetime) -> datetime | None:
    text = re.sub(r"^(?:on|the)\s+(?!day)", "", text)
    today = midnight(now)
    if text in ("today", "this"):
        return today
    if text in ("yesterday", "last"):
        return today - _DAY
    if text in ("day before yesterday", "the day before yesterday"):
        return today - 2 * _DAY
    weekday = re.fullmatch(rf"(last\s+|this\s+)?({_W})", text)
    if weekday:
        back = (now.weekday() - _WEEKDAY_NO[weekday[2]]) % 7
        if back == 0 and (weekday[1] or "").startswith("last"):
            back = 7
        return today - back * _DAY
    if re.fullmatch(_ISO, text) and ":" not in text:
        return _iso(text, now)[0]
    return _date(text, now)


def _date(text: str, now: datetime) -> datetime | None:
    """``29 July 2015``, ``the 10th of November``, ``Aug 24th``, ``24.8.2015``; no year: the latest that has begun."""
    numeric = re.fullmatch(r"(\d{1,2})([./])(\d{1,2})[./](\d{4})", text)
    if numeric:
        first, second = int(numeric[1]), int(numeric[3])
        # 24.8.2015 is day first; 8/24/2015 is month first unless it cannot be
        month, day = (first, second) if numeric[2] == "/" and first <= 12 else (second, first)
        return datetime(int(numeric[4]), month, day, tzinfo=now.tzinfo)
    found = re.fullmatch(rf"(?:the\s+)?(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({_M})(?:,?\s+(\d{{4}}))?", text)
    if found:
        day, month, year = int(found[1]), _MONTH_NO[found[2].rstrip(".")], found[3]
    else:
        found = re.fullmatch(rf"({_M})\s+(?:the\s+)?(\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(\d{{4}}))?", text)
        if found is None:
            return None
        day, month, year = int(found[2]), _MONTH_NO[found[1].rstrip(".")], found[3]
    if year:
        return datetime(int(year), month, day, tzinfo=now.tzinfo)
    for candidate in (now.year, now.year - 1, now.year - 4):
        try:
            start = datetime(candidate, month, day, tzinfo=now.tzinfo)
        except ValueError:  # 29 February
            continue
        if start <= now:
            return start
    return None


def _clock(text: str, day: datetime, part: str = "") -> tuple[datetime, datetime]:
    """A clock time on ``day`` and the stretch it names: an hour, a minute or a second."""
    text = text.strip()
    day = midnight(day)
    if text in ("noon", "midday"):
        return day + timedelta(hours=12), day + timedelta(hours=13)
    if text == "midnight":
        return day, day + timedelta(hours=1)
    match = re.match(r"(\d{1,2})(?::(\d\d))?(?::(\d\d))?\s?([ap])?", text)
    if match is None:
        raise ValueError(text)
    hour = int(match[1])
    if match[4] == "p" or (not match[4] and part in ("afternoon", "evening") and hour < 12):
        hour = hour % 12 + 12
    elif match[4] == "a":
        hour %= 12
    low = day + timedelta(hours=hour, minutes=int(match[2] or 0), seconds=int(match[3] or 0))
    wide = timedelta(seconds=1) if match[3] else timedelta(minutes=1) if match[2] else timedelta(hours=1)
    return low, low + wide


def _latest(low: datetime, high: datetime, now: datetime) -> tuple[datetime, datetime]:
    return (low - _DAY, high - _DAY) if low > now else (low, high)


def _number(text: str) -> float:
    text = text.strip()
    if text in _NUMBERS:
        return float(_NUMBERS[text])
    return float(text)


def _ago(now: datetime, count: float, unit: str) -> datetime:
    if unit.startswith(("month", "year")):
        months = round(count * (12 if unit.startswith("year") else 1))
        year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
        last = (date(year + (month == 11), (month + 1) % 12 + 1, 1) - _DAY).day
        return now.replace(year=year, month=month + 1, day=min(now.day, last))
    return now - timedelta(seconds=count * _UNITS[unit[0]])


# --- rules: where in a question, most specific first ---------------------------------------------


def _span(match: re.Match[str], low: datetime | None, high: datetime | None) -> Span:
    return Span(low, high, "", match.start(), match.end())


_OF_DAY = rf"(?:(?:on\s+|in\s+the\s+)?(?:{_DATE}|{_DAYWORD}(?:\s+{_PART})?|this\s+{_PART}))"
_POINT = (
    rf"(?:{_ISO}|(?:at\s+)?{_CLOCK}(?:\s+{_OF_DAY})?"
    rf"|(?:(?:in\s+|during\s+)?(?:the\s+)?{_PART}\s+(?:of|on)\s+(?:the\s+)?|on\s+)?(?:{_DATE}|{_DAYWORD})"
    rf"(?:\s+(?:in\s+the\s+)?{_PART})?(?:\s+(?:at\s+)?{_HOUR}\b)?|this\s+{_PART})"
)
_SOME_DAY = rf"(?:{_DATE}|{_DAYWORD}|\d{{4}}-\d\d-\d\d)(?:\s+(?:in\s+the\s+)?{_PART})?"
_IN_DAY = (
    r"(?:\s*,?\s+(?:on\s+|in\s+the\s+|at\s+)?"
    rf"(?P<day>(?:the\s+)?(?:{_PART}\s+(?:of|on)\s+)?{_SOME_DAY}|this\s+{_PART}))"
)


def _range(text: str, now: datetime) -> Span | None:
    """between A and B, from A to B, with full moments on both sides."""
    match = re.search(rf"\b(?:between|from)\s+({_POINT})\s+(?:and|to|until|till)\s+({_POINT})(?!\w)", text)
    if match is None:
        match = re.search(rf"(?<!\S)({_ISO})\s*(?:-|–|to|until|\.\.)\s*({_ISO})(?!\w)", text)
    if match is None:
        return None
    low, high = _moment(match[1], now), _moment(match[2], now)
    if low is None or high is None:
        return None
    if high[0] <= low[0] and (
        match[2].strip()[0].isdigit() and len(match[2].strip()) <= 8
    ):  # from monday 22:00 to 6:00
        same = _clock(match[2], low[0])[0]
        high = (same, same) if same > low[0] else (same + _DAY, same + _DAY)
    if high[0] <= low[0]:
        return None
    whole_day = re.fullmatch(rf"(?:on\s+)?(?:{_DATE}|{_DAYWORD}|\d{{4}}-\d\d?-\d\d?)", match[2].strip())
    return _span(match, low[0], high[1] if whole_day else high[0])


def _hours(text: str, now: datetime) -> Span | None:
    """between 2 and 3 (pm) (on Tuesday); (on Tuesday) from 22:15 to 22:30."""
    clocks = rf"(?:between|from)\s+(?P<a>{_HOUR})\s*(?:and|to|until|till|-|–)\s*(?P<b>{_HOUR})"
    day_first = rf"(?:on\s+)?(?P<day>{_SOME_DAY})\s*,?\s+{clocks}(?!\w)"
    match = re.search(rf"\b{day_first}", text) or re.search(rf"\b{clocks}{_IN_DAY}(?!\w)", text)
    if match is None:
        # bare numbers are hours only when nothing countable follows
        match = re.search(rf"\b{clocks}(?=\s*(?:$|[?.,;!]|\b(?:on|in|at|for|was|were|did|which|what|who)\b))", text)
        if match is None or not re.search(rf"{_CLOCK}|o'?clock|\dh\b|between", match[0]):
            return None
    said_day = match.groupdict().get("day")
    day = _day(said_day, now) if said_day else None
    if said_day and day is None:
        return None
    part = next((p for p in _PARTS if said_day and p in said_day), "")
    base = day[0] if day else now
    first, second = match["a"], match["b"]
    half = re.search(r"[ap]\.?m", second)
    if half and re.fullmatch(r"\d{1,2}(?::\d\d)?", first.strip()):  # between 2 and 3 pm: both
        first = f"{first.strip()} {half[0]}"
    low, high = _clock(first, base, part)[0], _clock(second, base, part)[0]
    if part == "night" and low.hour < 12:
        low, high = low + _DAY, high + _DAY
    if high <= low:
        high += timedelta(hours=12) if high + timedelta(hours=12) > low and not said_day and high.hour < 12 else _DAY
    if day is None and low > now:
        low, high = low - _DAY, high - _DAY
    return _span(match, low, high)


def _night(text: str, now: datetime) -> Span | None:
    """(in) the night from the 10th to the 11th of November."""
    match = re.search(
        rf"\b(?:in\s+|during\s+)?the\s+night\s+(?:from|of)\s+(?P<a>{_NTH}(?:\s+(?:of\s+)?{_M})?|{_W})\s+(?:to|on)\s+(?P<b>{_DATE}|{_W})",
        text,
    )
    if match is None:
        return None
    end = _day_start(match["b"], now)
    return None if end is None else _span(match, end - timedelta(hours=2), end + timedelta(hours=6))


def _relative(text: str, now: datetime) -> Span | None:
    """in the last 15 minutes, past 2h, the last half hour, 10 minutes ago, the last hour."""
    lead = r"\b(?:(?:in|over|during|for|within|from)\s+)?(?:the\s+|these\s+)?(?:last|past|previous)\s+"
    match = re.search(rf"{lead}(?:half\s+(?:an?\s+)?hour|half-hour)\b", text)
    if match:
        return _span(match, now - timedelta(minutes=30), now)
    match = re.search(rf"{lead}quarter\s+(?:of\s+an\s+)?hour\b", text)
    if match:
        return _span(match, now - timedelta(minutes=15), now)
    match = re.search(rf"{lead}({_N})(?:\s+of)?\s*({_UNIT})", text)
    if match:
        return _span(match, _ago(now, _number(match[1]), match[2]), now)
    match = re.search(rf"\b(?P<since>since\s+)?(?:about\s+|around\s+)?({_N})(?:\s+of)?\s*({_UNIT})\s+ago\b", text)
    if match:
        moment = _ago(now, _number(match[2]), match[3])
        if match["since"]:
            return _span(match, moment, now)
        half = (moment - _ago(moment, 1, match[3])) / 2
        return _span(match, moment - half, min(now, moment + half))
    match = re.search(rf"{lead}(second|minute|hour|day)\b(?!s)", text)
    if match:
        return _span(match, _ago(now, 1, match[1]), now)
    return None


def _calendar(text: str, now: datetime) -> Span | None:
    """last week, this month, in July 2015, last weekend."""
    today = midnight(now)
    monday = today - now.weekday() * _DAY
    month = today.replace(day=1)
    match = re.search(
        r"\b(?:in\s+|during\s+)?(?:the\s+)?(last|past|previous|this)\s+(week|weekend|month|year|hour)\b", text
    )
    if match:
        which, unit = match[1], match[2]
        if unit == "hour":
            start = now.replace(minute=0, second=0, microsecond=0)
            return _span(match, start, now)
        if unit == "weekend":
            start = monday + 5 * _DAY if which == "this" and now.weekday() >= 5 else monday - 2 * _DAY
            return _span(match, start, start + 2 * _DAY)
        if which == "past":
            return _span(match, _ago(now, 1, unit), now)
        start = {"week": monday, "month": month, "year": month.replace(month=1)}[unit]
        if which == "this":
            return _span(match, start, now)
        return _span(match, _ago(start, 1, unit), start)
    match = re.search(rf"\b(since|in|during|for|last|this)\s+({_M})(?:,?\s+(\d{{4}}))?(?!\s*\d)(?=\W|$)", text)
    if match:
        number = _MONTH_NO[match[2].rstrip(".")]
        year = int(match[3]) if match[3] else now.year - (number > now.month)
        start = datetime(year, number, 1, tzinfo=now.tzinfo)
        end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=now.tzinfo)
        return _span(match, start, now if match[1] == "since" else end)
    return None


def _bounded(text: str, now: datetime) -> Span | None:
    """since 14:00, after yesterday evening, before noon, until 2024-05-01, at 14:05, around 3am, on Monday."""
    match = re.search(
        rf"\b(since|after|before|until|till|by|up\s+to|around|about|at|from|on|in|during|starting)?\s*(?<![\w.:/-])({_POINT})(?![\w:/-])(?!\.\d)",
        text,
    )
    if match is None:
        return None
    span = _moment(re.sub(r"^at\s+", "", match[2]), now)
    if span is None:
        return None
    said = match[2].strip()
    if re.match(r"(?:may|mar|march)\b", said) and not match[1] and not re.search(r"\d{4}|\d(?:st|nd|rd|th)", said):
        return None  # "clients may 5 times": a verb
    if re.fullmatch(r"sat|sun|wed|mon|fri|tue|thu|[\d./]+", said) and not match[1]:
        return None  # "sat" and "sun" are words, 1.12.2015 a version; with "on" before them they are days
    low, high = span
    if said in ("noon", "midday", "midnight") and not match[1]:
        return None  # "midnight passed": a thing, not a time
    word = (match[1] or "").split()[0] if match[1] else ""
    if word in ("since", "starting", "from"):
        return _span(match, low, None if low > now else now)
    if word == "after":
        return _span(match, low if re.search(_CLOCK, said) else high, None)
    if word in ("before", "until", "till", "by", "up"):
        ends = high if word in ("until", "till") and not re.search(_CLOCK, said) and ":" not in said else low
        return _span(match, None, ends)
    if word in ("around", "about"):
        slack = timedelta(minutes=30) if high - low <= timedelta(hours=1) else timedelta(0)
        return _span(match, low - slack, low + slack if slack else high)
    return _span(match, low, high)


_RULES: tuple[Callable[[str, datetime], Span | None], ...] = (
    _night,
    _hours,
    _range,
    _relative,
    _calendar,
    _bounded,
)
