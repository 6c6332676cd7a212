"""The life of a model by name: train, evaluate, promote, roll back, on recordings or on what was indexed.

What ``logsense train`` … and ``logsense pipeline`` do, and what a job of the API does in a process of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from logsense import labelling, registry, replay, trials
from logsense.config import Settings, build, load_toml, shipped
from logsense.errors import BadConfig, BadInput, BadModel, NotFound
from logsense.feed import find_pipeline
from logsense.lifecycle.dataset import Dataset, Recording, build_dataset, split
from logsense.lifecycle.evaluate import EvaluateOptions, evaluate
from logsense.lifecycle.plan import INDEX, Collect, Plan
from logsense.lifecycle.promote import load_model
from logsense.lifecycle.promote import promote as promote_model
from logsense.lifecycle.promote import rollback as rollback_model
from logsense.lifecycle.recalibrate import recalibrate
from logsense.lifecycle.run import Run, run_steps
from logsense.lifecycle.store import ModelStore
from logsense.predict.options import ForecastOptions
from logsense.timefmt import SECOND, iso, parse_time

#: (what is being done, share of the whole that is done).
Tell = Callable[[str, float], None]
#: Steps of all hosts that one training holds in memory (about a gigabyte); of a longer span the latest part is used.
MAX_STEPS = 400_000
#: Name of the one recording that an index is.
FROM_INDEX = "index"


def quiet(what: str, share: float) -> None:
    """For those who do not ask how far it is."""


def load_plan(name: str) -> Plan:
    """A plan by name (``pipelines/models``) or path. Raises ``BadConfig`` with file, line and the nearest key."""
    path = shipped("pipelines") / "models" / f"{name}.toml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        raise BadConfig(
            f"There is no pipeline of a model {name!r}.",
            where=str(shipped("pipelines") / "models"),
            fix=f"use {', '.join(plan_names())}, or a path to a .toml",
        )
    made: Plan = build(Plan, load_toml(path), where=str(path), section="", file=path)
    return made


def plan_names() -> list[str]:
    return sorted(p.stem for p in (shipped("pipelines") / "models").glob("*.toml"))


def run_plan(
    plan: Plan, settings: Settings, data: Path, *, into: Path | None = None, folders: Iterable[Path] | None = None,
    tell: Tell = quiet,
) -> dict[str, Any]:  # fmt: skip
    """All steps of ``plan``: {"card", "report", "decision"}. The model is kept in ``into`` (default: the data folder).

    ``folders`` are recordings that were named by path. Raises ``BadInput`` when there is nothing to learn from; the
    store is as before then.
    """
    return _run(plan, settings, data, into, list(folders or ()), tell).to_dict()


def refresh(settings: Settings, data: Path, name: str, *, tell: Tell = quiet) -> dict[str, Any]:
    """Train anew from what was indexed; where that is no better, calibrate the model in use anew. As ``run_plan``."""
    plan = replace(load_plan("own-history"), name=name)
    run = _run(plan, settings, data, None, [], tell)
    made = run.to_dict()
    if run.decision is not None and not run.decision.promoted and run.training is not None and run.held_out is not None:
        calibrated = recalibrate(run.store, run.training, run.held_out, run.options, run.evaluation)
        if calibrated is not None and calibrated.promoted:
            made["decision"] = calibrated.to_dict()
    return made


def _run(plan: Plan, settings: Settings, data: Path, into: Path | None, folders: list[Path], tell: Tell) -> Run:
    store = ModelStore([into] if into else registry.model_folders(data))
    run = Run(
        (), store, labels=settings.section("labels"), options=plan.train_options(), evaluation=plan.evaluate,
        force=plan.deploy.force, use=plan.deploy.use, progress=tell,
    )  # fmt: skip
    if plan.collect.source == INDEX:
        index = registry.open_index(data, settings, writer=False)
        try:
            run.forecast = _comparable(plan.collect, settings, store, plan.name)
            _collect_index(run, index, data, plan.collect)
            return run_steps(run)
        finally:
            index.close()
    chosen = [*folders, *(find_recording(name, data) for name in plan.collect.recordings)]
    if not chosen:
        raise BadInput("No recording is named.", fix="name some in [collect] recordings, or use source = index")
    run.forecast = _scenario_options(plan.collect, settings, chosen[0])
    run.recordings = _played(run, chosen, settings)
    run.origin = {"source": "recordings"}
    return run_steps(run)


def evaluate_version(
    plan: Plan,
    settings: Settings,
    data: Path,
    version: str,
    *,
    folders: Iterable[Path] | None = None,
    tell: Tell = quiet,
) -> dict[str, Any]:
    """A stored version on recordings or on what was indexed, beside simple rules."""
    model = load_model(ModelStore(registry.model_folders(data)), plan.name, version)
    dataset = _dataset(plan, settings, data, model.options(settings.section("predict")), folders, tell)
    return evaluate(model, dataset, plan.evaluate, progress=_from_half(tell)).to_dict()


def promote(
    settings: Settings, data: Path, name: str, version: str, *, force: bool = False, plan: Plan | None = None,
    tell: Tell = quiet,
) -> dict[str, Any]:  # fmt: skip
    """Put a version in use unless it does worse than what is in use on data that it was not trained on.

    That is the held-out part of ``plan``; without a plan, that of what it was trained on: the index when its card says
    so, otherwise the held-out samples.
    """
    store = ModelStore(registry.model_folders(data))
    model = load_model(store, name, version)
    options = model.options(settings.section("predict"))
    plan = plan or _plan_of(store, name, version)
    whole = _dataset(plan, settings, data, options, None, tell)
    held_out = split(whole, plan.split_options())[1] if plan.collect.source == INDEX else whole
    tell("comparing with what is in use", 0.6)
    decision = promote_model(store, name, version, held_out, force=force, options=plan.evaluate)
    text = (
        f"{name} {version} is in use: {decision.why}."
        if decision.promoted
        else f"{name} {version} was not promoted: {decision.why}. --force does it all the same."
    )
    return {**decision.to_dict(), "text": text}


def rollback(data: Path, name: str) -> dict[str, Any]:
    """Put the version that was in use before back in use."""
    decision = rollback_model(ModelStore(registry.model_folders(data)), name)
    return {**decision.to_dict(), "text": f"{name} {decision.version} is in use again (before: {decision.before})."}


def models(data: Path | None) -> list[dict[str, Any]]:
    """Every version of every model with its card."""
    return [entry.to_dict() for entry in ModelStore(registry.model_folders(data)).entries()]


def find_recording(name: str, data: Path) -> Path:
    """A recording by name, of the data folder or of the samples. Raises ``NotFound``; a name never leads elsewhere."""
    parts = Path(name).parts
    safe = name and "\0" not in name and not Path(name).is_absolute() and len(parts) <= 3
    if safe and not any(part.startswith(".") for part in parts):
        for root in (data / "recordings", shipped("samples")):
            if (root / name / "labels.json").is_file():
                return root / name
    raise NotFound(
        f"There is no recording {name[:200]!r}.",
        where=f"{data / 'recordings'}, {shipped('samples')}",
        fix=f"use one of {', '.join(recording_names(data)) or '(none)'}, or put a folder with labels.json there",
    )


def recording_names(data: Path) -> list[str]:
    """The recordings that can be named."""
    found = set()
    for root in (data / "recordings", shipped("samples")):
        for pattern in ("*/labels.json", "*/*/labels.json"):
            found |= {str(p.parent.relative_to(root)) for p in root.glob(pattern)}
    return sorted(found)


def _plan_of(store: ModelStore, name: str, version: str) -> Plan:
    """What a stored version can be judged on."""
    card = next((e.card for e in store.entries(name) if e.card.version == version), None)
    if card is not None and card.data.get("source") == INDEX:
        plan = load_plan("own-history")
        # From where its training began: what came later is the test, and it never saw that.
        return replace(plan, name=name, collect=replace(plan.collect, since=str(card.data.get("since", ""))))
    held_out = [n for n in recording_names(Path()) if n.startswith("holdout/")] or recording_names(Path())
    return Plan(name=name, collect=Collect(recordings=tuple(held_out)), evaluate=EvaluateOptions())


def _dataset(
    plan: Plan, settings: Settings, data: Path, options: ForecastOptions, folders: Iterable[Path] | None, tell: Tell
) -> Dataset:
    """Steps and labels in the terms of ``options``, which are a model's own."""
    if plan.collect.source == INDEX:
        index = registry.open_index(data, settings, writer=False)
        try:
            run = Run((), ModelStore([data / "models"]), forecast=options, labels=settings.section("labels"))
            run.progress = lambda what, share: tell(what, share / 2)
            _collect_index(run, index, data, plan.collect)
            return build_dataset(run.recordings, run.forecast, run.labels)
        finally:
            index.close()
    chosen = list(folders or ()) or [find_recording(name, data) for name in plan.collect.recordings]
    run = Run((), ModelStore([data / "models"]), progress=lambda what, share: tell(what, share / 2))
    return build_dataset(_played(run, chosen, settings), options, settings.section("labels"))


