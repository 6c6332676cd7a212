"""The parser: stated fields win, nothing is lost, nothing raises, replays agree."""

from __future__ import annotations

import json
import random
import time
from itertools import pairwise

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from logsense.mine import Miner
from logsense.parse import ParseOptions, Parser, Redactor, to_ecs
from logsense.record import LEVELS, LogRecord, RawEvent

NOW = 1_795_550_400 * 10**9  # 2026-11-24T20:00:00Z
SECOND = 10**9


def events(*lines: str, source: str = "test", **fields: object) -> list[RawEvent]:
    return [RawEvent(line, source, NOW + n, dict(fields), f"{source}-{n}") for n, line in enumerate(lines)]


def parse(*lines: str, options: ParseOptions | None = None, **fields: object) -> list[LogRecord]:
    parser = Parser(options)
    return [*parser.parse(events(*lines, **fields)), *parser.flush()]


MIXED = [
    "Nov 24 19:00:00 web1 sshd[3402]: Failed password for invalid user bob from 10.0.0.7 port 4450 ssh2",
    "2026-11-24 19:12:24.696 UTC [34492] app@shop ERROR:  duplicate key value",
    "2026-11-24 19:12:24.696 UTC [34492] app@shop DETAIL:  Key (id)=(1) already exists.",
    "2026-11-24 19:12:24.696 UTC [34492] app@shop STATEMENT:  insert into t",
    "\tvalues (1)",
    '127.0.0.1 - - [24/Nov/2026:19:14:48 +0000] "GET /up?a=1 HTTP/1.1" 502 157 "-" "curl/8"',
    '{"level":"error","ts":1795547614.5,"msg":"insert failed","error":"deadlock"}',
    "2026-11-24 19:14:48,123 - shop - ERROR - order failed",
    "Traceback (most recent call last):",
    '  File "/app/orders.py", line 3, in create',
    "ValueError: no such item",
    "12257:M 24 Nov 2026 19:13:36.912 * Ready to accept connections",
    "something that no format knows",
    "   and its second line",
    '{"log":"hello\\n","stream":"stdout","time":"2026-11-24T19:14:48.123456789Z"}',
    'level=warn msg="disk slow" ts=2026-11-24T19:15:00Z',
]


def test_stated_fields_win_over_parsed_ones() -> None:
    (record,) = parse(
        MIXED[0],
        **{
            "@timestamp": "2026-01-01T00:00:00.000000001Z",
            "host.name": "shipper-host",
            "service.name": "auth",
            "log.level": "crit",
            "pipeline": "server",
            "user.name": "stated",
            "labels.team": "db",
        },
    )
    assert record.timestamp_ns == 1_767_225_600 * SECOND + 1
    assert (record.host, record.service, record.level, record.pipeline) == (
        "shipper-host",
        "auth",
        "critical",
        "server",
    )
    assert record.fields["user.name"] == "stated"
    assert record.fields["labels.team"] == "db"
    assert record.fields["host.hostname"] == "web1"  # what the line said is not thrown away
    assert record.fields["source.ip"] == "10.0.0.7"


def test_unparsed_lines_are_kept_raw_counted_and_marked() -> None:
    parser = Parser()
    records = [*parser.parse(events("what is this", "and this?")), *parser.flush()]
    assert [record.message for record in records] == ["what is this", "and this?"]
    assert {record.outcome for record in records} == {"unparsed"}
    assert all(record.timestamp_ns == record.ingested_ns for record in records)
    assert all("event.created" in record.fields for record in records)
    assert to_ecs(records[0])["event.outcome"] == "unparsed"
    assert parser.stats() == {"test": {"accepted": 2, "parsed": 0, "unparsed": 2, "late": 0, "future": 0}}


def test_future_and_old_times_are_kept_and_counted() -> None:
    parser = Parser()
    lines = [
        "2099-01-01T00:00:00Z INFO from the future",
        "1970-01-01T00:00:00Z INFO no clock",
        "2026-11-24T19:59:59Z INFO now",
    ]
    records = [*parser.parse(events(*lines)), *parser.flush()]
    assert [to_ecs(record)["@timestamp"][:4] for record in records] == ["2099", "1970", "2026"]
    stats = parser.stats()["test"]
    assert (stats["future"], stats["late"]) == (1, 1)


def test_original_is_kept_where_it_differs() -> None:
    first, second = parse(MIXED[0], "unknown text")
    assert first.original == MIXED[0]
    assert first.message.startswith("Failed password")
    assert second.original is None


def test_access_logs_get_level_outcome_and_a_message_that_mines() -> None:
    record = parse(MIXED[5])[0]
    assert record.message == "GET /up 502 Bad Gateway"
    assert record.level == "error"
    assert record.fields["event.outcome"] == "failure"
    assert record.fields["url.query"] == "a=1"


