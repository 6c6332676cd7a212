"""The pipeline's look at which model is in use: a promotion reaches a running worker within seconds."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from logsense import registry
from logsense.errors import LogsenseError

if TYPE_CHECKING:
    from logsense.predict.failure import FailureModel
    from logsense.predict.forecaster import Forecaster

log = logging.getLogger(__name__)

#: Two small files are read this often.
EVERY_S = 2.0


def model_in_use(data: Path) -> FailureModel | None:
    """The failure model that is in use, or None: then forecasts extrapolate what runs out, and say so."""
    from logsense.lifecycle.promote import load_model
    from logsense.lifecycle.store import ModelStore

    store = ModelStore(registry.model_folders(data))
    if store.in_use("failure") is None:
        return None
    try:
        return load_model(store)
    except LogsenseError as error:
        # Forecasts without a model are better than no pipeline; `logsense models` shows the same reason.
        log.warning("the failure model is not used: %s", error)
        return None


class ModelWatch:
    """``refresh`` is called from the pipeline's thread, as often as it likes."""

    def __init__(self, data: Path) -> None:
        self._data, self._seen, self._looked = data, self._version(data), time.monotonic()

    def refresh(self, forecaster: Forecaster) -> bool:
        """Give the forecaster the model that was put in use since the last look; True when there was one."""
        if time.monotonic() - self._looked < EVERY_S:
            return False
        self._looked = time.monotonic()
        version = self._version(self._data)
        if version == self._seen:
            return False
        self._seen = version
        forecaster.set_model(model_in_use(self._data))
        log.info("the failure model in use is now %s", version or "none")
        return True

    @staticmethod
    def _version(data: Path) -> str | None:
        """Which one is in use, told by its card: the same number may stand in two folders."""
        from logsense.lifecycle.store import CARD, ModelStore

        path = ModelStore(registry.model_folders(data)).in_use_path("failure")
        if path is None:
            return None
        try:
            return f"{path} {(path / CARD).stat().st_mtime_ns}"
        except OSError:
            return str(path)
