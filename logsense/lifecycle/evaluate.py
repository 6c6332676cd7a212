"""How good forecasts are on steps that training never saw: per step, per failure, and against chance.

Beside the model stand scores that need no training (``predict.baselines``), and the circular-shift null: the same
forecasts against the same failures moved in time, which keeps everything but the connection between the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logsense.errors import BadInput
from logsense.lifecycle.alarming import choose_threshold, sequences, simulate
from logsense.lifecycle.dataset import SECOND, Dataset, Progress, silent
from logsense.lifecycle.scores import (
    Floats,
    Interval,
    average_precision,
    bootstrap,
    brier,
    precision_recall,
    reliability_with_intervals,
)
from logsense.predict.baselines import BASELINES, extrapolation
from logsense.predict.failure import FailureModel
from logsense.predict.options import ForecastOptions

#: What the service passes on: the likelier of the model and the time to a limit.
SERVED = "served"
MODEL = "model"
TIME_TO_LIMIT = "time to limit"
_PROBABILITIES = (SERVED, MODEL, TIME_TO_LIMIT)


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """How an evaluation is run."""

    #: Rounds of the bootstrap over failures.
    bootstrap: int = 200
    #: Circular shifts of the null.
    shifts: int = 200
    #: Quiet steps are resampled in blocks of this many seconds.
    block_s: int = 300
    #: False alarms per host and day that a threshold may cost where it is chosen.
    false_alarms_per_host_day: float = 2.0
    #: Seed of bootstrap and shifts.
    seed: int = 0


@dataclass(slots=True)
class Score:
    """One forecaster on the held-out part. ``p_value``: share of shifts that do at least as well."""

    name: str
    average_precision: Interval
    p_value: float
    null: float
    threshold: float
    announced: int
    onsets: int
    median_lead_s: float
    false_alarms: int
    false_alarms_per_host_day: float
    share_in_alarm: float
    null_announced: float
    brier: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key in self.__dataclass_fields__:
            value = getattr(self, key)
            if isinstance(value, Interval):
                value = value.to_dict()
            out[key] = round(value, 4) if isinstance(value, float) else value
        return out


@dataclass(slots=True)
class OnsetResult:
    """One failure: was it announced as the service would have done it, and how long before its onset.

    ``precursor_s``: how long its cause had been at work before the effect showed, where that is known.
    """

    id: str
    kind: str
    host: str
    recording: str
    onset_ns: int
    precursor_s: float | None
    announced: bool
    lead_s: float
    peak: float
    limit_error_s: float | None

    def to_dict(self) -> dict[str, Any]:
        return {key: getattr(self, key) for key in self.__dataclass_fields__}


@dataclass(slots=True)
class Report:
    """The evaluation of one model on one held-out part."""

    model: str
    calibrated: bool
    base_rate: float
    host_days: float
    scores: list[Score] = field(default_factory=list)
    onsets: list[OnsetResult] = field(default_factory=list)
    reliability: list[dict[str, float]] = field(default_factory=list)
    #: Precision-recall curve per forecaster: [recall, precision, threshold].
    curves: dict[str, list[list[float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def score(self, name: str) -> Score:
        return next(score for score in self.scores if score.name == name)

    def by_kind(self) -> dict[str, dict[str, Any]]:
        """Per kind of failure: how many, how many announced, median lead and precursor."""
        out: dict[str, dict[str, Any]] = {}
        for kind in sorted({r.kind for r in self.onsets}):
            rows = [r for r in self.onsets if r.kind == kind]
            known = [r.precursor_s for r in rows if r.precursor_s is not None]
            out[kind] = {
                "onsets": len(rows),
                "announced": sum(r.announced for r in rows),
                "median_lead_s": _median([r.lead_s for r in rows if r.announced]),
                "median_precursor_s": _median(known),
            }
        return out

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "calibrated": self.calibrated,
            "base_rate": round(self.base_rate, 4),
            "host_days": round(self.host_days, 4),
            "scores": {score.name: score.to_dict() for score in self.scores},
            "by_kind": self.by_kind(),
            "onsets": [result.to_dict() for result in self.onsets],
            "reliability": self.reliability,
            "curves": self.curves,
            "notes": self.notes,
        }


def forecasts(model: FailureModel | None, dataset: Dataset) -> dict[str, Floats]:
    """Every forecaster's score per step, shape (n,); 0 where the history is too short for a forecast."""
    scores: dict[str, Floats] = {}
    limit = extrapolation(dataset.x, dataset.names)
    if model is not None:
        by_model = np.where(dataset.enough, model.probabilities(dataset.x), 0.0)
        scores[SERVED] = np.maximum(by_model, limit)
        scores[MODEL] = by_model
    return scores | {name: baseline(dataset.x, dataset.names) for name, baseline in BASELINES.items()}


