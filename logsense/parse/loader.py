"""Finding, checking and compiling format files. Nothing is registered: a format is used because its file is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from logsense.errors import BadFormat
from logsense.parse.format import Decode, Format, make
from logsense.parse.options import ParseOptions
from logsense.parse.pairs import decode_json, decode_logfmt, memo
from logsense.parse.safety import too_slow
from logsense.parse.samples import differences, read_sample
from logsense.parse.schema import FormatSpec, read_spec
from logsense.parse.timestamps import zone_of

#: Longest time that a pattern of one's own may take on any hostile line of 8 KiB; generous, as the machine may be busy.
_RACE_S = 0.5
BUILT_IN = Path(__file__).parent / "formats"


@dataclass(frozen=True, slots=True)
class FormatInfo:
    """What ``logsense formats list`` shows."""

    name: str
    title: str
    samples: int
    file: str
    programs: tuple[str, ...] = ()
    docs: str = ""


@lru_cache(maxsize=8)
def _read_folder(folder: Path) -> tuple[FormatSpec, ...]:
    return tuple(read_spec(file) for file in sorted(folder.glob("*.toml")))


def read_specs(formats_dir: str = "") -> dict[str, FormatSpec]:
    """All format files by name; those of ``formats_dir`` replace built-in ones. Raises ``BadFormat``."""
    specs = {spec.name: spec for spec in _read_folder(BUILT_IN)}
    if formats_dir:
        folder = Path(formats_dir)
        if not folder.is_dir():
            raise BadFormat(f"no folder {formats_dir!r}", where=formats_dir, fix="correct formats_dir")
        specs |= {spec.name: spec for spec in _read_folder(folder)}
    for spec in specs.values():
        for other in spec.contents_of:
            if other not in specs:
                raise BadFormat(f"contents_of names {other!r}, which does not exist", where=str(spec.file))
    return specs


class Formats:
    """The compiled formats of one parser."""

    def __init__(self, options: ParseOptions | None = None, specs: Mapping[str, FormatSpec] | None = None) -> None:
        options = options or ParseOptions()
        specs = specs if specs is not None else read_specs(options.formats_dir)
        zone = zone_of(options.timezone)
        decoders: dict[str, Decode] = {"json": memo(decode_json), "logfmt": memo(decode_logfmt)}
        self.by_name = {name: make(spec, zone, options.max_match_chars, decoders) for name, spec in specs.items()}
        self.programs: dict[str, tuple[Format, ...]] = {}
        for format_ in self.by_name.values():
            format_.others = tuple(self.by_name[name] for name in format_.spec.contents_of)
            for program in format_.spec.programs:
                self.programs[program] = (*self.programs.get(program, ()), format_)
        self._verify(specs, options)
        allowed = set(options.formats)
        unknown = allowed - self.by_name.keys()
        if unknown:
            raise BadFormat(f"unknown formats: {', '.join(sorted(unknown))}", fix="`logsense formats list` shows them")
        usable = [f for f in self.by_name.values() if f.spec.standalone and (not allowed or f.name in allowed)]
        #: Formats in the order in which detection asks them: own files first; names break ties, so that it is
        #: deterministic.
        self.ordered = tuple(sorted(usable, key=lambda f: (f.spec.file.parent == BUILT_IN, -f.spec.priority, f.name)))
        for rank, format_ in enumerate(self.ordered):
            format_.rank = rank
        #: JSON and logfmt formats, which programs also write into syslog and the journal.
        self.maps = tuple(f for f in self.ordered if f.spec.kind in decoders and not f.envelope)
        self._by_first: dict[str, tuple[Format, ...]] = {}

    def _verify(self, specs: Mapping[str, FormatSpec], options: ParseOptions) -> None:
        """Samples state their results for UTC: formats bound to another zone are checked by a UTC twin."""
        checked = self if options.timezone == "UTC" else Formats(replace(options, timezone="UTC", formats=()), specs)
        if checked is self:
            for format_ in self.by_name.values():
                if format_.spec.file.parent != BUILT_IN:
                    race(format_.spec)
                verify(format_)

    def candidates(self, line: str) -> tuple[Format, ...]:
        """The formats that a line with this first character can belong to, best first."""
        first = line[:1]
        found = self._by_first.get(first)
        if found is None:
            if not first.isascii() or len(self._by_first) > 256:
                first = ""
            found = tuple(f for f in self.ordered if f.first is None or first in f.first)
            self._by_first[first] = found
        return found


def verify(format_: Format) -> None:
    """Run the samples of a format that was compiled for UTC. Raises ``BadFormat`` for the first that does not hold."""
    if format_.envelope or format_.spec.nested:
        return  # what they wrap needs the parser: ``formats check`` and the tests run those
    for number, sample in enumerate(format_.spec.samples, 1):
        record = read_sample(format_, sample)
        if record is not None:
            record.service = record.service or format_.service
        wrong = ["no pattern matches"] if record is None else differences(record, sample.expect)
        if wrong:
            raise BadFormat(
                f"sample {number} of format {format_.name!r} does not hold",
                why="; ".join(wrong),
                where=str(format_.spec.file),
                fix="correct the pattern, or the sample if the pattern is right",
            )


def race(spec: FormatSpec) -> None:
    """Raise ``BadFormat`` when a pattern of a format of one's own takes long on a hostile line.

    The structure of patterns was judged when they were read; some run away without the structure that tells, such as
    ``(a|aa)+``. Built-in formats are raced by the tests.
    """
    lines = [sample.line for sample in spec.samples]
    for pattern in (*spec.patterns, *spec.contents):
        slow = too_slow(pattern.pattern, lines, anywhere=pattern in spec.contents, limit_s=_RACE_S)
        if slow:
            raise BadFormat(
                f"pattern {pattern.name!r} of format {spec.name!r} could take too much time",
                why=slow,
                where=str(spec.file),
                fix="make repeats possessive (a++), bound them ({1,100}), or let what follows differ from what repeats",
            )


def list_formats(formats_dir: str = "") -> list[FormatInfo]:
    """All formats by name."""
    return [
        FormatInfo(spec.name, spec.title, len(spec.samples), str(spec.file), spec.programs, spec.docs)
        for _, spec in sorted(read_specs(formats_dir).items())
    ]


def formats_table(formats_dir: str = "") -> str:
    """All formats as a Markdown table: name, what it is, the fields of its samples' records, where it is specified."""
    rows = ["| format | what | some of its fields | specified in |", "|---|---|---|---|"]
    for name, spec in sorted(read_specs(formats_dir).items()):
        seen = dict.fromkeys(field for sample in spec.samples for field in sample.expect)
        fields = ", ".join(f"`{field}`" for field in seen if field not in ("@timestamp", "message"))
        links = ", ".join(f"[{number}]({link})" for number, link in enumerate(spec.docs.split(", "), 1) if link)
        rows.append(f"| `{name}` | {spec.title.replace('|', '/')} | {fields} | {links} |")
    return "\n".join(rows)
