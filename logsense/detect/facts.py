"""What single lines say beyond their count, gathered per window: steps of sessions, values, queries, flows, answers.

Detectors that need more than counts read these rows. They are made once per batch and template, never per detector,
and only of lines that carry the fields or parameters; rows are plain tuples, so that an open window is saved by
appending what came since the last save.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zlib import crc32

from logsense.detect.identifiers import Identifiers
from logsense.detect.options import FactOptions
from logsense.detect.slots import amount, slots
from logsense.record import LogRecord

TEXT = "text"  # the family of sessions whose identifier was found in the lines
SAMPLED = 16  # values of one slot that a batch keeps besides its extremes
MAX_ID = 128  # characters of an identifier


class Place(NamedTuple):
    """Where lines come from."""

    pipeline: str
    host: str
    service: str


class Step(NamedTuple):
    """One line of a session. ``family`` is the field that holds the identifier, or ``text``."""

    at_ns: int
    family: str
    session: str
    place: Place
    template: str
    line: str


class Values(NamedTuple):
    """Amounts of one parameter in some lines: ``times`` of them, a sample, and the extremes with their lines."""

    place: Place
    template: str
    position: int
    times: int
    sample: tuple[float, ...]
    low: float
    low_line: str
    high: float
    high_line: str


class Codes(NamedTuple):
    """Codes of one parameter in some lines: value, how often, an example line."""

    place: Place
    template: str
    position: int
    code: str
    times: int
    line: str


class Queries(NamedTuple):
    """Executions of one statement; seconds are those of the executions that state a duration."""

    place: Place
    fingerprint: str
    times: int
    seconds: tuple[float, ...]
    slowest: float
    line: str
    text: str


class Flows(NamedTuple):
    """Contacts of a source with one port of a destination."""

    place: Place
    source: str
    target: str
    port: int
    times: int
    first_ns: int
    line: str


class Answers(NamedTuple):
    """Answers of a name server to one client with one response code."""

    place: Place
    client: str
    code: str
    times: int
    line: str
    name: str


KINDS: dict[str, type] = {
    "steps": Step, "values": Values, "codes": Codes, "queries": Queries, "flows": Flows, "answers": Answers,
}  # fmt: skip


@dataclass(slots=True)
class Facts:
    """The rows of one window, in the order of arrival.

    ``modulus``: sessions are a sample, those whose identifier's checksum is divisible by it. ``unsettled``: which
    parameter is an identifier changed within the window. ``cut``: there were more rows than are kept.
    """

    steps: list[Step] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)
    codes: list[Codes] = field(default_factory=list)
    queries: list[Queries] = field(default_factory=list)
    flows: list[Flows] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)
    modulus: int = 1
    unsettled: bool = False
    cut: bool = False

    def size(self) -> int:
        """Rows of all kinds."""
        return sum(self.lengths().values())

    def lengths(self) -> dict[str, int]:
        """Rows per kind."""
        return {kind: len(getattr(self, kind)) for kind in KINDS}

    def rows_after(self, saved: dict[str, int]) -> dict[str, list[Any]]:
        """The rows behind the first ``saved[kind]`` of each kind, as plain lists."""
        return {kind: rows for kind in KINDS if (rows := getattr(self, kind)[saved.get(kind, 0) :])}

    def extend(self, rows: dict[str, list[Any]]) -> None:
        """Add rows as they were saved."""
        for kind, found in rows.items():
            if make := KINDS.get(kind):
                getattr(self, kind).extend(_row(make, row) for row in found)


def _row(make: Any, row: list[Any]) -> Any:
    values = [tuple(value) if isinstance(value, list) else value for value in row]
    at = make._fields.index("place")
    values[at] = Place(*values[at])
    return make(*values)


class FactCollector:
    """Turns lines into rows. ``text_of`` gives the text of a template; without it parameters have no meaning."""

    def __init__(self, options: FactOptions | None = None, text_of: Callable[[str], str] | None = None) -> None:
        self.options = options or FactOptions()
        self.text_of = text_of
        self.identifiers = Identifiers()
        self.modulus = 1
        self._fields = tuple(self.options.session_fields)

    def take(self, facts: Facts, key: tuple[str, str, str, str], records: Sequence[LogRecord]) -> None:
        """Rows of ``records``, all of one window and of ``key`` (pipeline, host, service, template). Never raises on
        content."""
        if facts.size() >= self.options.max_rows:
            facts.cut = True
            return
        place, template = Place(*key[:3]), key[3]
        sessions: list[tuple[str, str]] | None = None
        asked, told, talked = [], [], []
        for record in records:
            fields = record.fields
            if not fields:
                continue
            if "db.query.fingerprint" in fields:
                asked.append(record)
            if "source.ip" in fields:
                if "destination.ip" in fields:
                    talked.append(record)
                if "dns.response_code" in fields:
                    told.append(record)
            elif "dns.response_code" in fields:
                told.append(record)
        if self._fields:
            sessions = self._stated(records)
        if records[0].parameters:
            rows = [record.parameters for record in records]
            if self.options.find_identifiers and sessions is None:
                sessions = self._found(facts, template, rows)
            self._amounts(facts, place, template, records, rows)
        if sessions:
            self._steps(facts, place, template, records, sessions)
        if asked:
            _queries(facts, place, asked)
        if talked and len(facts.flows) < self.options.max_flows:
            _flows(facts, place, talked)
        if told:
            _answers(facts, place, told)

    # -- sessions --------------------------------------------------------------------------------------

    def _stated(self, records: Sequence[LogRecord]) -> list[tuple[str, str]] | None:
        """(family, identifier) per record from its fields; None where no record states one."""
        for name in self._fields:
            if name in records[0].fields or name in records[-1].fields:
                return [(name, _identifier(record.fields.get(name))) for record in records]
        return None

    def _found(self, facts: Facts, template: str, rows: list[list[str]]) -> list[tuple[str, str]] | None:
        unknown = not self.identifiers.version
        found = self.identifiers.find(template, rows)
        facts.unsettled |= unknown and self.identifiers.version > 0  # what came before is half a session at best
        return [(TEXT, value) for value in found] if found is not None else None

    def _steps(
        self,
        facts: Facts,
        place: Place,
        template: str,
        records: Sequence[LogRecord],
        sessions: list[tuple[str, str]],
    ) -> None:
        steps, modulus = facts.steps, self.modulus
        for record, (family, session) in zip(records, sessions, strict=True):
            if session and (modulus == 1 or sampled(session, modulus)):
                steps.append(Step(record.timestamp_ns, family, session[:MAX_ID], place, template, record.id))
        if len(steps) > self.options.max_steps:
            # Every other session, and whole ones: half a session would look like one that broke off.
            self.modulus *= 2
            facts.steps = [step for step in steps if sampled(step.session, self.modulus)]
            facts.unsettled = True
        facts.modulus = self.modulus

    # -- parameters ------------------------------------------------------------------------------------

    def _amounts(
        self,
        facts: Facts,
        place: Place,
        template: str,
        records: Sequence[LogRecord],
        rows: list[list[str]],
    ) -> None:
        text = self.text_of(template) if self.text_of is not None else ""
        for slot in slots(text) if text else ():
            at = slot.position
            if slot.kind == "code":
                _codes(facts, place, template, at, records)
                continue
            found = [
                (number, record.id)
                for row, record in zip(rows, records, strict=True)
                if len(row) > at and (number := amount(row[at])) is not None
            ]
            if found:
                low, high = min(found), max(found)
                every = max(1, len(found) // SAMPLED)
                sample = tuple(number for number, _ in found[::every][:SAMPLED])
                facts.values.append(Values(place, template, at, len(found), sample, low[0], low[1], high[0], high[1]))


def sampled(session: str, modulus: int) -> bool:
    """Whether the session belongs to a sample of one in ``modulus``; the same answer everywhere and always."""
    return crc32(session.encode("utf-8", "replace")) % modulus == 0


def _identifier(value: object) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def _codes(facts: Facts, place: Place, template: str, at: int, records: Sequence[LogRecord]) -> None:
    counts: dict[str, list[Any]] = {}
    for record in records:
        if len(record.parameters) > at and len(code := record.parameters[at]) <= 24:
            one = counts.setdefault(code, [0, record.id])
            one[0] += 1
    facts.codes += [Codes(place, template, at, code, n, line) for code, (n, line) in list(counts.items())[:SAMPLED]]


def _queries(facts: Facts, place: Place, records: Sequence[LogRecord]) -> None:
    groups: dict[str, list[LogRecord]] = {}
    for record in records:
        groups.setdefault(str(record.fields["db.query.fingerprint"])[:64], []).append(record)
    for fingerprint, mine in groups.items():
        timed = [
            (duration / 1e9, record.id)
            for record in mine
            if isinstance(duration := record.fields.get("event.duration"), int | float)
            and math.isfinite(duration) and 0 <= duration < 1e300
        ]  # fmt: skip
        slowest, line = max(timed, default=(0.0, mine[0].id))
        every = max(1, len(timed) // SAMPLED)
        seconds = tuple(s for s, _ in timed[::every][:SAMPLED])
        text = str(mine[0].fields.get("db.query.normalized") or "")[:200]
        facts.queries.append(Queries(place, fingerprint, len(mine), seconds, slowest, line, text))


def _flows(facts: Facts, place: Place, records: Sequence[LogRecord]) -> None:
    groups: dict[tuple[str, str, int], list[Any]] = {}
    for record in records:
        fields = record.fields
        port = fields.get("destination.port")
        port = port if isinstance(port, int) and 0 <= port < 65_536 else 0
        contact = (str(fields["source.ip"]), str(fields["destination.ip"]), port)
        known = groups.get(contact)
        if known is None:
            groups[contact] = [1, record.timestamp_ns, record.id]
        else:
            known[0] += 1
            known[1] = min(known[1], record.timestamp_ns)
    for (source, target, port), (count, first_ns, line) in groups.items():
        facts.flows.append(Flows(place, source, target, port, count, first_ns, line))


def _answers(facts: Facts, place: Place, records: Sequence[LogRecord]) -> None:
    groups: dict[tuple[str, str], list[Any]] = {}
    for record in records:
        fields = record.fields
        # Most name servers log who asked as the source; a packet that carries an answer comes from their port.
        end = "destination.ip" if fields.get("source.port") == 53 else "source.ip"
        client = str(fields.get("client.ip") or fields.get(end) or "")
        name = str(fields.get("dns.question.name") or "")[:253]
        one = groups.setdefault((client, str(fields["dns.response_code"])[:24]), [0, record.id, name])
        one[0] += 1
    for (client, code), (count, line, name) in groups.items():
        facts.answers.append(Answers(place, client, code, count, line, name))
