"""The life of the models of one data folder, as people and programs ask for it: what failed, what to train, how far
it is, whether the model in use still fits. ``Workspace.desk`` is one; API, pages and CLI call it.

Answers are JSON-ready, as those of ``Workspace`` are.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logsense import registry
from logsense.errors import BadInput, NotFound
from logsense.failures import FailureLog, FailureReport, read_failure
from logsense.jobs import Jobs
from logsense.model_fit import ModelFit
from logsense.timefmt import parse_time

if TYPE_CHECKING:
    from logsense.config import Settings
    from logsense.stages import Index


class Desk:
    """``root`` is the folder of the installation, whose one job at a time all tenants share."""

    def __init__(self, index: Index, data: Path, settings: Settings, root: Path) -> None:
        self._index, self._data, self._settings = index, data, settings
        self._failures = FailureLog(data)
        self._jobs = Jobs(data, settings, root)
        self._fit = ModelFit(index, data, settings)
        #: Whether anything may be written: the tenant exists.
        self.writable = True

    # -- failures -----------------------------------------------------------------------------------------------

    def failures(
        self, *, from_: int | None = None, to: int | None = None, host: str | None = None, limit: int = 1000
    ) -> list[dict[str, Any]]:
        """Reported ones, newest first: {"id", "host", "service", "kind", "start", "end", "cause", "note", "by",
        "reported"}."""
        return [report.to_dict() for report in self._failures.all(from_, to, host=host, limit=limit)]

    def failure(self, failure_id: str) -> dict[str, Any]:
        return self._failures.get(failure_id).to_dict()

    def report(self, rows: Sequence[Mapping[str, Any]], *, by: str = "") -> dict[str, Any]:
        """Keep all of ``rows`` (see ``failures.read_failure``) or none: {"failures": […], "added", "changed",
        "unchanged"}. Raises ``BadInput``, naming the row."""
        many = len(rows) > 1
        reports = [
            read_failure({**row, **({"by": by} if by else {})}, where=f"failure {n}" if many else "body")
            for n, row in enumerate(rows)
        ]
        return self.keep(reports)

    def keep(self, reports: Sequence[FailureReport]) -> dict[str, Any]:
        """As ``report``, of what was read already."""
        self._check_writable()
        kept = self._failures.put(reports)
        outcomes = [outcome for _, outcome in kept]
        return {
            "failures": [{**report.to_dict(), "outcome": outcome} for report, outcome in kept],
            **{name: outcomes.count(name) for name in ("added", "changed", "unchanged")},
        }

    def remove_failure(self, failure_id: str) -> dict[str, Any]:
        return self._failures.remove(failure_id).to_dict()

    def labels(self, *, from_: int | None = None, to: int | None = None) -> dict[str, Any]:
        """What counts as a failure: {"rule": [sentences], "counts": by source, "enough": 20, "labels": [{"id", "host",
        "service", "kind", "start", "end", "source": "reported|judged|derived"}]}."""
        from logsense import labelling

        options = self._settings.section("labels")
        found = labelling.labels(self._index, self._data, options, from_, to)
        return {
            "rule": labelling.rule(options),
            "counts": labelling.counts(found),
            "enough": labelling.ENOUGH,
            "labels": [label.to_dict() for label in found],
        }

    # -- models -------------------------------------------------------------------------------------------------

    def models(self) -> list[dict[str, Any]]:
        """{"name", "version", "in_use", "created", "card": {…}}, all versions."""
        from logsense.lifecycle.store import ModelStore

        return [entry.to_dict() for entry in ModelStore(registry.model_folders(self._data)).entries()]

    def model(self, name: str, version: str = "") -> dict[str, Any]:
        """One version, or the one in use. Raises ``NotFound``."""
        for model in self.models():
            if model["name"] == name and (model["version"] == version or (not version and model["in_use"])):
                return model
        raise NotFound(
            f"There is no model {name[:80]}/{version[:80] or '(in use)'}.", fix="`logsense models` lists them"
        )

    def fit(self, name: str = "failure") -> dict[str, Any] | None:
        """Whether the model in use still fits: see ``model_fit``."""
        return self._fit.check(name)

    def recordings(self) -> list[str]:
        """What can be trained on beside the index."""
        from logsense.model_runs import recording_names

        return recording_names(self._data)

    # -- jobs ---------------------------------------------------------------------------------------------------

    def jobs(self) -> list[dict[str, Any]]:
        """Newest first: {"id", "kind", "state": "queued|running|done|failed|cancelled", "progress": 0 to 1, "doing",
        "created", "ended", "by", "request", "result", "problem"}."""
        return self._jobs.all()

    def job(self, job_id: str) -> dict[str, Any]:
        return self._jobs.get(job_id)

    def cancel(self, job_id: str) -> dict[str, Any]:
        return self._jobs.cancel(job_id)

    def wait(self, job_id: str, timeout_s: float) -> dict[str, Any]:
        return self._jobs.wait(job_id, timeout_s)

    def train(self, plan: Mapping[str, Any], *, by: str = "") -> dict[str, Any]:
        """Begin to train as ``plan`` (``lifecycle.plan.Plan``) says. What can be refused is refused at once."""
        self._check_plan(plan)
        return self._start("train", dict(plan), by)

    def evaluate(self, name: str, version: str, plan: Mapping[str, Any], *, by: str = "") -> dict[str, Any]:
        self.model(name, version)
        self._check_plan(plan)
        return self._start("evaluate", {"name": name, "version": version, "plan": {**plan, "name": name}}, by)

    def promote(self, name: str, version: str, *, force: bool = False, by: str = "") -> dict[str, Any]:
        self.model(name, version)
        return self._start("promote", {"name": name, "version": version, "force": force}, by)

    def rollback(self, name: str, *, by: str = "") -> dict[str, Any]:
        self.model(name)
        return self._start("rollback", {"name": name}, by)

    def refresh_if_due(self) -> dict[str, Any] | None:
        """Train anew when people have said enough that is new; the job, or None."""
        from logsense.refresh import INCIDENTS, refresh_if_due

        options = self._settings.section("models")
        return refresh_if_due(self._data, lambda: self._index.incidents(limit=INCIDENTS), self._jobs, options)

    def close(self) -> None:
        """Jobs end with the service."""
        self._jobs.close()

    def _start(self, kind: str, request: dict[str, Any], by: str) -> dict[str, Any]:
        self._check_writable()
        return self._jobs.start(kind, request, by)

    def _check_plan(self, plan: Mapping[str, Any]) -> None:
        from logsense.model_runs import find_recording

        collect = plan.get("collect", {})
        for name in collect.get("recordings", ()):
            find_recording(name, self._data)
        for name in ("since", "until"):
            if collect.get(name):
                parse_time(collect[name], now_ns=time.time_ns(), name=name)
        if collect.get("source", "recordings") == "recordings" and not collect.get("recordings"):
            raise BadInput("No recording is named.", where="recordings", fix="name some, or use the source `index`")

    def _check_writable(self) -> None:
        if not self.writable:
            raise NotFound("There is no such tenant yet.", why="nothing was sent for it", fix="send lines for it first")
