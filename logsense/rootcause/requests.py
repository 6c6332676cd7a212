"""Lines put together by the request that they belong to: what tracing would show, read from log lines alone.

A request is known by the identifier that its services pass on: ``trace.id`` or ``http.request.id`` where the sender
states it, else ``TraceID: …``, ``request_id=…``, Sleuth's ``[app,trace,span]`` or a W3C ``traceparent`` in the text.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from logsense.record import LogRecord

SECOND = 1_000_000_000
Place = tuple[str, str]  # (host, service)

_LOOKED_AT = 600  # characters: identifiers stand near the beginning
_REQUEST = re.compile(
    r"(?<![a-z])(?:trace|request|req|correlation|transaction|x-request)[._-]?id[\"']?\s{0,2}[:=]\s{0,2}[\"'\[]?"
    r"([\w-]{6,64})",
    re.IGNORECASE,
)
_SPAN = re.compile(r"(?<![a-z])span[._-]?id[\"']?\s{0,2}[:=]\s{0,2}[\"'\[]?([\w-]{4,64})", re.IGNORECASE)
_SLEUTH = re.compile(r"\[[\w.-]{0,64},([0-9a-f]{16,32}),([0-9a-f]{16})[\],]")
_TRACEPARENT = re.compile(r"\b00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\b")
_REQUEST_FIELDS = ("trace.id", "transaction.id", "http.request.id")
CUT_S = 3  # a request this close to where the data begin or end may have begun before, or go on after
PAUSE_S = 30  # no line of any request for so long is a gap in the data


class Line(NamedTuple):
    """One line of a request. ``span`` is one service's share of it; its place stands in for it where none is stated."""

    at_ns: int
    place: Place
    template: str
    request: str
    span: str
    id: str


@dataclass(frozen=True, slots=True)
class Requests:
    """Lines with a request's identifier, in time order, of normal times and of the incident.

    ``texts`` are the templates by id; ``cut`` says that there were more lines than are looked at.
    """

    normal: Sequence[Line] = ()
    during: Sequence[Line] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False

    def __bool__(self) -> bool:
        return bool(self.normal and self.during)


def line_of(record: LogRecord) -> Line | None:
    """The record as a request's line; None when it states no request. Never raises on content."""
    request, span = identifiers(record)
    if not request:
        return None
    place = (record.host, record.service)
    return Line(record.timestamp_ns, place, record.template_id, request, span or "|".join(place), record.id)


def identifiers(record: LogRecord) -> tuple[str, str]:
    """(request, span) as stated in fields or text; empty where there is none."""
    fields = record.fields
    for name in _REQUEST_FIELDS:
        if isinstance(stated := fields.get(name), str) and stated:
            span = fields.get("span.id")
            return stated, span if isinstance(span, str) else ""
    text = record.message[:_LOOKED_AT]
    if found := _REQUEST.search(text):
        span = _SPAN.search(text)
        return found.group(1), span.group(1) if span else ""
    if found := _SLEUTH.search(text) or _TRACEPARENT.search(text):
        return found.group(1), found.group(2)
    return "", ""


def by_request(lines: Iterable[Line]) -> dict[str, list[Line]]:
    """The lines of each request in their order."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.request, []).append(line)
    return found


def whole(lines: Sequence[Line]) -> Iterator[tuple[list[Line], bool, bool]]:
    """Each request with whether its beginning and its end were seen: not where the data begin, end or pause there."""
    times = [line.at_ns for line in lines]
    for mine in by_request(lines).values():
        first, last = mine[0].at_ns, mine[-1].at_ns
        before = bisect_left(times, first - CUT_S * SECOND)
        after = bisect_right(times, last + CUT_S * SECOND)
        begun = before > 0 and first - times[before - 1] <= PAUSE_S * SECOND
        yield mine, begun, after < len(times) and times[after] - last <= PAUSE_S * SECOND


def callers(lines: Iterable[Line]) -> dict[tuple[Place, Place], int]:
    """(caller, called) -> calls: the first line of a span elsewhere follows a line of who called it."""
    calls: dict[tuple[Place, Place], int] = {}
    for mine in by_request(lines).values():
        seen = {(mine[0].place, mine[0].span)}
        for before, line in pairwise(mine):
            key = (line.place, line.span)
            if key not in seen:
                seen.add(key)
                if before.place != line.place:
                    calls[before.place, line.place] = calls.get((before.place, line.place), 0) + 1
    return calls
