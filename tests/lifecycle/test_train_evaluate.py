"""Train and evaluate on a simulated estate: what can be forecast is, what cannot is reported as such."""

from dataclasses import replace

import numpy as np
import pytest

from logsense.errors import BadInput, BadModel
from logsense.lifecycle.alarming import choose_threshold, simulate
from logsense.lifecycle.dataset import SECOND, Dataset, Recording, SplitOptions, build_dataset, split
from logsense.lifecycle.drift import check_drift, outcomes
from logsense.lifecycle.evaluate import MODEL, SERVED, TIME_TO_LIMIT, EvaluateOptions, Report, evaluate
from logsense.lifecycle.train import Trained, TrainOptions, train, usable
from logsense.predict.forecaster import Forecaster
from logsense.predict.labels import Failure
from logsense.record import Forecast


def test_dataset_matches_what_the_running_service_sees(takes: list[Recording], dataset: Dataset) -> None:
    forecaster = Forecaster(dataset.options)
    step_ns = dataset.options.step_s * SECOND
    windows = [w for w in takes[0].windows if w.start_ns < takes[0].windows[0].start_ns + 100 * step_ns]  # type: ignore[index]
    for start in sorted({w.start_ns for w in windows}):
        forecaster.update([w for w in windows if w.start_ns == start], [], start + step_ns)
    now = windows[-1].end_ns
    for host in forecaster.builder.hosts:
        row = np.flatnonzero((dataset.hosts == host) & (dataset.at_ns == now))
        assert len(row) == 1
        assert np.array_equal(dataset.x[row[0]], forecaster.builder.vector(host, now).values)


def test_split_by_time_leaves_no_failure_on_both_sides(dataset: Dataset) -> None:
    before, after = split(dataset, SplitOptions(train_share=0.6))
    assert not set(before.onsets()) & set(after.onsets())
    assert before.onsets() and after.onsets()
    for name in set(dataset.recordings.tolist()):
        first, last = before.recordings == name, after.recordings == name
        gap = after.at_ns[last].min() - before.at_ns[first].max()
        assert gap > dataset.options.horizon_s * SECOND
    with pytest.raises(BadInput, match="third"):
        split(dataset, SplitOptions(holdout=("third",)))


def test_training_leaves_out_failures_and_what_nobody_could_know(dataset: Dataset) -> None:
    data = usable(dataset)
    assert (data.y >= 0).all()
    for i in range(len(data.failures)):
        steps = data.at_ns[data.onset == i]
        cause = data.failures[i].cause_ns
        assert cause is not None and (steps - data.options.step_s * SECOND >= cause).all()
    assert (dataset.y == -1).any() and not dataset.knowable.all()


def test_model_beats_chance_the_baselines_and_the_plain_extrapolation(report: Report) -> None:
    served = report.score(SERVED)
    assert served.p_value < 0.05 and report.score(MODEL).p_value < 0.05
    assert served.average_precision.value > 2 * served.null
    for name in ("recency of errors", "error count", TIME_TO_LIMIT):
        assert served.average_precision.value > report.score(name).average_precision.value
    assert served.average_precision.low < served.average_precision.value < served.average_precision.high


def test_physical_failures_are_announced_and_crashes_are_not(report: Report) -> None:
    kinds = report.by_kind()
    physical = [row for kind, row in kinds.items() if kind != "crash"]
    assert sum(r["announced"] for r in physical) >= 0.7 * sum(r["onsets"] for r in physical)
    assert all(r["median_lead_s"] > 120 for r in physical if r["announced"])
    assert kinds["crash"]["announced"] <= 1 and kinds["crash"]["onsets"] >= 2
    served = report.score(SERVED)
    assert served.false_alarms <= 4
    assert served.share_in_alarm < 0.15
    assert served.announced == sum(r["announced"] for r in kinds.values())
    errors = [r.limit_error_s for r in report.onsets if r.limit_error_s is not None]
    assert np.median(errors) < 120


def test_labels_at_random_times_show_no_skill(parts: tuple[Dataset, Dataset]) -> None:
    rng = np.random.default_rng(5)
    data = parts[0]
    y, onset = data.y.copy(), data.onset.copy()
    for host in sorted(set(data.hosts.tolist())):
        rows = np.flatnonzero(data.hosts == host)
        shift = int(rng.uniform(0.3, 0.7) * len(rows))
        y[rows], onset[rows] = np.roll(y[rows], shift), np.roll(onset[rows], shift)
    wrong = train(replace(data, y=y, onset=onset, knowable=np.ones(len(data), bool)), TrainOptions())
    report = evaluate(wrong.model, parts[1], EvaluateOptions(bootstrap=20, shifts=60))
    assert report.score(MODEL).average_precision.value < 0.35