def test_a_traceback_belongs_to_the_line_before() -> None:
    (record,) = parse(*MIXED[7:11])
    assert record.message == "order failed: ValueError: no such item"
    assert record.fields["error.type"] == "ValueError"
    assert record.fields["error.message"] == "no such item"
    assert record.fields["error.stack_trace"].startswith("Traceback")
    assert record.original == "\n".join(MIXED[7:11])


def test_an_exception_stated_beside_the_body_is_named_in_the_message() -> None:
    stated = {"error.type": "ValueError", "error.message": "no such item", "error.stack_trace": "Traceback …"}
    (record,) = parse("order failed", **stated)
    assert record.message == "order failed: ValueError: no such item"
    assert record.original == "order failed"


def test_sections_of_one_backend_are_one_record() -> None:
    (record,) = parse(*MIXED[1:5])
    assert record.id == "test-0"
    assert record.fields["postgresql.log.detail"] == "Key (id)=(1) already exists."
    assert record.fields["db.query.text"] == "insert into t\nvalues (1)"


def test_sections_of_another_backend_are_not_joined() -> None:
    records = parse(MIXED[1], MIXED[2].replace("34492", "99"))
    assert len(records) == 2


def test_envelopes_are_unwrapped_and_what_is_inside_is_detected() -> None:
    lines = [
        json.dumps({"log": line + "\n", "stream": "stderr", "time": "2026-11-24T19:20:00.5Z"}) for line in MIXED[7:11]
    ]
    (record,) = parse(*lines)
    assert record.message == "order failed: ValueError: no such item"
    assert record.fields["error.type"] == "ValueError"
    assert record.fields["log.iostream"] == "stderr"
    assert to_ecs(record)["@timestamp"] == "2026-11-24T19:14:48.123Z"  # the program's own time, not the runtime's


def test_partial_lines_of_a_container_runtime_are_put_together() -> None:
    records = parse(
        "2026-11-24T19:20:00.1Z stdout P first half, ",
        "2026-11-24T19:20:00.2Z stdout F second half",
    )
    assert [record.message for record in records] == ["first half, second half"]


def test_json_inside_syslog_is_read() -> None:
    (record,) = parse('Nov 24 19:00:00 web1 shop[7]: {"level":"error","msg":"no stock","trace_id":"abc"}')
    assert (record.message, record.level, record.host, record.service) == ("no stock", "error", "web1", "shop")
    assert record.fields["trace.id"] == "abc"


def test_streams_of_two_hosts_are_not_joined() -> None:
    parser = Parser()
    batch = []
    for n, line in enumerate(MIXED[7:11]):
        for host in ("a", "b"):
            batch.append(RawEvent(line, "bulk", NOW, {"host.name": host}, f"{host}{n}"))
    records = [*parser.parse(batch), *parser.flush()]
    assert [(record.id, record.host, record.message) for record in records] == [
        ("a0", "a", "order failed: ValueError: no such item"),
        ("b0", "b", "order failed: ValueError: no such item"),
    ]
    assert parser.stats()["bulk"]["accepted"] == 8


def test_a_missing_id_is_deterministic() -> None:
    event = RawEvent("x", "s", NOW)
    first = Parser()
    second = Parser()
    one = [*first.parse([event]), *first.flush()][0].id
    assert one == [*second.parse([event]), *second.flush()][0].id
    assert len(one) == 24


def flat(records: list[LogRecord]) -> list[dict[str, object]]:
    return [to_ecs(record) | {"id": record.id} for record in records]


@settings(max_examples=30, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.lists(st.integers(0, 40), max_size=12), st.randoms(use_true_random=False))
def test_batches_do_not_matter(cuts: list[int], chance: random.Random) -> None:
    lines = list(MIXED) * 3
    batch = events(*lines)
    whole = Parser()
    expected = flat([*whole.parse(batch), *whole.flush()])
    parser = Parser()
    records: list[LogRecord] = []
    edges = sorted({0, len(batch), *(cut for cut in cuts if cut < len(batch))})
    for start, end in pairwise(edges):
        records += parser.parse(batch[start:end])
    records += parser.flush()
    assert sorted(flat(records), key=str) == sorted(expected, key=str)
    assert parser.stats() == whole.stats()
    assert parser.formats() == whole.formats()


