"""The life of a model, from recordings to use: one tuple of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from logsense.lifecycle.dataset import Dataset, Progress, Recording, build_dataset, silent, split
from logsense.lifecycle.evaluate import EvaluateOptions, Report, evaluate
from logsense.lifecycle.promote import Decision, promote
from logsense.lifecycle.store import ModelStore
from logsense.lifecycle.train import Trained, TrainOptions, train
from logsense.predict.options import ForecastOptions, LabelOptions


@dataclass(slots=True)
class Run:
    """What goes into a run, and what its steps made of it (in the order of the fields)."""

    recordings: Iterable[Recording]
    store: ModelStore
    forecast: ForecastOptions = field(default_factory=ForecastOptions)
    labels: LabelOptions = field(default_factory=LabelOptions)
    options: TrainOptions = field(default_factory=TrainOptions)
    evaluation: EvaluateOptions = field(default_factory=EvaluateOptions)
    force: bool = False
    #: Put it in use unless something speaks against it; otherwise it is only stored.
    use: bool = True
    #: What the card says about where the data comes from, beside what the data itself says.
    origin: dict[str, Any] = field(default_factory=dict)
    progress: Progress = silent

    dataset: Dataset | None = None
    training: Dataset | None = None
    held_out: Dataset | None = None
    trained: Trained | None = None
    report: Report | None = None
    decision: Decision | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "card": self.trained.to_dict() if self.trained else None,
            "report": self.report.to_dict() if self.report else None,
            "decision": self.decision.to_dict() if self.decision else None,
        }


def collect(run: Run) -> None:
    """Recordings become features and labels, step by step."""
    run.dataset = build_dataset(run.recordings, run.forecast, run.labels, run.progress)


def preprocess(run: Run) -> None:
    """Hold out the later part, or whole recordings."""
    assert run.dataset is not None
    run.training, run.held_out = split(run.dataset, run.options.split)


def fit(run: Run) -> None:
    """Train on what is not held out."""
    assert run.training is not None
    run.trained = train(run.training, run.options, run.progress)
    run.trained.card.data |= run.origin


def score(run: Run) -> None:
    """Evaluate on the held-out part and write the scores on the card."""
    assert run.trained is not None and run.held_out is not None
    card = run.trained.card
    run.report = evaluate(
        run.trained.model,
        run.held_out,
        run.evaluation,
        thresholds=card.fit["thresholds"],
        alarms=run.forecast,
        progress=run.progress,
    )
    card.scores = {"held_out": run.held_out.describe(), **run.report.to_dict()}


def deploy(run: Run) -> None:
    """Store the model and, if that is wanted, put it in use unless something speaks against it."""
    assert run.trained is not None and run.held_out is not None
    card = run.store.save(run.trained.card, run.trained.model.to_artefact())
    if not run.use:
        return
    run.decision = promote(
        run.store, card.name, card.version, run.held_out, force=run.force, options=run.evaluation, report=run.report
    )


#: The steps, in order: name and function.
STEPS: tuple[tuple[str, Callable[[Run], None]], ...] = (
    ("collect", collect),
    ("preprocess", preprocess),
    ("train", fit),
    ("evaluate", score),
    ("deploy", deploy),
)


def run_steps(run: Run) -> Run:
    """All steps. Raises ``BadInput`` or ``BadModel`` when one cannot be done; nothing is in use then."""
    told = run.progress
    for number, (name, step) in enumerate(STEPS):

        def within(what: str, share: float, first: float = number / len(STEPS)) -> None:
            told(what, first + min(1.0, max(0.0, share)) / len(STEPS))

        run.progress = within
        within(name, 0.0)
        step(run)
    run.progress = told
    told("done", 1.0)
    return run