def evaluate(
    model: FailureModel | None,
    dataset: Dataset,
    options: EvaluateOptions | None = None,
    *,
    thresholds: Mapping[str, float] | None = None,
    alarms: ForecastOptions | None = None,
    progress: Progress = silent,
) -> Report:
    """Score ``model`` (None: the service without a model) on the held-out ``dataset``.

    ``thresholds`` of the baselines come from the training part; where one is missing it is chosen here, which
    flatters that baseline. Raises ``BadInput`` when the part holds no failure or the features do not fit.
    """
    options = options or EvaluateOptions()
    if model is not None and not model.fits(dataset.options, dataset.names):
        raise BadInput(
            "The data was prepared for another model.",
            why=f"the model looks {model.feature_options['horizon_s']} s ahead, or its features differ",
            fix="prepare the data with the model's own options (FailureModel.options)",
        )
    data = dataset.where(dataset.y >= 0)
    if not data.onsets():
        raise BadInput(
            "The held-out part has no failure to score.",
            why="a forecast can only be judged on failures",
            fix="hold out a longer part, or another recording",
        )
    known = dict(thresholds or {})
    if model is not None:
        known |= {MODEL: model.threshold, SERVED: model.threshold}
    all_scores = forecasts(model, data)
    main = SERVED if model is not None else TIME_TO_LIMIT
    report = Report(
        model=model.id if model is not None else TIME_TO_LIMIT,
        calibrated=model is not None and model.calibrated,
        base_rate=float((data.y == 1).mean()),
        host_days=len(data) * data.options.step_s / 86_400,
    )
    for number, (name, score) in enumerate(all_scores.items()):
        progress(f"scoring {name}", number / len(all_scores))
        threshold = known.get(name)
        if threshold is None:
            threshold = choose_threshold(data, score, options.false_alarms_per_host_day, alarms or data.options)
            report.notes.append(f"the threshold of {name!r} was chosen on the held-out part itself")
        report.scores.append(_score(name, data, score, threshold, options, alarms or data.options))
        if name == main:
            report.onsets = _onset_results(data, score, threshold, alarms or data.options)
            report.reliability = reliability_with_intervals(
                data.y, score, data.onset, _blocks(data, options.block_s), rounds=options.bootstrap
            )
        report.curves[name] = precision_recall(data.y, score)
    report.notes += _notes(report)
    return report


def _score(
    name: str, data: Dataset, score: Floats, threshold: float, options: EvaluateOptions, alarm_options: ForecastOptions
) -> Score:
    alarms = simulate(data, score, threshold, alarm_options)
    block = _blocks(data, options.block_s)
    draw = {"rounds": options.bootstrap, "seed": options.seed}
    low, high = bootstrap(lambda w: average_precision(data.y, score, w), data.onset, block, **draw)
    value = average_precision(data.y, score)
    squared: Interval | None = None
    if name in _PROBABILITIES:
        squared = Interval(
            brier(data.y, score), *bootstrap(lambda w: brier(data.y, score, w), data.onset, block, **draw)
        )
    leads = _leads(data, alarms.on)
    null_ap, null_found = _null(data, score, alarms.on, options)
    host_days = len(data) * data.options.step_s / 86_400
    return Score(
        name=name,
        average_precision=Interval(value, low, high),
        p_value=float((1 + (null_ap >= value).sum()) / (1 + len(null_ap))),
        null=float(null_ap.mean()) if len(null_ap) else float("nan"),
        threshold=threshold,
        announced=len(leads),
        onsets=len(data.onsets()),
        median_lead_s=_median(list(leads.values())) or 0.0,
        false_alarms=alarms.false,
        false_alarms_per_host_day=alarms.false / host_days,
        share_in_alarm=alarms.share_on,
        null_announced=float(null_found.mean()) if len(null_found) else float("nan"),
        brier=squared,
    )


