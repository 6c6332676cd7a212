"""Format files → ``FormatSpec``: checked as they are read, so that a wrong one stops the start.

Every key is documented where it is declared here; ``docs`` for people who add a format is this file.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logsense.errors import BadFormat
from logsense.parse.convert import CONVERTERS
from logsense.parse.derive import DERIVATIONS
from logsense.parse.safety import nested_repeat
from logsense.record import LEVELS

KINDS = ("lines", "json", "logfmt", "csv")

#: Group, column or key names with a meaning of their own; every other one is mapped in ``[fields]``.
RESERVED = frozenset({"ts", "level", "pri", "message", "host", "program", "pid"})


@dataclass(frozen=True, slots=True)
class PatternSpec:
    """``[[patterns]]`` (from the start of a line) and ``[[contents]]`` (anywhere in the message)."""

    #: Name of the pattern, shown by ``formats check``.
    name: str
    #: The regular expression; dots match newlines.
    pattern: str
    #: The text must contain one of these for the pattern to be tried: a cheap test before a dear one.
    contains: tuple[str, ...] = ()
    #: Fields that a match states (``"event.outcome" = "failure"``).
    set: Mapping[str, Any] = field(default_factory=dict)
    #: The level that a match states where the line has none.
    level: str = ""
    #: The level that a match has at least, whatever the line states: for programs that report trouble as information.
    at_least: str = ""
    #: What the message becomes, with ``{group}`` for parts of the line.
    message: str = ""


# What an exception's last or first line begins with: "ValueError: …", "java.net.ConnectException", "pkg.mod.Odd: …".
EXCEPTION = (
    r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Throwable|Warning|Exit|Interrupt|Group)(?::|$)"
    r"|(?:[A-Za-z_]\w*\.)+[A-Z]\w*(?::|$)"
)
CONTINUES = (
    r"\s|$|Caused by: |Suppressed: |\.\.\. \d+ |\}$|Traceback \(most recent call last|During handling of the above"
    rf"|The above exception was|{EXCEPTION}"
)


@dataclass(frozen=True, slots=True)
class MultilineSpec:
    """``[multiline]``: which lines belong to the record before."""

    #: A line that begins like this continues the record (indentation, blank lines, stack traces).
    continues: str = CONTINUES
    #: A Python traceback continues only records of such a level; after others it is an event of its own (a crash).
    traceback_levels: str = ""
    #: True: every line that this format does not match continues the record.
    unmatched: bool = False
    #: Records begin with a line like this, and patterns are matched against the joined lines.
    start: str = ""
    #: A start right after a line like this is none (``# User@Host`` after ``# Time``).
    not_after: str = ""
    #: What the program puts before each further line of a record; it is removed again.
    indent: str = ""
    #: A record goes on while a double quote is open (CSV).
    quotes: bool = False
    #: Group → regex: a line that matches the format, with such a group, still belongs to the record before …
    attach: Mapping[str, str] = field(default_factory=dict)
    #: Like ``attach``, but only to a record to which something was attached already.
    attach_more: Mapping[str, str] = field(default_factory=dict)
    #: … if these groups are equal.
    key: tuple[str, ...] = ()
    #: Value of the attach group → field that gets the attached text.
    sections: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MapSpec:
    """``[keys]``, for kinds ``json`` and ``logfmt``: where the reserved things are. ``a|b`` means the first present."""

    #: Keys that must be there for the format to apply.
    require: tuple[str, ...] = ()
    #: Keys that hold the time stamp.
    ts: tuple[str, ...] = ()
    #: Keys that hold the message.
    message: tuple[str, ...] = ()
    #: Keys that hold the level.
    level: tuple[str, ...] = ()
    #: Keys that hold the host.
    host: tuple[str, ...] = ()
    #: Keys that hold the program: ``process.name`` and the service.
    program: tuple[str, ...] = ()
    #: Keys that hold the service.
    service: tuple[str, ...] = ()
    #: Keys that hold the process id.
    pid: tuple[str, ...] = ()
    #: Where keys without a mapping go (``json`` → ``json.<key>``); "" keeps their own names.
    prefix: str = "json"
    #: Keys that are not kept.
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PairsSpec:
    """``[pairs]``: a group that holds ``key=value`` pairs."""

    #: The group; "message" is allowed.
    group: str
    #: Where keys without a mapping go; "" drops them.
    prefix: str = ""
    #: Keys whose values are hexadecimal bytes where they stand without quotes (auditd).
    hex: tuple[str, ...] = ()
    #: A pattern that the message must match before pairs are looked for.
    when: str = ""
    #: Key → field or {field, type}.
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """Where a group goes ("": nowhere) and what it becomes; see ``convert.CONVERTERS`` for types."""

    field: str
    type: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """``[[samples]]``: a line (or several, joined by newlines) and what it must become."""

    line: str
    expect: Mapping[str, Any]
    #: When the sample "arrived", for time stamps without a year.
    received: str = "2026-11-24T20:00:00Z"


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """One format file."""

    #: The file's name without ``.toml``.
    name: str
    #: The file.
    file: Path
    #: What people call it.
    title: str
    #: ``lines`` (regular expressions), ``json``, ``logfmt`` or ``csv``.
    kind: str = "lines"
    #: Where the format is specified.
    docs: str = ""
    #: The service of its records where the line names none.
    service: str = ""
    #: Detection asks formats with a higher priority first: 80 sure signs, 50 usual, 20 generic.
    priority: int = 50
    #: False: only inside other formats (the messages of one program).
    standalone: bool = True
    #: Programs (syslog tag, journald identifier) whose messages may be in this format.
    programs: tuple[str, ...] = ()
    #: True: only a wrapping (docker, CRI); the text inside is detected as if it had come alone.
    envelope: bool = False
    #: ``program``: the message is looked at by the formats of the program that the line names.
    nested: str = ""
    #: Formats whose ``[[contents]]`` are applied to the message.
    contents_of: tuple[str, ...] = ()
    #: Values that stand for nothing.
    empty: tuple[str, ...] = ("", "-")
    #: Regular expressions from the start of the line; the first that matches counts.
    patterns: tuple[PatternSpec, ...] = ()
    #: Regular expressions searched in the message; the first that matches counts.
    contents: tuple[PatternSpec, ...] = ()
    #: Columns of kind ``csv``, as group names.
    columns: tuple[str, ...] = ()
    #: Group, column or key → field.
    fields: Mapping[str, FieldSpec] = field(default_factory=dict)
    #: Layouts of the time stamp: ``iso``, ``epoch`` or directives of ``timestamps.DIRECTIVES``.
    timestamp: tuple[str, ...] = ("iso",)
    #: A line without a time stamp has that of the line before.
    inherit_time: bool = False
    #: Words of this format → levels, before the general ones.
    levels: Mapping[str, str] = field(default_factory=dict)
    #: Named functions of ``derive.py`` that finish a record.
    derive: tuple[str, ...] = ()
    keys: MapSpec = field(default_factory=MapSpec)
    multiline: MultilineSpec | None = None
    pairs: PairsSpec | None = None
    samples: tuple[Sample, ...] = ()


_TOP = {
    "title", "kind", "docs", "service", "priority", "standalone", "programs", "envelope", "nested", "contents_of",
    "empty", "patterns", "contents", "columns", "fields", "timestamp", "inherit_time", "levels", "derive", "keys",
    "multiline", "pairs", "samples",
}  # fmt: skip
_RENAMED = {"continue": "continues"}  # a Python keyword


class _Reader:
    """One file's checks, with the line a key is on."""

    def __init__(self, file: Path, text: str) -> None:
        self.file, self.text = file, text

    def where(self, key: str) -> str:
        for number, line in enumerate(self.text.splitlines(), 1):
            if re.match(rf"\s*(?:\[+(?:\w+\.)*{re.escape(key)}\]+|\"?{re.escape(key)}\"?\s*=)", line) or (
                (f"{key} =" in line and "{" in line) or f'name = "{key}"' in line
            ):
                return f"{self.file}:{number}"
        return f"{self.file}:1"

    def bad(self, what: str, key: str, *, why: str = "", fix: str = "") -> BadFormat:
        return BadFormat(what, why=why, where=self.where(key), fix=fix)

    def only(self, table: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
        known = sorted(allowed)
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1, 0.5)
                raise self.bad(
                    f"unknown key {key!r} in {where}",
                    key,
                    why="keys that are not known would be ignored silently",
                    fix=f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}",
                )

    def build(self, kind: type, table: Any, where: str, extra: Mapping[str, Any] | None = None) -> Any:
        """A dataclass from a TOML table: unknown keys and wrong types are refused."""
        if not isinstance(table, dict):
            raise self.bad(f"{where} is not a table", where.strip("[]"))
        table = {_RENAMED.get(key, key): value for key, value in table.items()}
        wanted: dict[str, Any] = kind.__dataclass_fields__  # type: ignore[attr-defined]
        self.only(table, wanted, where)
        values: dict[str, Any] = dict(extra or {})
        for key, value in table.items():
            values[key] = self.typed(key, value, str(wanted[key].type))
        try:
            return kind(**values)
        except TypeError as error:
            raise self.bad(f"{where} is incomplete", where.strip("[]"), why=str(error)) from error

    def typed(self, key: str, value: Any, declared: str) -> Any:
        if declared.startswith("tuple[str"):
            values = [value] if isinstance(value, str) else value
            if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
                raise self.bad(f"{key} must be a list of strings", key)
            return tuple(values)
        expected = {"str": str, "bool": bool, "int": int}.get(declared, dict if "Mapping" in declared else object)
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
            raise self.bad(f"{key} must be of type {expected.__name__}", key, why=f"it is {value!r}")
        return value

    def field_specs(self, table: Mapping[str, Any], where: str) -> dict[str, FieldSpec]:
        specs = {}
        for group, value in table.items():
            spec = FieldSpec(value) if isinstance(value, str) else self.build(FieldSpec, value, f"{where}.{group}")
            if spec.type and spec.type not in CONVERTERS and spec.type != "ip":
                near = difflib.get_close_matches(spec.type, [*CONVERTERS, "ip"], 1, 0.3)
                raise self.bad(
                    f"unknown type {spec.type!r} of {group}",
                    group,
                    fix=f"use {near[0] if near else sorted(CONVERTERS)}",
                )
            specs[group] = spec
        return specs

    def check_pattern(self, pattern: str, name: str, known: Iterable[str]) -> None:
        try:
            regex = re.compile(pattern, re.DOTALL)
        except re.error as error:
            raise self.bad(f"pattern {name!r} is not a regular expression", name, why=str(error)) from error
        why = nested_repeat(pattern)
        if why:
            raise self.bad(
                f"pattern {name!r} could take exponential time",
                name,
                why=why,
                fix="make the inner repeat possessive (a++) or put a character between that it cannot match",
            )
        known = set(known)
        for group in regex.groupindex:
            if group not in known:
                near = difflib.get_close_matches(group, sorted(known), 1, 0.5)
                raise self.bad(
                    f"group {group!r} of pattern {name!r} goes nowhere",
                    name,
                    fix=f"map it in [fields]{f', or did you mean {near[0]!r}?' if near else ''}",
                )


