"""What people did with an incident, over what the machine thinks of it; and which incidents it resembles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from logsense.errors import BadInput
from logsense.incidents.grouping import jaccard
from logsense.record import Action, Incident

KINDS = ("ack", "resolve", "reopen", "feedback", "note", "merge", "split")
VERDICTS = ("right_cause", "wrong_cause", "noise")


def effective(incident: Incident) -> Incident:
    """The incident with people's actions applied; the stored one is left as it is.

    ``resolve`` holds until the machine sees signals after it (then the incident is open again) or someone
    reopens. ``ack`` holds while the incident is not resolved. ``reopen`` overrides the machine's own
    resolution. Raises ``BadInput`` on a step that makes no sense in the state it meets.
    """
    status, end_ns = incident.status, incident.end_ns
    human_end = 0
    for action in sorted(incident.actions, key=lambda a: a.at_ns):
        if action.kind not in KINDS:
            raise BadInput(f"Unknown action {action.kind!r}.", fix=f"use one of {', '.join(KINDS)}")
        if action.kind == "ack":
            if status == "resolved":
                raise _illegal(incident, action, "it is resolved", "reopen it first if it is not over")
            status = "acknowledged"
        elif action.kind == "resolve":
            if status == "resolved" and human_end:
                raise _illegal(incident, action, "it is resolved already", "nothing needs to be done")
            status, human_end = "resolved", action.at_ns
            end_ns = incident.end_ns or action.at_ns
        elif action.kind == "reopen":
            if status != "resolved":
                raise _illegal(incident, action, f"it is {status}", "only a resolved incident can be reopened")
            status, end_ns, human_end = "open", 0, 0
        elif action.kind == "feedback" and action.verdict not in VERDICTS:
            raise BadInput(f"Unknown verdict {action.verdict!r}.", fix=f"use one of {', '.join(VERDICTS)}")
    if human_end and incident.status != "resolved" and incident.last_ns > human_end:
        status, end_ns = "open", 0
    return replace(incident, status=status, end_ns=end_ns)


def _illegal(incident: Incident, action: Action, why: str, fix: str) -> BadInput:
    return BadInput(f"Incident {incident.id} cannot take {action.kind!r}.", why=why, fix=fix)


def noise(incident: Incident) -> bool:
    """True when the newest verdict of people is that it was nothing."""
    verdicts = [a.verdict for a in sorted(incident.actions, key=lambda a: a.at_ns) if a.kind == "feedback"]
    return bool(verdicts) and verdicts[-1] == "noise"


def similar(
    incident: Incident,
    earlier: Iterable[Incident],
    *,
    limit: int = 5,
    at_least: float = 0.35,
    similarity: Callable[[Sequence[str], Sequence[str]], float] | None = None,
) -> list[str]:
    """Ids of earlier incidents that look the same, best first.

    Shared message types (Jaccard, or the better of it and the embeddings' ``similarity`` in 0…1), first
    hypothesis, service and host. Verdicts of people move the ranking: a confirmed cause up, noise down.
    """
    scored = []
    for other in earlier:
        if other.id == incident.id or other.start_ns >= incident.start_ns:
            continue
        score = resemblance(incident, other, similarity)
        if score < at_least:
            continue
        confirmed = any(a.verdict == "right_cause" for a in other.actions)
        score *= 0.5 if noise(other) else 1.1 if confirmed else 1.0
        scored.append((-score, -other.start_ns, other.id))
    return [identity for _, _, identity in sorted(scored)[:limit]]


def resemblance(
    one: Incident, two: Incident, similarity: Callable[[Sequence[str], Sequence[str]], float] | None = None
) -> float:
    """0…1: half message types, a quarter the first hypothesis, the rest service and host."""
    if one.template_ids or two.template_ids:
        words = jaccard(one.template_ids, two.template_ids)
        if similarity is not None and one.template_ids and two.template_ids:
            forth, back = similarity(one.template_ids, two.template_ids), similarity(two.template_ids, one.template_ids)
            words = max(words, (forth + back) / 2)
    else:
        words = 0.0
    causes = [i.hypotheses[0].kind if i.hypotheses else "" for i in (one, two)]
    same_cause = 1.0 if causes[0] and causes[0] == causes[1] else 0.0
    service = 1.0 if set(one.services) & set(two.services) else 0.0
    host = 1.0 if set(one.hosts) & set(two.hosts) else 0.0
    return 0.5 * words + 0.25 * same_cause + 0.15 * service + 0.1 * host