def _blocks(data: Dataset, block_s: int) -> NDArray[np.int64]:
    keys = zip(data.recordings.tolist(), data.hosts.tolist(), (data.at_ns // (block_s * SECOND)).tolist(), strict=True)
    numbers: dict[tuple[Any, ...], int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _leads(data: Dataset, on: NDArray[np.bool_]) -> dict[int, float]:
    """Failure -> seconds from the first step in alarm within its horizon to its onset."""
    leads: dict[int, float] = {}
    for i in data.onsets():
        before = np.flatnonzero((data.onset == i) & on)
        if len(before):
            leads[i] = (data.failures[i].onset_ns - int(data.at_ns[before].min())) / SECOND
    return leads


def _null(
    data: Dataset, score: Floats, on: NDArray[np.bool_], options: EvaluateOptions
) -> tuple[Floats, NDArray[np.int64]]:
    """Average precision and announced failures when every host's labels are shifted circularly in time."""
    rng = np.random.default_rng(options.seed)
    rows = list(sequences(data))
    precision, announced = [], []
    for share in rng.uniform(0.05, 0.95, options.shifts):
        y, onset = data.y.copy(), data.onset.copy()
        for host_rows in rows:
            shift = int(share * len(host_rows))
            y[host_rows], onset[host_rows] = np.roll(data.y[host_rows], shift), np.roll(data.onset[host_rows], shift)
        precision.append(average_precision(y, score))
        announced.append(len(np.unique(onset[on & (y == 1)])))
    return np.array(precision), np.array(announced, np.int64)


def _onset_results(data: Dataset, score: Floats, threshold: float, options: ForecastOptions) -> list[OnsetResult]:
    leads = _leads(data, simulate(data, score, threshold, options).on)
    results = []
    for i in data.onsets():
        failure, steps = data.failures[i], np.flatnonzero(data.onset == i)
        estimate = data.seconds_to_limit[steps]
        actual = (failure.onset_ns - data.at_ns[steps]) / SECOND
        told = np.isfinite(estimate)
        results.append(
            OnsetResult(
                id=failure.id,
                kind=failure.kind,
                host=failure.host,
                recording=str(data.recordings[steps[0]]),
                onset_ns=failure.onset_ns,
                precursor_s=None if failure.cause_ns is None else (failure.onset_ns - failure.cause_ns) / SECOND,
                announced=i in leads,
                lead_s=round(leads.get(i, 0.0), 1),
                peak=round(float(score[steps].max()), 4),
                limit_error_s=_median(np.abs(estimate - actual)[told].tolist()),
            )
        )
    return results


def _notes(report: Report) -> list[str]:
    notes = []
    main = report.scores[0]
    if main.onsets < 30:
        notes.append(f"{main.onsets} failures are too few for firm figures; about 30 independent ones are needed")
    if main.p_value > 0.05:
        notes.append("no better than the same forecasts at shifted times: no skill was shown")
    better = [s.name for s in report.scores[1:] if s.average_precision.value > main.average_precision.value]
    if better:
        notes.append(f"simpler scores do at least as well here: {', '.join(better)}")
    if not report.calibrated:
        notes.append("uncalibrated: the probability ranks, but its value is not a frequency")
    return notes


def _median(values: list[float]) -> float | None:
    return round(float(np.median(values)), 1) if values else None