def _played(run: Run, folders: list[Path], settings: Settings) -> Iterator[Recording]:
    for number, folder in enumerate(folders):
        run.progress(f"reading {trials.recording_name(folder)}", number / len(folders))
        yield trials.recording(folder, settings)


def _scenario_options(collect: Collect, settings: Settings, first: Path) -> ForecastOptions:
    spec = find_pipeline(str(trials.read_label_file(first)["scenario"]))
    options: ForecastOptions = settings.over(spec.settings).section("predict")
    return replace(options, horizon_s=collect.horizon_s) if collect.horizon_s else options


def _comparable(collect: Collect, settings: Settings, store: ModelStore, name: str) -> ForecastOptions:
    """Features like those of the model in use, or the two could not be compared on the same steps."""
    options: ForecastOptions = settings.section("predict")
    if collect.horizon_s:
        return replace(options, horizon_s=collect.horizon_s)
    try:
        return load_model(store, name).options(options) if store.in_use(name) else options
    except (BadModel, NotFound):
        return options


def _collect_index(run: Run, index: Any, data: Path, collect: Collect) -> None:
    """The index as one recording. Raises ``BadInput`` when it holds too few failures to learn and to test."""
    span = index.time_range()
    if span is None:
        raise BadInput("There is nothing to learn from.", why="the index is empty", fix="send logs and metrics first")
    now = time.time_ns()
    from_ns = max(span[0], parse_time(collect.since, now_ns=now, name="since") if collect.since else 0)
    to_ns = min(span[1] + 1, parse_time(collect.until, now_ns=now, name="until") if collect.until else now)
    hosts = {h for h, _ in index.metric_names()} | {h for h, _ in index.terms(replay.ALL, "host", 10_000)} - {""}
    longest = MAX_STEPS * run.forecast.step_s * SECOND // max(1, len(hosts))
    cut = to_ns - from_ns > longest
    from_ns = max(from_ns, to_ns - longest)
    found = labelling.labels(index, data, run.labels, from_ns, to_ns)
    counted = labelling.counts(found)
    if len(found) < 2:
        raise BadInput(
            "There is not enough history to train on.",
            why=f"{len(found)} failures are known from {iso(from_ns)} to {iso(to_ns)}; one is needed to learn from and "
            f"one to test on, {labelling.ENOUGH} for calibrated probabilities",
            where="reported failures, judged incidents, and the rule of [labels]",
            fix="report what failed: `logsense failures add HOST START`, or POST /api/v1/failures",
        )
    replay.check_size(index, from_ns, to_ns)
    read = replay.windows(
        index, from_ns, to_ns, run.forecast.step_s, lambda share: run.progress("reading the index", share)
    )
    run.recordings = [Recording(FROM_INDEX, read, [label.failure for label in found])]
    run.origin = {"source": INDEX, "labels": counted, "since": iso(from_ns), "until": iso(to_ns), "cut": cut}


def _from_half(tell: Tell) -> Tell:
    return lambda what, share: tell(what, 0.5 + share / 2)