def test_report_and_card_say_what_they_rest_on(trained: Trained, report: Report) -> None:
    card = trained.to_dict()
    assert card["data"]["recordings"] == ["first"]
    assert card["data"]["onsets"] == sum(card["data"]["onsets_by_kind"].values())
    assert card["calibrated"] == trained.model.calibrated == (card["fit"]["onsets"] >= 20)
    assert set(card["fit"]["thresholds"]) == {"recency of errors", "error count", TIME_TO_LIMIT}
    table = report.to_dict()
    assert table["by_kind"] and table["reliability"]
    assert any("too few" in note for note in table["notes"])


def test_few_failures_are_uncalibrated_and_say_so(parts: tuple[Dataset, Dataset]) -> None:
    first = parts[0]
    few = first.where(np.isin(first.onset, [-1, *first.onsets()[:8]]))
    made = train(few, TrainOptions(folds=2))
    assert not made.card.calibrated and not made.model.calibrated
    assert any("uncalibrated" in text for text in made.card.limits)
    assert any(
        "uncalibrated" in n for n in evaluate(made.model, parts[1], EvaluateOptions(bootstrap=5, shifts=20)).notes
    )


def test_a_service_without_a_model_can_be_judged(parts: tuple[Dataset, Dataset]) -> None:
    report = evaluate(None, parts[1], EvaluateOptions(bootstrap=5, shifts=20))
    assert report.model == TIME_TO_LIMIT and report.onsets
    assert any("held-out part itself" in n for n in report.notes)


def test_threshold_keeps_the_budget_and_a_capped_alarm_is_one(parts: tuple[Dataset, Dataset]) -> None:
    data = parts[0].where(parts[0].y >= 0)
    rng = np.random.default_rng(0)
    noise = rng.random(len(data))
    threshold = choose_threshold(data, noise, 2.0, data.options)
    assert simulate(data, noise, threshold, data.options).false <= 2
    flat = simulate(data, np.ones(len(data)), 0.5, replace(data.options, max_alarm_s=300))
    assert flat.share_on < 0.3  # capped, and muted since


def test_data_of_another_horizon_is_refused(trained: Trained, parts: tuple[Dataset, Dataset]) -> None:
    other = replace(parts[1], options=replace(parts[1].options, horizon_s=60))
    with pytest.raises(BadInput, match="another model") as caught:
        evaluate(trained.model, other)
    assert "600 s" in caught.value.why


def test_no_failures_is_refused(parts: tuple[Dataset, Dataset], trained: Trained) -> None:
    first, second = parts
    quiet = second.where(second.y == 0)
    with pytest.raises(BadInput, match="no failure"):
        evaluate(trained.model, quiet)
    with pytest.raises(BadModel, match="Nothing to learn"):
        train(first.where(first.y == 0))
    with pytest.raises(BadInput, match="nothing to learn"):
        build_dataset([Recording("empty", [], [])])


def test_drift_is_silent_on_the_same_estate_and_speaks_on_another(
    trained: Trained, parts: tuple[Dataset, Dataset]
) -> None:
    model = trained.model
    assert check_drift(model, parts[1].x[:10]).fits is None
    same = check_drift(model, parts[1].x)
    assert same.fits is True
    other = check_drift(model, parts[1].x * 3 + np.float32(0.3))
    assert other.fits is False and other.shifted
    wrong = [(0.9, False)] * 50 + [(0.1, True)] * 10
    assert check_drift(model, parts[1].x, wrong).fits is False
    assert check_drift(model, parts[1].x[:10], [(0.9, True)] * 10 + [(0.1, False)] * 10).fits is True


def test_outcomes_of_past_forecasts() -> None:
    def forecast(at: int, p: float, state: str = "ok") -> Forecast:
        return Forecast(str(at), "a", at * SECOND, 60, p, "failure/1", True, state=state)

    failures = [Failure("a", "x", 100 * SECOND, 120 * SECOND), Failure("b", "x", 10 * SECOND, 20 * SECOND)]
    made = [
        forecast(0, 0.1),
        forecast(50, 0.9),
        forecast(110, 0.8),
        forecast(130, 0.2),
        forecast(55, 0, "x"),
        forecast(250, 1),
    ]
    assert outcomes(made, failures, 300 * SECOND) == [(0.1, False), (0.9, True), (0.2, False)]
    assert outcomes(made, failures, 300 * SECOND, model="failure/2") == []
