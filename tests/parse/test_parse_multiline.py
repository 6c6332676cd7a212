"""Lines become records: bounds, flushes, orphans, sections, CSV."""

from __future__ import annotations

from logsense.parse import ParseOptions, Parser
from logsense.record import LogRecord, RawEvent

NOW = 1_795_550_400 * 10**9
SECOND = 10**9


def batch(text: str, start: int = 0, step_ns: int = 0) -> list[RawEvent]:
    return [RawEvent(line, "s", NOW + n * step_ns, {}, str(start + n)) for n, line in enumerate(text.split("\n"))]


def run(text: str, options: ParseOptions | None = None) -> list[LogRecord]:
    parser = Parser(options)
    return [*parser.parse(batch(text)), *parser.flush()]


CSV = (
    '2021-01-04 00:22:01.903 UTC,"u","d",59,"10.0.0.7:42642",5ff2.3b,3,"SELECT",'
    "2021-01-04 00:21:42 UTC,3/0,0,LOG,00000,"
)
JAVA = """2026-11-24 19:00:00,100 ERROR [main] org.example.App: cannot connect
java.net.ConnectException: Connection refused
\tat java.net.Socket.connect(Socket.java:579)
Caused by: java.io.IOException: reset
\t... 12 more
2026-11-24 19:00:01,100 INFO [main] org.example.App: retry"""


def test_java_stack_traces() -> None:
    first, second = run(JAVA)
    assert first.message == "cannot connect: java.net.ConnectException: Connection refused"
    assert first.fields["error.type"] == "java.net.ConnectException"
    assert first.fields["error.stack_trace"].endswith("... 12 more")
    assert second.message == "retry"
    assert "error.type" not in second.fields


def test_the_last_record_waits_until_it_is_flushed() -> None:
    parser = Parser(ParseOptions(join_wait_s=2.0))
    lines = batch(JAVA)
    assert parser.parse(lines[:4]) == []
    assert parser.flush(NOW + SECOND) == []  # too early
    assert parser.parse(lines[4:5]) == []
    (record,) = parser.flush(NOW + 3 * SECOND)
    assert record.fields["error.stack_trace"].count("\n") == 3
    assert parser.flush() == []


def test_what_a_flush_cut_is_continued_and_says_so() -> None:
    parser = Parser()
    lines = batch(JAVA)
    first = [*parser.parse(lines[:3]), *parser.flush()]
    rest = [*parser.parse(lines[3:]), *parser.flush()]
    assert [record.id for record in first] == ["0"]
    assert [record.id for record in rest] == ["3", "5"]
    assert rest[0].fields["logsense.continues"] == "0"
    assert rest[0].outcome == "parsed"
    assert rest[0].timestamp_ns == first[0].timestamp_ns
    assert "logsense.continues" not in rest[1].fields
    assert parser.stats()["s"]["unparsed"] == 0


def test_a_cut_statement_goes_on_over_several_lines() -> None:
    parser = Parser()
    lines = batch(
        "2026-11-24 19:00:00.100 UTC [7] a@b LOG:  statement: select 1,\n2 as two,\nfrom t\n"
        "2026-11-24 19:00:01.100 UTC [7] a@b LOG:  done"
    )
    first = [*parser.parse(lines[:1]), *parser.flush()]
    rest = [*parser.parse(lines[1:]), *parser.flush()]
    assert [record.message for record in first + rest] == ["statement: select 1,", "2 as two,\nfrom t", "done"]
    assert rest[0].fields["logsense.continues"] == "0"


def test_a_cut_section_names_its_record() -> None:
    parser = Parser()
    lines = batch(
        "2026-11-24 19:00:00.100 UTC [7] a@b ERROR:  duplicate key\n"
        "2026-11-24 19:00:00.100 UTC [7] a@b DETAIL:  Key (id)=(1) exists."
    )
    parser.parse(lines[:1])
    parser.flush()
    parser.parse(lines[1:])
    (detail,) = parser.flush()
    assert detail.fields["logsense.continues"] == "0"


def test_lines_and_bytes_are_bounded() -> None:
    text = "2026-11-24 19:00:00,100 ERROR [main] org.example.App: x" + "\n\tat a.b(C.java:1)" * 50
    records = run(text, ParseOptions(max_joined_lines=10))
    assert len(records) == 6
    assert all((record.original or record.message).count("\n") < 10 for record in records)
    assert len(run(text, ParseOptions(max_joined_bytes=200))) > 4
    assert sum((record.original or record.message).count("\tat a.b") for record in records) == 50


def test_csv_values_hold_newlines_and_quotes() -> None:
    tail = ',,,,,,,,,"psql"'
    first, second = run(f'{CSV}"say ""hi"",\n\nthen go"{tail}\n{CSV}"two"{tail}')
    assert first.message == 'say "hi",\n\nthen go'
    assert (first.id, second.id, second.message) == ("0", "3", "two")


