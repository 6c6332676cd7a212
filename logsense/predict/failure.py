"""The failure model: P(a failure begins within the horizon | features). The one module that imports scikit-learn.

Few failures are ever labelled, so the default is a logistic regression with an L2 penalty and coefficients that
are never negative: more of a bad sign never lowers the risk. The classes weigh the same in the fit, and the odds
are put back to the base rate afterwards (prior correction of King & Zeng, "Logistic Regression in Rare Events
Data", 2001).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logsense.errors import BadModel
from logsense.predict.history import Array
from logsense.predict.options import FEATURE_KEYS, ForecastOptions

Floats = NDArray[np.float64]

#: Types inside an artefact that skops does not trust by itself; anything else in a file is refused.
TRUSTED_TYPES = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)
#: Edges of the histograms that drift is measured with; features are 0 when all is usual and of the order of 1.
DRIFT_EDGES = (1e-6, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
#: Fewer onsets than this in the calibration part: Platt's two parameters; otherwise isotonic regression.
MIN_ISOTONIC_ONSETS = 20
#: Groups that raise the probability by less than this are no reason.
_MIN_WEIGHT = 0.01
_PARTS = ("names", "options", "estimator", "calibrator", "offset", "threshold", "reference")


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How a failure model is fitted."""

    #: ``logistic`` (few failures) or ``boosting`` (hundreds of them), both monotone.
    estimator: str = "logistic"
    #: Inverse strength of the L2 penalty of the logistic regression.
    c: float = 0.1
    #: Fewer labelled failures than this: no calibration, and every forecast says so.
    min_calibration_onsets: int = 20


def _logistic(x: Floats, y: NDArray[np.int8], weight: Floats, options: FitOptions) -> Any:
    """Drop columns whose coefficient is negative until none is; a column of zeros keeps coefficient zero."""
    from sklearn.linear_model import LogisticRegression

    keep = np.ones(x.shape[1], np.bool_)
    while True:
        model = LogisticRegression(C=options.c, max_iter=2000).fit(x * keep, y, sample_weight=weight)
        negative = (model.coef_[0] < 0) & keep
        if not negative.any():
            return model
        keep &= ~negative


def _boosting(x: Floats, y: NDArray[np.int8], weight: Floats, options: FitOptions) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    del options
    model = HistGradientBoostingClassifier(
        max_iter=150, max_leaf_nodes=8, learning_rate=0.05, l2_regularization=1.0, random_state=0, early_stopping=False
    )
    model.set_params(monotonic_cst=np.ones(x.shape[1], np.int8))
    return model.fit(x, y, sample_weight=weight)


ESTIMATORS: Mapping[str, Callable[[Floats, NDArray[np.int8], Floats, FitOptions], Any]] = {
    "logistic": _logistic,
    "boosting": _boosting,
}


