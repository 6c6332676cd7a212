"""Incidents about a question, and values of fields, without a model: by words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from logsense.errors import BadInput
from logsense.incident_said import Said, said
from logsense.index import EmbeddedIndex
from logsense.record import Hypothesis, Incident, LogRecord, Sentence, Template
from logsense.workspace import Workspace

T0 = 1_790_000_000 * 10**9
HOUR = 3600 * 10**9


def incident(number: int, title: str, host: str, cause: str) -> Incident:
    start = T0 + number * HOUR
    return Incident(
        f"inc-{number}", title, "open", "high", start, start + HOUR // 2, hosts=[host], template_ids=[f"t{number}"],
        hypotheses=[Hypothesis(f"host:{host}", "disk", 0.9, title=cause)],
        summary=[Sentence(f"{title}.", ["line:1"], "headline"), Sentence("Look at df.", ["line:1"], "next")],
    )  # fmt: skip


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    data = tmp_path_factory.mktemp("about")
    index = EmbeddedIndex(data / "index", writer=True)
    index.put_templates([Template(f"t{n}", text) for n, text in enumerate(("no space left", "refused", "tick <*>"))])
    rows = [("t0", "db1", "no space left"), ("t1", "db2", "refused"), *[("t2", "web1", f"tick {n}") for n in range(9)]]
    index.write_logs(
        [LogRecord(f"l{at}", T0 + at, text, "s", T0, host=h, template_id=t) for at, (t, h, text) in enumerate(rows)]
    )
    index.put_incidents(
        [
            incident(0, "Writes fail on db1", "db1", "The disk of db1 is full"),
            incident(1, "Errors on db2", "db2", "Connections were refused"),
            incident(2, "Writes fail on web1", "web1", "The disk of web1 is full"),
        ]
    )
    index.commit()
    index.close()
    opened = Workspace(data, load_models=False)
    yield opened
    opened.close()


def test_incidents_are_found_by_what_they_say(space: Workspace) -> None:
    def about(text: str, **more: int) -> list[str]:
        return [row["id"] for row in space.incidents(text=text, **more)]

    assert about("full disk") == ["inc-0", "inc-2"]
    assert about("full disk on web1") == ["inc-2"]
    assert about("full disk", from_=T0 + 2 * HOUR) == ["inc-2"]
    assert about("full disk", limit=1) == ["inc-0"]
    assert about("holidays in spain") == []
    assert len(about("")) == 3


def test_the_answer_names_incidents_that_share_messages_before_those_that_read_alike(space: Workspace) -> None:
    found = space.search("no space left", from_=T0, to=T0 + 4 * HOUR)
    assert [row["id"] for row in found["incidents"]] == ["inc-0"]
    assert space.search("host:nowhere")["incidents"] == []


def test_values_are_counted_most_frequent_or_rarest_first(space: Workspace) -> None:
    found = space.values("host")
    assert found["total"] == 11
    assert [(row["value"], row["lines"]) for row in found["values"]] == [("web1", 9), ("db1", 1), ("db2", 1)]
    rare = space.values("template_id", rare=True, limit=1)
    assert rare["values"] == [{"value": "t0", "lines": 1, "text": "no space left"}]
    assert [r["value"] for r in space.values("host", "refused")["values"]] == ["db2"]
    assert [r["value"] for r in space.values("host", rare=True, most=9)["values"]] == ["db1", "db2", "web1"]
    assert space.values("host", "zebra")["values"] == []
    with pytest.raises(BadInput, match="Unknown field"):
        space.values("message")


def test_a_text_is_embedded_once_until_it_changes(space: Workspace) -> None:
    one = incident(7, "Writes fail on db1", "db1", "The disk of db1 is full")
    assert said(one) == "Writes fail on db1. The disk of db1 is full. Writes fail on db1."
    known = Said()
    assert list(known.changed([one])) == ["inc-7"] and known.changed([one]) == {}
    one.last_ns += HOUR
    assert known.changed([one]) == {}
    one.hypotheses[0].title = "The disk of db1 is broken"
    assert "broken" in known.changed([one])["inc-7"]
    assert set(Said().lacking(space.index, 10)) == {"inc-0", "inc-1", "inc-2"}
