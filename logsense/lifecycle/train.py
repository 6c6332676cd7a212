"""Train a failure model on the training part of a dataset, and write its card."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from logsense.lifecycle.alarming import choose_threshold
from logsense.lifecycle.card import Card
from logsense.lifecycle.dataset import Dataset, Progress, SplitOptions, silent
from logsense.lifecycle.scores import Floats
from logsense.predict.baselines import BASELINES, extrapolation
from logsense.predict.failure import FailureModel, FitOptions

#: Kinds of failures that announce themselves physically; all others can at best be ranked by a bad history.
PHYSICAL = "failures without a physical precursor (a crash, a cut link, a brute-force attack) cannot be forecast"


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How a model is trained and judged."""

    #: Name in the store.
    name: str = "failure"
    #: What is held out.
    split: SplitOptions = field(default_factory=SplitOptions)
    #: The estimator.
    fit: FitOptions = field(default_factory=FitOptions)
    #: False alarms per host and day that the threshold may cost on the training part.
    false_alarms_per_host_day: float = 2.0
    #: Folds for the scores that the threshold is chosen on: contiguous in time, each scored by a model without it.
    folds: int = 5


@dataclass(slots=True)
class Trained:
    """A model that is not stored yet, and its card without scores."""

    model: FailureModel
    card: Card

    def to_dict(self) -> dict[str, Any]:
        return self.card.to_dict()


def usable(dataset: Dataset) -> Dataset:
    """Steps to learn from: in no failure, enough history, and not before the cause of the failure that follows.

    Raises nothing; an empty result is refused by the fit.
    """
    return dataset.where((dataset.y >= 0) & dataset.enough & dataset.knowable)


def train(dataset: Dataset, options: TrainOptions | None = None, progress: Progress = silent) -> Trained:
    """Fit on ``dataset`` (the training part only). Raises ``BadModel`` when it holds nothing to learn from."""
    options = options or TrainOptions()
    data = usable(dataset)
    progress("fitting", 0.1)
    model = FailureModel.fit(data.x, data.y, data.onset, data.options, data.names, options.fit)
    progress("choosing the threshold", 0.5)
    scored = dataset.where((dataset.y >= 0) & dataset.enough)
    # the folds are calibrated exactly when the model is, or the threshold would belong to another scale
    fold_fit = replace(options.fit, min_calibration_onsets=2 if model.calibrated else 10**9)
    score = _out_of_fold(scored, replace(options, fit=fold_fit), progress)
    score = np.maximum(score, extrapolation(scored.x, scored.names))
    budget = options.false_alarms_per_host_day
    model = model.with_threshold(choose_threshold(scored, score, budget, scored.options))
    thresholds = {
        name: choose_threshold(scored, baseline(scored.x, scored.names), budget, scored.options)
        for name, baseline in BASELINES.items()
    }
    onsets = len(data.onsets())
    card = Card(
        name=options.name,
        version="",
        kind="failure",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        calibrated=model.calibrated,
        horizon_s=data.options.horizon_s,
        step_s=data.options.step_s,
        threshold=round(model.threshold, 6),
        limits=[
            f"trained on {onsets} failures; probabilities hold for data in which failures are as frequent as there",
            *([] if model.calibrated else [f"uncalibrated: {options.fit.min_calibration_onsets} failures are needed"]),
            PHYSICAL,
        ],
        data=dataset.describe(),
        fit={
            "estimator": options.fit.estimator,
            "c": options.fit.c,
            "steps": len(data),
            "onsets": onsets,
            "options": model.feature_options,
            "thresholds": thresholds,
            "largest_weights": _largest_weights(model),
        },
        features=list(model.names),
    )
    progress("trained", 1.0)
    return Trained(model, card)


def _out_of_fold(data: Dataset, options: TrainOptions, progress: Progress) -> Floats:
    """Scores of steps by models that did not see their fold. Failures stay whole: folds are cut between them."""
    onsets = data.onsets()
    folds = min(options.folds, len(onsets))
    score = np.zeros(len(data))
    if folds < 2:
        return FailureModel.fit(data.x, data.y, data.onset, data.options, data.names, options.fit).probabilities(data.x)
    starts = [int(np.flatnonzero(data.onset == part[0])[0]) for part in np.array_split(np.array(onsets), folds)]
    edges = [0, *starts[1:], len(data)]
    rows = np.arange(len(data))
    for number in range(folds):
        progress("choosing the threshold", 0.5 + 0.4 * number / folds)
        inside = (rows >= edges[number]) & (rows < edges[number + 1])
        held = set(np.unique(data.onset[inside & (data.y == 1)]).tolist())
        seen = usable(data.where(~inside & ~np.isin(data.onset, list(held))))
        if (seen.y == 1).any() and (seen.y == 0).any():
            model = FailureModel.fit(seen.x, seen.y, seen.onset, data.options, data.names, options.fit)
            score[inside] = model.probabilities(data.x[inside])
    return score


def _largest_weights(model: FailureModel) -> dict[str, float]:
    """The features that a linear model leans on most; empty for others."""
    coefficients = getattr(model.estimator, "coef_", None)
    if coefficients is None:
        return {}
    order = np.argsort(-coefficients[0])[:12]
    return {model.names[i]: round(float(coefficients[0][i]), 4) for i in order if coefficients[0][i] > 0}
