"""The worker's side of people's edits: applies the log between batches, without a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields, replace

import orjson

from logsense.mine.edit_log import Edit, last_edit, read_edits
from logsense.mine.edits import Overlay, plain_aliases
from logsense.mine.history import TextHistory
from logsense.mine.splits import Child, Split
from logsense.record import LogRecord, Signal, Template

#: After a merge, a split or the end of a noise mark, what is counted under an id is another thing than what its
#: baseline learnt. For this long (seconds after the edit) a change of its rate says nothing.
SETTLE_S = 3600
_SECOND = 1_000_000_000
_COUNTS = ("log.new", "log.rate", "log.silence")
_TEMPLATE_FIELDS = frozenset(f.name for f in fields(Template))

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS template_children (id TEXT PRIMARY KEY, edit INTEGER NOT NULL, data TEXT NOT NULL)"
)


class EditedTemplates:
    """``Stateful``; stands between the miner and what follows it. ``all_templates`` are the miner's, aliases included.

    Used from the worker's thread only.
    """

    def __init__(self, all_templates: Callable[[], list[Template]]) -> None:
        self._all = all_templates
        self._log: list[Edit] = []
        self._seen = 0
        self._history = TextHistory()
        self._overlay = Overlay()
        self._aliases: dict[str, str] = {}
        self._splits: dict[str, Split] = {}
        #: The children of every split that ever was, by id, and those that differ from what is saved or shown.
        self._children: dict[str, Child] = {}
        self._unsaved: dict[str, Child] = {}
        self._unshown: dict[str, Child] = {}
        self._stale = False
        self._settling: dict[str, int] = {}
        #: When noise of a (host, service) was last heard: it is not silent, though nothing of it is counted.
        self._noise_heard: dict[tuple[str, str], int] = {}

    # -- on the way of the lines ----------------------------------------------------------------------------------

    def process(self, records: list[LogRecord]) -> list[LogRecord]:
        """Lines of split templates get the id of their value's template."""
        if self._splits:
            for record in records:
                split = self._splits.get(record.template_id)
                if split is not None and (child := split.take(record)) is not None:
                    self._children[child.template.id] = child
                    self._unsaved[child.template.id] = self._unshown[child.template.id] = child
        return records

    def counted(self, records: Sequence[LogRecord]) -> Sequence[LogRecord]:
        """What detectors may count: no noise, and merged templates as one. The records themselves stay as they are."""
        overlay = self._overlay
        if not (overlay.noise or overlay.into):
            return records
        kept: list[LogRecord] = []
        for record in records:
            shown = overlay.survivor(record.template_id)
            if shown in overlay.noise:
                place = record.host, record.service
                self._noise_heard[place] = max(record.timestamp_ns, self._noise_heard.get(place, 0))
            else:
                kept.append(record if shown == record.template_id else replace(record, template_id=shown))
        return kept

    def hushed(self, signal: Signal) -> bool:
        """Whether the signal says something of an edit rather than of the system.

        Its template is noise; what fell silent went on as noise, as part of another template or as its split-off
        values; or an edit is so fresh that baselines do not fit.
        """
        at = signal.template_id
        if at and self._overlay.is_noise(at):
            return True
        if signal.kind == "log.silence":
            if self._noise_heard.get((signal.host, signal.service), 0) >= signal.start_ns:
                return True
            if at and (at in self._splits or self._overlay.survivor(at) != at):
                return True
        child = self._children.get(at)
        edited_ns = self._settling.get(child.template.split_of if child else at)
        fresh = edited_ns is not None and 0 <= signal.end_ns - edited_ns < SETTLE_S * _SECOND
        return fresh and signal.kind in _COUNTS

    # -- between batches ------------------------------------------------------------------------------------------

    def pending(self, db: sqlite3.Connection) -> bool:
        """Whether people changed something that is not in the index yet."""
        return self._stale or last_edit(db) != self._seen

    def refresh(self, db: sqlite3.Connection, changed: Sequence[Template]) -> list[Template]:
        """Apply new entries of the log; the templates to be written to the index.

        ``changed`` is what the miner changed since the last call.
        """
        self._history.see(changed)
        self._history.see(child.template for child in self._unshown.values())
        merged = plain_aliases(changed)
        news = last_edit(db) != self._seen
        if news:
            self._seen, self._log = last_edit(db), read_edits(db)
        self._aliases.update(merged)
        self._follow(changed)
        if news or self._stale or (merged and self._log):
            # A template that was merged at its birth has no lines and no times: it is not shown, as ever.
            templates = {t.id: t for t in self._all() if t.count}
            if news or merged:
                self._rebuild(templates)
            # All of them: an edit may touch a whole family, and people edit seldom.
            out = [*templates.values(), *(child.template for child in self._children.values())]
            self._stale = False
        else:
            out = [*changed, *(child.template for child in self._unshown.values())]
            parents = {c.template.split_of for c in self._unshown.values()} - {t.id for t in changed}
            if parents:
                out += [t for t in self._all() if t.id in parents]
        self._unshown.clear()
        return self._dress(out)

    def _follow(self, changed: Iterable[Template]) -> None:
        """Let the children of split templates read like those do now."""
        for template in changed:
            split = self._splits.get(template.id)
            if split is not None:
                for child in split.follow(template.text):
                    self._unsaved[child.template.id] = self._unshown[child.template.id] = child

    def _dress(self, templates: Iterable[Template]) -> list[Template]:
        split_off: dict[str, int] = {}
        for child in self._children.values():
            of = child.template.split_of
            split_off[of] = split_off.get(of, 0) + child.template.count
        dressed = []
        for template in templates:
            if template.id in split_off:
                template.count -= split_off[template.id]
            dressed.append(template if self._overlay.empty and not template.split_of else self._overlay.dress(template))
        return dressed

    def _rebuild(self, templates: dict[str, Template]) -> None:
        self._overlay = Overlay(self._log, self._aliases)
        self._settling = _latest(self._log)
        known = {split.edit.seq: split for split in self._splits.values()}
        self._splits = {}
        for parent, edit in self._overlay.splits.items():
            template = templates.get(parent)
            if template is None:
                continue
            split = known.get(edit.seq) or Split(edit, template.service)
            for child in self._children.values():
                if child.template.split_edit == edit.seq:
                    split.children[child.value] = child
            split.follow(template.text)
            self._splits[parent] = split

    def enriched(self, templates: Iterable[Template]) -> None:
        """Keep the keywords of split-off templates, as ``Miner.enriched`` does of its own."""
        for template in templates:
            child = self._children.get(template.id)
            if child is not None and template.enriched_version > child.template.enriched_version:
                mine = child.template
                mine.keywords, mine.entities = list(template.keywords), list(template.entities)
                mine.enriched_version = template.enriched_version
                self._unsaved[mine.id] = self._unshown[mine.id] = child

    # -- state ----------------------------------------------------------------------------------------------------

    def load(self, db: sqlite3.Connection) -> None:
        """To be called after the miner was loaded."""
        db.execute(_SCHEMA)
        self._history.load(db)
        for (data,) in db.execute("SELECT data FROM template_children ORDER BY rowid"):
            row = orjson.loads(data)
            template = Template(**{k: v for k, v in row["template"].items() if k in _TEMPLATE_FIELDS})
            child = Child(template, row["value"], row["levels"])
            self._children[child.template.id] = child
        self._seen, self._log = last_edit(db), read_edits(db)
        templates = {t.id: t for t in self._all()}
        self._aliases = plain_aliases(templates.values())
        self._rebuild(templates)
        # What was applied before a crash may have been lost before it was shown.
        self._stale = bool(self._log)

    def save(self, db: sqlite3.Connection) -> None:
        """Write what changed since the last save. The caller commits."""
        self._history.save(db)
        rows = [
            (child.template.id, child.template.split_edit, orjson.dumps(
                {"template": asdict(child.template), "value": child.value, "levels": child.levels}).decode())
            for child in self._unsaved.values()
        ]  # fmt: skip
        db.executemany("INSERT OR REPLACE INTO template_children VALUES (?, ?, ?)", rows)
        self._unsaved.clear()


def _latest(log: Iterable[Edit]) -> dict[str, int]:
    """When each template was last merged, split, marked or given back what was."""
    entries = {edit.seq: edit for edit in log}
    latest: dict[str, int] = {}
    for edit in entries.values():
        subject = entries.get(edit.undoes, edit)
        if subject.kind != "rename":
            latest.update(dict.fromkeys(filter(None, (subject.template_id, subject.into)), edit.at_ns))
    return latest
