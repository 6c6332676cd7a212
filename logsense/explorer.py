"""What people see of templates: the list, one in full, and what changed since before."""

from __future__ import annotations

import difflib
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logsense.counts import Courses, course_of, courses, span_of
from logsense.drift import Drift, drift
from logsense.errors import BadInput, NotFound
from logsense.mine.edit_log import Edit, EditLog
from logsense.mine.edits import Overlay, effective, plain_aliases
from logsense.mine.history import read_versions
from logsense.mine.parameters import extract, view
from logsense.record import Query, Template
from logsense.shapes import hit_dict, template_dict
from logsense.timefmt import SECOND, iso

if TYPE_CHECKING:
    from logsense.stages import Index

DAY_NS = 86_400 * SECOND
ORDERS = ("count", "new", "last", "rare", "text")
NOISE = ("hide", "show", "only")
#: At most this many lines, or this share of all, make a template rare.
RARE_LINES = 3
RARE_SHARE = 1e-5
#: Newest lines whose values are looked at for the parameters of one template.
SAMPLED = 2000
HOSTS = 8


@dataclass(slots=True)
class Known:
    """All templates as they are now, with what people said. ``families``: survivor → its members, itself first."""

    templates: dict[str, Template]
    overlay: Overlay
    families: dict[str, list[Template]]
    log: list[Edit]

    def survivor(self, template_id: str) -> str:
        """The id under which its lines are shown, whoever merged it."""
        template = self.templates.get(template_id)
        if template is None:
            return self.overlay.survivor(template_id)
        return self.overlay.survivor(template.alias_of or template_id)

    def find(self, template_id: str) -> Template:
        """By its id or the only one that begins so. Raises NotFound naming the nearest."""
        if template_id in self.templates:
            return self.templates[template_id]
        if len(template_id) >= 4:
            fitting = [t for t in self.templates if t.startswith(template_id)]
            if len(fitting) == 1:
                return self.templates[fitting[0]]
        near = difflib.get_close_matches(template_id, self.templates, n=1, cutoff=0.5)
        raise NotFound(
            f"There is no template {template_id!r}.",
            why="no template has this id, nor do the ids of several begin so"
            if self.templates
            else "none was mined yet",
            where="template id",
            fix=f"did you mean {near[0]!r}?" if near else "`GET /api/v1/templates` or `logsense templates` lists them",
        )


