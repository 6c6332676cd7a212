"""Which request a line belongs to, whatever hand wrote it."""

import pytest

from logsense.record import LogRecord
from logsense.rootcause.requests import Line, callers, identifiers, line_of, whole

from .requests_of_a_shop import CALLS, S, normal, place


def record(message: str, **fields: object) -> LogRecord:
    return LogRecord("1", 5, message, "s", 5, "h", "svc", fields=dict(fields))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        # a line each: what is written, and (request, span)
        ("TraceID: ffc8ca7e4c8f06c75142c880d5595d96 SpanID: 439bc949a9eeb0cc [x] y", ("ffc8ca7e4c8f06c75142c880d5595d96", "439bc949a9eeb0cc")),  # noqa: E501
        ("2026 INFO request_id=4f1d9a7b3c GET /cart", ("4f1d9a7b3c", "")),
        ('{"requestId":"a1b2c3d4e5","msg":"x"}', ("a1b2c3d4e5", "")),
        ("INFO [shop,80f198ee56343ba864fe8b2a57d3eff7,e457b5a2e4d86bd1] order placed", ("80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1")),  # noqa: E501
        ("traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")),  # noqa: E501
        ("X-Request-ID: 7b2e-11 done", ("7b2e-11", "")),
        ("correlation_id='c0ffee1234' retry", ("c0ffee1234", "")),
        ("no identifier here: user=5 id=77", ("", "")),
        ("backtrace id: 1234567", ("", "")),
        ("request_id=-", ("", "")),
        ("", ("", "")),
    ],
)  # fmt: skip
def test_identifiers_in_text(message, expected):
    assert identifiers(record(message)) == expected


def test_stated_fields_win_over_the_text():
    stated = record("request_id=other-one", **{"trace.id": "t-1", "span.id": "s-1"})
    assert identifiers(stated) == ("t-1", "s-1")
    assert identifiers(record("x", **{"trace.id": 7})) == ("", "")


def test_hostile_text_takes_no_time_and_raises_nothing():
    for text in (
        "[" + "a," * 50_000,
        "traceid" + " " * 100_000,
        "trace_id=" * 20_000,
        "\ud800 request-id: " + "é" * 99,
    ):
        line_of(record(text))


def test_without_a_span_the_place_stands_for_it():
    line = line_of(record("request_id=4f1d9a7b3c x"))
    assert line is not None and line.span == "h|svc" and line.place == ("h", "svc")


def test_callers_are_those_whose_line_came_before():
    calls = callers(normal())
    found = {(caller[1], called[1]) for caller, called in calls}
    assert found == {(caller, called) for caller, many in CALLS.items() for called in many}


def test_a_request_at_the_end_of_the_data_may_go_on():
    def line(at: float, request: str) -> Line:
        return Line(int(at * S), place("front"), "t", request, "s", f"{request}{at}")

    lines = sorted([line(1, "a"), line(2, "a"), line(20, "b"), line(21, "b")])
    assert {mine[0].request: ended for mine, _, ended in whole(lines)} == {"a": True, "b": False}


def test_a_request_where_the_data_begin_may_have_begun_before():
    def line(at: float, request: str) -> Line:
        return Line(int(at * S), place("front"), "t", request, "s", f"{request}{at}")

    lines = sorted([line(1, "a"), line(9, "a"), line(5, "b"), line(70, "c"), line(74, "d")])
    begun = {mine[0].request: begun for mine, begun, _ in whole(lines)}
    assert begun == {"a": False, "b": True, "c": False, "d": True}  # c comes after a gap in the data
