"""What one run of the life cycle shall do, step by step: ``pipelines/models/*.toml`` and what the API is sent.

One table a step, in the order in which they are done: collect, preprocess, train, evaluate, deploy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from logsense.lifecycle.dataset import SplitOptions
from logsense.lifecycle.evaluate import EvaluateOptions
from logsense.lifecycle.train import TrainOptions
from logsense.predict.failure import FitOptions

RECORDINGS, INDEX = "recordings", "index"


@dataclass(frozen=True, slots=True)
class Collect:
    """``[collect]``: where steps and failures come from."""

    #: ``recordings`` (folders with labels.json) or ``index`` (what was indexed, with the failures of ``[labels]``).
    source: str = RECORDINGS
    #: Recordings by name (``server``, ``holdout/server``: the data folder's ``recordings/`` first, then the samples).
    recordings: tuple[str, ...] = ()
    #: Of the index: from when on, RFC 3339 or relative (``-7d``); empty is its beginning.
    since: str = ""
    #: Of the index: until when; empty is its end.
    until: str = ""
    #: How far ahead forecasts look, in seconds; 0 takes what the model in use or the first recording's scenario says.
    horizon_s: int = 0

    def __post_init__(self) -> None:
        if self.source not in (RECORDINGS, INDEX):
            raise ValueError(f"source is recordings or index, not {self.source!r}")
        if self.horizon_s < 0:
            raise ValueError("horizon_s is zero or above")


@dataclass(frozen=True, slots=True)
class Preprocess:
    """``[preprocess]``: what is held out for the test, always by time."""

    #: Recordings that are held out whole.
    holdout: tuple[str, ...] = ()
    #: Where none is named: the earlier share that is trained on …
    train_share: float = 0.7
    #: … of the ``time``, or of the ``failures`` (rare ones would otherwise all fall on one side).
    by: str = "time"

    def __post_init__(self) -> None:
        if not 0.1 <= self.train_share <= 0.9:
            raise ValueError("train_share lies between 0.1 and 0.9")
        if self.by not in ("time", "failures"):
            raise ValueError(f"by is time or failures, not {self.by!r}")


@dataclass(frozen=True, slots=True)
class Train:
    """``[train]``: how the model is fitted."""

    #: ``logistic`` (few failures) or ``boosting`` (hundreds of them).
    estimator: str = "logistic"
    #: Inverse strength of the penalty of the logistic regression.
    c: float = 0.1
    #: Fewer labelled failures than this: no calibration, and every forecast says so.
    min_calibration_onsets: int = 20
    #: False alarms per host and day that the threshold may cost on the training part.
    false_alarms_per_host_day: float = 2.0
    #: Folds for the scores that the threshold is chosen on.
    folds: int = 5

    def __post_init__(self) -> None:
        if self.estimator not in ("logistic", "boosting"):
            raise ValueError(f"estimator is logistic or boosting, not {self.estimator!r}")
        if self.c <= 0 or self.false_alarms_per_host_day < 0 or self.folds < 1 or self.min_calibration_onsets < 2:
            raise ValueError("c is above 0, folds at least 1, min_calibration_onsets at least 2, and no budget below 0")


@dataclass(frozen=True, slots=True)
class Deploy:
    """``[deploy]``: whether the model is put to use."""

    #: Put it in use unless it is worse on the held-out part than what is in use.
    use: bool = True
    #: Even if it is worse.
    force: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run. ``name`` is the model's name in the store."""

    #: Name of the model in the store.
    name: str = "failure"
    #: One line for people.
    description: str = ""
    #: Where steps and failures come from.
    collect: Collect = field(default_factory=Collect)
    #: What is held out.
    preprocess: Preprocess = field(default_factory=Preprocess)
    #: How the model is fitted.
    train: Train = field(default_factory=Train)
    #: How it is scored: rounds of the bootstrap, shifts of the null.
    evaluate: EvaluateOptions = field(default_factory=EvaluateOptions)
    #: Whether it is put to use.
    deploy: Deploy = field(default_factory=Deploy)

    def split_options(self) -> SplitOptions:
        p = self.preprocess
        return SplitOptions(holdout=p.holdout, train_share=p.train_share, by=p.by)

    def train_options(self) -> TrainOptions:
        t = self.train
        return TrainOptions(
            name=self.name,
            split=self.split_options(),
            fit=FitOptions(t.estimator, t.c, t.min_calibration_onsets),
            false_alarms_per_host_day=t.false_alarms_per_host_day,
            folds=t.folds,
        )
