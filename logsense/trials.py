"""The life of models and measuring against labels, on recordings: what the CLI's train, evaluate … call.

A recording is a folder with ``labels.json`` (injected faults and quiet times), laid out as the pipeline of
its scenario says. It goes through the same pipeline as live data does.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logsense import registry
from logsense.config import Settings, shipped
from logsense.errors import BadInput
from logsense.feed import Ingest, add_recording, find_pipeline
from logsense.incidents.scoring import Report, Score, read_labels, score
from logsense.lifecycle.dataset import Dataset, Recording, build_dataset
from logsense.lifecycle.evaluate import evaluate
from logsense.lifecycle.promote import load_model
from logsense.lifecycle.promote import promote as promote_model
from logsense.lifecycle.promote import rollback as rollback_model
from logsense.lifecycle.run import Run, collect, deploy, fit, preprocess
from logsense.lifecycle.run import score as score_model
from logsense.lifecycle.store import ModelStore
from logsense.lifecycle.train import TrainOptions
from logsense.predict.failure import FailureModel
from logsense.predict.labels import Failure
from logsense.predict.windows import HostWindow
from logsense.record import Incident

Progress = Callable[[str, float, float], None]


@dataclass(frozen=True, slots=True)
class Played:
    """A recording after it went through the pipeline."""

    name: str
    labels: dict[str, Any]
    incidents: list[Incident]
    opened_ns: dict[str, int]
    windows: list[HostWindow]


def default_recordings() -> list[Path]:
    """The samples of the project and their independent second take."""
    root = shipped("samples")
    return sorted(p.parent for p in [*root.glob("*/labels.json"), *root.glob("holdout/*/labels.json")])


def play(folder: Path, settings: Settings, progress: Progress | None = None) -> Played:
    """Run one recording through a pipeline of its own, in a data folder that is thrown away."""
    labels = read_label_file(folder)
    windows: list[HostWindow] = []
    with tempfile.TemporaryDirectory(prefix="logsense-trial-") as data:
        spec = find_pipeline(str(labels["scenario"]))
        run = Ingest(Path(data), settings.over(spec.settings), models=False, progress=progress, observe=windows.extend)
        assert run.worker is not None  # the folder is ours alone
        pipeline = run.worker.pipeline
        opened: dict[str, int] = {}
        found: dict[str, Incident] = {}

        def told(incident: Incident) -> None:
            found[incident.id] = incident
            opened[incident.id] = pipeline.incidents.opened_ns(incident.id)

        run.on_incident = told
        add_recording(run, spec, folder)
        run.finish()
    return Played(recording_name(folder), labels, sorted(found.values(), key=lambda i: i.start_ns), opened, windows)


def evaluate_samples(folders: Iterable[Path], settings: Settings, progress: Progress | None = None) -> dict[str, Any]:
    """Incidents against the injected faults, per recording and in all."""
    reports = []
    for folder in folders:
        played = play(folder, settings, progress)
        faults, quiet = read_labels(played.labels)
        report = score(played.incidents, faults, quiet, lambda i, o=played.opened_ns: o.get(i, 0))  # type: ignore[misc]
        reports.append((played.name, report, {i.id: i for i in played.incidents}))
    scenarios = [_scenario(name, report, incidents) for name, report, incidents in reports]
    return {"scenarios": scenarios, "total": _total([r for _, r, _ in reports])}


def train(
    folders: Sequence[Path], settings: Settings, into: Path, name: str, *, holdout: Sequence[str] = (),
    use: bool = False, progress: Progress | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Collect, preprocess, train, evaluate on what is held out, and store; the card as a dict.

    ``use`` puts the model in use in ``into`` unless something speaks against it; "decision" says which.
    """
    spec = find_pipeline(str(read_label_file(folders[0])["scenario"]))
    tell = progress or (lambda what, done, total: None)
    store = ModelStore([into])
    options = TrainOptions(name=name)
    if holdout:
        from dataclasses import replace

        options = replace(options, split=replace(options.split, holdout=tuple(holdout)))
    run = Run(
        (_recording(play(f, settings, progress)) for f in folders),
        store,
        forecast=settings.over(spec.settings).section("predict"),
        options=options,
        progress=lambda what, share: tell(what, share, 1.0),
    )
    steps = (collect, preprocess, fit, score_model, deploy) if use else (collect, preprocess, fit, score_model)
    for step in steps:
        step(run)
    assert run.trained is not None
    if not use:
        store.save(run.trained.card, run.trained.model.to_artefact())
    decision = run.decision.to_dict() if run.decision else None
    return {**run.trained.card.to_dict(), "decision": decision}


