"""The parse stage: accepted lines → records with ECS fields.

The message is the text that is mined, embedded and searched, so it is chosen for that:
- without the header (time, level, host, program), which are fields;
- access logs: ``GET /path 502 Bad Gateway`` (see ``derive.http``): the status as number and in words, no query;
- with the cause where an exception or error field states one: ``order failed: KeyError: 'id'`` (``derive.name_cause``);
- slow queries: ``slow query: select …``; a traceback that no line introduces: its last line.
``original`` is the received text wherever the message differs from it.

What a shipper stated wins over what the text says; what nobody states is derived (level, outcome) or left empty.
No content makes it raise, and no line is lost: what no format understands is kept raw with outcome ``unparsed``.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from logsense.parse import derive
from logsense.parse.format import Format
from logsense.parse.hints import HINTS, SERVICE, HintedFormats
from logsense.parse.levels import leading_level, level_of
from logsense.parse.loader import Formats
from logsense.parse.multiline import Assembler, Draft, Stream, waited_enough
from logsense.parse.options import ParseOptions
from logsense.parse.timestamps import SECOND, TimestampReader, iso_ns, zone_of
from logsense.record import LogRecord, RawEvent

# What tells streams of one source apart: lines of two hosts or containers are never joined to one record.
_IDENTITY = ("host.name", "log.file.path", "container.id", "kubernetes.pod.uid", "kubernetes.pod.name", "process.pid",
             "service.name")  # fmt: skip
_STATED = frozenset({"@timestamp", "host.name", "service.name", "log.level", "pipeline", "message", *HINTS})
# Nanoseconds in 64 bits: from 1677 to 2262. The text keeps what was said.
_EARLIEST_NS, _LATEST_NS = -(2**63), 2**63 - 1
_PARTIAL_CHARS = 16_000  # container runtimes cut lines at 16 KiB


@dataclass(slots=True)
class Counters:
    """What doctor shows per source. ``late`` and ``future`` records are counted as parsed, too."""

    accepted: int = 0
    parsed: int = 0
    unparsed: int = 0
    late: int = 0
    future: int = 0


class Parser:
    """Parses batches. State per stream: formats found, and the record that may go on. One thread at a time."""

    name = "parse"

    def __init__(self, options: ParseOptions | None = None, formats: Formats | None = None) -> None:
        """``formats``: compiled with the same options, to share them between parsers of one thread."""
        self._options = options or ParseOptions()
        self._formats = formats or Formats(self._options)
        self._hinted = HintedFormats(self._options, self._formats)
        self._assembler = Assembler(self._options)
        self._streams: OrderedDict[str, Stream] = OrderedDict()
        self._counters: dict[str, Counters] = {}
        self._names: dict[str, str] = {}
        self._stated_time = TimestampReader(("iso", "epoch"), zone_of(self._options.timezone))
        self._late_ns = int(self._options.late_after_s * SECOND)
        self._future_ns = int(self._options.future_after_s * SECOND)
        self._sequence = 0
        self._undated: list[tuple[Stream, LogRecord]] = []  # records of this batch before any time in their file

    def parse(self, events: Sequence[RawEvent]) -> list[LogRecord]:
        """The records that ``events`` complete, in the order of their first lines."""
        done: list[Draft] = []
        streams = self._streams
        for event in events:
            key = event.source if not event.fields else _stream_key(event)
            stream = streams.get(key)
            if stream is None:
                stream = self._open(key, event, done)
            elif len(streams) > 1024:
                streams.move_to_end(key)
            stream.counters.accepted += 1
            self._sequence += 1
            line = event.message
            if line[-1:] in ("\n", "\r"):
                line = line.rstrip("\r\n")
            self._feed(stream, event, line, None, done)
        return self._build_all(done)

    def flush(self, now: int | None = None) -> list[LogRecord]:
        """Records still held back: all, or with ``now`` (ns) those whose last line came ``join_wait_s`` before it."""
        done: list[Draft] = []
        limit = None if now is None else now - int(self._options.join_wait_s * SECOND)
        for stream in self._streams.values():
            for inner in stream.inner.values():
                if inner.partial and waited_enough(inner.partial[-1].received_ns, limit):
                    self._end_partial(inner, done)
            self._assembler.flush(stream, done, waited_since_ns=limit)
        done.sort(key=_sequence)
        records = []
        for draft in done:
            record = self._build(draft)
            draft.stream.last = (record, draft.format)
            records.append(record)
        self._date_banners()
        return records

    def pending(self) -> list[RawEvent]:
        """The lines of records that are still held, in order: what must survive a restart (see ``resume``)."""
        held: list[tuple[int, list[RawEvent]]] = []
        for stream in self._streams.values():
            for one in (stream, *stream.inner.values()):
                if one.pending is not None:
                    held.append((one.pending.sequence, one.pending.events()))
                if one.partial:
                    held.append((self._sequence, list(one.partial)))
        held.sort(key=lambda pair: pair[0])
        return [event for _, events in held for event in events]

    def resume(self, events: Sequence[RawEvent]) -> list[LogRecord]:
        """Take lines that ``pending`` gave in an earlier life; they were counted as accepted then."""
        records = self.parse(events)
        for event in events:
            self._counters[event.source].accepted -= 1
        return records

    def stats(self) -> dict[str, dict[str, int]]:
        """Counters per source since the start."""
        return {
            source: {
                "accepted": c.accepted,
                "parsed": c.parsed,
                "unparsed": c.unparsed,
                "late": c.late,
                "future": c.future,
            }
            for source, c in self._counters.items()
        }

    def formats(self) -> dict[str, str]:
        """The formats found per source: ``{"tail:/var/log/syslog": "syslog-rfc3164"}``."""
        found: dict[str, dict[str, None]] = {}
        for key, stream in self._streams.items():
            names = found.setdefault(key.partition("\x1f")[0], {})
            for one in (stream, *stream.inner.values()):
                for name in filter(None, one.detector.name.split(", ")):
                    names[name] = None
        return {source: ", ".join(names) for source, names in found.items()}

    def _open(self, key: str, event: RawEvent, done: list[Draft]) -> Stream:
        if len(self._streams) >= self._options.max_streams:
            _, oldest = self._streams.popitem(last=False)
            self._assembler.flush(oldest, done)
        counters = self._counters.setdefault(event.source, Counters())
        stream = self._streams[key] = Stream(self._hinted.of(event.fields), self._options, counters)
        return stream

    def _feed(self, stream: Stream, event: RawEvent, line: str, outer: LogRecord | None, done: list[Draft]) -> None:
        envelope = self._assembler.feed(stream, event, line, self._sequence, outer, done)
        if envelope is not None:
            self._unwrap(envelope, stream, event, line, outer, done)

    def _unwrap(
        self, envelope: Format, stream: Stream, event: RawEvent, line: str, above: LogRecord | None, done: list[Draft]
    ) -> None:
        """What a container runtime wrapped is parsed as if it had come alone; the wrapping's facts stay with it."""
        outer = LogRecord("", 0, "", event.source, event.received_ns)
        token = envelope.begin(line)
        envelope.fill(token, line, "", [], outer)
        if above is not None:
            _inherit(outer, above)
        name = str(outer.fields.get("log.iostream", ""))
        name = name if name in ("stdout", "stderr") else ""  # whatever a line says, the number of streams is bounded
        inner = stream.inner.get(name)
        if inner is None:
            inner = stream.inner[name] = Stream(self._formats, self._options, stream.counters)
        text = outer.message
        cut = outer.fields.pop("log.partial", "") == "P" or (
            envelope.spec.kind == "json" and len(text) >= _PARTIAL_CHARS and '\\n"' not in line
        )
        if cut and len(inner.partial_text) < self._options.max_joined_bytes:
            inner.partial.append(event)
            inner.partial_text += text
            inner.partial_outer = outer
        elif inner.partial:
            inner.partial.append(event)
            inner.partial_text += text
            inner.partial_outer = outer
            self._end_partial(inner, done)
        else:
            self._feed(inner, event, text, outer, done)

    def _end_partial(self, inner: Stream, done: list[Draft]) -> None:
        """The pieces of a cut line are one line, which came with the first of them."""
        parts, text = inner.partial, inner.partial_text
        inner.partial, inner.partial_text = [], ""
        event = replace(parts[0], message="\n".join(part.message for part in parts))
        self._feed(inner, event, text, inner.partial_outer, done)

    def _build_all(self, done: list[Draft]) -> list[LogRecord]:
        done.sort(key=_sequence)  # nearly sorted, which costs one pass
        records = [self._build(draft) for draft in done]
        self._date_banners()
        return records

    def _build(self, draft: Draft) -> LogRecord:
        event, stream, format_ = draft.event, draft.stream, draft.format
        record = LogRecord(event.id or _event_id(event), 0, "", event.source, event.received_ns)
        rest = draft.joined_rest() if draft.rest else ""
        parsed = format_ is not None and format_.fill(
            draft.token, draft.first, rest, draft.joined_sections() if draft.sections else [], record
        )
        if not parsed:
            self._raw(record, draft, rest)
        elif format_ is not None:
            if format_.nested == "program" and "process.name" in record.fields:
                self._by_program(record)
            if not record.service:
                record.service = format_.service
            if not record.timestamp_ns and format_.inherit_time:
                record.timestamp_ns = stream.last_ts
        if draft.continues is not None:
            before = draft.continues
            record.fields["logsense.continues"] = before.fields.get("logsense.continues") or before.id
        if draft.outer is not None:
            _inherit(record, draft.outer)
        if event.fields:
            self._stated(record, event.fields)
        self._complete(record, draft)
        return record

    def _raw(self, record: LogRecord, draft: Draft, rest: str) -> None:
        record.fields.clear()
        record.message = f"{draft.first}\n{rest}" if rest else draft.first
        record.timestamp_ns, record.level = 0, ""
        before = draft.continues
        if before is not None:
            record.timestamp_ns, record.host, record.service = before.timestamp_ns, before.host, before.service
            return
        record.outcome = "unparsed"

    def _by_program(self, record: LogRecord) -> None:
        """The formats of a program see the message that the program wrote."""
        program, message = record.fields["process.name"], record.message
        formats = self._formats.programs.get(program) or self._formats.programs.get(program.partition("/")[0], ())
        for format_ in formats:
            if not format_.spec.standalone:
                format_.finish(record)
                return
            if self._reread(format_, message, record):
                return
        if message[:1] == "{" or "=" in message[:40]:
            for format_ in self._formats.maps:
                if self._reread(format_, message, record):
                    return

    def _reread(self, format_: Format, message: str, record: LogRecord) -> bool:
        """Take a message as a line of ``format_``; host and time of the header stay."""
        token = format_.begin(message)
        if token is None:
            return False
        host, ts, level, service = record.host, record.timestamp_ns, record.level, record.service
        if not format_.fill(token, message, "", [], record):
            return False
        record.host, record.timestamp_ns = host or record.host, ts or record.timestamp_ns
        record.level, record.service = record.level or level, record.service or service
        return True

    def _stated(self, record: LogRecord, stated: dict[str, Any]) -> None:
        """What the shipper said wins."""
        fields = record.fields
        for name, value in stated.items():
            if name not in _STATED:
                fields[name] = value
        if "error.message" in stated or "error.type" in stated:  # OpenTelemetry sends exceptions beside the body
            derive.name_cause(record)
        time = stated.get("@timestamp")
        if time is not None and not isinstance(time, bool):
            record.timestamp_ns = self._stated_time.read(str(time), record.ingested_ns) or record.timestamp_ns
        host = stated.get("host.name")
        if host:
            if record.host and record.host != host:
                fields.setdefault("host.hostname", record.host)
            record.host = str(host)
        record.service = str(stated.get("service.name") or record.service or stated.get(SERVICE) or "")
        level = stated.get("log.level")
        if level is not None:
            record.level = level_of(str(level)) or record.level
        record.pipeline = str(stated.get("pipeline") or "")

    def _complete(self, record: LogRecord, draft: Draft) -> None:
        stream, counters, options = draft.stream, draft.stream.counters, self._options
        message = record.message
        if message[:1].isspace() or message[-1:].isspace():
            message = record.message = message.strip() or message
        if len(message) > options.max_message_chars:
            message = record.message = message[: options.max_message_chars]
        received = draft.original() if draft.raw else draft.event.message
        if received != message:
            record.original = received
        if not record.level:
            record.level = leading_level(message)
        if not record.service:
            record.service = options.service
        if not _EARLIEST_NS <= record.timestamp_ns <= _LATEST_NS:
            record.timestamp_ns = 0  # no store can hold it: as if none was stated
        if record.timestamp_ns == 0 and not _states_epoch(draft):
            record.fields["event.created"] = iso_ns(record.ingested_ns)
            record.timestamp_ns = record.ingested_ns
            if "log.file.path" in record.fields:
                record.timestamp_ns = stream.file_ts or record.ingested_ns  # the lines of a file stand in order
                if not stream.file_ts:
                    self._undated.append((stream, record))
        elif record.timestamp_ns > record.ingested_ns + self._future_ns:
            counters.future += 1
        elif record.timestamp_ns < record.ingested_ns - self._late_ns:
            counters.late += 1
        stream.last_ts = record.timestamp_ns
        if "event.created" not in record.fields:
            stream.file_ts = record.timestamp_ns
        if record.outcome == "unparsed":
            counters.unparsed += 1
        else:
            counters.parsed += 1

    def _date_banners(self) -> None:
        """What stands above the first time in a file (a banner) is of that time, if it comes in the same batch."""
        for stream, record in self._undated:
            record.timestamp_ns = stream.file_ts or record.timestamp_ns
        self._undated.clear()


