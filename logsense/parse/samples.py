"""Running the samples of formats: a format is right when its samples become what they say."""

from __future__ import annotations

from typing import Any

from logsense.parse.ecs import to_ecs
from logsense.parse.format import Format
from logsense.parse.schema import Sample
from logsense.parse.timestamps import TimestampReader
from logsense.record import LogRecord

_RECEIVED = TimestampReader(("iso",))


def received_ns(sample: Sample) -> int:
    """When the sample arrived."""
    return _RECEIVED.read(sample.received, 0) or 0


def read_sample(format_: Format, sample: Sample) -> LogRecord | None:
    """The sample as this format alone reads it, without detection; None if it is not of the format."""
    record = LogRecord("sample", 0, "", "sample", received_ns(sample))
    first, _, rest = sample.line.partition("\n")
    if not format_.spec.standalone:
        record.message = sample.line
        format_.finish(record)
        return record
    token = format_.begin(first)
    if token is None:
        return None
    rest, sections = _split_sections(format_, token, rest)
    return record if format_.fill(token, first, rest, sections, record) else None


def _split_sections(format_: Format, token: Any, rest: str) -> tuple[str, list[tuple[str, str]]]:
    """The joined lines of a sample as the assembler would hand them over."""
    rule = format_.rule
    plain: list[str] = []
    sections: list[tuple[str, list[str]]] = []
    for line in rest.split("\n") if rest else []:
        other = format_.begin(line) if rule is not None and rule.attach and not rule.start else None
        label = None
        if other is not None and rule is not None:
            for group, test in rule.attach:
                value = format_.group(other, group)
                if value is not None and test(value):
                    label = value if group != "message" else ""
        if label is not None:
            sections.append((label, [format_.group(other, "message") or ""]))
        else:
            (sections[-1][1] if sections else plain).append(
                line.removeprefix(rule.indent) if rule is not None else line
            )
    return "\n".join(plain), [(label, "\n".join(lines)) for label, lines in sections]


def differences(record: LogRecord, expect: dict[str, Any] | Any) -> list[str]:
    """What a record has otherwise than expected, field by field."""
    document = to_ecs(record)
    return [
        f"{name} is {document.get(name)!r} instead of {value!r}"
        for name, value in expect.items()
        if document.get(name) != value
    ]
