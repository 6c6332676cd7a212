"""Does the model in use still fit what is seen here? Joins ``lifecycle.drift`` with the index and the labels."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logsense import labelling, registry
from logsense.errors import BadModel, LogsenseError, NotFound
from logsense.record import Query
from logsense.timefmt import SECOND, parse_time

if TYPE_CHECKING:
    from logsense.config import Settings
    from logsense.predict.failure import FailureModel
    from logsense.stages import Index

#: What is read: the newest forecasts, and the lines of the last day.
FORECASTS, DAY_NS = 10_000, 86_400 * SECOND
#: Looking costs some seconds of a core on a large index; drift is slow.
KEPT_S = 300.0


class ModelFit:
    """Remembers what it found for some minutes. Safe to use from several threads."""

    def __init__(self, index: Index, data: Path, settings: Settings) -> None:
        self._index, self._data, self._settings = index, data, settings
        self._lock = threading.Lock()
        self._model: FailureModel | None = None
        self._found: tuple[str, float, dict[str, Any]] | None = None

    def check(self, name: str = "failure") -> dict[str, Any] | None:
        """{"name", "version", "fits": True, False or None (too little was seen), "why", "shifted", …}; None when no
        version is in use."""
        from logsense.lifecycle.store import ModelStore

        store = ModelStore(registry.model_folders(self._data))
        version = store.in_use(name)
        if version is None:
            return None
        with self._lock:
            key = f"{name}/{version}"
            if self._found is None or self._found[0] != key or time.monotonic() - self._found[1] > KEPT_S:
                self._found = key, time.monotonic(), self._look(store, name, version)
            return self._found[2]

    def _look(self, store: Any, name: str, version: str) -> dict[str, Any]:
        from logsense.lifecycle.drift import check_drift, outcomes
        from logsense.lifecycle.promote import load_model

        head = {"name": name, "version": version}
        try:
            if self._model is None or self._model.id != f"{name}/{version}":
                self._model = load_model(store, name)
        except (BadModel, NotFound) as error:
            return {**head, "fits": False, "why": f"it cannot be loaded: {error.what} {error.why}".strip()}
        card = next(e.card for e in store.entries(name) if e.in_use)
        try:
            span = self._index.time_range()
            made = self._index.forecasts(limit=FORECASTS)
            since = min((f.made_ns for f in made), default=None)
            options = self._settings.section("labels")
            failures = [
                x.failure for x in labelling.labels(self._index, self._data, options, since, None)
            ] if made else []  # fmt: skip
            told = outcomes(made, failures, span[1] if span else 0, self._model.id)
            unknown = self._unknown(card.data, span[1]) if span else None
        except LogsenseError as error:
            return {**head, "fits": None, "why": f"the index does not answer: {error.what}"}
        recent = recent_features(self._data, len(self._model.names))
        return {**head, **check_drift(self._model, recent, told, unknown_share=unknown).to_dict()}

    def _unknown(self, trained_on: dict[str, Any], end_ns: int) -> float | None:
        """Share of the last day's lines of templates that are younger than the training data, where that was ours."""
        if trained_on.get("source") != "index" or not trained_on.get("until"):
            return None
        until = parse_time(str(trained_on["until"]))
        lines = dict(self._index.terms(Query(from_ns=end_ns - DAY_NS), "template_id", 10_000))
        total = sum(lines.values())
        young = {t.id for t in self._index.templates(list(lines)) if t.first_seen_ns > until}
        return sum(lines[t] for t in lines if t in young) / total if total else None


def recent_features(data: Path, width: int) -> Any:
    """Feature vectors that the worker kept, shape (n, width); none while there is no worker's state."""
    import numpy as np

    from logsense.predict.state import load_recent

    rows = []
    path = data / "state.db"
    if path.exists():
        # Without a state there is nothing to compare, and that is what the answer says.
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, timeout=5)) as db:
            rows = load_recent(db, width)
    return np.stack(rows) if rows else np.zeros((0, width), np.float32)
