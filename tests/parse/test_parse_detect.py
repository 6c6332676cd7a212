"""Formats are found per source, stick while they fit, and are looked for again when they do not."""

from __future__ import annotations

from logsense.parse import ParseOptions, Parser
from logsense.record import LogRecord, RawEvent

NOW = 1_795_550_400 * 10**9


def feed(parser: Parser, lines: list[str], source: str = "s") -> list[LogRecord]:
    records = parser.parse([RawEvent(line, source, NOW, {}, str(n)) for n, line in enumerate(lines)])
    return [*records, *parser.flush()]


REDIS = "12257:M 24 Nov 2026 19:13:36.912 * Ready to accept connections"
NGINX = '127.0.0.1 - - [24/Nov/2026:19:14:48 +0000] "GET / HTTP/1.1" 200 3 "-" "x"'
JSON = '{"level":"info","msg":"hello","ts":1795547614}'


def test_each_source_has_its_own_format() -> None:
    parser = Parser()
    feed(parser, [REDIS] * 5, "a")
    feed(parser, [NGINX] * 5, "b")
    assert parser.formats() == {"a": "redis", "b": "nginx-access"}


def test_a_source_that_changes_its_format_is_looked_at_again() -> None:
    parser = Parser(ParseOptions(detect_lines=5, redetect_window=20, redetect_unparsed=5))
    feed(parser, [REDIS] * 50)
    records = feed(parser, [NGINX] * 60)
    assert {record.outcome for record in records} == {"parsed"}
    assert parser.formats() == {"s": "nginx-access"}


def test_mixed_sources_parse_every_line() -> None:
    parser = Parser()
    records = feed(parser, [JSON, REDIS, NGINX, "plain text that nobody knows"] * 30)
    outcomes = [record.outcome for record in records]
    assert outcomes.count("parsed") == 90
    assert parser.formats()["s"].split(", ")[:3] == ["json-generic", "nginx-access", "redis"]


def test_a_generic_first_line_does_not_bind_the_source() -> None:
    lines = ["2026-11-24 19:12:24.429 UTC hello from the start script"]
    lines += ["2026-11-24 19:12:24.429 UTC [11] LOG:  ready"] * 40
    parser = Parser()
    records = feed(parser, lines)
    assert {record.service for record in records[1:]} == {"postgresql"}
    assert records[-1].message == "ready"


def test_detection_is_deterministic() -> None:
    lines = [JSON, REDIS, NGINX] * 20
    first, second = Parser(), Parser()
    assert [r.fields for r in feed(first, lines)] == [r.fields for r in feed(second, lines)]
    assert first.formats() == second.formats()


def test_streams_are_bounded() -> None:
    parser = Parser(ParseOptions(max_streams=3))
    records: list[LogRecord] = []
    for n in range(10):
        records += parser.parse([RawEvent("unknown text", f"s{n}", NOW, {}, str(n))])
    records += parser.flush()
    assert sorted(record.id for record in records) == [str(n) for n in range(10)]  # evicted ones are flushed, not lost
    assert len(parser.stats()) == 10