def evaluate_model(
    version: str,
    folders: Sequence[Path],
    settings: Settings,
    data: Path,
    name: str,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """A stored version on recordings, beside the baselines."""
    store = ModelStore(registry.model_folders(data))
    model = load_model(store, name, version)
    return evaluate(model, _dataset(folders, settings, model, progress)).to_dict()


def promote(
    data: Path,
    settings: Settings,
    name: str,
    version: str,
    *,
    folders: Sequence[Path] | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Put a version in use unless it does worse on ``folders`` (default: the held-out samples)."""
    store = ModelStore(registry.model_folders(data))
    held_out = folders or [f for f in default_recordings() if f.parent.name == "holdout"] or default_recordings()
    dataset = _dataset(held_out, settings, load_model(store, name, version), None)
    decision = promote_model(store, name, version, dataset, force=force)
    text = (
        f"{name} {version} is in use: {decision.why}."
        if decision.promoted
        else (f"{name} {version} was not promoted: {decision.why}. --force does it all the same.")
    )
    return {**decision.to_dict(), "text": text}


def rollback(data: Path, name: str) -> dict[str, Any]:
    decision = rollback_model(ModelStore(registry.model_folders(data)), name)
    return {**decision.to_dict(), "text": f"{name} {decision.version} is in use again (before: {decision.before})."}


def models(data: Path | None) -> list[dict[str, Any]]:
    return [entry.to_dict() for entry in ModelStore(registry.model_folders(data)).entries()]


def read_label_file(folder: Path) -> dict[str, Any]:
    path = folder / "labels.json"
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{folder} is no recording.", why=f"labels.json: {error.strerror}", where=str(path),
                       fix="record one with samples/record.py, or give samples/server") from error  # fmt: skip
    except ValueError as error:
        raise BadInput("The labels cannot be read.", why=str(error), where=str(path), fix="mend the JSON") from error
    if not isinstance(labels, dict) or not isinstance(labels.get("scenario"), str):
        raise BadInput("The labels name no scenario.", where=str(path), fix='add "scenario": "server"')
    return labels


def recording_name(folder: Path) -> str:
    """``samples/holdout/server`` -> ``holdout/server``; ``samples/server`` -> ``server``."""
    resolved = folder.resolve()
    return f"holdout/{resolved.name}" if resolved.parent.name == "holdout" else resolved.name


def failures_of(labels: dict[str, Any]) -> list[Failure]:
    """Labelled faults as failures to forecast: the onset is when the effect shows."""
    faults, _ = read_labels(labels)
    return [
        Failure(f.host, f.kind, f.effect_ns, f.end_ns, cause_ns=f.start_ns, id=f.id,
                also=tuple(sorted(f.hosts() - {f.host})))
        for f in faults
    ]  # fmt: skip


def _recording(played: Played) -> Recording:
    return Recording(played.name, played.windows, failures_of(played.labels))


def _dataset(folders: Iterable[Path], settings: Settings, model: FailureModel, progress: Progress | None) -> Dataset:
    """Recordings in the terms of ``model``: its steps, look-backs and horizon."""
    recordings = (_recording(play(f, settings, progress)) for f in folders)
    return build_dataset(recordings, model.options(settings.section("predict")))


def _scenario(name: str, report: Report, incidents: dict[str, Incident]) -> dict[str, Any]:
    return {
        "name": name,
        "found": sum(s.found for s in report.scores),
        "exactly_one": sum(s.exactly_one for s in report.scores),
        "false": len(report.false_incidents),
        "false_incidents": [{"id": i, "title": incidents[i].title} for i in report.false_incidents],
        "quiet_minutes": report.quiet_s / 60,
        "faults": [_fault(s) for s in report.scores],
    }


def _fault(result: Score) -> dict[str, Any]:
    fault = result.fault
    return {
        "id": fault.id, "kind": fault.kind, "host": fault.host, "service": fault.service,
        "incidents": result.incidents, "delay_s": result.delay_effect_s, "delay_from_injection_s": result.delay_start_s,
        "cause_rank": result.cause_rank, "kind_rank": result.kind_rank, "first": result.first_named,
    }  # fmt: skip


def _total(reports: Sequence[Report]) -> dict[str, Any]:
    scores = [s for r in reports for s in r.scores]
    delays = sorted(s.delay_effect_s for s in scores if s.delay_effect_s is not None)
    return {
        "faults": len(scores),
        "found": sum(s.found for s in scores),
        "exactly_one": sum(s.exactly_one for s in scores),
        "cause_first": sum(s.cause_rank == 1 for s in scores),
        "cause_top3": sum(1 <= s.cause_rank <= 3 for s in scores),
        "median_delay_s": delays[len(delays) // 2] if delays else float("nan"),
        "false": sum(len(r.false_incidents) for r in reports),
        "quiet_minutes": sum(r.quiet_s for r in reports) / 60,
    }
