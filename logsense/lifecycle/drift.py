"""Does the model in use still fit what it sees?

Two signs: the features no longer look like those it was trained on (population stability index, PSI), and its
recent forecasts are worse than always saying the base rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from logsense.predict.failure import FailureModel, Floats, histogram
from logsense.predict.history import Array
from logsense.predict.labels import SECOND, Failure
from logsense.record import Forecast


@dataclass(frozen=True, slots=True)
class DriftOptions:
    """When a model no longer fits."""

    #: PSI from which a feature counts as shifted; 0.25 is the usual "act" level of the index.
    psi: float = 0.25
    #: Share of the features that vary at all that may be shifted.
    max_shifted: float = 0.3
    #: Fewer recent feature vectors than this say nothing.
    min_vectors: int = 100
    #: Fewer recent failures than this say nothing about the forecasts.
    min_failures: int = 5


@dataclass(slots=True)
class DriftReport:
    """``fits`` is None when there is too little to tell. ``shifted``: (feature, PSI), largest first."""

    fits: bool | None
    why: str
    shifted_share: float = 0.0
    shifted: list[tuple[str, float]] = field(default_factory=list)
    brier: float | None = None
    brier_base_rate: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def psi(expected: Floats, actual: Floats, smooth: float = 0.005) -> Floats:
    """Population stability index per feature of two histograms of shape (f, bins); empty bins are smoothed."""
    bins = expected.shape[1]
    a = (expected + smooth) / (1 + smooth * bins)
    b = (actual + smooth) / (1 + smooth * bins)
    return np.asarray(((b - a) * np.log(b / a)).sum(1), np.float64)


def outcomes(
    forecasts: Iterable[Forecast], failures: Sequence[Failure], until_ns: int, model: str = ""
) -> list[tuple[float, bool]]:
    """(probability, did a failure of the host follow within the horizon) of forecasts whose horizon is over.

    Only forecasts of ``model`` (``name/version``) when it is given; those made during a failure are left out.
    """
    found = []
    for forecast in forecasts:
        end_ns = forecast.made_ns + forecast.horizon_s * SECOND
        if forecast.state != "ok" or end_ns > until_ns or model not in ("", forecast.model):
            continue
        own = [f for f in failures if f.host == forecast.host]
        if not any(f.onset_ns <= forecast.made_ns < f.end_ns for f in own):
            followed = any(forecast.made_ns < f.onset_ns <= end_ns for f in own)
            found.append((forecast.probability, followed))
    return found


def check_drift(
    model: FailureModel,
    recent: Array,
    outcomes: Sequence[tuple[float, bool]] = (),
    options: DriftOptions | None = None,
) -> DriftReport:
    """``recent``: feature vectors (n, f), as ``Forecaster.recent_features`` gives them. ``outcomes``: past forecasts
    (probability, did a failure follow within the horizon)."""
    options = options or DriftOptions()
    report = DriftReport(None, "too little was seen since the model is in use")
    if len(recent) >= options.min_vectors:
        actual = histogram(recent)
        values = psi(model.reference, actual)
        varies = (model.reference[:, 0] < 1) | (actual[:, 0] < 1)
        over = np.flatnonzero((values > options.psi) & varies)
        ranked = sorted(over.tolist(), key=lambda i: -values[i])
        report.shifted = [(model.names[i], round(float(values[i]), 3)) for i in ranked[:10]]
        report.shifted_share = float(len(over) / max(1, varies.sum()))
        report.fits = report.shifted_share <= options.max_shifted
        report.why = f"{len(over)} of {int(varies.sum())} features look different from the training data"
    happened = np.array([h for _, h in outcomes], np.float64)
    if happened.sum() >= options.min_failures:
        p = np.array([p for p, _ in outcomes])
        report.brier = float(np.mean((p - happened) ** 2))
        report.brier_base_rate = float(happened.mean() * (1 - happened.mean()))
        if report.brier > report.brier_base_rate:
            report.fits = False
            report.why = (
                f"recent forecasts (Brier {report.brier:.3f}) are worse than the base rate "
                f"({report.brier_base_rate:.3f})"
            )
        elif report.fits is None:
            report.fits, report.why = True, "recent forecasts are better than the base rate"
    return report
