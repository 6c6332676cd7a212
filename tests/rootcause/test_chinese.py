"""The Chinese wording: complete, with the same evidence, and quoting what machines wrote."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files

import pytest

from logsense.record import Sentence
from logsense.rootcause import in_chinese, known_patterns, rank, summarise, translate

from .cases import evidence, incident, oom_behind_a_proxy, template

CHINESE = re.compile("[\u4e00-\u9fff]")


def catalogue() -> dict:
    return tomllib.loads((files("logsense.rootcause") / "zh.toml").read_text(encoding="utf-8"))


def test_every_known_failure_has_a_title_a_reason_and_all_steps() -> None:
    words = catalogue()["failure"]
    assert set(words) == {pattern.kind for pattern in known_patterns()}
    for pattern in known_patterns():
        assert CHINESE.search(pattern.title_zh), pattern.kind
        assert CHINESE.search(words[pattern.kind]["why"]), pattern.kind
        assert len(words[pattern.kind]["next"]) == len(pattern.next), pattern.kind
        for english, chinese in zip(pattern.next, words[pattern.kind]["next"], strict=True):
            assert set(re.findall(r"\{(?:host|service)\}", english)) == set(
                re.findall(r"\{(?:host|service)\}", chinese)
            ), (pattern.kind, english)


def test_a_phrase_says_what_it_takes() -> None:
    for one in catalogue()["phrase"]:
        there = set(re.findall(r"\{(\w+)", one["zh"]))
        assert there == set(re.findall(r"\{(\w+)", one["en"])), one


@pytest.mark.parametrize("pattern", known_patterns(), ids=lambda pattern: pattern.kind)
def test_what_is_said_of_each_failure_is_all_chinese(pattern) -> None:
    table = tomllib.loads((files("logsense.rootcause") / "patterns.toml").read_text(encoding="utf-8"))
    body = next(one for one in table["pattern"] if one["kind"] == pattern.kind)
    samples = [sample for cue in body.get("text", []) if cue.get("decisive") for sample in cue["samples"]]
    for sample in samples[:3]:
        found = evidence([template("h1", "svc", sample, 30)])
        hypotheses = rank(found)
        unknown: list[str] = []
        for sentence in summarise(incident(), hypotheses, found)[0]:
            translate(sentence.text, unknown.append)
        assert unknown == [], sample


def test_a_whole_summary() -> None:
    found = oom_behind_a_proxy()
    sentences, _ = summarise(incident(), rank(found), found)
    chinese = in_chinese(sentences)
    assert [(s.role, s.evidence) for s in chinese] == [(s.role, s.evidence) for s in sentences]
    assert all(CHINESE.search(s.text) for s in chinese if s.role in ("headline", "impact", "cause", "not_examined"))
    assert "内存耗尽" in chinese[0].text


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("Disk full on app1; since 10:00:00 UTC.", "app1 的磁盘已满；自 10:00:00 UTC 起。"),
        ("`Seen: a; b (none in the 3 min before)` once in 10 s, usually none",
         "`Seen: a; b (none in the 3 min before)` 10 秒内出现 1 次，平时没有"),
        ("10:00:00 db1: never seen before: `say `hi` now`", "10:00:00 db1: 首次出现：`say `hi` now`"),
        ("Most likely cause: from `a` in shop to `b; c` in db it takes 820 ms longer than the usual 12 ms; "
         "3 are as usual. "
         "That is 88% of all delay between the lines of requests.",
         "最可能的原因：从 shop 的 `a` 到 db 的 `b; c` 耗时比平时的 12 ms 多 820 ms；3 段与平时相同。"
         "这占请求日志行之间全部延迟的 88%。"),
        ("After `a` comes `b` 9 of 10 times, usually 0 of 300.",
         "在 `a` 之后出现 `b` 的次数为 10 次中 9 次，平时为 300 次中 0 次。"),
        ("Something that nobody has worded yet.", "Something that nobody has worded yet."),
        ("", ""),
    ],
)  # fmt: skip
def test_quotes_are_kept_and_what_is_unknown_stays(english: str, chinese: str) -> None:
    assert translate(english) == chinese


def test_hostile_text_neither_breaks_nor_slows_it() -> None:
    for text in ("; since " * 2000, "`" * 5000, "a on b, " * 1500, "\ue0000\ue001", "Seen: " * 2000 + "."):
        assert isinstance(translate(text), str)
    assert in_chinese([Sentence("x\n10:00:00 db1: y", ["line:1"])])[0].evidence == ["line:1"]


def test_words_with_of_are_no_shares() -> None:
    unknown: list[str] = []
    said = [
        "Memory of catalog on catalog-1 grows; since 10:00:00 UTC.", "the lines of one such request, in all services",
        "errors of shipping around the onset", "the network of ledger-1: ping, ss -ti, tc qdisc",
        "Just before, until 10:00:00 UTC, there was inc-1: Memory of catalog on catalog-1 grows.",
        "requests take 20 ms from `a` to `b`, usually 2 ms; 3 more of their steps are slow",
    ]  # fmt: skip
    chinese = [translate(text, unknown.append) for text in said]
    assert unknown == [] and not any("次中" in text for text in chinese), chinese
