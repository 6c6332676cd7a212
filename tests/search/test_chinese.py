"""Chinese questions: cutting, English words, times, and what the ranking makes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from logsense.search import Catalog, understand
from logsense.search.chinese import cut, dictionary, english
from logsense.search.spans import to_ns
from logsense.search.times_zh import find_chinese, number

NOW = datetime(2026, 11, 24, 14, 30, 15, tzinfo=UTC)  # a Tuesday


def test_the_dictionary_has_each_word_once_and_no_empty_line() -> None:
    text = (Path(__file__).parents[2] / "logsense" / "search" / "chinese.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert all(line.count(" = ") == 1 for line in lines)
    assert len(dictionary()) > 1000


def test_longer_words_win_and_no_character_is_stranded() -> None:
    assert list(cut("磁盘满了吗")) == ["磁盘满了", "吗"]
    assert list(cut("连不上数据库")) == ["连不上数据库"]
    assert "".join(cut("无论什么字都不丢")) == "无论什么字都不丢"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("db1上磁盘满了吗？", "db1 no space left on device disk full?"),
        ("哪些主机内存不足", "which hosts out of memory"),
        ("plain English stays", "plain English stays"),
        ("超过100次", "more than 100 times"),
        ("", ""),
    ],
)
def test_english(question: str, expected: str) -> None:
    assert english(question) == expected


@pytest.mark.parametrize(
    ("said", "low", "high"),
    [
        ("昨晚哪些主机", "11-23T18:00:00", "11-24T06:00:00"),
        ("周二凌晨两点到三点的错误", "11-24T02:00:00", "11-24T03:00:00"),
        ("上周三下午", "11-18T12:00:00", "11-18T18:00:00"),
        ("最近一小时", "11-24T13:30:15", "11-24T14:30:15"),
        ("最近半小时里", "11-24T14:00:15", "11-24T14:30:15"),
        ("过去24小时", "11-23T14:30:15", "11-24T14:30:15"),
        ("今天早上9点到10点之间", "11-24T09:00:00", "11-24T10:00:00"),
        ("11月10日到11日夜里", "11-10T22:00:00", "11-11T06:00:00"),
        ("7月27日", "07-27T00:00:00", "07-28T00:00:00"),
        ("凌晨三点左右", "11-24T02:30:00", "11-24T03:30:00"),
        ("上个月", "10-01T00:00:00", "11-01T00:00:00"),
        ("周末", "11-21T00:00:00", "11-23T00:00:00"),
        ("十一月三号下午三点半到五点", "11-03T15:30:00", "11-03T17:00:00"),
        ("自昨天以来", "11-23T00:00:00", "11-24T14:30:15"),
    ],
)
def test_times(said: str, low: str, high: str) -> None:
    span = find_chinese(said, NOW)
    assert span is not None and span.low is not None and span.high is not None
    assert (span.low.isoformat()[5:19], span.high.isoformat()[5:19]) == (low, high)


@pytest.mark.parametrize("said", ["最早的一次", "第一次出现", "到目前为止", "没有时间", "二月三十日", "99点到100点"])
def test_no_time(said: str) -> None:
    assert find_chinese(said, NOW) is None


def test_numbers() -> None:
    assert [number(text) for text in ("两", "十", "十五", "二十", "三十七", "42")] == [2, 10, 15, 20, 37, 42]


def test_a_chinese_question_is_compiled_whole() -> None:
    catalog = Catalog(["db1", "web-01"], ["postgresql"], ["error", "warning"])
    asked = understand("昨晚除了web-01以外哪些主机连不上数据库超过100次", now_ns=to_ns(NOW), catalog=catalog)
    assert asked.translated and asked.query.hosts == ["db1"]
    assert asked.aggregate is not None and (asked.aggregate.by, asked.aggregate.least) == ("host", 101)
    assert asked.query.from_ns == to_ns(datetime(2026, 11, 23, 18, tzinfo=UTC))
    assert "connect" in asked.topic and "database" in asked.topic


def test_only_warnings() -> None:
    asked = understand("db1最近的磁盘问题，只看警告", now_ns=to_ns(NOW), catalog=Catalog(["db1"], [], ["warning"]))
    assert asked.query.levels == ["warning"] and asked.query.hosts == ["db1"]