def read_spec(file: Path) -> FormatSpec:
    """Read and check one format file. Raises ``BadFormat``."""
    text = file.read_text(encoding="utf-8")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise BadFormat(
            f"{file.name} is not TOML",
            why=str(error),
            where=f"{file}:{line[1] if line else 1}",
            fix="correct the syntax",
        ) from error
    reader = _Reader(file, text)
    reader.only(data, _TOP, "the format")
    fields = reader.field_specs(data.pop("fields", {}), "fields")
    extra: dict[str, Any] = {"name": file.stem, "file": file, "fields": fields}
    known = RESERVED | fields.keys()
    for table in ("patterns", "contents"):
        specs = []
        for number, item in enumerate(data.pop(table, []), 1):
            spec = reader.build(PatternSpec, {"name": str(number), **item}, table)
            reader.check_pattern(spec.pattern, spec.name, known)
            for level in filter(None, (spec.level, spec.at_least)):
                if level not in LEVELS:
                    raise reader.bad(f"unknown level {level!r}", spec.name, fix=f"one of {', '.join(LEVELS)}")
            specs.append(spec)
        extra[table] = tuple(specs)
    extra["samples"] = tuple(reader.build(Sample, item, "samples") for item in data.pop("samples", []))
    for table, kind in (("keys", MapSpec), ("multiline", MultilineSpec), ("pairs", PairsSpec)):
        if table in data:
            extra[table] = reader.build(kind, data.pop(table), table)
    if extra.get("pairs"):
        reader.field_specs(extra["pairs"].fields, "pairs.fields")
    multiline: MultilineSpec | None = extra.get("multiline")
    if multiline:
        rules = [multiline.continues, multiline.start, multiline.not_after, multiline.traceback_levels]
        rules += [*multiline.attach.values(), *multiline.attach_more.values()]
        for rule in filter(None, rules):
            reader.check_pattern(rule, "multiline", known)
    spec = reader.build(FormatSpec, data, "the format", extra)
    _check_whole(reader, spec)
    return spec


def _check_whole(reader: _Reader, spec: FormatSpec) -> None:
    if spec.kind not in KINDS:
        raise reader.bad(f"unknown kind {spec.kind!r}", "kind", fix=f"one of {', '.join(KINDS)}")
    for name in spec.derive:
        if name not in DERIVATIONS:
            raise reader.bad(f"unknown derivation {name!r}", "derive", fix=f"one of {', '.join(sorted(DERIVATIONS))}")
    if spec.standalone and spec.kind == "lines" and not spec.patterns:
        raise reader.bad(
            "a format of kind 'lines' needs [[patterns]]", "kind", fix="or standalone = false with [[contents]]"
        )
    if spec.kind == "csv" and not (spec.columns and spec.multiline and spec.multiline.start):
        raise reader.bad("a format of kind 'csv' needs columns and multiline.start", "kind")
    if not spec.samples:
        raise reader.bad(
            "no samples", "samples", why="a format's samples are its tests", fix="add [[samples]] with line and expect"
        )
