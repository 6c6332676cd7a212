"""The question and what was made of it: chips that can be removed, facets, more, and nothing found."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.testclient import TestClient

from logsense.ui.search_page import PAGE, chips, facets

KEPT = {"sort": "", "from_": "", "to": ""}


def question_of(address: str) -> str:
    return parse_qs(urlsplit(html.unescape(address)).query).get("q", [""])[0]


def test_removing_a_chip_removes_its_words(client: TestClient) -> None:
    text = client.get("/search?q=connection+host:web1+last+night").text
    removed = [question_of(h) for h in re.findall(r'<a class="chip-off" href="([^"]+)" aria-label="Remove', text)]
    assert removed == ["connection last night", "connection host:web1"]


def test_chip_of_a_time_parameter_removes_the_parameter() -> None:
    query = {"understood": [], "text": "", "hosts": [], "services": [], "levels": []}
    [chip] = chips("refused", query, {**KEPT, "from_": "-1h"})
    assert chip["remove"] == "/search?q=refused"


def test_chip_that_cannot_be_found_in_the_question_offers_no_removal() -> None:
    query = {"understood": [{"what": "level", "said": "failures", "means": "error"}], "text": ""}
    [chip] = chips("what went wrong", query, KEPT)
    assert chip["remove"] == ""


def test_facets_count_the_page_unless_the_workspace_counts_all() -> None:
    hits = [{"level": "error", "host": "db 1", "service": ""}] * 3
    answer: dict[str, Any] = {"hits": hits, "query": {"levels": ["error"], "hosts": [], "services": []}}
    level, host = facets("refused", answer, KEPT)
    assert level["values"][0]["active"]
    assert level["values"][0]["count"] == 3
    assert not level["exact"]
    assert question_of(host["values"][0]["link"]) == 'refused host:"db 1"'
    active = {**answer, "query": {"levels": [], "hosts": ["db 1"], "services": []}}
    assert question_of(facets('refused host:"db 1"', active, KEPT)[1]["values"][0]["link"]) == "refused"
    [only] = facets("refused", {**answer, "facets": {"host": [("db1", 900)]}}, KEPT)
    assert only["exact"]
    assert only["values"][0]["count"] == 900


def test_results_show_what_is_needed_to_judge_them(client: TestClient) -> None:
    text = client.get("/search?q=connection+refused").text
    assert "<mark>Connection</mark>" in text
    assert 'class="bars"' in text
    assert "Kinds of messages" in text
    assert "Incidents in this" in text
    assert 'class="level lv-error"' in text


def test_load_more_walks_to_the_end_without_gaps(client: TestClient) -> None:
    place, seen = "/search?q=connection&sort=time", []
    while place:
        text = client.get(place).text
        seen += re.findall(r'class="msg" href="/logs/([^"]+)"', text)
        more = re.search(r'data-more href="([^"]+)"', text)
        place = html.unescape(more[1]) if more else ""
    assert len(seen) > PAGE
    assert len(seen) == len(set(seen))
    total = re.search(r"<b>([\d,]+)</b>", client.get("/search?q=connection").text)
    assert total is not None
    assert len(seen) == int(total[1].replace(",", ""))


def test_nothing_found_helps(client: TestClient) -> None:
    text = client.get("/search?q=zzzzz+host:db1").text
    assert "Nothing found" in text
    assert "Search without host" in text
    assert "No line has all of the words" in text


def test_question_survives_in_the_box(client: TestClient) -> None:
    text = client.get("/search", params={"q": 'say "hi" <b>'}).text
    assert 'value="say &#34;hi&#34; &lt;b&gt;"' in text
