"""Give the model in use the right frequencies again, when its order of risks is still right.

Between trainings estates change: failures become rarer or more frequent, and a probability that was a frequency is
none any more. Fitting the calibrator alone (Platt, or isotonic regression of many failures) needs few failures and
cannot spoil the order.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from logsense.errors import BadModel, NotFound
from logsense.lifecycle.alarming import choose_threshold
from logsense.lifecycle.dataset import Dataset
from logsense.lifecycle.evaluate import SERVED, EvaluateOptions, evaluate
from logsense.lifecycle.promote import Decision, load_model
from logsense.lifecycle.store import ModelStore
from logsense.lifecycle.train import TrainOptions, usable
from logsense.predict.baselines import extrapolation


def recalibrate(
    store: ModelStore, training: Dataset, held_out: Dataset, options: TrainOptions, evaluation: EvaluateOptions
) -> Decision | None:
    """A new version of the model in use with a new calibrator, promoted when its squared error on ``held_out`` is
    smaller and its order no worse. None when there is nothing to recalibrate or too few failures."""
    name = options.name
    before = store.in_use(name)
    data = usable(training)
    if before is None or len(data.onsets()) < options.fit.min_calibration_onsets:
        return None
    try:
        current = load_model(store, name)
    except (BadModel, NotFound):
        return None
    if not current.fits(held_out.options, held_out.names):
        return None
    candidate = current.recalibrated(data.x, data.y, data.onset)
    scored = training.where((training.y >= 0) & training.enough)
    score = np.maximum(candidate.probabilities(scored.x), extrapolation(scored.x, scored.names))
    candidate = candidate.with_threshold(
        choose_threshold(scored, score, options.false_alarms_per_host_day, scored.options)
    )
    old, new = (evaluate(m, held_out, evaluation) for m in (current, candidate))
    (was, is_) = (r.score(SERVED) for r in (old, new))
    assert was.brier is not None and is_.brier is not None
    said = f"squared error {is_.brier.value:.4f} after {was.brier.value:.4f} of version {before}"
    if is_.brier.value >= was.brier.value or is_.average_precision.value < was.average_precision.value:
        return Decision(name, "", False, f"a new calibration is no better: {said}", before)
    card = next(e.card for e in store.entries(name) if e.in_use)
    card = store.save(
        replace(
            card,
            version="",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            calibrated=True,
            threshold=round(candidate.threshold, 6),
            limits=[*(line for line in card.limits if "calibrated" not in line), f"calibrated anew from {before}"],
            fit={**card.fit, "calibrated_on": training.describe(), "calibrated_from": before},
            scores={"held_out": held_out.describe(), **new.to_dict()},
        ),
        candidate.to_artefact(),
    )
    store.promote(name, card.version)
    return Decision(name, card.version, True, f"calibrated anew: {said}", before)
