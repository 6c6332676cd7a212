"""Joining the lines of one record: stack traces, SQL statements, CSV values with newlines, sections.

Every stream (one file of one host, one container …) has its own state, bounded in lines and characters. A record
whose format can go on over several lines is held until the next one begins or until ``flush``; all others pass at
once. The state depends on the lines alone, so a replay joins the same lines. A record cut by a forced flush is
continued by a record of its own that names the first one in ``logsense.continues``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from logsense.parse.detect import Detector
from logsense.parse.format import Format, Rule, Sections
from logsense.parse.loader import Formats
from logsense.parse.options import ParseOptions
from logsense.parse.schema import MultilineSpec
from logsense.record import LogRecord, RawEvent


@dataclass(slots=True)
class Draft:
    """The lines of one record so far. ``format`` is None for lines that no format understands."""

    event: RawEvent
    sequence: int
    format: Format | None
    token: Any
    first: str
    stream: Stream
    outer: LogRecord | None = None
    rest: list[str] = field(default_factory=list)
    sections: list[tuple[str, list[str]]] = field(default_factory=list)
    size: int = 0
    count: int = 1
    last_ns: int = 0
    open_quote: bool = False
    continues: str = ""

    def add(self, line: str, received_ns: int) -> None:
        (self.sections[-1][1] if self.sections else self.rest).append(line)
        self.size += len(line) + 1
        self.count += 1
        self.last_ns = received_ns

    def joined_rest(self) -> str:
        return "\n".join(self.rest) if self.rest else ""

    def joined_sections(self) -> Sections:
        return [(label, "\n".join(lines)) for label, lines in self.sections]

    def original(self, message: str) -> str:
        """All text as received; ``message`` is the event's own first line."""
        if self.count == 1:
            return message
        lines = [message, *self.rest, *(line for _, lines in self.sections for line in lines)]
        return "\n".join(lines)


class Stream:
    """The state of one stream: its formats, the record that may go on, and what the last record was."""

    __slots__ = ("counters", "detector", "inner", "last", "last_ts", "partial", "pending")

    def __init__(self, formats: Formats, options: ParseOptions, counters: Any) -> None:
        self.detector = Detector(formats, options)
        self.pending: Draft | None = None
        # After a flush: the record that further lines would continue, and its format.
        self.last: tuple[LogRecord, Format | None] | None = None
        self.last_ts = 0
        self.inner: dict[str, Stream] = {}  # what envelopes hold, by their output stream
        self.partial = ""
        self.counters = counters


class Assembler:
    """Feeds lines into streams; completed drafts go to ``done`` in the order of completion."""

    def __init__(self, options: ParseOptions) -> None:
        self._max_lines, self._max_bytes = options.max_joined_lines, options.max_joined_bytes
        self._default = Rule(MultilineSpec(), options.max_match_chars)

    def feed(
        self, stream: Stream, event: RawEvent, line: str, sequence: int, outer: LogRecord | None, done: list[Draft]
    ) -> Format | None:
        """Take one line. Returns the envelope format if the line is wrapped: then its content must be fed instead."""
        pending = stream.pending
        if pending is None:
            return self._begin(stream, event, line, sequence, outer, done)
        rule = pending.format.rule if pending.format is not None else self._default
        assert rule is not None  # only formats with a rule are held
        if pending.size + len(line) > self._max_bytes or pending.count >= self._max_lines:
            self._close(stream, done)
            return self._begin(stream, event, line, sequence, outer, done)
        if rule.unmatched or rule.quotes:
            if self._belongs(pending, rule, line, stream):
                if rule.quotes and line.count('"') % 2:
                    pending.open_quote = not pending.open_quote
                pending.add(line, event.received_ns)
                stream.detector.counted(True)
                return None
        elif rule.continues is not None and rule.continues(line):
            pending.add(line, event.received_ns)
            stream.detector.counted(True)
            return None
        return self._begin(stream, event, line, sequence, outer, done)

    def _belongs(self, pending: Draft, rule: Rule, line: str, stream: Stream) -> bool:
        """For formats that own all lines up to their next beginning."""
        format_ = pending.format
        assert format_ is not None
        if rule.quotes:
            return pending.open_quote and format_.begin(line) is None
        if format_.begin(line) is not None:
            last = pending.rest[-1] if pending.rest else pending.first
            return rule.not_after is not None and rule.not_after(last) is not None
        return stream.detector.recent(line) is None

    def _begin(
        self, stream: Stream, event: RawEvent, line: str, sequence: int, outer: LogRecord | None, done: list[Draft]
    ) -> Format | None:
        found = stream.detector.begin(line)
        stream.detector.counted(found is not None)
        pending = stream.pending
        if found is None:
            continues = self._cut(stream, line) if pending is None else ""
            self._close(stream, done)
            stream.pending = draft = Draft(event, sequence, None, None, line, stream, outer, last_ns=event.received_ns)
            draft.continues, draft.size = continues, len(line)
            return None
        format_, token = found
        if format_.envelope:
            return format_
        rule = format_.rule
        if rule is None:
            if pending is not None:
                self._close(stream, done)
            done.append(Draft(event, sequence, format_, token, line, stream, outer))
            return None
        if rule.attach and pending is not None and pending.format is format_:
            label = self._attached(rule, format_, token, pending)
            if label is not None:
                pending.sections.append((label, []))
                pending.add(format_.group(token, "message") or "", event.received_ns)
                return None
        continues = ""
        if pending is not None:
            self._close(stream, done)
        elif stream.last is not None and rule.attach and stream.last[1] is format_:
            if any((value := format_.group(token, group)) and test(value) for group, test in rule.attach):
                continues = _root(stream.last[0])
            stream.last = None
        stream.pending = draft = Draft(event, sequence, format_, token, line, stream, outer, last_ns=event.received_ns)
        draft.size, draft.continues = len(line), continues
        if rule.quotes:
            draft.open_quote = line.count('"') % 2 == 1
        return None

    def _attached(self, rule: Rule, format_: Format, token: Any, pending: Draft) -> str | None:
        for group, test in rule.attach:
            value = format_.group(token, group)
            if value is None or test(value) is None:
                continue
            for name in rule.key:
                if format_.group(token, name) != format_.group(pending.token, name):
                    return None
            return value if group != "message" else ""
        return None

    def _cut(self, stream: Stream, line: str) -> str:
        """The id of the flushed record that ``line`` would have continued, or ""."""
        if stream.last is None:
            return ""
        record, format_ = stream.last
        rule = format_.rule if format_ is not None and format_.rule is not None else self._default
        if rule.unmatched or (rule.continues is not None and rule.continues(line)):
            return _root(record)
        return ""

    def _close(self, stream: Stream, done: list[Draft]) -> None:
        if stream.pending is not None:
            done.append(stream.pending)
            stream.pending = None
            stream.last = None

    def flush(self, stream: Stream, done: list[Draft], *, waited_since_ns: int | None = None) -> None:
        """Give up waiting for further lines; with ``waited_since_ns`` only if none came since then."""
        for inner in stream.inner.values():
            self.flush(inner, done, waited_since_ns=waited_since_ns)
        pending = stream.pending
        if pending is not None and (waited_since_ns is None or pending.last_ns <= waited_since_ns):
            done.append(pending)
            stream.pending = None


def _root(record: LogRecord) -> str:
    """The first record of a chain of cut ones."""
    return record.fields.get("logsense.continues") or record.id
