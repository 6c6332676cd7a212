"""What people do with incidents: acknowledge, resolve, judge, note, merge, split. ``Workspace`` hands over to this."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from logsense.errors import BadInput, NotFound
from logsense.incidents import VERDICTS as VERDICTS
from logsense.incidents import Decisions, effective
from logsense.record import Action, Incident
from logsense.stages import Index

ACTIONS = ("ack", "resolve", "reopen", "feedback", "note")
#: A running worker applies a decision within about a second; this is how long one waits to see it.
SHOWN_WITHIN_S = 4.0


def find(index: Index, incident_id: str) -> Incident:
    """The incident as it is stored. Raises ``NotFound``."""
    incident = index.get_incident(incident_id)
    if incident is None:
        raise NotFound(f"There is no incident {incident_id!r}.", fix="`logsense incidents` lists them")
    return incident


def act(index: Index, incident_id: str, kind: str, *, by: str, text: str, verdict: str) -> None:
    """Store an action. Raises ``BadInput`` on one that is unknown or makes no sense in the incident's state."""
    if kind not in ACTIONS:
        raise BadInput(f"Unknown action {kind!r}.", fix=f"use one of {', '.join(ACTIONS)}")
    if kind == "feedback" and verdict not in VERDICTS:
        raise BadInput(f"Unknown verdict {verdict!r}.", fix=f"use one of {', '.join(VERDICTS)}")
    if kind == "note" and not text.strip():
        raise BadInput("The note is empty.", fix="write what you found or did")
    incident = find(index, incident_id)
    action = Action(incident_id, kind, time.time_ns(), by=by, text=text, verdict=verdict if kind == "feedback" else "")
    incident.actions = [*incident.actions, action]
    effective(incident)  # raises BadInput on a step that makes no sense, before it is stored
    index.add_action(action)


def merge(data: Path, index: Index, incident_id: str, into: str, *, by: str, text: str) -> None:
    """Ask the worker to make ``incident_id`` part of ``into``, and wait a moment for it."""
    one, other = find(index, incident_id), find(index, into)
    if one.id == other.id:
        raise BadInput("An incident cannot be merged into itself.", fix="name the one that it is part of")
    for incident in (one, other):
        if incident.merged_into:
            raise BadInput(f"{incident.id} is part of {incident.merged_into} already.", fix="use that one")
    now = time.time_ns()
    index.add_action(Action(one.id, "merge", now, by=by, text=text or f"merged into {other.id}"))
    index.add_action(Action(other.id, "merge", now, by=by, text=text or f"{one.id} was merged into this one"))
    Decisions(data).add("merge", one.id, into=other.id)
    _wait(lambda: find(index, one.id).merged_into != "")


def split(
    data: Path, index: Index, incident_id: str, hosts: Sequence[str], services: Sequence[str], *, by: str, text: str
) -> None:
    """Ask the worker to make an incident of its own of what is of ``hosts`` or ``services``."""
    incident = find(index, incident_id)
    if incident.merged_into:
        raise BadInput(f"{incident.id} is part of {incident.merged_into}.", fix="split that one")
    for name, given, known in (("host", hosts, incident.hosts), ("service", services, incident.services)):
        if wrong := [value for value in given if value not in known]:
            raise BadInput(f"{incident.id} has no {name} {wrong[0]!r}.", fix=f"use one of {', '.join(known) or '–'}")
    signals = index.signals(ids=incident.signal_ids)
    leaving = [s for s in signals if s.host in hosts or s.service in services]
    if not leaving or len(leaving) == len(signals):
        raise BadInput(
            f"That would leave {'nothing' if leaving else 'everything'} in {incident.id}.",
            fix="name hosts or services that are a part of it",
        )
    parts = ", ".join([*hosts, *services])
    index.add_action(Action(incident_id, "split", time.time_ns(), by=by, text=text or f"{parts} split off"))
    Decisions(data).add("split", incident_id, hosts=hosts, services=services)
    before = len(incident.signal_ids)
    _wait(lambda: len(find(index, incident_id).signal_ids) != before)


def _wait(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SHOWN_WITHIN_S
    while not done() and time.monotonic() < deadline:
        time.sleep(0.1)