_sequence = attrgetter("sequence")
_identities: dict[tuple[str, ...], tuple[str, ...]] = {}  # names of an event's fields → those that tell streams apart


def _states_epoch(draft: Draft) -> bool:
    """A time stamp that really says 1970-01-01T00:00:00 and not nothing."""
    return re.search(r"1970-01-01T00:00:00", draft.first[:200]) is not None


def _stream_key(event: RawEvent) -> str:
    fields = event.fields
    names = tuple(fields)
    known = _identities.get(names)
    if known is None:
        known = tuple(name for name in _IDENTITY if name in fields)
        if len(_identities) < 4096 and len(names) < 200:
            _identities[names] = known
    return "\x1f".join([event.source, *[str(fields[name]) for name in known]]) if known else event.source


def _inherit(record: LogRecord, outer: LogRecord) -> None:
    record.timestamp_ns = record.timestamp_ns or outer.timestamp_ns
    record.host = record.host or outer.host
    record.service = record.service or outer.service
    record.level = record.level or outer.level
    for name, value in outer.fields.items():
        record.fields.setdefault(name, value)


def _event_id(event: RawEvent) -> str:
    """For events that came without an id: the same line received at the same moment is the same event."""
    text = f"{event.source}\0{event.received_ns}\0{event.message}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=12).hexdigest()
