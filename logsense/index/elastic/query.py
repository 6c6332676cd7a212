"""How a plan is asked of Elasticsearch. Pure. Scores are the same whole numbers as in the embedded index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from logsense.index.base import Plan, Unit

Clause = dict[str, Any]

#: ``Index.terms`` fields → document fields.
FIELDS = {
    "host": "host.name",
    "service": "service.name",
    "level": "log.level",
    "template_id": "logsense.template_id",
    "pipeline": "logsense.pipeline",
}
NOTHING: Clause = {"match_none": {}}


def any_of(field: str, values: Sequence[str]) -> Clause:
    return {"term": {field: values[0]}} if len(values) == 1 else {"terms": {field: list(values)}}


def words(form: Sequence[str]) -> Clause:
    """One word, or several side by side."""
    if len(form) == 1:
        return {"term": {"logsense.words": form[0]}}
    return {"match_phrase": {"logsense.words": " ".join(form)}}


def between(field: str, from_ns: int | None, to_ns: int | None) -> list[Clause]:
    """The half-open time range on a 64-bit field."""
    limits: dict[str, int] = {}
    if from_ns is not None:
        if from_ns >= 2**63:
            return [NOTHING]
        limits["gte"] = max(from_ns, -(2**63))
    if to_ns is not None:
        if to_ns <= -(2**63):
            return [NOTHING]
        if to_ns < 2**63:
            limits["lt"] = to_ns
    return [{"range": {field: limits}}] if limits else []


def _scored(clause: Clause, score: int) -> Clause:
    return {"constant_score": {"filter": clause, "boost": float(score)}}


def _unit(unit: Unit) -> Clause:
    single = [form[0] for form in unit.forms if len(form) == 1]
    options = [words(form) for form in unit.forms if len(form) > 1]
    if single:
        options.append(any_of("logsense.words", single))
        if ascii_words := [word for word in single if word.isascii()]:
            options.append(any_of("logsense.parts", ascii_words))
    if unit.templates:
        options.append(any_of("logsense.template_id", unit.templates))
    return {"bool": {"should": options, "minimum_should_match": 1}}


def compile_plan(plan: Plan) -> Clause:
    """The whole plan as one query."""
    if plan.impossible:
        return NOTHING
    filters: list[Clause] = between("logsense.time_ns", plan.from_ns, plan.to_ns)
    for field, values in (
        ("host.name", plan.hosts),
        ("service.name", plan.services),
        ("log.level", plan.levels),
        ("logsense.pipeline", plan.pipelines),
    ):
        if values:
            filters.append(any_of(field, values))
    filters += [any_of("logsense.facts", [fact]) for fact in plan.facts]
    filters += [words(phrase) for phrase in plan.phrases]
    query: Clause = {"filter": filters}
    should: list[Clause] = []
    if plan.units:
        held = [_scored(_unit(unit), unit.weight) for unit in plan.units]
        should.append({"bool": {"should": held, "minimum_should_match": plan.required}})
    for rank, family in enumerate(plan.ranks):
        should.append(_scored(any_of("logsense.template_id", family), plan.rank_score(rank)))
    if should:
        query["must"] = [{"bool": {"should": should, "minimum_should_match": 1}}]
    if plan.excludes:
        query["must_not"] = [_unit(unit) for unit in plan.excludes]
    return {"bool": query}
