"""Chinese time expressions: 最近十五分钟, 昨晚, 周二凌晨两点到三点, 2015年8月24日晚上, 7月27日, 上周, 三天前.

Days and parts of days mean what they do in ``times``; 晚上 is 18 to 24, 夜里 22 to 06, 昨晚 18 to 06.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from logsense.search.spans import Span, midnight

_DAY = timedelta(days=1)
_DIGITS = {c: at for at, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_PARTS = {"凌晨": (0, 6), "清晨": (5, 8), "早上": (6, 12), "早晨": (6, 12), "上午": (6, 12), "中午": (11, 14),
          "下午": (12, 18), "傍晚": (17, 20), "晚上": (18, 24), "晚间": (18, 24), "夜里": (22, 30), "夜间": (22, 30),
          "深夜": (22, 30), "半夜": (22, 30), "早": (6, 12), "晚": (18, 30), "夜": (18, 30)}  # fmt: skip
_LATE = ("下午", "傍晚", "晚上", "晚间", "晚")
_UNITS = {
    "秒": 1,
    "分": 60,
    "小": 3600,
    "钟": 3600,
    "天": 86400,
    "日": 86400,
    "周": 604800,
    "星": 604800,
    "月": 2592000,
}

_N = r"(?:\d{1,6}|[零〇一二两三四五六七八九十]{1,3})"
_UNIT = r"(?:秒钟?|分钟?|小时|钟头|天|日|周|星期|个月|月)"
_WEEKDAY = r"(?:上|本|这)?个?(?:周|星期|礼拜)[一二三四五六日天]"
_NAMED = r"(?:大前天|前天|昨天|昨日|今天|今日|当天)"
_DATE = rf"(?:(?:\d{{4}}年)?{_N}月{_N}(?:日|号)?|\d{{4}}[-/]\d\d?[-/]\d\d?)"
_SHORT = r"(?:[今昨前](?=[晚夜早]))"
_THAT_DAY = rf"(?P<day>{_DATE}|{_NAMED}|{_WEEKDAY}|{_SHORT})"
_PART = "(?:" + "|".join(sorted(_PARTS, key=len, reverse=True)) + ")"
_CLOCK = rf"(?:\d{{1,2}}[:：]\d\d(?:[:：]\d\d)?|{_N}[点时](?:半|整|钟|{_N}分?)?)"
# "早", "晚" and "夜" alone are no time of their own: 最早, 晚了.
_FIRST = re.compile(
    rf"(?:自从?|从)?(?:{_DATE}|{_NAMED}|{_WEEKDAY}|{_SHORT}|凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|晚间|夜里|夜间|深夜|半夜|{_CLOCK})"
)
_MOMENT = re.compile(
    rf"(?:自从?|从)?(?:{_THAT_DAY})?的?(?P<part>{_PART})?\s*(?P<clock>{_CLOCK})?(?P<about>左右|前后)?"
    r"(?P<open>以来|起|开始|之后|以后|过后|之前|以前)?"
)
_TO = r"\s*(?:到|至|-|–|~|～|和|与)\s*"


def find_chinese(text: str, now: datetime) -> Span | None:
    """The first Chinese time expression in ``text``, or None. ``now`` carries the asker's zone."""
    for rule in (_relative, _nights, _range, _calendar, _moment):
        try:
            span = rule(text, now)
        except (ValueError, OverflowError, KeyError):  # 二月三十日, 25点
            continue
        if span is not None:
            return Span(span.low, span.high, text[span.start : span.end].strip(), span.start, span.end)
    return None


def number(text: str) -> int:
    """Digits or Chinese numerals below a hundred."""
    if text.isdigit():
        return int(text)
    tens, ten, ones = text.rpartition("十")
    if ten:
        return (_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0)
    return int("".join(str(_DIGITS[c]) for c in text))


def _span(match: re.Match[str], low: datetime | None, high: datetime | None) -> Span:
    return Span(low, high, "", match.start(), match.end())


