"""What ``logsense doctor`` and the page Sources say: per source what came and went, and what to do about it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logsense.errors import IndexUnavailable
from logsense.shapes import doctor_row, problem_text
from logsense.waiting import index_problems

if TYPE_CHECKING:
    from logsense.stages import Index


def doctor_rows(
    index: Index, data: Path, intake: Mapping[str, Mapping[str, int]], channels: Sequence[Mapping[str, Any]],
    model: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows as ``Workspace.doctor`` describes them. ``intake`` are the counters of the process that accepts lines,
    ``channels`` the states of those by which people are told (see ``telling.channel_states``), ``model`` says whether
    the one in use still fits (see ``model_fit``)."""
    problems = index_problems(index, data)
    rows: dict[str, dict[str, Any]] = {}
    refused = 0
    with contextlib.suppress(IndexUnavailable):  # the problems say so
        rows = {name: dict(row) for name, row in index.source_stats().items()}
        refused = index.dead_letters() if hasattr(index, "dead_letters") else 0
    for name, counts in intake.items():
        if name != "metrics" or counts.get("dropped"):
            rows.setdefault(name, {})["dropped"] = counts.get("dropped", 0)
    answer = [doctor_row(name, row) for name, row in sorted(rows.items())]
    advice = [problem_text(problem) for problem in problems]
    if refused:
        advice.append(
            f"The index refused {refused} documents for what they hold; each is kept with the reason in "
            f"{getattr(index, 'dead_letters_index', 'its dead letters')}, and all others got through."
        )
    if advice:
        answer.append({**doctor_row("index", {}), "advice": " ".join(advice)})
    for channel in channels:
        if channel["trouble"]:
            told = f"People are not told here: {channel['trouble']} (tried again; `logsense notify` shows it)."
            answer.append({**doctor_row(f"notify:{channel['channel']}", {}), "advice": told})
    if model is not None and model["fits"] is False:
        told = f"The model in use no longer fits: {model['why']}. Train it anew: `logsense pipeline run own-history`."
        answer.append({**doctor_row(f"model:{model['name']}/{model['version']}", {}), "advice": told})
    return answer
