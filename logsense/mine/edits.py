"""Names, merges, splits and noise marks that people gave, laid over what the miner found.

The miner knows nothing of them: it goes on counting every line under the template that it found, so each edit can be
taken back without a trace, whenever. What the miner merged by itself comes first; people's marks follow it to the
survivor, because such templates differ in a value only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from logsense.mine.edit_log import Edit
from logsense.record import Template

USER = "user"


def effective(log: Iterable[Edit]) -> list[Edit]:
    """The entries that hold: neither undone nor an undoing."""
    entries = list(log)
    undone = {edit.undoes for edit in entries if edit.kind == "undo"}
    return [edit for edit in entries if edit.kind != "undo" and edit.seq not in undone]


class Overlay:
    """The edits that hold. ``aliases`` maps each template that the miner merged to the one that took it over."""

    def __init__(self, log: Sequence[Edit] = (), aliases: Mapping[str, str] | None = None) -> None:
        self.aliases = dict(aliases or {})
        #: What is so by people's word, by the id after the miner's own merges.
        self.labels: dict[str, str] = {}
        self.into: dict[str, str] = {}
        self.noise: set[str] = set()
        self.splits: dict[str, Edit] = {}
        for edit in effective(log):
            self._apply(edit)

    @property
    def empty(self) -> bool:
        return not (self.labels or self.into or self.noise or self.splits)

    def _apply(self, edit: Edit) -> None:
        at = self.mined(edit.template_id)
        if edit.kind == "rename":
            self.labels.pop(at, None)
            if edit.label:
                self.labels[at] = edit.label
        elif edit.kind == "noise":
            (self.noise.add if edit.on else self.noise.discard)(at)
        elif edit.kind == "merge":
            target = self.mined(edit.into)
            # A later merge of the miner may have joined the two, or turned two merges into a ring.
            if self.survivor(target) != at:
                self.into[at] = target
        elif edit.kind == "split" and edit.parameter:
            self.splits[at] = edit
        elif edit.kind == "split":
            self.into.pop(at, None)

    def mined(self, template_id: str) -> str:
        """The id after the merges of the miner alone."""
        return _follow(template_id, self.aliases)

    def survivor(self, template_id: str) -> str:
        """The id under which its lines are shown and counted."""
        at = self.mined(template_id)
        seen = {at}
        while (target := self.into.get(at)) is not None and target not in seen:
            seen.add(target)
            at = target
        return at

    def is_noise(self, template_id: str) -> bool:
        """Whether people said that it means nothing. Of what they merged, the survivor's mark decides."""
        return bool(self.noise) and self.survivor(template_id) in self.noise

    def dress(self, template: Template) -> Template:
        """A copy that says what people said. Doing it twice is doing it once."""
        at = template.id
        alias, by = ("", "") if template.alias_by else (template.alias_of, "")
        if not alias and (target := self.survivor(at)) != at:
            alias, by = target, USER
        if not alias and template.split_of and not self._split_holds(template):
            alias, by = self.survivor(template.split_of), USER
        label = self.labels.get(self.mined(at), "")
        keywords = [word for word in template.keywords if word != template.label]
        if label and label not in keywords:
            keywords.append(label)  # so that a search for the name finds the lines
        return replace(
            template, alias_of=alias, alias_by=by, label=label, noise=self.is_noise(alias or at), keywords=keywords
        )

    def _split_holds(self, template: Template) -> bool:
        edit = self.splits.get(self.mined(template.split_of))
        return edit is not None and edit.seq == template.split_edit


def plain_aliases(templates: Iterable[Template]) -> dict[str, str]:
    """The merges of the miner among stored templates."""
    return {t.id: t.alias_of for t in templates if t.alias_of and not t.alias_by}


def _follow(template_id: str, alias_of: Mapping[str, str]) -> str:
    seen = {template_id}
    while (target := alias_of.get(template_id)) is not None and target not in seen:
        seen.add(target)
        template_id = target
    return template_id
