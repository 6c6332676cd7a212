"""Does the model in use still fit what it sees?

Four signs: the features no longer look like those it was trained on (population stability index, PSI); its recent
forecasts are worse than always saying the base rate; its probabilities are no frequencies any more (expected
calibration error); much of what is written now was unknown when it was trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from logsense.lifecycle.scores import reliability
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
    #: Mean distance of a calibrated probability from the share that came true.
    max_calibration_error: float = 0.1
    #: Share of recent lines whose template was unknown when the model was trained.
    max_unknown: float = 0.3


@dataclass(slots=True)
class DriftReport:
    """``fits`` is None when there is too little to tell. ``shifted``: (feature, PSI), largest first."""

    fits: bool | None
    why: str
    shifted_share: float = 0.0
    shifted: list[tuple[str, float]] = field(default_factory=list)
    brier: float | None = None
    brier_base_rate: float | None = None
    calibration_error: float | None = None
    unknown_share: float | None = None
    vectors: int = 0
    failures: int = 0

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


def calibration_error(outcomes: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error: mean distance of forecast and observed share over the bins of the reliability curve,
    weighted by their forecasts (Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015).
    """
    y = np.array([1 if happened else 0 for _, happened in outcomes], np.int8)
    bins = reliability(y, np.array([p for p, _ in outcomes]))
    return float(sum(b["steps"] * abs(b["forecast"] - b["observed"]) for b in bins) / max(1, len(y)))


def check_drift(
    model: FailureModel,
    recent: Array,
    outcomes: Sequence[tuple[float, bool]] = (),
    options: DriftOptions | None = None,
    *,
    unknown_share: float | None = None,
) -> DriftReport:
    """``recent``: feature vectors (n, f), as ``Forecaster.recent_features`` gives them. ``outcomes``: past forecasts
    (probability, did a failure follow within the horizon). ``unknown_share``: of recent lines, whose template is
    younger than the model; None where the model was trained on other data than this."""
    options = options or DriftOptions()
    report = DriftReport(None, "too little was seen since the model is in use", unknown_share=unknown_share)
    against: list[str] = []
    well: list[str] = []
    report.vectors = len(recent)
    if len(recent) >= options.min_vectors:
        _compare_features(report, model, recent, options)
        (against if report.shifted_share > options.max_shifted else well).append(
            f"{report.shifted_share:.0%} of the features look different from the training data"
        )
    happened = np.array([h for _, h in outcomes], np.float64)
    report.failures = int(happened.sum())
    if report.failures >= options.min_failures:
        p = np.array([p for p, _ in outcomes])
        report.brier = float(np.mean((p - happened) ** 2))
        report.brier_base_rate = float(happened.mean() * (1 - happened.mean()))
        worse = report.brier > report.brier_base_rate
        (against if worse else well).append(
            f"recent forecasts (Brier {report.brier:.3f}) are {'worse' if worse else 'better'} than the base rate "
            f"({report.brier_base_rate:.3f})"
        )
        if model.calibrated:
            report.calibration_error = calibration_error(outcomes)
            if report.calibration_error > options.max_calibration_error:
                against.append(f"probabilities are {report.calibration_error:.2f} off what came true")
    if unknown_share is not None:
        (against if unknown_share > options.max_unknown else well).append(
            f"{unknown_share:.0%} of the recent lines are of kinds that were unknown when it was trained"
        )
    if against or well:
        report.fits, report.why = not against, "; ".join(against or well)
    return report


def _compare_features(report: DriftReport, model: FailureModel, recent: Array, options: DriftOptions) -> None:
    actual = histogram(recent)
    values = psi(model.reference, actual)
    varies = (model.reference[:, 0] < 1) | (actual[:, 0] < 1)
    over = np.flatnonzero((values > options.psi) & varies)
    ranked = sorted(over.tolist(), key=lambda i: -values[i])
    report.shifted = [(model.names[i], round(float(values[i]), 3)) for i in ranked[:10]]
    report.shifted_share = float(len(over) / max(1, varies.sum()))