class Explorer:
    """Reads the index and the edit log of the data folder ``data``. Safe from any thread."""

    def __init__(self, index: Index, data: Path) -> None:
        self.index = index
        self.state = data / "state.db"
        self.log = EditLog(self.state)

    def known(self) -> Known:
        log = self.log.read()
        stored = self.index.templates()
        overlay = Overlay(log, plain_aliases(stored))
        dressed = stored if not log else [overlay.dress(t) for t in stored]
        made = Known({t.id: t for t in dressed}, overlay, {}, log)
        for template in sorted(dressed, key=lambda t: (bool(t.alias_of), t.first_seen_ns, t.id)):
            made.families.setdefault(made.survivor(template.id), []).append(template)
        return made

    # -- the list -------------------------------------------------------------------------------------------------

    def listing(
        self, *, limit: int = 200, order: str = "count", from_: int | None = None, to: int | None = None,
        text: str = "", service: str = "", only_new: bool = False, only_rare: bool = False,
        noise: str = "hide", course: bool = False,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """See ``Workspace.templates``."""
        _one_of("order", order, ORDERS)
        _one_of("noise", noise, NOISE)
        known = self.known()
        ranged = from_ is not None or to is not None
        start, end = span_of(self.index, from_, to)
        counted = courses(self.index, known.survivor, start, end) if course or ranged else None
        since = from_ if from_ is not None else recent(start, end)
        rows = [_row(survivor, family, counted if ranged else None) for survivor, family in known.families.items()]
        total = sum(row["count"] for row in rows)
        rows = [row for row in rows if row["count"] or not ranged]
        for row in rows:
            row["new"] = row["first_ns"] >= since
            row["share"] = round(row["count"] / total, 6) if total else 0.0
            row["rare"] = row["count"] <= RARE_LINES or row["share"] < RARE_SHARE
        wanted = [
            row for row in rows
            if (noise == "show" or row["noise"] == (noise == "only")) and (not only_new or row["new"])
            and (not only_rare or row["rare"]) and (not service or row["service"] == service)
            and _has_words(row, text)
        ]  # fmt: skip
        wanted.sort(key=_KEYS[order])
        for row in wanted[:limit]:
            del row["first_ns"], row["last_ns"]
            if course and counted is not None:
                row["course"] = counted.buckets(counted.of(row["id"]))
        return wanted[:limit]

    def noise(self) -> list[str]:
        """Ids that people marked as noise."""
        known = self.known()
        return [survivor for survivor, family in known.families.items() if family[0].noise]

    # -- one template ---------------------------------------------------------------------------------------------

    def detail(self, template_id: str, *, from_: int | None = None, to: int | None = None) -> dict[str, Any]:
        """See ``Workspace.template``."""
        known = self.known()
        template = known.find(template_id)
        survivor = known.survivor(template.id)
        family = known.families[survivor]
        start, end = span_of(self.index, from_, to)
        query = Query(template_ids=[t.id for t in family], from_ns=from_, to_ns=to)
        total, hits = self.index.search(query, limit=SAMPLED, by_time=True)
        rows = [found for hit in hits if (found := _values(template.text, hit.record.message)) is not None]
        row = template_dict(template)
        if template.id == survivor:
            row["count"] = sum(t.count for t in family)
        ids = {t.id for t in family}
        return {
            **row,
            "entities": template.entities,
            "sample": template.sample,
            "alias_of": template.alias_of,
            "alias_by": template.alias_by,
            "split_of": template.split_of,
            "lines_in_range": total,
            "versions": self._versions(template),
            "aliases": [
                {"id": t.id, "template": t.text, "count": t.count, "by": t.alias_by or "miner"}
                for t in family if t.id != survivor
            ],
            "split_into": [
                {"id": t.id, "template": t.text, "count": t.count}
                for t in known.templates.values() if t.split_of in ids and not t.alias_of
            ],
            "edits": [edit_dict(e, known.log) for e in known.log if {e.template_id, e.into} & ids],
            "parameters": [
                {"position": p.position, "name": p.name, "field": p.field, "type": p.kind, "distinct": p.distinct,
                 "top": [[v[:200], n] for v, n in p.top], "quantiles": [round(q, 6) for q in p.quantiles]}
                for p in view(template.text, rows)
            ],
            "sampled": len(rows),
            "hosts": self._hosts(query, start, end),
            "histogram": course_of(self.index, Query(template_ids=query.template_ids), start, end, steps=60),
            "hits": [hit_dict(h) for h in hits[:10]],
        }  # fmt: skip

    def _versions(self, template: Template) -> list[dict[str, Any]]:
        try:
            with closing(sqlite3.connect(f"file:{self.state}?mode=ro", uri=True)) as db:
                found = read_versions(db, template.id)
        except sqlite3.Error:
            found = []  # an index that was copied without its state
        found = found or [(template.version, template.text, template.last_seen_ns)]
        return [{"version": v, "template": t, "seen": iso(at)} for v, t, at in found]

    def _hosts(self, query: Query, start: int, end: int) -> list[dict[str, Any]]:
        return [
            {"host": host, "count": n,
             "course": course_of(self.index, Query(template_ids=query.template_ids, hosts=[host]), start, end)}
            for host, n in self.index.terms(query, "host", HOSTS) if host
        ]  # fmt: skip

    # -- what changed ---------------------------------------------------------------------------------------------

    def drift(self, *, from_: int | None = None, to: int | None = None, baseline: int | None = None) -> dict[str, Any]:
        """See ``Workspace.template_drift``."""
        known = self.known()
        held, end = span_of(self.index, baseline, to)
        since = from_ if from_ is not None else recent(held, end)
        if not held < since < end:
            raise BadInput(
                "There is nothing to compare.", why=f"no time lies before {iso(since)} and after it",
                fix="give --since a time within what the index holds",
            )  # fmt: skip
        before = courses(self.index, known.survivor, held, since)
        after = courses(self.index, known.survivor, since, end)
        rows: dict[str, list[dict[str, Any]]] = {"new": [], "vanished": [], "changed": []}
        for template_id in {*before.lines, *after.lines} & known.families.keys():
            head = known.families[template_id][0]
            found = drift(before.of(template_id), after.of(template_id), _seconds(before), _seconds(after))
            if found is not None and not head.noise:
                rows[found.kind].append(_drift_row(head, found))
        for kind in rows:
            rows[kind].sort(key=lambda row: (-row["score"], row["id"]))
        return {"baseline": [iso(held), iso(since)], "compared": [iso(since), iso(end)], **rows}


def recent(start: int, end: int) -> int:
    """Where "lately" begins: a day before the end, or half-way where less is held."""
    return max(end - DAY_NS, start + (end - start) // 2)


def edit_dict(edit: Edit, log: list[Edit]) -> dict[str, Any]:
    holds = any(e.seq == edit.seq for e in effective(log))
    return {
        "edit": edit.seq, "kind": edit.kind, "id": edit.template_id, "at": iso(edit.at_ns), "by": edit.by,
        "note": edit.note, "label": edit.label, "into": edit.into, "parameter": edit.parameter, "on": edit.on,
        "undoes": edit.undoes, "holds": holds,
    }  # fmt: skip


def _row(survivor: str, family: list[Template], counted: Courses | None) -> dict[str, Any]:
    """``first_ns`` and ``last_ns`` are for sorting only."""
    head = next((t for t in family if t.id == survivor), family[0])
    first, last = min(t.first_seen_ns for t in family), max(t.last_seen_ns for t in family)
    count = sum(t.count for t in family) if counted is None else sum(counted.of(survivor))
    return {
        **template_dict(head), "count": count, "first_seen": iso(first), "last_seen": iso(last),
        "merged": len(family) - 1, "first_ns": first, "last_ns": last,
    }  # fmt: skip


_KEYS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "count": lambda r: (-r["count"], r["id"]),
    "rare": lambda r: (r["count"], r["id"]),
    "new": lambda r: (-r["first_ns"], r["id"]),
    "last": lambda r: (-r["last_ns"], r["id"]),
    "text": lambda r: ((r["label"] or r["template"]).lower(), r["id"]),
}


def _has_words(row: dict[str, Any], text: str) -> bool:
    held = " ".join([row["id"], row["label"], row["template"], row["service"], *row["keywords"]]).lower()
    return all(word in held for word in text.lower().split())


def _values(text: str, message: str) -> list[str] | None:
    """The values of a line; of a long or many-line message, those of what was mined of it."""
    found = extract(text, message)
    if found is None and "\n" in message:
        found = extract(text, message.partition("\n")[0])
    return found


def _seconds(counted: Courses) -> float:
    return counted.step_ns / SECOND


def _drift_row(template: Template, found: Drift) -> dict[str, Any]:
    return {
        **template_dict(template), "before": found.before, "after": found.after,
        "rate_before": round(found.rate_before, 6), "rate_after": round(found.rate_after, 6),
        "score": round(found.score, 2),
    }  # fmt: skip


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadInput(f"Unknown {name} {value!r}.", fix=f"use one of {', '.join(known)}")
