"""Measuring against the labels of recordings, and reading recordings for training (see ``model_runs``).

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

from logsense.config import Settings, shipped
from logsense.errors import BadInput
from logsense.feed import Ingest, add_recording, find_pipeline
from logsense.incidents.scoring import Report, Score, read_labels, score
from logsense.lifecycle.dataset import Recording
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


def recording(folder: Path, settings: Settings, progress: Progress | None = None) -> Recording:
    """A recording in the terms of training: its windows and the failures of its labels."""
    played = play(folder, settings, progress)
    return Recording(played.name, played.windows, failures_of(played.labels))


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