def _relative(text: str, now: datetime) -> Span | None:
    match = re.search(r"(?:最近|过去|近|前)的?\s*半个?\s*(小时|钟头|天)(?:内|里|以来)?", text)
    if match:
        return _span(match, now - timedelta(seconds=_UNITS[match[1][0]] / 2), now)
    match = re.search(r"(?:最近|过去|近|前)的?\s*一刻钟(?:内|里)?", text)
    if match:
        return _span(match, now - timedelta(minutes=15), now)
    match = re.search(rf"(?:最近|过去|近|前)的?\s*({_N})\s*个?\s*({_UNIT})(?:内|里|以来|之内)?", text)
    if match is None:
        match = re.search(rf"({_N})\s*个?\s*({_UNIT})(?:以内|之内|内)", text)
    if match:
        return _span(match, now - _length(match), now)
    match = re.search(r"(?:最近|过去|上)的?一?个?(小时|钟头)", text)
    if match:
        return _span(match, now - timedelta(hours=1), now)
    match = re.search(rf"(?:大约|约)?({_N})\s*个?\s*({_UNIT})(?:之前|以前|前)(以来|起|开始)?", text)
    if match is None:
        return None
    ago, unit = _length(match), timedelta(seconds=_UNITS[match[2].lstrip("个")[0]])
    if match[3]:
        return _span(match, now - ago, now)
    return _span(match, now - ago - unit / 2, min(now, now - ago + unit / 2))


def _length(match: re.Match[str]) -> timedelta:
    return timedelta(seconds=number(match[1]) * _UNITS[match[2].lstrip("个")[0]])


def _nights(text: str, now: datetime) -> Span | None:
    """11月10日到11日夜里; 7月1日到7月3日."""
    match = re.search(
        rf"从?{_THAT_DAY}{_TO}(?P<end>{_DATE}|{_N}(?:日|号)|{_NAMED}|{_WEEKDAY})的?(?P<night>{_PART})?", text
    )
    if match is None:
        return None
    low = _day(match["day"], now)
    if short := re.fullmatch(rf"({_N})(?:日|号)", match["end"]):
        high = low.replace(day=number(short[1]))
        high = high if high > low else (low.replace(day=28) + 4 * _DAY).replace(day=number(short[1]))
    else:
        high = _day(match["end"], now)
    if high <= low:
        return None
    if match["night"] and high - low == _DAY and _PARTS[match["night"]][1] > 24:
        return _span(match, low + timedelta(hours=22), high + timedelta(hours=6))
    return _span(match, low, high + _DAY)


def _range(text: str, now: datetime) -> Span | None:
    """周二凌晨两点到三点; 22:15到22:30之间; 今天早上9点至10点."""
    match = re.search(
        rf"(?:从|在)?(?:{_THAT_DAY})?的?(?P<part>{_PART})?\s*(?P<a>{_CLOCK}){_TO}(?P<part2>{_PART})?(?P<b>{_CLOCK}|{_N}[点时])"
        rf"(?:之间|期间|间)?",
        text,
    )
    if match is None:
        return None
    day = _day(match["day"], now) if match["day"] else midnight(now)
    low = _at(match["a"], match["part"], day)
    high = _at(match["b"], match["part2"] or match["part"], day)
    if high <= low:
        high += _DAY
    if not match["day"] and low > now:
        low, high = low - _DAY, high - _DAY
    return _span(match, low, high)


def _calendar(text: str, now: datetime) -> Span | None:
    today = midnight(now)
    monday, month = today - now.weekday() * _DAY, today.replace(day=1)
    match = re.search(r"(上|本|这)个?(周末|周|星期|礼拜|月)(?![一二三四五六日天])(?:以来)?|(今年|去年)|(周末)", text)
    if match is None:
        return None
    if match[3]:
        year = month.replace(month=1)
        before = year.replace(year=year.year - 1)
        return _span(match, year, now) if match[3] == "今年" else _span(match, before, year)
    if match[4] or match[2] == "周末":
        start = monday + 5 * _DAY if match[1] in ("本", "这") and now.weekday() >= 5 else monday - 2 * _DAY
        return _span(match, start, start + 2 * _DAY)
    start = month if match[2] == "月" else monday
    if match[1] != "上":
        return _span(match, start, now)
    return _span(match, (start - _DAY).replace(day=1) if match[2] == "月" else start - 7 * _DAY, start)