def test_a_broken_csv_quote_does_not_swallow_what_follows() -> None:
    records = run(f'{CSV}"cut off\n{CSV}"two",,,,,,,,,"psql"')
    assert [record.message for record in records][-1] == "two"
    assert records[0].outcome == "unparsed"


def test_slow_log_records_start_with_time_or_user() -> None:
    text = """# Time: 261124 19:13:34
# User@Host: root[root] @ localhost []
# Thread_id: 5  Schema: shop  QC_hit: No
# Query_time: 0.5  Lock_time: 0.000071  Rows_sent: 0  Rows_examined: 0
SET timestamp=1795547614;
select 1;
# User@Host: app[app] @  [10.0.0.7]
# Thread_id: 6  Schema: shop  QC_hit: No
# Query_time: 1.5  Lock_time: 0.000071  Rows_sent: 0  Rows_examined: 0
SET timestamp=1795547615;
select 2;"""
    first, second = run(text)
    assert (first.message, second.message) == ("slow query: select 1;", "slow query: select 2;")
    assert second.fields["source.ip"] == "10.0.0.7"
    assert second.timestamp_ns - first.timestamp_ns == SECOND


def test_go_panics_and_bare_tracebacks_are_one_record_each() -> None:
    panic = """panic: runtime error: index out of range [3] with length 3

goroutine 1 [running]:
main.main()
\t/app/main.go:7 +0x1d
exit status 2"""
    bare = """Traceback (most recent call last):
  File "a.py", line 1, in <module>
    f()
KeyError: 'x'"""
    first, second = run(f"{panic}\n{bare}")
    assert (first.level, first.fields["error.message"]) == (
        "critical",
        "runtime error: index out of range [3] with length 3",
    )
    assert (second.message, second.level) == ("KeyError: 'x'", "error")


def test_interleaved_syslog_programs_are_not_joined() -> None:
    text = """Nov 24 19:00:00 h app[1]: request failed
Nov 24 19:00:00 h app[1]: java.lang.IllegalStateException: no
Nov 24 19:00:00 h app[1]: \tat a.b.C.d(C.java:1)
Nov 24 19:00:00 h other[2]: \tat a.b.C.d(C.java:1)"""
    records = run(text)
    assert [record.fields["process.pid"] for record in records] == [1, 1, 2]
    assert "\tat a.b.C.d(C.java:1)" in records[1].fields["error.stack_trace"]


def test_a_piece_of_a_cut_container_line_is_not_lost() -> None:
    parser = Parser()
    assert parser.parse(batch("2026-11-24T19:20:00.1Z stdout P first half")) == []
    (record,) = parser.flush()
    assert record.message == "first half"


def test_a_crash_after_a_quiet_line_is_an_event_of_its_own() -> None:
    text = """2026-11-24 19:00:00,100 - shop - INFO - order accepted
Traceback (most recent call last):
  File "/app/orders.py", line 3, in create
OSError: [Errno 28] No space left on device
2026-11-24 19:00:05,100 - shop - ERROR - order failed
Traceback (most recent call last):
  File "/app/orders.py", line 3, in create
OSError: [Errno 28] No space left on device"""
    quiet, crash, failed = run(text)
    assert (quiet.message, quiet.level) == ("order accepted", "info")
    assert (crash.message, crash.level) == ("OSError: [Errno 28] No space left on device", "error")
    assert crash.timestamp_ns == quiet.timestamp_ns  # it has no time of its own
    assert failed.message == "order failed: OSError: [Errno 28] No space left on device"


def test_a_traceback_in_syslog_is_one_record() -> None:
    text = """Nov 24 19:00:00 h worker[7]: rendered 5 reports
Nov 24 19:00:01 h worker[7]: Traceback (most recent call last):
Nov 24 19:00:01 h worker[7]:   File "/opt/w.py", line 13, in <module>
Nov 24 19:00:01 h worker[7]:     bucket = config["storage"]
Nov 24 19:00:01 h worker[7]: KeyError: 'storage'
Nov 24 19:00:02 h sudo:    bob : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls
Nov 24 19:00:02 h sudo:    eve : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls"""
    records = run(text)
    assert [record.message.strip()[:18] for record in records] == [
        "rendered 5 reports",
        "KeyError: 'storage",
        "bob : TTY=pts/0 ; ",
        "eve : TTY=pts/0 ; ",
    ]
    assert records[1].fields["error.type"] == "KeyError"
    assert records[1].service == "worker"


def test_unknown_lines_keep_their_indented_continuations() -> None:
    (record,) = run("who knows\n  indented\n\ttoo")
    assert record.message == "who knows\n  indented\n\ttoo"
    assert record.outcome == "unparsed"
