"""Humanised values, and above all that log text cannot become markup."""

from __future__ import annotations

import html
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from logsense.ui import format as f

ANY_TEXT = st.text(st.characters(), max_size=200)  # surrogates and controls included


@given(ANY_TEXT)
def test_visible_leaves_no_tag_and_no_invisible_character(text: str) -> None:
    shown = str(f.visible(text, 10_000))
    without_ours = re.sub(r'<span class="ctl" title="[^"<>]*">[^<>]*</span>', "", shown)
    assert not re.search(r"[<>\"']", without_ours)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n"]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f]", shown)


@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=4))
def test_highlight_shows_the_same_text_as_visible(text: str, words: list[str]) -> None:
    marked = str(f.highlight(text, words, 10_000))
    assert marked.replace("<mark>", "").replace("</mark>", "") == str(f.visible(text, 10_000))


@given(ANY_TEXT)
def test_prose_differs_from_visible_only_by_code(text: str) -> None:
    shown = str(f.prose(text, 10_000))
    assert shown.replace("<code>", "`").replace("</code>", "`") == str(f.visible(text, 10_000))
    assert shown.count("<code>") == shown.count("</code>")


def test_prose_sets_quoted_log_text_as_code() -> None:
    assert f.prose("`<b> failed` twice") == "<code>&lt;b&gt; failed</code> twice"


def test_visible_names_what_it_shows() -> None:
    shown = f.visible("a\x1b[31mb\u202ec")
    assert ">ESC</span>[31mb" in shown
    assert 'title="U+202E RIGHT-TO-LEFT OVERRIDE"' in shown


def test_visible_cuts_and_says_how_much() -> None:
    shown = str(f.visible("x" * 10_000_000, 100))
    assert len(shown) < 200
    assert "10 M more characters" in shown


def test_highlight_ignores_case_and_prefers_long_words() -> None:
    assert f.highlight("Connection refused", ["conn", "connection"]) == "<mark>Connection</mark> refused"


def test_template_text_dims_only_masks() -> None:
    assert f.template_text("<*> from <script>") == '<span class="var">‹*›</span> from &lt;script&gt;'


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (999, "999"), (9999, "9,999"), (12345, "12.3 k"), (1_234_567, "1.23 M"), (0.123456, "0.123"),
     (None, "–"), (float("nan"), "–"), (float("inf"), "–"), (-20_000, "-20 k"), (999_999, "1 M"), (5e12, "5,000 G")],
)  # fmt: skip
def test_number(value: float | None, said: str) -> None:
    assert f.number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0 %"),
        (0.001, "<1 %"),
        (0.834, "83 %"),
        (0.999, ">99 %"),
        (1.0, "100 %"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_percent_never_rounds_to_certainty(value: float | None, said: str) -> None:
    assert f.percent(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (45, "45 s"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (3725, "1 h 2 min"),
        (90_000, "1 d 1 h"),
        (86_405, "1 d"),
        (-5, "0 s"),
    ],
)
def test_duration(seconds: float, said: str) -> None:
    assert f.duration(seconds) == said


def test_ago_looks_both_ways() -> None:
    now = 10**18
    assert f.ago(now, now) == "just now"
    assert f.ago(now - 180 * f.SECOND, now) == "3 min ago"
    assert f.ago(now + 7200 * f.SECOND, now) == "in 2 h"


@given(st.text(max_size=40))
def test_moment_takes_anything(text: str) -> None:
    assert "<script" not in f.moment(text)


def test_moment_keeps_the_precision_for_machines() -> None:
    shown = f.moment("2026-03-01T02:14:07.123456789Z", "clock")
    assert 'datetime="2026-03-01T02:14:07.123456789Z"' in shown
    assert "02:14:07.123<" in shown


@pytest.mark.parametrize(
    ("question", "words", "rest"),
    [
        ("errors on db1 last night", "last night", "errors on db1"),
        ("errors Last  Night on db1", "last night", "errors on db1"),
        ("host:db1 error", "host:db1", "error"),
        ("host:db10 host:db1", "host:db1", "host:db10"),
        ("nothing of it", "db1", "nothing of it"),
        ("anything", "", "anything"),
    ],
)
def test_without_words(question: str, words: str, rest: str) -> None:
    assert f.without_words(question, words) == rest


def test_plain_is_safe_in_attributes_after_escaping() -> None:
    assert f.plain("a\u202eb") == "a\\u202eb"
    assert html.escape(f.plain('"><script>')).count("<") == 0
    assert f.plain(Markup("Lines on {}").format("a<b>")) == "Lines on a<b>", "escaped once, by the attribute"


def test_field_term_quotes_where_needed() -> None:
    assert f.field_term("host", "db1") == "host:db1"
    assert f.field_term("service", "my shop") == 'service:"my shop"'


@pytest.mark.parametrize(
    ("forecast", "kind"),
    [
        (None, "unknown"),
        ({"state": "not_enough_history", "probability": 0.9}, "unknown"),
        ({"state": "ok", "probability": None}, "unknown"),
        ({"state": "ok", "probability": 0.1}, "low"),
        ({"state": "ok", "probability": 0.2}, "medium"),
        ({"state": "ok", "probability": 0.5}, "high"),
    ],
)
def test_risk_class(forecast: dict | None, kind: str) -> None:
    assert f.risk_class(forecast) == kind
