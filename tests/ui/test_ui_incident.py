"""The page for on-call: claims lead to evidence, buttons work without script, other sites cannot press them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from logsense.ui.incident_pages import proofs


def test_every_citation_opens_its_evidence(client: TestClient) -> None:
    text = client.get("/incidents/INC-42").text
    cites = re.findall(r'class="cite" data-evidence href="([^"]+)" aria-label="Evidence (\d+)"', text)
    assert len(cites) >= 8
    numbers = {href: int(n) for href, n in cites}
    assert sorted(set(numbers.values())) == list(range(1, max(numbers.values()) + 1))
    for href, number in numbers.items():
        assert f'id="e{number}"' in text
        assert client.get(href).status_code == 200
        fragment = client.get(href + "&fragment=1")
        assert fragment.status_code == 200
        assert "<html" not in fragment.text


def test_the_page_answers_the_questions_of_on_call(client: TestClient) -> None:
    text = client.get("/incidents/INC-42").text
    for part in (
        "postgresql on db1 stopped because its disk is full",  # what
        "since",  # since when
        "Most likely cause",
        "Against",
        "Not looked at",
        "Metrics of web2: none arrived",
        "Check next",
        "df -h",
        "Seen before",
        "Old WAL segments were kept by a dead replication slot",
    ):
        assert part in text
    assert text.index("Most likely cause") < text.index("Check next") < text.index("Timeline")


def test_the_same_words_are_quoted_once_with_all_that_say_them() -> None:
    texts = {"a": "full", "b": "full", "c": "slow", "d": "1", "e": "2", "f": "3", "g": "4", "h": "slow"}
    by_id = {name: {"id": name, "text": text} for name, text in texts.items()}
    quoted, rest = proofs(by_id, list(texts))
    assert [(row["text"], same) for row, same in quoted][:2] == [("full", ["a", "b"]), ("slow", ["c", "h"])]
    assert len(quoted) == 5 and rest == ["g"]
    assert proofs(by_id, []) == ([], [])


def test_what_was_not_looked_at_is_said_once(client: TestClient, workspace: Any) -> None:
    incident = workspace.incident("INC-42")
    whole = "Not examined: " + ", ".join(incident["not_examined"])
    incident["summary"] = [*incident["summary"], {"text": whole, "role": "not_examined", "evidence": []}]
    workspace.incident = lambda _: incident
    section = client.get("/incidents/INC-42").text.split('id="h-unseen"')[1].split("</section>")[0]
    assert section.count("Metrics of web2: none arrived") == 1 and section.count("<li") == 2


def test_evidence_that_is_gone_does_not_break_the_page(client: TestClient, workspace: Any) -> None:
    gone = workspace.lines
    before = client.get("/incidents/INC-42").text
    cited = re.search(r"/evidence/line%3A(L\d+)", before)
    assert cited is not None
    incident = workspace.incident("INC-42")
    workspace.incident = lambda _: incident
    workspace.lines = [line for line in gone if line["id"] != cited[1]]
    assert "no longer held" in client.get("/incidents/INC-42").text
    assert client.get(f"/evidence/line:{cited[1]}").status_code == 404


@pytest.mark.parametrize(
    ("kind", "form", "status"),
    [
        ("ack", {}, "acknowledged"),
        ("resolve", {"by": "mira"}, "resolved"),
        ("note", {"text": "raised the limit <b>", "by": "mira"}, "open"),
        ("feedback", {"verdict": "wrong_cause"}, "open"),
    ],
)
def test_forms_act_and_redirect(client: TestClient, workspace: Any, kind: str, form: dict, status: str) -> None:
    answer = client.post(f"/incidents/INC-42/{kind}", data=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/incidents/INC-42?done={kind}"
    assert workspace.status["INC-42"] == status
    done = workspace.actions["INC-42"][-1]
    assert done["kind"] == kind
    assert done["by"] == form.get("by", "")
    page = client.get(answer.headers["location"]).text
    assert 'class="flash"' in page
    if kind == "note":
        assert "raised the limit &lt;b&gt;" in page


def test_reopen_after_resolve(client: TestClient, workspace: Any) -> None:
    client.post("/incidents/INC-42/resolve")
    assert "Reopen" in client.get("/incidents/INC-42").text
    client.post("/incidents/INC-42/reopen")
    assert workspace.status["INC-42"] == "open"


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}],
)
def test_other_sites_cannot_press_the_buttons(client: TestClient, workspace: Any, headers: dict[str, str]) -> None:
    answer = client.post("/incidents/INC-42/resolve", headers=headers)
    assert answer.status_code == 403
    assert workspace.status["INC-42"] == "open"


def test_own_origin_may(client: TestClient, workspace: Any) -> None:
    own = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    assert client.post("/incidents/INC-42/ack", headers=own).status_code == 303
    assert workspace.status["INC-42"] == "acknowledged"


@pytest.mark.parametrize(
    ("place", "form", "status"),
    [
        ("/incidents/INC-42/note", {"text": "  "}, 422),
        ("/incidents/INC-42/feedback", {"verdict": "meh"}, 422),
        ("/incidents/INC-42/explode", {}, 422),
        ("/incidents/INC-0/ack", {}, 404),
        ("/incidents/INC-42/note", {"text": "x" * 70_000}, 413),
    ],
)
def test_bad_forms_are_explained(client: TestClient, workspace: Any, place: str, form: dict, status: int) -> None:
    answer = client.post(place, data=form)
    assert answer.status_code == status
    assert "What to do" in answer.text
    assert workspace.actions["INC-42"] == []


def test_note_that_is_not_utf8_is_kept(client: TestClient, workspace: Any) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/incidents/INC-42/note", content=b"text=a%FFb\xff", headers=form).status_code == 303
    assert workspace.actions["INC-42"][0]["text"].startswith("a")
