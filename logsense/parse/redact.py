"""The redact stage: secrets are removed before anything is mined, indexed or shown.

Rules are data (``redact.toml``). Lines without a suspicious word must cost almost nothing. Which rules can apply to a
text depends on its letters and on where it has digits, not on which digits: hints are words, and card numbers need
eight digits together. So the answer "none" is remembered by the text with its digits flattened, and most lines of a
running system cost one look-up. For other texts the hints are looked for with substring searches; only rules whose
hint occurs run their regular expression.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from logsense.errors import BadConfig
from logsense.parse.options import RedactOptions
from logsense.parse.safety import nested_repeat, too_slow
from logsense.record import LogRecord, MetricPoint

#: Longest time that a rule of one's own may take on any hostile text of 8 KiB.
_RACE_S = 0.25
BUILT_IN = Path(__file__).parent / "redact.toml"
# Enough digits for a card number; begins with a character class, which the engine skips to quickly.
_DIGITS = re.compile(r"[2-6]\d\d\d[ -]?\d\d\d\d")
_DIGITS_FLAT = re.compile(rb"0000[ -]?0000")
_FLATTEN = bytes.maketrans(b"123456789", b"000000000")
_REMEMBERED = 50_000  # flattened texts known to be clean
_LONGEST_REMEMBERED = 1000
_SECRET_NAME = re.compile(
    r"(?:^|[._-]|access|auth|client)(?:password|passwd|passphrase|secret|(?:api|access|private|secret)[_-]?key|token|pwd"
    r"|(?:proxy[_-])?authorization|credentials?|(?:set[_-])?cookie)$|(?:^|[._-])(?:password|passwd|passphrase)\.",
    re.IGNORECASE,
)
_PASSWORD_NAME = re.compile(r"passw|passphrase|pwd|secret|credential", re.IGNORECASE)
#: Distinct label values whose redacted form is remembered: labels are few and come with every point.
_LABELS = 20_000
_GROUPS = ("secret", "secret2", "secret3")
_KEYS = {"name", "hints", "anchored", "pattern", "samples", "check", "digits", "off"}


@dataclass(frozen=True, slots=True)
class RedactRule:
    """One kind of secret; see the head of ``redact.toml`` for the keys."""

    name: str
    pattern: re.Pattern[str]
    hints: tuple[str, ...] = ()
    anchored: bool = False
    digits: bool = False
    luhn: bool = False
    off: bool = False
    samples: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def find(self, text: str) -> list[tuple[int, int]]:
        """Where the secrets of this kind stand."""
        if self.anchored:
            lowered = text.lower()
            if len(lowered) == len(text):  # a few letters grow when lowered; then positions would be wrong
                return self._find_at_hints(text, lowered)
        return [span for match in self.pattern.finditer(text) if (span := self._span(match)) is not None]

    def _find_at_hints(self, text: str, lowered: str) -> list[tuple[int, int]]:
        spans = set()
        for hint in self.hints:
            position = lowered.find(hint)
            while position >= 0:
                match = self.pattern.match(text, position)
                if match is not None:
                    span = self._span(match)
                    if span is not None:
                        spans.add(span)
                position = lowered.find(hint, position + len(hint) if match is None else match.end())
        return sorted(spans)

    def _span(self, match: re.Match[str]) -> tuple[int, int] | None:
        if self.luhn and not _luhn(match[0]):
            return None
        names = match.re.groupindex
        for group in _GROUPS:
            if group in names and match[group] is not None:
                return match.span(group)
        return match.span()

    def apply(self, text: str, replacement: str) -> str:
        """``text`` with every secret of this kind replaced."""
        spans = self.find(text)
        if not spans:
            return text
        parts, position = [], 0
        for start, end in spans:
            if start >= position:
                parts += [text[position:start], replacement]
                position = end
        return "".join((*parts, text[position:]))


def _luhn(text: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    digits = [int(char) for char in text if char.isdecimal()]
    doubled = [2 * digit - 9 if digit > 4 else 2 * digit for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def read_rules(file: Path) -> list[RedactRule]:
    """The rules of a file. Raises ``BadConfig`` for one that is wrong."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadConfig("redaction rules cannot be read", why=str(error), where=str(file)) from error
    rules = []
    for item in data.get("rules", []):
        name = str(item.get("name", "?"))
        for key in item:
            if key not in _KEYS:
                near = difflib.get_close_matches(key, sorted(_KEYS), 1)
                raise BadConfig(
                    f"unknown key {key!r} of redaction rule {name!r}",
                    where=str(file),
                    fix=f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(_KEYS))}",
                )
        pattern = str(item.get("pattern", ""))
        try:
            compiled = re.compile(pattern)
            why = nested_repeat(pattern) if pattern else "it is empty"
            if not why and file != BUILT_IN:  # tests race the built-in ones
                why = too_slow(pattern, [str(sample[0]) for sample in item.get("samples", ())], limit_s=_RACE_S)
        except re.error as error:
            why = str(error)
        if why:
            raise BadConfig(f"redaction rule {name!r} has an unusable pattern", why=why, where=str(file))
        rules.append(
            RedactRule(
                name,
                compiled,
                tuple(item.get("hints", ())),
                bool(item.get("anchored")),
                bool(item.get("digits")),
                item.get("check") == "luhn",
                bool(item.get("off")),
                tuple((before, after) for before, after in item.get("samples", ())),
            )
        )
    return rules