def _moment(text: str, now: datetime) -> Span | None:
    """A day, a part of one or a clock time, with 以来, 之后, 之前, 左右."""
    start = _FIRST.search(text)
    match = start and _MOMENT.match(text, start.start())
    if not match or not (match["day"] or match["part"] or match["clock"]):
        return None
    day = _day(match["day"], now) if match["day"] else midnight(now)
    if match["clock"]:
        low = _at(match["clock"], match["part"], day)
        if not match["day"] and low > now:
            low -= _DAY
        exact = re.search(r"[:：分半]|[点时]" + _N, match["clock"])
        high = low + (timedelta(minutes=1) if exact else timedelta(hours=1))
        if match["about"]:
            low, high = low - timedelta(minutes=30), low + timedelta(minutes=30)
    elif match["part"]:
        first, last = _PARTS[match["part"]]
        if not match["day"] and day + timedelta(hours=first) > now:
            day -= _DAY
        low, high = day + timedelta(hours=first), day + timedelta(hours=last)
    else:
        low, high = day, day + _DAY
    if match["open"] in ("以来", "起", "开始"):
        return _span(match, low, now)
    if match["open"] in ("之前", "以前"):
        return _span(match, None, low)
    if match["open"]:
        return _span(match, low if match["clock"] else high, None)
    return _span(match, low, high)


def _day(text: str, now: datetime) -> datetime:
    """Midnight of the day that ``text`` names; a date without a year is the latest that has begun."""
    today = midnight(now)
    named = {"大前天": 3, "前天": 2, "前": 2, "昨天": 1, "昨日": 1, "昨": 1, "今天": 0, "今日": 0, "当天": 0, "今": 0}
    if text in named:
        return today - named[text] * _DAY
    if weekday := re.fullmatch(r"(上|本|这)?个?(?:周|星期|礼拜)([一二三四五六日天])", text):
        at = "一二三四五六日".index(weekday[2].replace("天", "日"))
        monday = today - now.weekday() * _DAY
        if weekday[1] == "上":
            return monday - 7 * _DAY + at * _DAY
        return monday + at * _DAY if weekday[1] else today - ((now.weekday() - at) % 7) * _DAY
    if iso := re.fullmatch(r"(\d{4})[-/](\d\d?)[-/](\d\d?)", text):
        return today.replace(year=int(iso[1]), month=int(iso[2]), day=int(iso[3]))
    date = re.fullmatch(rf"(?:(\d{{4}})年)?({_N})月({_N})(?:日|号)?", text)
    if date is None:
        raise ValueError(text)
    found = today.replace(year=int(date[1] or now.year), month=number(date[2]), day=number(date[3]))
    return found.replace(year=found.year - 1) if not date[1] and found > now else found


def _at(clock: str, part: str | None, day: datetime) -> datetime:
    match = re.fullmatch(r"(\d{1,2})[:：](\d\d)(?:[:：](\d\d))?", clock)
    if match:
        hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    else:
        said = re.fullmatch(rf"({_N})[点时](半|整|钟|{_N}分?)?", clock)
        if said is None:
            raise ValueError(clock)
        hour, second, rest = number(said[1]), 0, said[2] or ""
        minute = 30 if rest == "半" else number(rest.rstrip("分")) if rest not in ("", "整", "钟") else 0
    if hour > 24 or minute > 59:
        raise ValueError(clock)
    if hour < (12 if part in _LATE else 6 if part == "中午" else 0):
        hour += 12
    elif part in ("夜里", "夜间", "深夜", "半夜", "夜"):
        hour += 24 if hour < 7 and part != "半夜" else 12 if 7 <= hour < 12 else 0
    return day + timedelta(hours=hour, minutes=minute, seconds=second)
