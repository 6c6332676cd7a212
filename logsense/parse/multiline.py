"""Joining the lines of one record: stack traces, SQL statements, CSV values with newlines, sections.

Every stream (one file of one host, one container …) has its own state, bounded in lines and characters. A record
whose format can go on over several lines is held until the next one begins or until ``flush``; all others pass at
once. The state depends on the lines alone, so a replay joins the same lines. A record cut by a forced flush is
continued by a record of its own that names the first one in ``logsense.continues``.
"""

from __future__ import annotations

from typing import Any

from logsense.parse.detect import Detector
from logsense.parse.format import Format, Rule, Sections
from logsense.parse.loader import Formats
from logsense.parse.options import ParseOptions
from logsense.parse.schema import MultilineSpec
from logsense.record import LogRecord, RawEvent

#: A line that came this long after now came before the clock was set back: waiting for its time to come again would
#: hide it for hours.
_CLOCK_BACK_NS = 60 * 1_000_000_000


def waited_enough(last_ns: int, waited_since_ns: int | None) -> bool:
    """Whether a record whose last line came at ``last_ns`` is given up on; None gives up on all."""
    return waited_since_ns is None or last_ns <= waited_since_ns or last_ns > waited_since_ns + _CLOCK_BACK_NS


class Draft:
    """The lines of one record so far. ``format`` is None for lines that no format understands.

    One is made for every record, so the lists of further lines are made only when there are some.
    """

    __slots__ = ("continues", "count", "event", "first", "format", "last_ns", "open_quote", "outer", "raw", "rest",
                 "rule", "sections", "sequence", "size", "stream", "token")  # fmt: skip

    def __init__(
        self, event: RawEvent, sequence: int, format_: Format | None, token: Any, first: str, stream: Stream,
        outer: LogRecord | None, rule: Rule | None,
    ) -> None:  # fmt: skip
        self.event, self.sequence, self.format, self.token = event, sequence, format_, token
        self.first, self.stream, self.outer, self.rule = first, stream, outer, rule
        self.rest: list[str] | None = None
        self.sections: list[tuple[str, list[str]]] | None = None
        self.raw: list[str] | None = None
        self.size = self.last_ns = 0
        self.count = 1
        self.open_quote = False
        self.continues: LogRecord | None = None  # the record that a flush cut, if this is more of it

    def add(self, line: str, event: RawEvent) -> None:
        """A further line of this record; ``event`` is what it came in."""
        if self.rule is not None and self.rule.indent:
            line = line.removeprefix(self.rule.indent)
        if self.raw is None or self.rest is None:
            self.raw, self.rest = [], []
        (self.sections[-1][1] if self.sections else self.rest).append(line)
        self.raw.append(event.message)
        self.size += len(line) + 1
        self.count += 1
        self.last_ns = event.received_ns

    def events(self) -> list[RawEvent]:
        """The lines as they came; those after the first need no id, the record takes the first one's."""
        first = self.event
        return [first, *(RawEvent(line, first.source, self.last_ns, first.fields) for line in self.raw or ())]

    def joined_rest(self) -> str:
        return "\n".join(self.rest) if self.rest else ""

    def joined_sections(self) -> Sections:
        return [(label, "\n".join(lines)) for label, lines in self.sections or ()]

    def original(self) -> str:
        """All lines as received."""
        return "\n".join((self.event.message, *self.raw)) if self.raw else self.event.message


