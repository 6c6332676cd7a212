# ruff: noqa: E501 - data, easier to compare in one line
"""The life of models as ``FakeWorkspace.desk`` shows it: a card with curves, a job at work, failures, some of them hostile."""

from __future__ import annotations

from typing import Any

from logsense.errors import NotFound
from logsense.timefmt import iso

MINUTE = 60 * 10**9
XSS = "<script>alert(1)</script>"


def _score(name: str, value: float) -> dict[str, Any]:
    return {
        "name": name, "average_precision": {"value": value, "low": value - 0.1, "high": value + 0.1}, "p_value": 0.005,
        "null": 0.08, "threshold": 0.3, "announced": 9, "onsets": 12, "median_lead_s": 140.0, "false_alarms": 1,
        "false_alarms_per_host_day": 0.2, "share_in_alarm": 0.01, "null_announced": 1.0,
        "brier": {"value": 0.03, "low": 0.02, "high": 0.04},
    }  # fmt: skip


def models(now: int) -> list[dict[str, Any]]:
    card = {
        "name": "failure-hazard", "version": "2026.03", "kind": "failure", "created": iso(now), "artefact": "model.skops",
        "sha256": "ab" * 32, "calibrated": True, "horizon_s": 600, "step_s": 10, "threshold": 0.31,
        "limits": ["not for hosts younger than a day", XSS],
        "data": {"source": "index", "hosts": 61, "steps": 120_000, "onsets": 44, "from": iso(now - 10**15), "to": iso(now),
                 "recordings": ["index"], "labels": {"reported": 21, "judged": 3, "derived": 20}},
        "fit": {"estimator": "logistic", "onsets": 31}, "features": ["disk:level", "memory:level"],
        "scores": {
            "host_days": 30.5, "base_rate": 0.02, "calibrated": True, "notes": ["12 failures are too few for firm figures"],
            "scores": {"served": _score("served", 0.61), "error count": _score("error count", 0.22)},
            "reliability": [
                {"forecast": 0.004, "observed": 0.003, "steps": 90_000, "low": 0.002, "high": 0.005},
                {"forecast": 0.15, "observed": 0.2, "steps": 900, "low": 0.1, "high": 0.33},
                {"forecast": 0.7, "observed": 0.6, "steps": 300, "low": 0.4, "high": 0.8},
            ],
            "curves": {"served": [[0.2, 1.0, 0.9], [0.6, 0.8, 0.5], [1.0, 0.1, 0.01]],
                       "error count": [[0.1, 0.5, 9.0], [1.0, 0.05, 0.0]]},
            "onsets": [], "by_kind": {},
        },
        "libraries": {"scikit-learn": "1.9.1", "numpy": "2.4.6"},
    }  # fmt: skip
    older = {
        **card,
        "version": "2026.02",
        "calibrated": False,
        "scores": {},
        "purpose": "P(failure of a host within an hour)",
    }
    return [
        {"name": "failure-hazard", "version": "2026.03", "in_use": True, "created": iso(now), "card": card},
        {"name": "failure-hazard", "version": "2026.02", "in_use": False, "created": iso(now), "card": older},
    ]


