"""InfluxDB's write API with its line protocol: Telegraf, Vector, collectd, Proxmox …

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from logsense import errors
from logsense.receivers._body import BodyLimits, off_loop, read_body
from logsense.receivers._events import decode_text, now_ns
from logsense.receivers._guard import guarded_route, retry_headers
from logsense.receivers._labels import fields_from_labels
from logsense.receivers._times import ns_to_text
from logsense.record import MetricPoint, RawEvent
from logsense.stages import Intake

_UNITS = {"n": 1, "ns": 1, "u": 10**3, "µ": 10**3, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
          "h": 3600 * 10**9}  # fmt: skip
#: One line: measurement and tags, fields, time. A quoted string may hold anything, also line feeds.
_KEY = r"(?:[^,= \n\\]|\\.)+"
_MEASUREMENT = re.compile(r"(?:[^, \n\\]|\\.)+", re.DOTALL)
_TAG = re.compile(rf",({_KEY})=({_KEY})", re.DOTALL)
_FIELD = re.compile(rf'({_KEY})=("(?:[^"\\]|\\.)*"|[^, \n"]+)', re.DOTALL)
_STAMP = re.compile(r"-?\d{1,19}")
_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)[iu]?")
_ESCAPED = re.compile(r"\\([,= \\])")
_QUOTED = re.compile(r'\\(["\\])')
_TRUTH = {"t": 1.0, "T": 1.0, "true": 1.0, "True": 1.0, "TRUE": 1.0, "f": 0.0, "F": 0.0, "false": 0.0, "False": 0.0,
          "FALSE": 0.0}  # fmt: skip
_MESSAGES = ("message", "msg", "log", "value")


@dataclass(frozen=True, slots=True)
class InfluxOptions:
    """The InfluxDB receiver."""

    #: Sizes of requests.
    limits: BodyLimits = field(default_factory=BodyLimits)


class InfluxReceiver:
    """Numbers become points ``measurement.field`` (``measurement`` for the field ``value``), texts become lines.

    A line that cannot be read refuses the request as InfluxDB 2 does for all of it: nothing is kept.
    """

    name = "influxdb"
    prefix = "/influxdb"

    def __init__(self, options: InfluxOptions | None = None) -> None:
        self.options = options or InfluxOptions()

    def router(self, intake: Intake) -> APIRouter:
        """204 on success; ``/ping`` and ``/health`` for clients that look first."""
        router = APIRouter(route_class=guarded_route(_refusal), include_in_schema=False)

        async def write(request: Request) -> Response:
            body = await read_body(request, self.options.limits)
            unit = _UNITS.get(request.query_params.get("precision", "ns"), 1)
            points, events = await off_loop(body, parse_lines, unit)
            await intake.accept(events, points)
            return Response(status_code=204)

        async def ping() -> Response:
            return Response(status_code=204, headers={"X-Influxdb-Version": "2.7.0", "X-Influxdb-Build": "OSS"})

        async def health() -> Response:
            return Response(b'{"name":"influxdb","status":"pass","version":"v2.7.0"}', media_type="application/json")

        for path in ("/write", "/api/v2/write"):
            router.add_api_route(path, write, methods=["POST"])
        router.add_api_route("/ping", ping, methods=["GET", "HEAD"])
        router.add_api_route("/health", health, methods=["GET"])
        return router


def parse_lines(body: bytes, unit: int) -> tuple[list[MetricPoint], list[RawEvent]]:
    """Points and lines of a body whose times count ``unit`` nanoseconds. Raises BadInput that names the line."""
    received = now_ns()
    points: list[MetricPoint] = []
    events: list[RawEvent] = []
    for measurement, tags, values, stamp in _lines(decode_text(body)):
        ns = received if stamp is None else stamp * unit
        if not -(2**63) <= ns < 2**63:
            raise errors.BadInput("A time is out of range", why=str(stamp), fix="state precision= in the request")
        host = tags.get("host", tags.get("hostname", ""))
        labels = {k: v for k, v in tags.items() if k not in ("host", "hostname")}
        texts: dict[str, str] = {}
        for name, value in values.items():
            if isinstance(value, str):
                texts[name] = value
            elif math.isfinite(value):
                series = measurement if name == "value" else f"{measurement}.{name}"
                points.append(MetricPoint(series, host, ns, value, labels))
        message = next((texts[name] for name in _MESSAGES if texts.get(name)), "")
        if message:
            stated = fields_from_labels({**tags, **{k: v for k, v in texts.items() if v != message}})
            stated.setdefault("service.name", measurement)
            events.append(RawEvent(message, "influxdb", received, {**stated, "@timestamp": ns_to_text(ns)}))
    return points, events


def _lines(text: str) -> Iterator[tuple[str, dict[str, str], dict[str, float | str], int | None]]:
    at, number = 0, 1
    while at < len(text):
        if text[at] in " \t\r\n":
            number += text[at] == "\n"
            at += 1
            continue
        if text[at] == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
            continue
        begin = at
        head = _MEASUREMENT.match(text, at)
        if head is None:
            raise _bad(number, text, begin)
        at = head.end()
        tags: dict[str, str] = {}
        while tag := _TAG.match(text, at):
            tags[_plain(tag[1])] = _plain(tag[2])
            at = tag.end()
        at = _blank(text, at, number, begin)
        values: dict[str, float | str] = {}
        while pair := _FIELD.match(text, at):
            values[_plain(pair[1])] = _value(pair[2], number, text, begin)
            at = pair.end()
            if text[at : at + 1] != ",":
                break
            at += 1
        if not values:
            raise _bad(number, text, begin)
        stamp = None
        while text[at : at + 1] == " ":
            at += 1
        if found := _STAMP.match(text, at):
            stamp, at = int(found[0]), found.end()
        if text[at : at + 1] not in ("", "\n", "\r"):
            raise _bad(number, text, begin)
        number += text.count("\n", begin, at)
        yield _plain(head[0]), tags, values, stamp


def _blank(text: str, at: int, number: int, begin: int) -> int:
    if text[at : at + 1] != " ":
        raise _bad(number, text, begin)
    while text[at : at + 1] == " ":
        at += 1
    return at


def _value(text: str, number: int, whole: str, begin: int) -> float | str:
    if text[0] == '"':
        return _QUOTED.sub(r"\1", text[1:-1])
    if text in _TRUTH:
        return _TRUTH[text]
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise _bad(number, whole, begin)
    return float(match[1])


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def _bad(number: int, text: str, begin: int) -> errors.BadInput:
    return errors.BadInput(
        f"unable to parse line {number}", why=repr(text[begin : begin + 80]), fix="send InfluxDB's line protocol"
    )


_CODES = {400: "invalid", 401: "unauthorized", 403: "forbidden", 413: "request too large", 429: "too many requests"}


def _refusal(error: errors.LogsenseError, request: Request) -> Response:
    content: dict[str, Any] = {"code": _CODES.get(error.status, "internal error"), "message": str(error)}
    return Response(orjson.dumps(content), error.status, retry_headers(error), "application/json")
