"""Compiled formats: a line → does it begin a record of this format, and what is in it.

``begin`` is the question asked of every line; its answer is handed to ``fill`` when the record is complete, so that
a line is matched once. A format is bound to a time zone and holds no state of any source.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from datetime import tzinfo
from functools import lru_cache
from typing import Any

from logsense.parse import derive
from logsense.parse.convert import CONVERTERS, integer, set_address, unhex
from logsense.parse.derive_records import query_identity
from logsense.parse.levels import level_of
from logsense.parse.pairs import read_pairs
from logsense.parse.safety import first_characters
from logsense.parse.schema import FieldSpec, FormatSpec, MultilineSpec, PatternSpec
from logsense.parse.timestamps import TimestampReader
from logsense.record import LEVEL_RANK, LogRecord

Sections = list[tuple[str, str]]
_JOINED = object()  # what ``begin`` answers when the whole record must be seen first


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


def program_name(tag: str) -> str:
    """``/usr/sbin/cron`` and ``sshd(pam_unix)`` → the bare program."""
    if "/" in tag and tag[0] == "/":
        tag = tag.rpartition("/")[2]
    return tag.partition("(")[0].strip() or tag


class Rule:
    """A compiled ``[multiline]``."""

    def __init__(self, spec: MultilineSpec, cap: int) -> None:
        self.continues = _compile(spec.continues).match if spec.continues else None
        self.unmatched, self.quotes = spec.unmatched, spec.quotes
        self.start = _compile(spec.start).match if spec.start else None
        self.not_after = _compile(spec.not_after).match if spec.not_after else None
        self.attach = [(group, _compile(regex).match) for group, regex in spec.attach.items()]
        self.attach_more = [(group, _compile(regex).match) for group, regex in spec.attach_more.items()]
        self.traceback_levels = _compile(spec.traceback_levels).match if spec.traceback_levels else None
        self.indent = spec.indent
        self.key, self.sections, self.cap = spec.key, spec.sections, cap


class Pattern:
    """One regular expression with what its groups become."""

    __slots__ = (
        "addresses", "at_least", "contains", "host", "level", "message", "name", "pid", "plain", "pri", "program",
        "regex", "set", "set_level", "template", "ts",
    )  # fmt: skip

    def __init__(self, spec: PatternSpec, fields: Mapping[str, FieldSpec]) -> None:
        self.name, self.regex = spec.name, _compile(spec.pattern)
        self.at_least = spec.at_least
        self.contains, self.set, self.set_level, self.template = spec.contains, spec.set, spec.level, spec.message
        index = self.regex.groupindex
        self.ts, self.level, self.message = index.get("ts", 0), index.get("level", 0), index.get("message", 0)
        self.host, self.program, self.pid = index.get("host", 0), index.get("program", 0), index.get("pid", 0)
        self.pri = index.get("pri", 0)
        mapped = [(number, fields[group]) for group, number in index.items() if group in fields and fields[group].field]
        self.plain = tuple((n, spec.field, CONVERTERS.get(spec.type)) for n, spec in mapped if spec.type != "ip")
        self.addresses = tuple((n, spec.field) for n, spec in mapped if spec.type == "ip")

    def possible(self, text: str) -> bool:
        """Whether the pattern need be tried at all."""
        for word in self.contains:  # a loop: this runs for every line and pattern, and a generator costs twice as much
            if word in text:
                return True
        return not self.contains


class Format:
    """What all kinds share: the time stamp, levels, contents and derivations."""

    #: ASCII characters a line of this format can begin with; None: any.
    first: frozenset[str] | None = None

    def __init__(self, spec: FormatSpec, zone: tzinfo, cap: int) -> None:
        self.spec, self.name, self.cap = spec, spec.name, cap
        self.service, self.envelope, self.nested = spec.service, spec.envelope, spec.nested
        self.inherit_time = spec.inherit_time
        self.rule = Rule(spec.multiline, cap) if spec.multiline else None
        self.contents = tuple(Pattern(item, spec.fields) for item in spec.contents)
        self.rank = 0  # set by the loader: the place in the order in which detection asks
        self.others: tuple[Format, ...] = ()  # set by the loader: formats of ``contents_of``
        self._reader = TimestampReader(spec.timestamp, zone)
        self._empty = frozenset(spec.empty)
        self._levels = {key.lower(): value for key, value in spec.levels.items()}
        self._level_cache: dict[str, str] = {}
        self._derive = tuple(derive.DERIVATIONS[name] for name in spec.derive)
        pairs = spec.pairs
        self._pairs = None
        if pairs:
            mapped = {k: FieldSpec(v) if isinstance(v, str) else FieldSpec(**v) for k, v in pairs.fields.items()}
            self._hex = frozenset(pairs.hex)
            self._pairs = (pairs.prefix, mapped, _compile(pairs.when).search if pairs.when else None)

    def begin(self, line: str) -> Any:
        """None if no record of this format begins here, otherwise something for ``fill`` and ``group``."""
        raise NotImplementedError

    def group(self, token: Any, name: str) -> str | None:
        """A named part of the line that ``token`` stands for."""
        return None

    def fill(self, token: Any, text: str, rest: str, sections: Sections, record: LogRecord) -> bool:
        """Put all that the record says into ``record``. ``text`` is its first line, ``rest`` what was joined to it.

        Returns False if the text turned out not to be of this format (then the record is as it was).
        ``record.timestamp_ns`` stays 0 when the text has no time stamp.
        """
        raise NotImplementedError

    def refine(self, text: str, record: LogRecord) -> bool:
        """The first of ``[[contents]]`` that is found in ``text`` adds its fields."""
        for pattern in self.contents:
            if pattern.possible(text):
                match = pattern.regex.search(text, 0, self.cap)
                if match is not None:
                    self._take(pattern, match, record)
                    return True
        return False

    def finish(self, record: LogRecord) -> None:
        """Contents and derivations, once the message is complete."""
        if (self.contents and not self.refine(record.message, record)) or self.others:
            for other in self.others:
                if other.refine(record.message, record):
                    break
        pairs = self._pairs
        if pairs is not None and (pairs[2] is None or pairs[2](record.message, 0, self.cap)):
            self._take_pairs(record.message[: self.cap], record)
        for step in self._derive:
            step(record)
        if "db.query.text" in record.fields:
            query_identity(record.fields)

    def _read_level(self, text: str) -> str:
        try:
            return self._level_cache[text]
        except KeyError:
            level = self._levels.get(text.strip().lower()) or level_of(text)
            if len(self._level_cache) < 256:
                self._level_cache[text] = level
            return level

    def _take(self, pattern: Pattern, match: re.Match[str], record: LogRecord) -> None:
        groups = match.groups()
        fields, empty = record.fields, self._empty
        for number, name, convert in pattern.plain:
            value = groups[number - 1]
            if value is not None and value not in empty:
                if convert is not None:
                    value = convert(value)
                    if value is None:
                        continue
                fields[name] = value
        for number, name in pattern.addresses:
            value = groups[number - 1]
            if value is not None and value not in empty:
                set_address(fields, name, value)
        if pattern.ts and record.timestamp_ns == 0:
            value = groups[pattern.ts - 1]
            if value is not None:
                record.timestamp_ns = self._reader.read(value, record.ingested_ns) or 0
        if pattern.level:
            value = groups[pattern.level - 1]
            if value is not None:
                record.level = self._read_level(value) or record.level
        if pattern.pri:
            value = groups[pattern.pri - 1]
            if value is not None:
                priority = int(value)
                record.level = level_of(str(priority & 7))
                fields["log.syslog.facility.code"] = priority >> 3
        if pattern.host:
            value = groups[pattern.host - 1]
            if value is not None and value not in empty:
                record.host = value
        if pattern.program:
            value = groups[pattern.program - 1]
            if value is not None and value not in empty:
                fields["process.name"] = record.service = program_name(value)
        if pattern.pid:
            value = groups[pattern.pid - 1]
            if value is not None and value not in empty:
                pid = integer(value)
                if pid is not None:
                    fields["process.pid"] = pid
        if pattern.message:
            record.message = groups[pattern.message - 1] or ""
        elif pattern.template:
            record.message = pattern.template.format_map(
                {name: value or "" for name, value in match.groupdict().items()}
            ).strip()
        if pattern.set:
            fields.update(pattern.set)
        if pattern.set_level and not record.level:
            record.level = pattern.set_level
        if pattern.at_least and LEVEL_RANK.get(record.level, -1) < LEVEL_RANK[pattern.at_least]:
            record.level = pattern.at_least

    def _take_pairs(self, text: str, record: LogRecord) -> None:
        assert self._pairs is not None
        prefix, mapped, _ = self._pairs
        fields, empty = record.fields, self._empty
        for key, value, quoted in read_pairs(text):
            if value in empty:
                continue
            if key in self._hex and not quoted:
                value = unhex(value)
            spec = mapped.get(key)
            if spec is not None:
                put(fields, spec, value)
            elif prefix:
                fields[f"{prefix}.{key}"] = value


def put(fields: dict[str, Any], spec: FieldSpec, value: Any) -> None:
    """One value into its field, converted."""
    if spec.type == "ip":
        set_address(fields, spec.field, value)
        return
    convert = CONVERTERS.get(spec.type)
    if convert is not None:
        value = convert(value)
    if value is not None:
        fields[spec.field] = value


class LineFormat(Format):
    """Regular expressions over a line, or over joined lines where ``multiline.start`` is given."""

    def __init__(self, spec: FormatSpec, zone: tzinfo, cap: int) -> None:
        super().__init__(spec, zone, cap)
        self.patterns = tuple(Pattern(item, spec.fields) for item in spec.patterns)
        heads = (
            [spec.multiline.start] if spec.multiline and spec.multiline.start else [p.pattern for p in spec.patterns]
        )
        firsts = [first_characters(head) for head in heads]
        if firsts and all(first is not None for first in firsts):
            self.first = frozenset().union(*(first for first in firsts if first is not None))
        self._start = self.rule.start if self.rule else None
        # One pattern without a condition is the usual case and the quick one.
        self._only = self.patterns[0] if len(self.patterns) == 1 and not self.patterns[0].contains else None

    def begin(self, line: str) -> Any:
        if self._start is not None:
            return _JOINED if self._start(line, 0, self.cap) else None
        only = self._only
        if only is not None:
            match = only.regex.match(line, 0, self.cap)
            return None if match is None else (only, match)
        return self._match(line)

    def _match(self, text: str) -> tuple[Pattern, re.Match[str]] | None:
        for pattern in self.patterns:
            if not pattern.contains or pattern.possible(text):
                match = pattern.regex.match(text, 0, self.cap)
                if match is not None:
                    return pattern, match
        return None

    def group(self, token: Any, name: str) -> str | None:
        if token is _JOINED:
            return None
        match: re.Match[str] = token[1]
        return match[name] if name in match.re.groupindex else None

    def fill(self, token: Any, text: str, rest: str, sections: Sections, record: LogRecord) -> bool:
        if token is _JOINED:
            text = f"{text}\n{rest}" if rest else text
            rest = ""
            token = self._match(text)
            if token is None:
                return False
        pattern, match = token
        self._take(pattern, match, record)
        if not pattern.message and not pattern.template:
            record.message = text
        elif len(text) > self.cap:
            record.message += text[self.cap :]
        if rest:
            derive.attach_lines(record, rest)
        if sections:
            self._add_sections(record, sections)
        self.finish(record)
        return True

    def _add_sections(self, record: LogRecord, sections: Sections) -> None:
        assert self.rule is not None
        plain = []
        for label, text in sections:
            name = self.rule.sections.get(label)
            if name:
                known = record.fields.get(name)
                record.fields[name] = f"{known}\n{text}" if known else text
            else:
                plain.append(text)
        if plain:
            derive.attach_lines(record, "\n".join(plain))


class CsvFormat(LineFormat):
    """Records of comma-separated values; a quoted value may hold newlines."""

    def __init__(self, spec: FormatSpec, zone: tzinfo, cap: int) -> None:
        super().__init__(spec, zone, cap)
        names = "|".join(spec.columns)
        groups = "\x1f".join(f"(?P<{name}>[^\x1f]*)" for name in spec.columns)
        # The columns as one pattern over a joined form, so that they take the same way as groups do.
        self._columns = len(spec.columns)
        self._pattern = Pattern(PatternSpec(name=names, pattern=groups), spec.fields)

    def fill(self, token: Any, text: str, rest: str, sections: Sections, record: LogRecord) -> bool:
        text = f"{text}\n{rest}" if rest else text
        try:
            row = next(csv.reader(text.splitlines(keepends=True), strict=True), None)
        except csv.Error:
            return False
        if row is None or len(row) < min(self._columns, 14):
            return False
        if "\x1f" in text:
            row = [value.replace("\x1f", " ") for value in row]
        match = self._pattern.regex.match("\x1f".join((row + [""] * self._columns)[: self._columns]))
        if match is None:
            return False
        self._take(self._pattern, match, record)
        self.finish(record)
        return True


Decode = Callable[[str], dict[str, Any] | None]


class MapFormat(Format):
    """JSON objects and logfmt lines."""

    def __init__(self, spec: FormatSpec, zone: tzinfo, cap: int, decode: Decode) -> None:
        super().__init__(spec, zone, cap)
        self.first = frozenset("{") if spec.kind == "json" else None
        self._decode = decode
        keys = spec.keys
        self._require = tuple(tuple(item.split("|")) for item in keys.require)
        self._ts, self._message, self._level = keys.ts, keys.message, keys.level
        self._host, self._program, self._service_keys, self._pid = keys.host, keys.program, keys.service, keys.pid
        self._prefix = f"{keys.prefix}." if keys.prefix else ""
        self._drop = frozenset(keys.drop)

    def begin(self, line: str) -> Any:
        data = self._decode(line)
        if data is None:
            return None
        for names in self._require:
            for name in names:
                if name in data:
                    break
            else:
                return None
        return data

    def group(self, token: Any, name: str) -> str | None:
        value = token.get(name)
        return None if value is None else str(value)

    def fill(self, token: Any, text: str, rest: str, sections: Sections, record: LogRecord) -> bool:
        data = dict(token)
        self._reserved(data, record)
        fields, mapped, empty, prefix = record.fields, self.spec.fields, self._empty, self._prefix
        for key, value in data.items():
            if value is None or (value.__class__ is str and value in empty) or key in self._drop:
                continue
            spec = mapped.get(key)
            if spec is not None:
                put(fields, spec, value)
            else:
                fields[prefix + key] = value
        if not record.message:
            record.message = text
        stack = fields.get("error.stack_trace")
        if isinstance(stack, str) and "error.type" not in fields:
            message = record.message
            derive.attach_lines(record, stack)
            record.message = message
        derive.name_cause(record)
        if rest:
            derive.attach_lines(record, rest)
        self.finish(record)
        return True

    def _reserved(self, data: dict[str, Any], record: LogRecord) -> None:
        ts = _first(data, self._ts)
        if ts is not None and ts != "":
            record.timestamp_ns = self._reader.read(str(ts), record.ingested_ns) or 0
        level = _first(data, self._level)
        if level is not None:
            record.level = self._read_level(str(level))
        host = _first(data, self._host)
        if isinstance(host, str):
            record.host = host
        program = _first(data, self._program)
        if isinstance(program, str) and program:
            record.fields["process.name"] = record.service = program_name(program)
        service = _first(data, self._service_keys)
        if isinstance(service, str) and service:
            record.service = service.removesuffix(".service")
        pid = _first(data, self._pid)
        if pid is not None and integer(pid) is not None:
            record.fields["process.pid"] = integer(pid)
        message = _first(data, self._message)
        if message is not None:
            record.message = (message if isinstance(message, str) else str(message)).rstrip("\n")


def _first(data: dict[str, Any], keys: tuple[str, ...]) -> Any:
    for key in keys:
        if key in data:
            return data.pop(key)
    return None


def make(spec: FormatSpec, zone: tzinfo, cap: int, decoders: Mapping[str, Decode]) -> Format:
    """The compiled form of ``spec``."""
    if spec.kind in decoders:
        return MapFormat(spec, zone, cap, decoders[spec.kind])
    return CsvFormat(spec, zone, cap) if spec.kind == "csv" else LineFormat(spec, zone, cap)
