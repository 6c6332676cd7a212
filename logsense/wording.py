"""Answers in the language that was asked for, and summaries in the form that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logsense.errors import BadInput
from logsense.record import Sentence
from logsense.rootcause import FORMS, render, translate

if TYPE_CHECKING:
    from logsense.workspace import Workspace

LANGUAGES = ("en", "zh")
#: Members of answers that logsense words itself; everything else (lines, templates, names, notes of people) is quoted.
_WORDED = ("title", "cause", "why", "text", "summary")
_PARTS = ("sentences", "summary", "hypotheses", "timeline", "similar", "anomalies", "incidents")
_LISTED = ("next_steps", "not_examined")


def in_language(answer: Any, language: str) -> Any:
    """``answer`` of incidents or a diagnosis with what logsense says in ``language``; evidence and order stay."""
    if language not in LANGUAGES:
        raise BadInput(f"There is no language {language!r}.", fix=f"use {' or '.join(LANGUAGES)}")
    if language == "en":
        return answer
    if isinstance(answer, list):
        return [in_language(one, language) for one in answer]
    if not isinstance(answer, dict):
        return answer
    changed = dict(answer)
    for key, value in answer.items():
        if key in _WORDED and isinstance(value, str):
            changed[key] = "\n".join(translate(line) for line in value.split("\n"))
        elif key in _LISTED:
            changed[key] = [translate(one) for one in value]
        elif key in _PARTS:
            changed[key] = in_language(value, language)
    if "sentences" in answer and isinstance(answer.get("summary"), str):
        changed["summary"] = render(_sentences(changed["sentences"]), "text", language=language)
    return changed


def summary(space: Workspace, incident_id: str, form: str, language: str, page_url: str = "") -> str:
    """The summary of an incident as ``text``, ``markdown`` or ``html``."""
    if form not in FORMS:
        raise BadInput(f"There is no form {form!r}.", fix=f"use {', '.join(FORMS)}")
    found = in_language(space.incident(incident_id), language)
    return render(_sentences(found["summary"]), form, language=language, page_url=page_url)


def _sentences(rows: list[dict[str, Any]]) -> list[Sentence]:
    return [Sentence(row["text"], row["evidence"], row["role"]) for row in rows]
