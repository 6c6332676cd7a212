"""Parameters that have a name become fields; what is ambiguous, or of another kind, does not."""

from __future__ import annotations

import pytest

from logsense.mine import Miner, ParameterFields
from logsense.mine.fields import MAX_FIELDS, MAX_LABELS, convert, targets
from logsense.record import LogRecord


def fields_of(*lines: str) -> list[dict[str, object]]:
    miner = Miner()
    records = [LogRecord(str(i), i, line, "t", 0, service="s") for i, line in enumerate(lines)]
    return [r.fields for r in ParameterFields(miner.text_of).process(miner.process(records))]


def test_the_sender_of_a_line() -> None:
    (first, second) = fields_of(
        "Failed password for user root from 10.0.0.1 port 22 ssh2",
        "Failed password for user ann from fe80::1 port 23 ssh2",
    )
    assert second == {"user.name": "ann", "source.ip": "fe80::1", "source.port": 23}
    assert first == {"user.name": "root", "source.ip": "10.0.0.1", "source.port": 22}


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("login rhost=10.1.2.3 user=ann took=5", {"source.ip": "10.1.2.3", "labels.took": "5"}),
        ("session rhost=db1.example.org closed at 5", {}),
        ("accepted connection from 10.0.0.1:4711", {"source.ip": "10.0.0.1", "source.port": 4711}),
        ("proxied from 10.0.0.1 to 10.0.0.2", {"source.ip": "10.0.0.1", "destination.ip": "10.0.0.2"}),
        ("moved from 10.0.0.1 or from 10.0.0.2", {}),
        ("removed 7 files from /srv/spare/x1", {}),
        ("took 5 ms", {}),
        ("moved away from db1 port 22", {}),
        ("request id=77 of size=5kB done", {"labels.id": "77", "labels.size": "5kB"}),
    ],
)
def test_what_becomes_a_field(line: str, fields: dict[str, object]) -> None:
    assert fields_of(line)[0] == fields


def test_a_user_and_an_address_side_by_side() -> None:
    lines = [f"closed by invalid user {who} 10.0.0.{n} port {n} [x]" for n, who in enumerate(("ann", "bob", "eve"), 1)]
    found = fields_of(*lines, "closed by invalid user ann blake port 22 [x]")
    assert found[1] == {"user.name": "bob", "source.ip": "10.0.0.2", "source.port": 2}
    assert "user.name" not in found[3]


def test_what_was_stated_or_parsed_wins() -> None:
    miner = Miner()
    record = LogRecord("1", 0, "denied src=10.0.0.1 id=5", "t", 0, fields={"source.ip": "stated"})
    ParameterFields(miner.text_of).process(miner.process([record]))
    assert record.fields == {"source.ip": "stated", "labels.id": "5"}


def test_a_line_whose_template_became_wider_within_the_batch_gets_the_right_fields() -> None:
    miner = Miner()
    names = ParameterFields(miner.text_of)

    def batch(*lines: str) -> list[dict[str, object]]:
        records = [LogRecord(str(i), i, line, "t", 0) for i, line in enumerate(lines)]
        return [r.fields for r in names.process(miner.process(records))]

    batch("job for user ann by id=5")
    found = batch("job for user ann by id=6", "job for user bob by id=7", "job for user ann by id=8")
    assert found == [{"user.name": who, "labels.id": n} for who, n in (("ann", "6"), ("bob", "7"), ("ann", "8"))]


def test_fields_are_bounded() -> None:
    (many,) = fields_of(" ".join(f"k{'x' * n}=1" for n in range(40)))
    assert len(many) == MAX_FIELDS
    assert fields_of("blob data=" + "7" * 500)[0] == {}
    miner = Miner()
    names = ParameterFields(miner.text_of)
    lines = [f"{chr(97 + n // 26 // 26)}{chr(97 + n // 26 % 26)}{chr(97 + n % 26)}=5" for n in range(MAX_LABELS + 50)]
    records = names.process(miner.process([LogRecord("1", 0, line, "t", 0) for line in lines]))
    assert len({name for r in records for name in r.fields}) == MAX_LABELS


def test_what_a_value_must_be() -> None:
    assert convert("70000", "port") is None
    assert convert("٣", "port") is None
    assert convert("two words", "name") is None
    assert convert("db1", "address") is None
    assert convert("[fe80::1]:80", "address") == "fe80::1"


def test_names_are_decided_by_the_text_alone() -> None:
    assert targets("pool <*> of <*>") == (("labels.pool", "text"), None)
    assert targets("a=<*> a=<*>") == (None, None)
    assert targets("nothing") == ()
