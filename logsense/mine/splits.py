"""Templates that people split by the values of one parameter.

A split works behind the miner: the line is mined as ever, and if its template is split it gets the id of the child
for its value. Lines that came before stay where they are. Children count their lines; the worker shows the split
template with what is left, so counts over all templates still sum to the lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from logsense.mine.edit_log import Edit
from logsense.mine.lineage import clean, spans, template_id
from logsense.mine.masks import WILDCARD
from logsense.record import LEVEL_RANK, LogRecord, Template

#: Values of one parameter that get a template of their own; further ones stay together in the split template.
MAX_VALUES = 50
#: Longer values are no names of kinds.
MAX_VALUE = 64


@dataclass(slots=True)
class Child:
    """The lines of one value: a template with the levels of its lines."""

    template: Template
    value: str
    levels: dict[str, int] = field(default_factory=dict)

    def see(self, record: LogRecord) -> None:
        """Count one line."""
        template, at = self.template, record.timestamp_ns
        if not template.count:
            template.first_seen_ns = template.last_seen_ns = at
            template.sample, template.sample_id = clean(record.message[:2000]), clean(record.id)
        template.first_seen_ns = min(template.first_seen_ns, at)
        template.last_seen_ns = max(template.last_seen_ns, at)
        template.count += 1
        if record.level in LEVEL_RANK:
            self.levels[record.level] = self.levels.get(record.level, 0) + 1
            template.level = max(self.levels, key=lambda name: (self.levels[name], LEVEL_RANK[name]))


class Split:
    """One split that holds. ``text`` is what the template reads now; None stands for a parameter that is no more."""

    def __init__(self, edit: Edit, service: str) -> None:
        self.edit, self._service = edit, service
        self.text = ""
        self._at: int | None = None
        self._wildcards = 0
        self.children: dict[str, Child] = {}

    def follow(self, text: str) -> list[Child]:
        """The template's text became wider: find the parameter in it again. The children whose text changed too."""
        if text == self.text:
            return []
        changed = []
        self.text, self._wildcards = text, text.count(WILDCARD)
        self._at = position(self.edit.text, self.edit.parameter, text)
        for child in self.children.values():
            wide = fill(text, self._at, child.value) if self._at is not None else child.template.text
            if wide != child.template.text:
                child.template.text = wide
                child.template.version += 1
                changed.append(child)
        return changed

    def take(self, record: LogRecord) -> Child | None:
        """Give the record its child's id and take the value out of its parameters; None where it stays."""
        at, parameters = self._at, record.parameters
        if at is None or len(parameters) != self._wildcards:
            return None
        value = parameters[at]
        child = self.children.get(value)
        if child is None:
            if len(self.children) >= MAX_VALUES or not (0 < len(value) <= MAX_VALUE and value.isprintable()):
                return None
            child = self.children[value] = self._make(record.template_id, at, value)
        child.see(record)
        record.template_id = child.template.id
        record.parameters = [*parameters[:at], *parameters[at + 1 :]]
        return child

    def _make(self, parent: str, at: int, value: str) -> Child:
        own_id = template_id(self._service, f"{parent}\0{self.edit.seq}\0{value}", 0)
        text = fill(self.text, at, value)
        return Child(Template(own_id, text, self._service, split_of=parent, split_edit=self.edit.seq), value)


def fill(text: str, at: int, value: str) -> str:
    """``text`` with the wildcard number ``at`` (from 0) replaced."""
    pieces = text.split(WILDCARD)
    return f"{WILDCARD.join(pieces[: at + 1])}{value}{WILDCARD.join(pieces[at + 1 :])}"


def position(before: str, parameter: int, now: str) -> int | None:
    """Where the parameter (from 1) of the text ``before`` is in the wider text ``now`` (from 0).

    None where it has become part of a larger variable.
    """
    if not 0 < parameter <= before.count(WILDCARD):
        return None
    if before == now:
        return parameter - 1
    pieces = before.split(WILDCARD)
    start = len(WILDCARD.join(pieces[:parameter]))
    wanted = slice(start, start + len(WILDCARD))
    found: Sequence[slice] = spans(tuple(now.split(WILDCARD)), before) or ()
    return next((i for i, span in enumerate(found) if span == wanted), None)
