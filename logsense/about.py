"""Incidents about a question, and the values that the lines of an answer have: what is asked beside lines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from logsense.errors import BadInput
from logsense.record import Hit, Incident, Query, Template
from logsense.timefmt import zone

if TYPE_CHECKING:
    from logsense.workspace import Workspace

#: Fields whose values are counted.
FIELDS = ("host", "service", "level", "template_id", "pipeline")
#: Incidents beside the lines of an answer.
BESIDE = 5


def understood_query(space: Workspace, question: str, from_: int | None, to: int | None, tz: str) -> tuple[Any, Query]:
    """What ``question`` was understood as, and its query with the stated times, which win over those in its words."""
    from logsense.search import understand

    understood = understand(question, now_ns=time.time_ns(), tz=zone(tz), catalog=space.catalog())
    query = understood.query
    query.from_ns = from_ if from_ is not None else query.from_ns
    query.to_ns = to if to is not None else query.to_ns
    return understood, query


def incidents_about(space: Workspace, question: str, from_: int | None, to: int | None) -> list[Incident]:
    """Those that ``question`` is about, best first; its hosts, services and times restrict them."""
    understood, query = understood_query(space, question, from_, to, "UTC")
    ids = space.searcher().incidents(understood.topic or query.text, filters_of(query))
    found = [space.index.get_incident(item) for item in ids]
    return [incident for incident in found if incident is not None and not incident.merged_into]


def filters_of(query: Query) -> Query:
    """What of a query of lines restricts incidents."""
    return Query(hosts=query.hosts, services=query.services, pipelines=query.pipelines, from_ns=query.from_ns,
                 to_ns=query.to_ns)  # fmt: skip


def incidents_beside(
    space: Workspace, topic: str, templates: Sequence[tuple[Template, int, float]], hits: Sequence[Hit], query: Query
) -> list[Incident]:
    """Incidents in the searched time for the answer ``templates`` and ``hits``: three rankings fused, by shared
    templates (those with the best ones first), by words and by meaning."""
    from logsense.search import fuse

    rank = {t.id: i for i, (t, _, _) in enumerate(templates)}
    for hit in hits:
        rank.setdefault(hit.record.template_id, len(rank))
    shared: list[tuple[int, int, Incident]] = []
    within = {i.id: i for i in space.index.incidents(query.from_ns, query.to_ns) if not i.merged_into}
    for incident in within.values():
        ranks = [rank[t] for t in incident.template_ids if t in rank]
        if ranks and (not query.hosts or set(query.hosts) & set(incident.hosts)):
            shared.append((min(ranks), -incident.start_ns, incident))
    by_templates = [incident.id for _, _, incident in sorted(shared, key=lambda s: s[:2])]
    asked = space.searcher().incidents(topic, filters_of(query)) if within else []
    about = [item for item in asked if item in within]
    # what shares messages with the answer stands above what only reads like it
    best = fuse([by_templates, by_templates, about])
    return [within[item] for item, _ in best[:BESIDE]]


def values(
    space: Workspace, field: str, question: str = "", *, rare: bool = False, most: int = 1, limit: int = 10,
    from_: int | None = None, to: int | None = None, tz: str = "UTC",
) -> dict[str, Any]:  # fmt: skip
    """See ``Workspace.values``."""
    if field not in FIELDS:
        raise BadInput(f"Unknown field {field!r}.", where="field", fix=f"use one of {', '.join(FIELDS)}")
    understood, query = understood_query(space, question, from_, to, tz)
    if question.strip():
        answer = space.searcher().search(understood, limit=0)
        query = answer.query
        if not answer.total:
            return {"field": field, "total": 0, "values": [], "notes": [*understood.notes, *answer.notes]}
    total = space.index.search(query, limit=0)[0]
    found = (
        space.index.rare_terms(query, field, most=most, size=limit) if rare else space.index.terms(query, field, limit)
    )
    texts = {t.id: t.text for t in space.index.templates([v for v, _ in found])} if field == "template_id" else {}
    rows = [{"value": value, "lines": lines, "text": texts.get(value, "")} for value, lines in found]
    return {"field": field, "total": total, "values": rows, "notes": understood.notes}