class Redactor:
    """Replaces secrets in message, original, all text fields and metric labels. Stateless but for its counters."""

    name = "redact"

    def __init__(self, options: RedactOptions | None = None) -> None:
        options = options or RedactOptions()
        rules = read_rules(BUILT_IN)
        if options.rules_file:
            rules += read_rules(Path(options.rules_file))
        known = {rule.name for rule in rules}
        for name in options.rules:
            if name not in known:
                raise BadConfig(f"unknown redaction rule {name!r}", fix=f"known rules: {', '.join(sorted(known))}")
        wanted = set(options.rules) or {rule.name for rule in rules if not rule.off}
        if options.emails:
            wanted.add("email")
        self._rules = [rule for rule in rules if rule.name in wanted]
        self._replacement = {rule.name: options.replacement.replace("{rule}", rule.name) for rule in self._rules}
        self._hints = tuple((rule, rule.hints) for rule in self._rules if rule.hints)
        self._digit_rules = [rule for rule in self._rules if rule.digits]
        # Shared beginnings: "passw" stands for all of password's hints, so a clean line is tested once a word.
        self._words = _shortest({hint for rule in self._rules for hint in rule.hints})
        self._labels: dict[tuple[str, str], str] = {}
        self._blind = not any(char.isdigit() for word in self._words for char in word)
        self._clean: set[bytes] = set()
        self._secret_names: dict[tuple[str, ...], tuple[str, ...]] = {}
        #: Records changed, by rule.
        self.counts: dict[str, int] = dict.fromkeys((rule.name for rule in self._rules), 0)

    def process(self, records: list[LogRecord]) -> list[LogRecord]:
        """Redact in place."""
        for record in records:
            message, whole = record.message, record.original
            further: list[str] = []
            if whole is None:
                whole = message
            elif message not in whole:
                further.append(message)
            for value in record.fields.values():
                if value.__class__ is str:
                    if len(value) > 7 and value not in whole:  # most fields are parts of the line
                        further.append(value)
                elif value.__class__ is list or value.__class__ is dict:
                    further.append(str(value))
            text = whole if not further else "\n".join((whole, *further))
            rules = self._suspects(text)
            if rules:
                rules = [rule for rule in rules if rule.find(text)]
            named = self._named(record.fields)
            if rules or named:
                self._redact(record, rules, named)
        return records

    def _named(self, fields: Mapping[str, Any]) -> tuple[str, ...]:
        """The fields whose names say that their value is a secret. Few shapes of records occur."""
        names = tuple(fields)
        found = self._secret_names.get(names)
        if found is None:
            found = tuple(name for name in names if _names_secret(name))
            if len(self._secret_names) < 4096 and len(names) < 200:
                self._secret_names[names] = found
        return found

    def text(self, text: str) -> str:
        """One text, redacted."""
        for rule in self._suspects(text):
            text = rule.apply(text, self._replacement[rule.name])
        return text

    def _suspects(self, text: str) -> list[RedactRule]:
        flat = text.encode("utf-8", "surrogatepass").translate(_FLATTEN)
        if flat in self._clean:
            return []
        rules = self._looked_for(text)
        blind = self._blind and text.isascii() and not _DIGITS_FLAT.search(flat)
        if not rules and blind and len(flat) <= _LONGEST_REMEMBERED:
            if len(self._clean) >= _REMEMBERED:
                self._clean.clear()
            self._clean.add(flat)
        return rules

    def _looked_for(self, text: str) -> list[RedactRule]:
        lowered = text.lower()
        rules: list[RedactRule] = []
        for word in self._words:
            if word in lowered:
                rules = [rule for rule, hints in self._hints if any(hint in lowered for hint in hints)]
                break
        if self._digit_rules and _DIGITS.search(text) is not None:
            rules = rules + self._digit_rules
        return rules

    def points(self, points: Sequence[MetricPoint]) -> None:
        """Redact the labels of metrics in place; names and hosts are kept as they are."""
        for point in points:
            for name, value in point.labels.items():
                if len(value) > 3:
                    known = self._labels.get((name, value))
                    if known is None:
                        known = str(self._scrub(name, value, self._rules))
                        if len(self._labels) >= _LABELS:
                            self._labels.clear()
                        self._labels[name, value] = known
                    if known != value:
                        point.labels[name] = known

    def _scrub(self, name: str, value: Any, rules: Sequence[RedactRule]) -> Any:
        """A field's value without secrets, however deep they are in it."""
        if _names_secret(name) and "password" in self._replacement and not isinstance(value, bool | None):
            counts = isinstance(value, int | float) and not _PASSWORD_NAME.search(name)  # `token: 3` counts tokens
            if not counts:
                return self._replacement["password"]
        if isinstance(value, str):
            for rule in rules:
                value = rule.apply(value, self._replacement[rule.name])
        elif isinstance(value, list):
            return [self._scrub("", item, rules) for item in value]
        elif isinstance(value, dict):
            return {key: self._scrub(str(key), item, rules) for key, item in value.items()}
        return value

    def _redact(self, record: LogRecord, rules: Sequence[RedactRule], named: Sequence[str]) -> None:
        fields = record.fields
        for name in named:  # a field such as json.password holds nothing but the secret
            before = fields[name]
            fields[name] = self._scrub(name, before, ())
            self.counts["password"] += fields[name] != before
        for name, value in fields.items():
            if value.__class__ is str or value.__class__ is list or value.__class__ is dict:
                fields[name] = self._scrub(name, value, rules)
        for rule in rules:
            replacement = self._replacement[rule.name]
            record.message = rule.apply(record.message, replacement)
            if record.original is not None:
                record.original = rule.apply(record.original, replacement)
            self.counts[rule.name] += 1


@lru_cache(maxsize=4096)
def _names_secret(name: str) -> bool:
    """Whether a field's name says that its value is a secret."""
    return _SECRET_NAME.search(name) is not None


def _shortest(words: Iterable[str]) -> tuple[str, ...]:
    """The words that hold no other one: if none of them occurs, no word does."""
    kept: list[str] = []
    for word in sorted(set(words), key=lambda word: (len(word), word)):
        if not any(short in word for short in kept):
            kept.append(word)
    return tuple(kept)


def rule_problems(rule: RedactRule) -> list[str]:
    """What is wrong with a rule's samples."""
    problems = []
    options = RedactOptions(rules=(rule.name,))
    for before, after in rule.samples:
        got = rule.apply(before, options.replacement.replace("{rule}", rule.name))
        want = after.replace("{}", options.replacement.replace("{rule}", rule.name)) if after != before else before
        if got != want:
            problems.append(f"{rule.name}: {before!r} becomes {got!r} instead of {want!r}")
        lowered = before.lower()
        if rule.hints and after != before and not any(hint in lowered for hint in rule.hints):
            problems.append(f"{rule.name}: no hint occurs in {before!r}, so the rule would not be tried")
    return problems