class Stream:
    """The state of one stream: its formats, the record that may go on, and what the last record was."""

    __slots__ = ("counters", "detector", "file_ts", "inner", "last", "last_ts", "partial", "partial_outer",
                 "partial_text", "pending")  # fmt: skip

    def __init__(self, formats: Formats, options: ParseOptions, counters: Any) -> None:
        self.detector = Detector(formats, options)
        self.pending: Draft | None = None
        # After a flush: the record that further lines would continue, and its format.
        self.last: tuple[LogRecord, Format | None] | None = None
        self.last_ts = 0
        self.file_ts = 0  # time of the last record that stated one
        self.inner: dict[str, Stream] = {}  # what envelopes hold, by their output stream
        self.partial: list[RawEvent] = []  # what a container runtime cut, with the text taken out
        self.partial_text = ""
        self.partial_outer: LogRecord | None = None
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
        rule = pending.rule
        assert rule is not None  # only drafts with a rule are held
        if pending.size + len(line) > self._max_bytes or pending.count >= self._max_lines:
            self._close(stream, done)
            return self._begin(stream, event, line, sequence, outer, done)
        if rule.unmatched or rule.quotes:
            if self._belongs(pending, rule, line, stream):
                if rule.quotes and line.count('"') % 2:
                    pending.open_quote = not pending.open_quote
                pending.add(line, event)
                stream.detector.counted(True)
                return None
        elif rule.continues is not None and rule.continues(line, 0, rule.cap) and not self._crash(pending, rule, line):
            pending.add(line, event)
            stream.detector.counted(True)
            return None
        return self._begin(stream, event, line, sequence, outer, done)

    def _belongs(self, pending: Draft, rule: Rule, line: str, stream: Stream) -> bool:
        """For formats that own all lines up to their next beginning."""
        format_ = pending.format
        if format_ is None:  # the rest of a record that a flush cut
            return stream.detector.recent(line) is None
        if rule.quotes:
            return pending.open_quote and format_.begin(line) is None
        if format_.begin(line) is not None:
            last = pending.rest[-1] if pending.rest else pending.first
            return rule.not_after is not None and rule.not_after(last, 0, rule.cap) is not None
        return stream.detector.recent(line) is None

    def _begin(
        self, stream: Stream, event: RawEvent, line: str, sequence: int, outer: LogRecord | None, done: list[Draft]
    ) -> Format | None:
        found = stream.detector.begin(line)
        stream.detector.counted(found is not None)
        pending = stream.pending
        if found is None:
            continues, rule = self._cut(stream, line) if pending is None else (None, self._default)
            self._close(stream, done)
            stream.pending = draft = Draft(event, sequence, None, None, line, stream, outer, rule)
            draft.continues, draft.size, draft.last_ns = continues, len(line), event.received_ns
            return None
        format_, token = found
        if format_.envelope:
            return format_
        own = format_.rule
        if own is None:
            if pending is not None:
                self._close(stream, done)
            done.append(Draft(event, sequence, format_, token, line, stream, outer, None))
            return None
        if own.attach and pending is not None and pending.format is format_:
            label = self._attached(own, format_, token, pending)
            if label is not None:
                if pending.sections is None:
                    pending.sections = []
                pending.sections.append((label, []))
                pending.add(format_.group(token, "message") or "", event)
                return None
        continues = None
        if pending is not None:
            self._close(stream, done)
        elif stream.last is not None and own.attach and stream.last[1] is format_:
            if any((value := format_.group(token, group)) and test(value, 0, own.cap) for group, test in own.attach):
                continues = stream.last[0]
            stream.last = None
        stream.pending = draft = Draft(event, sequence, format_, token, line, stream, outer, own)
        draft.size, draft.continues, draft.last_ns = len(line), continues, event.received_ns
        if own.quotes:
            draft.open_quote = line.count('"') % 2 == 1
        return None

    def _crash(self, pending: Draft, rule: Rule, line: str) -> bool:
        """A traceback after a line that reports no trouble: the process died of it, and no line introduces it."""
        if rule.traceback_levels is None or not line.startswith("Traceback (most recent call last)"):
            return False
        level = pending.format.group(pending.token, "level") if pending.format is not None else None
        return level is not None and rule.traceback_levels(level) is None

    def _attached(self, rule: Rule, format_: Format, token: Any, pending: Draft) -> str | None:
        for group, test in (*rule.attach, *rule.attach_more) if pending.sections else rule.attach:
            value = format_.group(token, group)
            if value is None or test(value, 0, rule.cap) is None:
                continue
            for name in rule.key:
                if format_.group(token, name) != format_.group(pending.token, name):
                    return None
            return value if group != "message" else ""
        return None

    def _cut(self, stream: Stream, line: str) -> tuple[LogRecord | None, Rule]:
        """The flushed record that ``line`` would have continued, and by which rule."""
        if stream.last is not None:
            record, format_ = stream.last
            rule = format_.rule if format_ is not None and format_.rule is not None else self._default
            if rule.unmatched or rule.quotes or (rule.continues is not None and rule.continues(line, 0, rule.cap)):
                return record, rule
        return None, self._default

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
        if pending is not None and waited_enough(pending.last_ns, waited_since_ns):
            done.append(pending)
            stream.pending = None
