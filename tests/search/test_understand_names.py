"""Names that are checked against the index, events that date a question, and the query as syntax."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from logsense.record import Query
from logsense.search import Catalog, Moment, Understood, lucene, understand
from logsense.search.spans import to_ns

NOW = to_ns(datetime(2026, 11, 24, 14, 30, tzinfo=UTC))
DEPLOY = NOW - 3600 * 10**9
HOUR = 3600 * 10**9


def moment(kind: str, before_ns: int) -> Moment | None:
    known = {
        "deploy": Moment(DEPLOY, "version 7 installed"),
        "INC-42": Moment(NOW - 2 * HOUR, "disk full", NOW - HOUR, ("t1", "t2")),
    }
    return known.get(kind)


CATALOG = Catalog(
    ["db1", "db2", "web-01"], ["postgresql", "nginx"], ["error", "warning"], ["dfs.FSNamesystem", "HiH_SyncControl"],
    holds=lambda field, value: (field, value) in {("user.name", "alice"), ("db.name", "orders")}, moment=moment,
)  # fmt: skip


def ask(question: str) -> Understood:
    return understand(question, now_ns=NOW, catalog=CATALOG)


def test_since_the_deploy() -> None:
    asked = ask("what failed since the last deploy")
    assert asked.query.from_ns == DEPLOY and "deploy" not in asked.topic
    assert ask("errors before the deployment").query.to_ns == DEPLOY
    assert ask("自上次部署以来的错误").query.from_ns == DEPLOY


def test_an_event_that_never_was() -> None:
    asked = ask("errors since the reboot")
    assert asked.query.from_ns is None and any("no reboot" in note for note in asked.notes)


def test_an_incident_restricts_time_and_messages() -> None:
    query = ask("what happened on db1 during INC-42").query
    assert (query.from_ns, query.to_ns, query.template_ids) == (NOW - 2 * HOUR, NOW - HOUR, ["t1", "t2"])
    assert any("INC-7" in note for note in ask("incident INC-7").notes)


def test_a_template_by_its_id() -> None:
    query = ask("template 9b1c578e8b3ae380 on db1").query
    assert query.template_ids == ["9b1c578e8b3ae380"] and query.hosts == ["db1"]


def test_accounts_and_databases_that_lines_hold() -> None:
    assert ask("what did user alice do").query.fields == {"user.name": "alice"}
    assert ask("slow statements in database orders").query.fields == {"db.name": "orders"}
    assert ask("user errors in the database tables").query.fields == {}


def test_components_by_their_short_or_spoken_name() -> None:
    assert ask("removals ordered by the name system").query.fields == {"log.logger": "dfs.FSNamesystem"}
    assert ask("why does SyncControl refuse").query.fields == {"log.logger": "HiH_SyncControl"}
    assert ask("the system of names").query.fields == {}


@pytest.mark.parametrize(("question", "near"), [("errors on db11", "db1"), ("host:web-02 errors", "web-01")])
def test_names_like_a_wrong_one_are_offered(question: str, near: str) -> None:
    asked = ask(question)
    assert any(near in note and "nearest" in note for note in asked.notes)


def test_chips_hold_their_syntax() -> None:
    chips = {chip.what: chip.syntax for chip in ask("errors on db1 in the last hour").chips}
    assert chips["host"] == "host:db1" and chips["level"].startswith("level:") and chips["time"].startswith("from:2026")


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(text="disk full", hosts=["db1", "web-01"], levels=["error", "critical"]),
        Query(phrases=["no space left"], exclude=["cron"], services=["nginx"], from_ns=NOW - HOUR, to_ns=NOW),
        Query(template_ids=["t1"], fields={"user.name": "John Doe", "source.ip": "10.0.0.5"}, pipelines=["server"]),
    ],
)
def test_what_is_written_as_syntax_is_read_as_the_same_query(query: Query) -> None:
    again = understand(lucene(query), now_ns=NOW, catalog=CATALOG).query
    assert replace(again) == replace(query)
