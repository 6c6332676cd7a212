"""Decide whether a new model replaces the one in use, and put the one before back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from logsense.errors import BadModel, NotFound
from logsense.lifecycle.dataset import Dataset
from logsense.lifecycle.evaluate import MODEL, SERVED, TIME_TO_LIMIT, EvaluateOptions, Report, evaluate
from logsense.lifecycle.store import ModelStore
from logsense.predict.failure import TRUSTED_TYPES, FailureModel

#: A model whose forecasts do as well at shifted times this often has shown no skill.
MAX_P_VALUE = 0.05


@dataclass(frozen=True, slots=True)
class Decision:
    """What ``promote`` did, and why."""

    name: str
    version: str
    promoted: bool
    why: str
    before: str | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def load_model(store: ModelStore, name: str = "failure", version: str | None = None) -> FailureModel:
    """The model of a version (default: the one in use). Raises ``BadModel`` or ``NotFound``."""
    artefact, card = store.load(name, version, trusted=TRUSTED_TYPES)
    if not isinstance(artefact, dict):
        raise BadModel("The model artefact is not a failure model.", where=f"{name}/{card.version}")
    return FailureModel(artefact, name, card.version)


def promote(
    store: ModelStore,
    name: str,
    version: str,
    held_out: Dataset,
    *,
    force: bool = False,
    options: EvaluateOptions | None = None,
    report: Report | None = None,
) -> Decision:
    """Put ``version`` in use unless it is worse than what is in use on ``held_out``.

    With no model in use, the time to a limit is in use, and that is what it must not be worse than. ``report`` is
    the candidate's evaluation on ``held_out`` where it has been made already.
    """
    before = store.in_use(name)
    candidate = load_model(store, name, version)
    report = report or evaluate(candidate, held_out, options)
    another = store.in_use_path(name) != store.path(name, version)
    against = _objection(store, name, before, report, held_out, options) if another else ""
    if against and not force:
        return Decision(name, version, False, against, before)
    store.promote(name, version)
    mine = report.score(SERVED).average_precision
    why = f"average precision {mine.value:.3f} ({mine.low:.3f} to {mine.high:.3f}) on the held-out part"
    return Decision(name, version, True, f"forced, although {against}" if against else why, before)


def rollback(store: ModelStore, name: str = "failure") -> Decision:
    """Put the version before back in use; it must still load. Raises ``NotFound`` when there is none."""
    before = store.in_use(name)
    version = store.rollback(name)
    try:
        load_model(store, name)
    except (BadModel, NotFound):
        if before is not None:
            store.promote(name, before)
        raise
    return Decision(name, version, True, "rolled back", before)


def _objection(
    store: ModelStore, name: str, before: str | None, report: Report, held_out: Dataset, options: EvaluateOptions | None
) -> str:
    """Why the candidate should not be used; empty when nothing speaks against it."""
    own = report.score(SERVED).average_precision.value
    said = f"average precision {own:.3f}"
    if report.score(MODEL).p_value > MAX_P_VALUE:
        return f"it shows no skill: shifted in time it does as well (p = {report.score(MODEL).p_value:.2f})"
    if before is None:
        plain = report.score(TIME_TO_LIMIT).average_precision.value
        return f"{said} is below the {plain:.3f} of the time to a limit alone" if own < plain else ""
    try:
        current = load_model(store, name)
    except (BadModel, NotFound):
        return ""  # what is in use cannot be loaded: anything that can is better
    if not current.fits(held_out.options, held_out.names):
        return f"version {before} in use has another horizon or other features, so the two cannot be compared"
    theirs = evaluate(current, held_out, options).score(SERVED).average_precision.value
    return f"{said} is below the {theirs:.3f} of version {before} in use" if own < theirs else ""
