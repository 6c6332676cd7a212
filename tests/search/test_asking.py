"""What is asked for besides lines."""

from __future__ import annotations

import pytest

from logsense.search.asking import Aggregate, find_aggregate


@pytest.mark.parametrize(
    ("question", "expected", "rest"),
    [
        ("how many failed logins", Aggregate("count"), "failed logins"),
        ("how often was the worker restarted", Aggregate("count"), "was the worker restarted"),
        ("which hosts could not reach the database", Aggregate("table", by="host"), "could not reach the database"),
        ("which users failed more than 10 times", Aggregate("table", by="user.name", least=11), "failed"),
        ("failed logins at least 5 times", Aggregate("table", by="template_id", least=5), "failed logins"),
        ("which services failed less than 3 times", Aggregate("table", by="service", least=1, most=2), "failed"),
        ("top 5 services with errors", Aggregate("table", by="service", top=5), "with errors"),
        ("what machine has the most errors", Aggregate("table", by="host"), "errors"),
        ("errors by level", Aggregate("table", by="level"), "errors"),
        ("how many hosts ran out of memory", Aggregate("distinct", by="host"), "ran out of memory"),
        ("errors per hour", Aggregate("series", step_s=3600), "errors"),
        ("daily restarts", Aggregate("series", step_s=86400), "restarts"),
        ("trend of timeouts", Aggregate("series"), "timeouts"),
        ("when did the disk first fill up", Aggregate("first"), "did the disk fill up"),
        ("the last time a backup failed", Aggregate("last"), "a backup failed"),
        ("errors compared with last week", Aggregate("compare", back_s=604800), "errors"),
        ("more timeouts than yesterday", Aggregate("compare", back_s=86400), "more timeouts"),
    ],
)
def test_aggregates(question: str, expected: Aggregate, rest: str) -> None:
    asked = find_aggregate(question)
    assert asked is not None and asked.aggregate == expected
    assert " ".join(asked.rest.split()) == rest


@pytest.mark.parametrize(
    "question",
    [
        "which queries take too long",
        "incoming data fully arrived, how many bytes was it",
        "how long did it take until a leader was picked",
        "when did the legitimate person log off",
        "count down reached zero",
        "session timed out over 9000",
        "",
    ],
)
def test_questions_about_lines_are_left_alone(question: str) -> None:
    assert find_aggregate(question) is None