class FailureModel:
    """A fitted model with everything that using it needs. Immutable after it was made."""

    def __init__(self, parts: Mapping[str, Any], name: str = "failure", version: str = "") -> None:
        """``parts`` as ``to_artefact`` gives them; raises ``BadModel`` when they do not fit together."""
        where = f"{name}/{version}"
        missing = [key for key in _PARTS if key not in parts]
        if missing:
            raise BadModel("The model artefact is not a failure model.", why=f"it lacks {missing[0]!r}", where=where)
        self.name, self.version = name, version
        self.names: tuple[str, ...] = tuple(parts["names"])
        self.feature_options: dict[str, Any] = dict(parts["options"])
        self.estimator, self.calibrator = parts["estimator"], parts["calibrator"]
        self.offset, self.threshold = float(parts["offset"]), float(parts["threshold"])
        self.reference: Floats = np.asarray(parts["reference"], np.float64)
        if self.reference.shape != (len(self.names), len(DRIFT_EDGES) + 1) or set(self.feature_options) != set(
            FEATURE_KEYS
        ):
            raise BadModel("The parts of the model artefact do not fit together.", where=where, fix="train it again")
        groups = [name.split(":")[0] for name in self.names]
        self._groups = {g: np.array([n == g for n in groups]) for g in dict.fromkeys(groups)}

    @property
    def calibrated(self) -> bool:
        return self.calibrator is not None

    @property
    def id(self) -> str:
        return f"{self.name}/{self.version}"

    @classmethod
    def fit(
        cls,
        x: Array,
        y: NDArray[np.int8],
        onset: NDArray[np.int64],
        options: ForecastOptions,
        names: Sequence[str],
        fit: FitOptions | None = None,
    ) -> FailureModel:
        """Fit on steps in time order: x (n, f), y (n,) of 0/1, onset (n,) the failure a positive step precedes.

        With enough failures the last 30 % of them are kept for calibration. Raises ``BadModel`` when there are
        no failures or no quiet steps. The threshold is 1 until ``with_threshold``.
        """
        fit = fit or FitOptions()
        if fit.estimator not in ESTIMATORS:
            raise BadModel(f"Unknown estimator {fit.estimator!r}.", fix=f"use one of {', '.join(ESTIMATORS)}")
        onsets = list(dict.fromkeys(onset[y == 1].tolist()))
        if not onsets or not (y == 0).any():
            raise BadModel(
                "Nothing to learn from.",
                why=f"{len(onsets)} failures and {int((y == 0).sum())} quiet steps in the training part",
                fix="add recordings with labelled failures, or train on a longer period",
            )
        x64 = x.astype(np.float64)
        early = np.ones(len(y), np.bool_)
        if len(onsets) >= fit.min_calibration_onsets:
            first_late = int(np.flatnonzero(onset == onsets[int(0.7 * len(onsets))])[0])
            early = np.arange(len(y)) < first_late
        estimator = ESTIMATORS[fit.estimator](x64[early], y[early], _weights(y[early], onset[early]), fit)
        parts = {
            "names": list(names),
            "options": {key: _plain(getattr(options, key)) for key in FEATURE_KEYS},
            "estimator": estimator,
            "calibrator": None,
            "offset": float(np.log(y[early].sum() / (y[early] == 0).sum())),
            "threshold": 1.0,
            "reference": histogram(x),
        }
        model = cls(parts)
        if not early.all():
            parts["calibrator"] = _calibrator(model.probabilities(x[~early]), y[~early], onset[~early])
            model = cls(parts)
        return model

    def with_threshold(self, threshold: float) -> FailureModel:
        """The same model with another alarm threshold."""
        return FailureModel(self.to_artefact() | {"threshold": float(threshold)}, self.name, self.version)

    def recalibrated(self, x: Array, y: NDArray[np.int8], onset: NDArray[np.int64]) -> FailureModel:
        """The same order of risks with frequencies learnt from these steps, shapes as for ``fit``."""
        plain = FailureModel(self.to_artefact() | {"calibrator": None}, self.name, self.version)
        fitted = _calibrator(plain.probabilities(x), y, onset)
        return FailureModel(self.to_artefact() | {"calibrator": fitted}, self.name, self.version)

    def to_artefact(self) -> dict[str, Any]:
        """What the store keeps: plain data, numpy arrays and scikit-learn estimators."""
        return {
            "names": list(self.names),
            "options": self.feature_options,
            "estimator": self.estimator,
            "calibrator": self.calibrator,
            "offset": self.offset,
            "threshold": self.threshold,
            "reference": self.reference,
        }

    def options(self, user: ForecastOptions) -> ForecastOptions:
        """The user's options with the features as the model was trained on them."""
        own: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in self.feature_options.items()}
        return replace(user, **own)

    def fits(self, options: ForecastOptions, names: Sequence[str]) -> bool:
        """Were features of these options and names made the way the model's were?"""
        return tuple(names) == self.names and self.options(options) == options

    def probabilities(self, x: Array) -> Floats:
        """P(failure within the horizon), shape (n,), of features of shape (n, f)."""
        if not len(x):
            return np.zeros(0)
        raw = self.estimator.predict_proba(x.astype(np.float64))[:, 1]
        p = _expit(_logit(raw) + self.offset)
        if self.calibrator is None:
            return p
        if hasattr(self.calibrator, "predict_proba"):
            return np.asarray(self.calibrator.predict_proba(_logit(p).reshape(-1, 1))[:, 1], np.float64)
        return np.asarray(self.calibrator.predict(p), np.float64)

    def reasons(self, values: Array, probability: float, count: int = 3) -> list[tuple[str, float]]:
        """(group, weight): what the probability would lose without the group, largest first.

        Occlusion: features of the group are set to 0, which means "as usual". Works for any estimator.
        """
        active = [g for g, columns in self._groups.items() if values[columns].any()]
        if not active:
            return []
        without = np.repeat(values[None, :], len(active), axis=0)
        for row, group in enumerate(active):
            without[row, self._groups[group]] = 0
        lost = probability - self.probabilities(without)
        ranked = sorted(zip(active, lost.tolist(), strict=True), key=lambda pair: -pair[1])
        return [(group, round(weight, 4)) for group, weight in ranked[:count] if weight >= _MIN_WEIGHT]


def histogram(x: Array) -> Floats:
    """Share of rows per feature and drift bin, shape (f, bins)."""
    bins = np.stack([np.digitize(column, DRIFT_EDGES) for column in x.T]) if len(x) else np.zeros((x.shape[1], 0), int)
    counts = np.stack([(bins == b).sum(1) for b in range(len(DRIFT_EDGES) + 1)], axis=1)
    return counts / max(1, len(x))


def _weights(y: NDArray[np.int8], onset: NDArray[np.int64]) -> Floats:
    """A failure announced over n steps weighs sqrt(n), and all failures together weigh as much as all quiet steps.

    Equal weights would let one chance step before a sudden failure count like a whole leak; equal steps would let
    the slowest leak drown the others, although its neighbouring steps are alike.
    """
    weight = np.ones(len(y))
    positive = y == 1
    _, inverse, sizes = np.unique(onset[positive], return_inverse=True, return_counts=True)
    weight[positive] = (y == 0).sum() / np.sqrt(sizes).sum() / np.sqrt(sizes[inverse])
    return weight / weight.mean()


def _calibrator(p: Floats, y: NDArray[np.int8], onset: NDArray[np.int64]) -> Any:
    if not 0 < y.sum() < len(y):
        return None
    if len(np.unique(onset[y == 1])) >= MIN_ISOTONIC_ONSETS:
        from sklearn.isotonic import IsotonicRegression

        return IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(p, y)
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1e6).fit(_logit(p).reshape(-1, 1), y)


def _logit(p: Floats) -> Floats:
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.log(p / (1 - p))


def _expit(z: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-z))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
