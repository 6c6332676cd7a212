"""Summaries as text, Markdown and HTML: citations numbered in reading order, nothing that lines say is markup."""

from __future__ import annotations

import re

import pytest

from logsense.record import Sentence
from logsense.rootcause import render

HOSTILE = "`</pre><script>alert(1)</script> *b* [x](javascript:y)` and _this_ # <b>"
SENTENCES = [
    Sentence("Disk full on app1.", ["line:a", "line:b"], "headline"),
    Sentence("Affected for 40 s.", ["line:b"], "impact"),
    Sentence(HOSTILE, ["signal:s"], "timeline"),
    Sentence("df -h", [], "next"),
    Sentence("Not examined: metrics of app1.", [], "not_examined"),
]


def test_text() -> None:
    text = render(SENTENCES, "text")
    assert text.startswith("Disk full on app1. [line:a, line:b] Affected for 40 s. [line:b]\n\nTimeline:\n- `</pre>")
    assert text.endswith("Next:\n- df -h\n\nNot examined: metrics of app1.\n")


def test_markdown_numbers_citations_once_and_links_them() -> None:
    text = render(SENTENCES, "markdown", page_url="https://logs.example.org/")
    assert "**Disk full on app1. [^1] [^2]**" in text and "Affected for 40 s. [^2]" in text
    assert "[^3]: <https://logs.example.org/evidence/signal%3As>" in text
    assert r"and \_this\_ \# \<b\>" in text and "`</pre><script>" in text
    assert "[^1]: `line:a`" in render(SENTENCES, "markdown")


def test_html_lets_no_markup_through() -> None:
    html = render(SENTENCES, "html", page_url="https://logs.example.org")
    assert "<script" not in html and "&lt;script&gt;" in html
    assert '<a href="https://logs.example.org/evidence/line%3Aa">1</a>' in html
    assert re.findall(r"<(\w+)", html).count("li") == 2


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_nothing_and_chinese_heads(form: str) -> None:
    assert render([], form).strip() in ("", "<article>\n</article>")
    assert "下一步" in render(SENTENCES, form, language="zh")
