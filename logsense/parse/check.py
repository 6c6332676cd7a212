"""``logsense formats check``: everything that can be wrong with format files, found before they meet a log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from logsense.errors import BadFormat
from logsense.parse.loader import BUILT_IN, Formats
from logsense.parse.options import ParseOptions
from logsense.parse.parser import Parser
from logsense.parse.redact import BUILT_IN as REDACT
from logsense.parse.redact import read_rules, rule_problems
from logsense.parse.safety import too_slow
from logsense.parse.samples import differences, read_sample, received_ns
from logsense.parse.schema import FormatSpec, read_spec
from logsense.record import RawEvent


@dataclass(frozen=True, slots=True)
class FormatProblem:
    """One thing that is wrong."""

    format: str
    what: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.format}: {self.what}" + (f"  ({self.where})" if self.where else "")


def check_formats(formats_dir: str = "", *, speed: bool = True) -> list[FormatProblem]:
    """Read all files, run all samples through detection, and race all patterns against hostile lines.

    An empty list means that all is well. ``speed=False`` leaves the race out (it takes seconds).
    """
    specs: dict[str, FormatSpec] = {}
    problems = []
    for folder in (BUILT_IN, Path(formats_dir)) if formats_dir else (BUILT_IN,):
        for file in sorted(folder.glob("*.toml")):
            try:
                specs[file.stem] = read_spec(file)
            except BadFormat as error:
                problems.append(FormatProblem(file.stem, f"{error.what}: {error.why}", error.where))
    if problems:
        return problems
    try:
        formats = Formats(ParseOptions(), specs)
    except BadFormat as error:
        return [FormatProblem("formats", f"{error.what}: {error.why}", error.where)]
    for spec in specs.values():
        problems += _samples(spec, formats)
        if speed:
            problems += _speed(spec)
    for rule in read_rules(REDACT):
        problems += [FormatProblem("redact", problem, str(REDACT)) for problem in rule_problems(rule)]
    return problems


def _samples(spec: FormatSpec, formats: Formats) -> Iterator[FormatProblem]:
    for number, sample in enumerate(spec.samples, 1):
        where = f"{spec.file}, sample {number}"
        if not spec.standalone:
            record = read_sample(formats.by_name[spec.name], sample)
            wrong = [] if record is None else differences(record, sample.expect)
        else:
            parser = Parser(formats=formats)
            received = received_ns(sample)
            events = [RawEvent(line, "sample", received, {}, str(n)) for n, line in enumerate(sample.line.split("\n"))]
            records = [*parser.parse(events), *parser.flush()]
            wrong = differences(records[0], sample.expect)
            if len(records) != 1:
                wrong.append(f"it becomes {len(records)} records instead of one")
            found = parser.formats().get("sample", "")
            if spec.name not in found.split(", ") and not spec.envelope:
                wrong.append(f"it is detected as {found or 'nothing'}")
        for text in wrong:
            yield FormatProblem(spec.name, text, where)


def _speed(spec: FormatSpec) -> Iterator[FormatProblem]:
    lines = [sample.line for sample in spec.samples]
    for pattern in (*spec.patterns, *spec.contents):
        slow = too_slow(pattern.pattern, lines, anywhere=pattern in spec.contents)
        if slow:
            yield FormatProblem(spec.name, f"pattern {pattern.name!r} takes {slow}", str(spec.file))
