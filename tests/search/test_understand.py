"""Questions in plain words and in field syntax."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logsense.search import Catalog, Understood, understand
from logsense.search.times import to_ns

NOW = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)
CATALOG = Catalog(
    hosts=["db1", "db2.example.org", "combo", "LabSZ", "web-01"],
    services=["sshd", "kernel", "cron", "nginx", "dfs.FSNamesystem", "HiH_HiSyncControl", "Dropbox.exe", "crond"],
    levels=["info", "warning", "error", "critical"],
)


def ask(question: str) -> Understood:
    return understand(question, now_ns=to_ns(NOW), catalog=CATALOG)


ABOVE_ERROR = ["error", "critical", "alert", "emergency"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("which hosts could not reach the database last night?", {"text": "reach database"}),
        ("connection refused on db1", {"hosts": ["db1"], "text": "connection refused"}),
        ("what happened on DB2", {"hosts": ["db2.example.org"], "text": ""}),
        ("disk full on web-01 or db1", {"hosts": ["web-01", "db1"], "text": "disk full"}),
        ("a combo of errors was seen", {"hosts": []}),
        ("failed logins on combo", {"hosts": ["combo"], "text": "failed logins"}),
        ("errors on 29 July 2015", {"levels": ABOVE_ERROR, "text": ""}),
        ("read problems on data nodes, warnings only", {"levels": ["warning"], "text": "read problems data nodes"}),
        ("show me critical messages from nginx", {"levels": ["critical", "alert", "emergency"], "services": ["nginx"]}),
        ("what went wrong with the connector on Monday, errors only", {"levels": ABOVE_ERROR}),
        ("storage node hit an error while a reader was pulling data", {"levels": []}),
        ("the alert that fired", {"levels": []}),
        ("kernel panic", {"services": [], "text": "kernel panic"}),
        ("out of memory in kernel", {"services": ["kernel"]}),
        ("why does HiSyncControl refuse to upload", {"services": ["HiH_HiSyncControl"], "text": "refuse upload"}),
        ("Dropbox could not get out", {"services": ["Dropbox.exe"]}),
        ("removals ordered by FSNamesystem", {"services": ["dfs.FSNamesystem"]}),
        ("everything except cron", {"services": [s for s in CATALOG.services if s not in ("cron",)]}),
        ("errors but not from db1", {"hosts": ["db2.example.org", "combo", "LabSZ", "web-01"]}),
        ("refused -timeout", {"exclude": ["timeout"], "text": "refused"}),
        ("refused NOT timeout", {"exclude": ["timeout"], "text": "refused"}),
        ("the server was not serving yet", {"exclude": []}),
        ("timeouts excluding nginx-probe", {"exclude": ["nginx-probe"], "text": "timeouts"}),
        ('"connection refused" by peer', {"phrases": ["connection refused"], "text": "peer"}),
        ('-"health check" slow', {"exclude": ["health check"], "text": "slow"}),
        ("what login did 119.137.62.142 manage on LabSZ", {"phrases": ["119.137.62.142"], "hosts": ["LabSZ"]}),
        ("who opened /var/lib/mysql/ibdata1", {"phrases": ["/var/lib/mysql/ibdata1"]}),
        ("what happened to blk_-1608999687919862906", {"phrases": ["blk_-1608999687919862906"]}),
        ("logins of user bob42", {"phrases": ["bob42"]}),
        ("user consents to sharing", {"phrases": []}),
        ("connection resets via ssh2", {"phrases": []}),
        ("OOM-killer", {"text": "OOM-killer", "phrases": []}),
        ("host:db1 level:error refused", {"hosts": ["db1"], "levels": ["error"], "text": "refused"}),
        ("level:>=warning", {"levels": ["warning", *ABOVE_ERROR]}),
        ("level:warn+ x", {"levels": ["warning", *ABOVE_ERROR]}),
        ("host:(db1 OR web-01)", {"hosts": ["db1", "web-01"]}),
        ("host:web*", {"hosts": ["web-01"]}),
        ("host:nowhere", {"hosts": ["nowhere"]}),
        ("-service:cron x", {"services": [s for s in CATALOG.services if s != "cron"], "text": "x"}),
        ("source.ip:10.0.0.5 user:root", {"fields": {"source.ip": "10.0.0.5", "user.name": "root"}, "text": ""}),
        ('user.name:"John Doe" failed', {"fields": {"user.name": "John Doe"}, "text": "failed"}),
        ("template:t17", {"template_ids": ["t17"]}),
        ("pipeline:server x", {"pipelines": ["server"]}),
        ("error: disk", {"fields": {}}),
        ("https://example.org/x failed", {"fields": {}}),
        ("java.io.IOException:broken", {"fields": {}}),
        ("数据库死锁", {"text": "database deadlock"}),
    ],
)
def test_questions(question: str, expected: dict[str, object]) -> None:
    query = ask(question).query
    assert {name: getattr(query, name) for name in expected} == expected


def test_fields_from_and_to() -> None:
    query = ask("from:2026-11-01 to:2026-11-02T10:00:00Z refused").query
    assert query.from_ns == to_ns(datetime(2026, 11, 1, tzinfo=UTC))
    assert query.to_ns == to_ns(datetime(2026, 11, 2, 10, tzinfo=UTC))
    assert query.text == "refused"
    assert ask("since:now-1h").query.from_ns == to_ns(datetime(2026, 11, 24, 13, 30, tzinfo=UTC))


def test_every_understood_part_is_reported_in_the_words_of_the_question() -> None:
    question = 'errors with "no space" from 10.0.0.5 on db1 last night -probe service:sshd'
    found = ask(question)
    assert {chip.what for chip in found.chips} == {
        "level", "phrase", "identifier", "host", "time", "exclude", "service",
    }  # fmt: skip
    assert all(chip.said in question and chip.means for chip in found.chips)


def test_the_topic_is_the_question_without_its_filters() -> None:
    assert ask("show me who is trying to guess passwords on db1 last night").topic == "who is trying to guess passwords"
    assert ask("errors on db1 yesterday").topic == ""
    assert ask("").topic == ""


def test_a_level_that_no_line_states_is_searched_as_a_word() -> None:
    found = understand("debug messages only", now_ns=to_ns(NOW), catalog=CATALOG)
    assert found.query.levels == [] and found.notes


def test_an_unknown_host_is_said_so() -> None:
    assert any("nowhere" in note for note in ask("host:nowhere x").notes)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_no_text_raises(question: str) -> None:
    ask(question)


@pytest.mark.parametrize(
    "question", ["(" * 3000, '"' * 3000, "a:" * 1500, "-" * 3000, "1." * 1500, "host:(" * 400, "/a" * 1000]
)
def test_hostile_questions_are_read_quickly(question: str) -> None:
    import time

    start = time.perf_counter()
    ask(question)
    assert time.perf_counter() - start < 1
