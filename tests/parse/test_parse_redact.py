"""Secrets are removed from every text of a record; all else stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from logsense.errors import BadConfig
from logsense.parse import RedactOptions, Redactor
from logsense.parse.redact import BUILT_IN, read_rules, rule_problems
from logsense.parse.safety import too_slow
from logsense.record import LogRecord


def record(message: str, original: str | None = None, **fields: object) -> LogRecord:
    return LogRecord("1", 1, message, "s", 1, original=original, fields=dict(fields))


@pytest.mark.parametrize("rule", read_rules(BUILT_IN), ids=lambda rule: rule.name)
def test_samples_hold(rule) -> None:  # type: ignore[no-untyped-def]
    assert rule.samples
    assert rule_problems(rule) == []


@pytest.mark.parametrize("rule", read_rules(BUILT_IN), ids=lambda rule: rule.name)
def test_rules_are_quick_on_hostile_text(rule) -> None:  # type: ignore[no-untyped-def]
    assert too_slow(rule.pattern.pattern, [before for before, _ in rule.samples], limit_s=0.5) == ""


def test_message_original_and_fields_are_cleaned() -> None:
    redactor = Redactor()
    one = record(
        "login password=hunter2 ok",
        "Nov 24 h app: login password=hunter2 ok",
        **{"process.args": ["app", "--password=hunter2"], "process.command_line": "app --password=hunter2", "n": 7},
    )
    redactor.process([one])
    assert "hunter2" not in repr(one)
    assert one.message == "login password=[redacted:password] ok"
    assert one.fields["n"] == 7
    assert redactor.counts["password"] == 1


def test_a_secret_only_in_a_decoded_field_is_found() -> None:
    one = record("cmd=2D2D", None, **{"process.title": "mysql --password=hunter2"})
    Redactor().process([one])
    assert one.fields["process.title"] == "mysql --password=[redacted:password]"


def test_fields_named_like_secrets_are_emptied() -> None:
    one = record("hello", '{"password":"x y z"}', **{"json.password": "x y z", "json.user": "bob", "json.token": "abc"})
    Redactor().process([one])
    assert one.fields == {
        "json.password": "[redacted:password]",
        "json.user": "bob",
        "json.token": "[redacted:password]",
    }
    assert "x y z" not in repr(one)


def test_clean_records_are_untouched() -> None:
    one = record("Failed password for root from 10.0.0.7 port 22 ssh2", None, **{"user.name": "root"})
    before = repr(one)
    Redactor().process([one])
    assert repr(one) == before


def test_two_secrets_in_one_line() -> None:
    text = Redactor().text("postgres://a:s3cr3t@db/x?password=hunter2&sslmode=off Bearer abcdefgh1234")
    assert text == (
        "postgres://a:[redacted:url-credentials]@db/x?password=[redacted:password]&sslmode=off "
        "Bearer [redacted:authorization]"
    )


def test_redacting_twice_changes_nothing() -> None:
    redactor = Redactor()
    for rule in read_rules(BUILT_IN):
        for before, _ in rule.samples:
            once = redactor.text(before)
            assert redactor.text(once) == once


def test_letters_that_grow_when_lowered_do_not_shift_the_cut() -> None:
    assert Redactor().text("İİİ password=hunter2 x") == "İİİ password=[redacted:password] x"


def test_emails_only_on_request() -> None:
    text = "mail to bob@example.com"
    assert Redactor().text(text) == text
    assert Redactor(RedactOptions(emails=True)).text(text) == "mail to [redacted:email]"


def test_rules_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[[rules]]\nname = "badge"\nhints = ["badge"]\npattern = \'badge (?P<secret>\\d+)\'\n')
    redactor = Redactor(RedactOptions(rules_file=str(file), replacement="<{rule}>"))
    assert redactor.text("Badge? badge 4711") == "Badge? badge <badge>"
    file.write_text('[[rules]]\nname = "badge"\nhint = ["badge"]\npattern = \'x\'\n')
    with pytest.raises(BadConfig, match="hint") as caught:
        Redactor(RedactOptions(rules_file=str(file)))
    assert "hints" in caught.value.fix
    file.write_text("[[rules]]\nname = \"bad\"\npattern = '(a+)+'\n")
    with pytest.raises(BadConfig, match="unusable"):
        Redactor(RedactOptions(rules_file=str(file)))
    file.write_text("[[rules]]\nname = \"slow\"\npattern = '\\w*\\w*\\w*\\w*!'\n")
    with pytest.raises(BadConfig, match="unusable") as caught:
        Redactor(RedactOptions(rules_file=str(file)))
    assert " ms on " in caught.value.why
    with pytest.raises(BadConfig, match="unknown redaction rule"):
        Redactor(RedactOptions(rules=("nosuch",)))
