"""What people may change about templates: every wish is checked here before it enters the log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from logsense.errors import BadInput, NotFound
from logsense.explorer import Explorer, Known, edit_dict
from logsense.mine.edit_log import KINDS, Edit
from logsense.mine.edits import Overlay, effective

MAX_LABEL = 200
MAX_NOTE = 2000


class Conflict(BadInput):
    """A wish that contradicts what is so already."""

    status, slug = 409, "conflict"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants. Which members count depends on ``kind``, as in ``Edit``."""

    kind: str
    template_id: str
    label: str = ""
    into: str = ""
    parameter: int = 0
    on: bool = True
    force: bool = False
    undoes: int = 0
    by: str = ""
    note: str = ""


def edit(explorer: Explorer, wish: Wish) -> dict[str, Any]:
    """Check the wish and keep it; the entry of the log. Raises NotFound, BadInput or Conflict."""
    if wish.kind not in KINDS:
        raise BadInput(f"Unknown kind of edit {wish.kind!r}.", fix=f"use one of {', '.join(KINDS)}")
    if len(wish.note) > MAX_NOTE:
        raise BadInput("The note is too long.", why=f"more than {MAX_NOTE} characters", fix="write a shorter one")
    known = explorer.known()

    def make(log: Any) -> Edit:
        # Between the reading above and here somebody may have written: judge by what is so now.
        now = Known(known.templates, Overlay(log, known.overlay.aliases), known.families, list(log))
        return _MAKERS[wish.kind](now, wish)

    written = explorer.log.append(make)
    return edit_dict(written, [*explorer.log.read()])


def _base(wish: Wish, template_id: str, **more: Any) -> Edit:
    return Edit(
        wish.kind, template_id, time.time_ns(), by=wish.by[:200].strip(), note=wish.note.strip(), **more
    )  # fmt: skip


def _rename(known: Known, wish: Wish) -> Edit:
    template = known.find(wish.template_id)
    label = " ".join(wish.label.split())
    if len(label) > MAX_LABEL or not (label.isprintable() or not label):
        raise BadInput(
            "The name cannot be used.", why=f"it is longer than {MAX_LABEL} characters or not printable",
            where="label", fix="write a short name in plain characters",
        )  # fmt: skip
    if not label and not known.overlay.labels.get(known.overlay.mined(template.id)):
        raise BadInput("The name is empty.", where="label", fix="write what the message means")
    taken = next((t for t, held in known.overlay.labels.items() if label and held == label), None)
    if taken is not None and taken != known.overlay.mined(template.id):
        raise Conflict(f"Template {taken!r} has this name already.", fix="use another name, or merge the two")
    return _base(wish, template.id, label=label)


def _merge(known: Known, wish: Wish) -> Edit:
    gone, keep = known.find(wish.template_id), known.find(wish.into)
    overlay = known.overlay
    if gone.split_of or keep.split_of:
        child = gone if gone.split_of else keep
        raise Conflict(
            f"{child.id!r} was split off from {child.split_of!r}.", why="its lines are told apart by a value",
            fix="undo that split instead",
        )  # fmt: skip
    if overlay.into.get(overlay.mined(gone.id)):
        raise Conflict(
            f"{gone.id!r} is merged into {overlay.survivor(gone.id)!r} already.",
            fix=f"split it first: `logsense template split {gone.id}`",
        )
    target = overlay.survivor(keep.id)
    if overlay.survivor(gone.id) == target:
        why = "the miner merged the two already" if gone.id != keep.id else "they are the same"
        if overlay.mined(keep.id) != overlay.mined(gone.id):
            why = f"{keep.id!r} is merged into {gone.id!r}: that would be a circle"
        raise Conflict("A template cannot be merged into itself.", why=why, fix="name two different templates")
    survivor = known.templates.get(target, keep)
    if gone.service != survivor.service and not wish.force:
        raise Conflict(
            f"The two belong to different services: {gone.service or '(none)'} and {survivor.service or '(none)'}.",
            why="messages of different programs rarely mean the same", fix="add --force (force: true) if they do",
        )  # fmt: skip
    return _base(wish, gone.id, into=target)


def _split(known: Known, wish: Wish) -> Edit:
    template = known.find(wish.template_id)
    at = known.overlay.mined(template.id)
    if wish.parameter:
        if template.split_of or template.alias_of:
            raise Conflict(
                f"{template.id!r} does not take lines of its own.", why="it is a merged or split-off template",
                fix=f"split {template.alias_of or template.split_of!r}",
            )  # fmt: skip
        count = template.text.count("<*>")
        if not 1 <= wish.parameter <= count:
            raise BadInput(
                f"There is no parameter {wish.parameter}.", where="parameter",
                why=f"the template has {count}: {template.text[:200]}",
                fix=f"give a number from 1 to {count}" if count else "it cannot be split: nothing in it varies",
            )  # fmt: skip
        if at in known.overlay.splits:
            raise Conflict(
                f"{template.id!r} is split by parameter {known.overlay.splits[at].parameter} already.",
                fix=f"undo that first: `logsense template undo {known.overlay.splits[at].seq}`",
            )
        return _base(wish, template.id, parameter=wish.parameter, text=template.text)
    if not known.overlay.into.get(at):
        why = "nobody merged it into another"
        fix = "give the parameter by whose values to split: `logsense template split ID --by N`"
        if template.alias_of and not template.alias_by:
            why = "the miner merged it, because its lines differ in a value only"
            fix = f"split {template.alias_of!r} by that value: `logsense template split {template.alias_of} --by N`"
        raise Conflict(f"{template.id!r} cannot be split out of another.", why=why, fix=fix)
    return _base(wish, template.id)


def _noise(known: Known, wish: Wish) -> Edit:
    template = known.find(wish.template_id)
    if known.overlay.is_noise(template.id) == wish.on:
        state = "marked as noise" if wish.on else "not marked as noise"
        raise Conflict(f"{template.id!r} is {state} already.", fix="nothing is to be done")
    return _base(wish, known.survivor(template.id), on=wish.on)


def _undo(known: Known, wish: Wish) -> Edit:
    holding = {e.seq: e for e in effective(known.log)}
    number = wish.undoes
    if not number and wish.template_id:
        family = {t.id for t in known.families.get(known.survivor(known.find(wish.template_id).id), ())}
        number = max((seq for seq, e in holding.items() if {e.template_id, e.into} & family), default=0)
        if not number:
            raise NotFound(
                f"Nothing was changed about {wish.template_id!r}.", fix="`logsense template edits` lists all"
            )
    if number not in holding:
        raise NotFound(
            f"There is no edit {number} to undo.", why="it was never made, is undone already, or is itself an undoing",
            fix="`logsense template edits` lists them",
        )  # fmt: skip
    subject = holding[number]
    return _base(wish, subject.template_id, into=subject.into, undoes=number)


_MAKERS: dict[str, Callable[[Known, Wish], Edit]] = {
    "rename": _rename, "merge": _merge, "split": _split, "noise": _noise, "undo": _undo,
}  # fmt: skip
