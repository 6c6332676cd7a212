"""Feedback trains anew, nothing worse is used, a running forecaster takes up what is, and drift is said."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logsense import model_watch
from logsense.config import Settings
from logsense.failures import FailureLog, FailureReport
from logsense.index.embedded import EmbeddedIndex
from logsense.lifecycle.evaluate import EvaluateOptions
from logsense.lifecycle.promote import load_model
from logsense.lifecycle.recalibrate import recalibrate
from logsense.lifecycle.store import ModelStore
from logsense.lifecycle.train import Trained, TrainOptions
from logsense.model_watch import ModelWatch
from logsense.predict import state
from logsense.predict.failure import FailureModel, FitOptions
from logsense.predict.forecaster import Forecaster
from logsense.record import Action
from logsense.workspace import Workspace
from tests.models.conftest import SECOND, estate, forecast, incident, onsets

__all__ = ["estate"]  # a fixture: an index of its own
FAST = EvaluateOptions(bootstrap=10, shifts=40)
FEW = TrainOptions(fit=FitOptions(min_calibration_onsets=5))


class Recorder:
    """Stands for the jobs: a refresh is counted, not done."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []

    def start(self, kind: str, request: dict[str, Any], by: str = "") -> dict[str, Any]:
        self.started.append({"kind": kind, **request})
        return self.started[-1]

    def close(self) -> None:
        """Nothing runs."""


@pytest.fixture
def space(estate: Path) -> Iterator[Workspace]:
    made = Workspace(estate, Settings({"models": {"refresh_after": 4}}), load_models=False)
    yield made
    made.close()


def test_enough_reports_and_verdicts_start_one_refresh(space: Workspace, estate: Path) -> None:
    jobs = Recorder()
    space.desk._jobs = jobs  # type: ignore[assignment]
    (estate / "jobs").mkdir()
    reports = [FailureReport(f"r{n}", "h0", at) for n, at in enumerate(onsets())]
    FailureLog(estate).put(reports[:2])
    assert space.desk.refresh_if_due() is None
    writer = EmbeddedIndex(estate / "index", writer=True)
    writer.put_incidents([incident("inc-1", onsets()[0], onsets()[0] + 60 * SECOND, ["h0"])])
    writer.commit()
    writer.close()
    for verdict in ("right_cause", "noise"):
        space.index.add_action(Action("inc-1", "feedback", time.time_ns(), verdict=verdict))
    assert space.desk.refresh_if_due() == {"kind": "refresh", "name": "failure", "feedback": 4}
    assert space.desk.refresh_if_due() is None, "the same feedback counts once"
    FailureLog(estate).put(reports[2:6])
    assert space.desk.refresh_if_due() is not None
    assert len(jobs.started) == 2


def test_refreshing_can_be_switched_off(estate: Path) -> None:
    space = Workspace(estate, Settings({"models": {"refresh_after": 0}}), load_models=False)
    FailureLog(estate).put([FailureReport(f"r{n}", "h0", at) for n, at in enumerate(onsets())])
    assert space.desk.refresh_if_due() is None
    space.close()


def test_calibration_is_mended_without_touching_the_order(trained: Trained, parts: Any, tmp_path: Path) -> None:
    store = ModelStore([tmp_path])
    parts_ = trained.model.to_artefact()
    off = FailureModel(parts_ | {"calibrator": None, "offset": parts_["offset"] + 5})
    store.promote("failure", store.save(replace(trained.card), off.to_artefact()).version)
    decision = recalibrate(store, parts[0], parts[1], FEW, FAST)
    assert decision is not None and decision.promoted, decision
    mended = load_model(store)
    x = parts[1].x[:: max(1, len(parts[1]) // 200)]
    before, after = off.probabilities(x), mended.probabilities(x)
    order = np.argsort(before)
    assert (np.diff(after[order]) >= -1e-12).all()
    happened = (parts[1].y == 1).mean()
    assert mended.calibrated and abs(after.mean() - happened) < 0.5 * abs(before.mean() - happened)
    again = recalibrate(store, parts[0], parts[1], FEW, FAST)
    assert again is not None and not again.promoted and store.in_use("failure") == decision.version


def test_a_running_forecaster_takes_up_what_is_promoted(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_watch, "EVERY_S", 0.0)
    forecaster, watch = Forecaster(), ModelWatch(tmp_path)
    assert watch.refresh(forecaster) is False
    store = ModelStore([tmp_path / "models"])
    version = store.save(replace(trained.card), trained.model.to_artefact()).version
    assert watch.refresh(forecaster) is False, "stored is not in use"
    store.promote("failure", version)
    assert watch.refresh(forecaster) is True
    assert forecaster.model is not None and forecaster.model.id == f"failure/{version}"
    assert watch.refresh(forecaster) is False


def test_fit_is_judged_on_what_the_worker_saw_and_on_what_came_true(trained: Trained, parts: Any, estate: Path) -> None:
    store = ModelStore([estate / "models"])
    card = replace(trained.card, data={**trained.card.data, "source": "index", "until": "2026-01-01T00:00:00Z"})
    calibrated = trained.model.recalibrated(parts[0].x, (parts[0].y == 1).astype(np.int8), parts[0].onset)
    store.promote("failure", store.save(card, calibrated.to_artefact()).version)
    space = Workspace(estate, Settings({"labels": {"merge_s": 60}}), load_models=False)
    early = space.desk.fit()
    assert early is not None and early["vectors"] == early["failures"] == 0
    space.close()

    with sqlite3.connect(estate / "state.db") as db:
        state.save_recent(db, list(parts[1].x[:: max(1, len(parts[1]) // 300)] * 3 + np.float32(0.3)), 512)
    db.close()
    writer = EmbeddedIndex(estate / "index", writer=True)
    writer.put_forecasts(
        [forecast("h0", at - 100 * SECOND, 0.02, f"failure/{store.in_use('failure')}") for at in onsets()]
        + [forecast("h1", at, 0.95, f"failure/{store.in_use('failure')}") for at in onsets()]
    )
    writer.commit()
    writer.close()
    space = Workspace(estate, Settings({"labels": {"merge_s": 60}}), load_models=False)
    late = space.desk.fit()
    assert late is not None and late["fits"] is False
    assert late["shifted_share"] > 0.3 and late["shifted"]
    assert late["failures"] >= 5 and late["brier"] > late["brier_base_rate"]
    assert late["calibration_error"] > 0.1
    assert "worse" in late["why"] and "features" in late["why"]
    rows = {row["source"]: row["advice"] for row in space.doctor()}
    assert "no longer fits" in rows[f"model:failure/{store.in_use('failure')}"]
    space.close()