HOSTILE = [
    "",
    " ",
    "\x00\x00\x00",
    "\\xff\\xfe broken",
    "{" * 10_000,
    '{"a":' * 500 + "1" + "}" * 500,
    '{"level":"info","msg":NaN}',
    '{"msg":"\\ud800 lone","level":"x"}',
    '{"@timestamp":"yesterday","message":null}',
    '{"@timestamp":[1,2],"message":{"a":1},"level":{"b":2}}',
    '{"time":1e308,"msg":"x"}',
    '{"log":7,"stream":null,"time":[]}',
    "<999>1 - - - - - -",
    "<34>Oct 99 99:99:99 h p: x",
    "Feb 30 10:00:00 h p[1]: x",
    '127.0.0.1 - - [99/Foo/2026:99:99:99 +9999] "GET / HTTP/1.1" 200 1',
    "type=X msg=audit(99999999999999999999.000:1): a=",
    "a=1 b=2 level=",
    '2026-11-24 19:12:24.429 UTC,"a,,,1,,x,1,,2026',
    "# Time: nonsense",
    "# User@Host: [",
    "\ud800 lone surrogate",
    "x" * 200_000,
    "2026-11-24T19:14:48Z " + "y" * 200_000,
    "ı" * 50 + "İPASSWORD=x",
]


def test_no_content_raises_and_no_neighbour_is_lost() -> None:
    parser = Parser()
    lines = []
    for bad in HOSTILE:
        lines += [bad, "12257:M 24 Nov 2026 19:13:36.912 * Ready to accept connections"]
    batch = events(*lines)
    records = [*parser.parse(batch), *parser.flush()]
    assert sum(record.message == "Ready to accept connections" for record in records) == len(HOSTILE)
    stats = parser.stats()["test"]
    assert stats["accepted"] == len(lines)
    assert stats["parsed"] + stats["unparsed"] == len(records)
    kept = "\n".join(record.original if record.original is not None else record.message for record in records)
    assert all(line in kept for line in lines)


@settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.generate))  # shrinking such lines takes minutes
@given(st.lists(st.one_of(st.text(max_size=80), st.sampled_from(MIXED), st.sampled_from(HOSTILE[:22])), max_size=12))
def test_any_text_is_kept(lines: list[str]) -> None:
    records = parse(*lines)
    kept = "\n".join(record.original if record.original is not None else record.message for record in records)
    for line in lines:
        assert line.rstrip("\r\n") in kept
    for record in records:
        assert record.level in ("", *LEVELS)
        assert record.id


@pytest.mark.parametrize("value", ["x", None, [], {}, 1e400, float("nan"), True, "99999999999999999999999"])
def test_stated_nonsense_is_tolerated(value: object) -> None:
    (record,) = parse("hello", **{"@timestamp": value, "log.level": value, "host.name": value})
    assert record.message == "hello"


def test_long_messages_are_cut_in_the_message_only() -> None:
    line = "2026-11-24T19:14:48Z INFO " + "y" * 100_000
    (record,) = parse(line, options=ParseOptions(max_message_chars=1000))
    assert len(record.message) == 1000
    assert record.original == line


def test_narrowed_formats() -> None:
    parser = Parser(ParseOptions(formats=("redis",)))
    records = [*parser.parse(events(MIXED[0], MIXED[11])), *parser.flush()]
    assert [record.outcome for record in records] == ["unparsed", "parsed"]


HUGE = 10_000_000


@pytest.mark.parametrize(
    "line",
    [
        "a" * HUGE,
        " " * HUGE,
        "A." * (HUGE // 2),
        '{"msg":"' + "x" * HUGE + '"}',
        "{" + '"a' * (HUGE // 2),
        "Nov 24 19:00:00 h kernel: " + "IN= OUT= " * (HUGE // 9),
        "Nov 24 19:00:00 h sshd[1]: Failed password for " + "from " * (HUGE // 5),
        "2026-11-24 19:12:24.533 UTC [1] LOG:  duration: 1.0 ms  statement: " + "x " * (HUGE // 2),
        "a=1 " * (HUGE // 4),
        "password=" * (HUGE // 9),
        "\u2028" * 1_000_000,
    ],
    ids=lambda line: line[:24],
)
def test_ten_megabytes_in_one_line_take_seconds_at_most(line: str) -> None:
    started = time.process_time()
    records = [*parse("12257:M 24 Nov 2026 19:13:36.912 * before", line, "\tat x"), *parse("after")]
    Redactor().process(records)
    assert time.process_time() - started < 15
    assert records[-1].message == "after"


@pytest.mark.parametrize("stated", ["9999-12-31T23:59:59Z", "2300-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1e30"])
def test_a_time_that_no_store_can_hold_is_as_none(stated: str) -> None:
    """It once ended the worker on every start: SQLite holds 64 bits, and so do Elasticsearch's nanoseconds."""
    parser = Parser()
    events = [RawEvent("one", "s", NOW, {"@timestamp": stated}, "1"), RawEvent(f"{stated} two", "s", NOW, {}, "2")]
    records = [*parser.parse(events), *parser.flush()]
    assert [record.timestamp_ns for record in records] == [NOW, NOW]
    assert all(-(2**63) <= record.timestamp_ns < 2**63 for record in Miner().process(records))