class FakeDesk:
    """Remembers what it was asked to do in ``asked``."""

    def __init__(self, space: Any) -> None:
        self._space = space
        self.asked: list[tuple[str, Any]] = []
        self.kept: dict[str, dict[str, Any]] = {}
        if not space.empty:
            for failure_id, kind in (("ticket-4711", "disk_full"), (XSS, XSS)):
                self.kept[failure_id] = {
                    "id": failure_id, "host": "db1", "service": "postgresql", "kind": kind, "start": iso(space.now - 52 * MINUTE),
                    "end": None, "cause": None, "note": XSS, "by": "mira", "reported": iso(space.now),
                }  # fmt: skip

    def failures(
        self, *, from_: int | None = None, to: int | None = None, host: str | None = None, limit: int = 1000
    ) -> list[dict[str, Any]]:
        return [f for f in self.kept.values() if host in (None, f["host"])][:limit]

    def failure(self, failure_id: str) -> dict[str, Any]:
        if failure_id not in self.kept:
            raise NotFound(f"There is no failure {failure_id!r}.")
        return self.kept[failure_id]

    def report(self, rows: list[dict[str, Any]], *, by: str = "") -> dict[str, Any]:
        self.asked.append(("report", (rows, by)))
        made = [
            {**next(iter(self.kept.values())), **{k: str(v) for k, v in r.items()}, "outcome": "added"} for r in rows
        ]
        return {"failures": made, "added": len(made), "changed": 0, "unchanged": 0}

    def remove_failure(self, failure_id: str) -> dict[str, Any]:
        return self.kept.pop(self.failure(failure_id)["id"])

    def labels(self, *, from_: int | None = None, to: int | None = None) -> dict[str, Any]:
        rows = [
            {k: f[k] for k in ("id", "host", "service", "kind", "start")}
            | {"end": iso(self._space.now), "source": "reported"}
            for f in self.kept.values()
        ]
        return {
            "rule": ["Every failure that was reported counts."],
            "counts": {"reported": len(rows), "judged": 0, "derived": 0},
            "enough": 20,
            "labels": rows,
        }

    def model(self, name: str, version: str = "") -> dict[str, Any]:
        for model in self._space.models():
            if model["name"] == name and (model["version"] == version or (not version and model["in_use"])):
                return model
        raise NotFound(f"There is no model {name!r}.")

    def fit(self, name: str = "failure") -> dict[str, Any] | None:
        if self._space.empty:
            return None
        return {"name": "failure-hazard", "version": "2026.03", "fits": False, "why": "41% of the features look different from the training data",
                "shifted_share": 0.41, "shifted": [["disk:level", 1.2], [XSS, 0.4]], "brier": 0.05, "brier_base_rate": 0.04,
                "calibration_error": 0.2, "unknown_share": 0.1, "vectors": 512, "failures": 6}  # fmt: skip

    def recordings(self) -> list[str]:
        return ["server", "holdout/server"]

    def jobs(self) -> list[dict[str, Any]]:
        if self._space.empty:
            return []
        row = {
            "created": iso(self._space.now),
            "ended": None,
            "by": "mira",
            "request": {},
            "result": None,
            "problem": None,
        }
        problem = {
            "what": "There is not enough history to train on.",
            "why": XSS,
            "where": "",
            "fix": "report what failed",
        }
        return [
            {"id": "job-2", "kind": "train", "state": "running", "progress": 0.4, "doing": "fitting", **row},
            {"id": "job-1", "kind": "train", "state": "failed", "progress": 0.1, "doing": "", **row, "ended": iso(self._space.now), "problem": problem},
            {"id": "job-0", "kind": "promote", "state": "done", "progress": 1.0, "doing": "", **row, "ended": iso(self._space.now),
             "result": {"version": "2026.03", "text": "failure-hazard 2026.03 is in use"}},
        ]  # fmt: skip

    def job(self, job_id: str) -> dict[str, Any]:
        for job in self.jobs():
            if job["id"] == job_id:
                return job
        raise NotFound(f"There is no job {job_id!r}.")

    def cancel(self, job_id: str) -> dict[str, Any]:
        self.asked.append(("cancel", job_id))
        return {**self.job(job_id), "state": "cancelled"}

    def _job(self, kind: str, request: Any) -> dict[str, Any]:
        self.asked.append((kind, request))
        return {**self.jobs()[0], "kind": kind, "state": "queued"}

    def train(self, plan: dict[str, Any], *, by: str = "") -> dict[str, Any]:
        return self._job("train", plan)

    def evaluate(self, name: str, version: str, plan: dict[str, Any], *, by: str = "") -> dict[str, Any]:
        return self._job("evaluate", (name, version, plan))

    def promote(self, name: str, version: str, *, force: bool = False, by: str = "") -> dict[str, Any]:
        return self._job("promote", (name, version, force))

    def rollback(self, name: str, *, by: str = "") -> dict[str, Any]:
        return self._job("rollback", name)
