"""From recordings to a model in use, and back."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from logsense.errors import BadModel, NotFound
from logsense.lifecycle.card import Card
from logsense.lifecycle.dataset import Dataset, Recording, SplitOptions
from logsense.lifecycle.evaluate import SERVED, EvaluateOptions, Report
from logsense.lifecycle.promote import load_model, promote, rollback
from logsense.lifecycle.run import STEPS, Run, run_steps
from logsense.lifecycle.store import CARD, ModelStore
from logsense.lifecycle.train import Trained, TrainOptions
from logsense.predict.failure import FailureModel
from logsense.predict.options import ForecastOptions

FAST = EvaluateOptions(bootstrap=10, shifts=40)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore([tmp_path / "models"])


def save(store: ModelStore, model: FailureModel, trained: Trained) -> str:
    card: Card = replace(trained.card)
    return store.save(card, model.to_artefact()).version


def worse(model: FailureModel, by: float) -> FailureModel:
    """The model with noise on its coefficients."""
    import copy

    estimator = copy.deepcopy(model.estimator)
    estimator.coef_ = estimator.coef_ + np.random.default_rng(0).normal(0, by, estimator.coef_.shape)
    return FailureModel(model.to_artefact() | {"estimator": estimator})


def test_worse_models_are_not_promoted_unless_forced_and_can_be_rolled_back(
    store: ModelStore, trained: Trained, parts: tuple[Dataset, Dataset], report: Report
) -> None:
    held_out = parts[1]
    good = save(store, trained.model, trained)
    first = promote(store, "failure", good, held_out, options=FAST, report=report)
    assert first.promoted and first.before is None and store.in_use("failure") == good
    bad = save(store, worse(trained.model, 0.6), trained)
    refused = promote(store, "failure", bad, held_out, options=FAST)
    assert not refused.promoted and store.in_use("failure") == good
    assert f"{report.score(SERVED).average_precision.value:.3f}" in refused.why or "no skill" in refused.why
    forced = promote(store, "failure", bad, held_out, force=True, options=FAST)
    assert forced.promoted and "forced" in forced.why and store.in_use("failure") == bad
    back = rollback(store)
    assert back.version == good == store.in_use("failure")
    loaded = load_model(store)
    assert loaded.id == f"failure/{good}"
    assert np.array_equal(loaded.probabilities(held_out.x), trained.model.probabilities(held_out.x))
    with pytest.raises(NotFound):
        rollback(store)


def test_a_model_of_another_horizon_cannot_be_compared(
    store: ModelStore, trained: Trained, parts: tuple[Dataset, Dataset], report: Report
) -> None:
    parts_ = trained.model.to_artefact()
    other = FailureModel(parts_ | {"options": parts_["options"] | {"horizon_s": 60}})
    store.promote("failure", save(store, other, trained))
    decision = promote(store, "failure", save(store, trained.model, trained), parts[1], report=report)
    assert not decision.promoted and "horizon" in decision.why


def test_a_broken_model_in_use_does_not_stand_in_the_way(
    store: ModelStore, trained: Trained, parts: tuple[Dataset, Dataset], report: Report
) -> None:
    old = save(store, trained.model, trained)
    store.promote("failure", old)
    (store.path("failure", old) / "model.skops").write_bytes(b"")
    new = save(store, trained.model, trained)
    assert promote(store, "failure", new, parts[1], report=report).promoted
    with pytest.raises(BadModel):
        rollback(store)
    assert store.in_use("failure") == new  # a roll-back to what cannot be loaded is undone


def test_the_whole_run_writes_a_card_with_its_scores(
    takes: list[Recording], dataset: Dataset, store: ModelStore
) -> None:
    said: list[tuple[str, float]] = []
    run = run_steps(
        Run(
            [Recording(t.name, list(t.windows)[:1500], t.failures) for t in takes],
            store,
            forecast=dataset.options,
            options=TrainOptions(split=SplitOptions(holdout=("second",)), folds=2),
            evaluation=FAST,
            progress=lambda step, share: said.append((step, share)),
        )
    )
    assert run.decision is not None and run.report is not None
    names = [name for name, _ in STEPS]
    assert [step for step, _ in said if step in names] == names and said[-1] == ("done", 1.0)
    table = tomllib.loads((store.path("failure", run.decision.version) / CARD).read_text())
    assert table["scores"]["held_out"]["recordings"] == ["second"]
    assert table["scores"]["scores"][SERVED]["onsets"] == run.report.score(SERVED).onsets
    assert table["features"] and table["libraries"]["scikit-learn"] and len(table["sha256"]) == 64
    assert {onset["kind"] for onset in table["scores"]["onsets"]} >= {"disk_full"}
    model = load_model(store, "failure", run.decision.version)
    assert model.options(ForecastOptions()).horizon_s == dataset.options.horizon_s
    assert set(run.to_dict()) == {"card", "report", "decision"}
