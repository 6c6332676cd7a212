"""The shapes of what is asked and answered about failures, models and jobs, with an example of each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from logsense.api.schemas import Shape

_T = "2026-03-01T02:14:00Z"
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
#: RFC 3339, an epoch (s, ms, µs or ns) or relative (``-15m``).
Time = str | int | float


class ModelItem(Shape):
    """A version of a model in the store."""

    name: str
    version: str
    in_use: bool = False
    created: str | None = ""
    card: dict[str, Any] = {}


class FailureBody(BaseModel):
    """One failure. Sent again with the same id it is changed, so the end may come later."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"host": "db1", "start": _T, "kind": "disk_full", "id": "ticket-4711"}]},
    )

    host: str = Field(min_length=1, max_length=500, description="As its lines and metrics name it")
    start: Time = Field(description="When its effect first showed: RFC 3339, an epoch, or relative (`-15m`)")
    end: Time | None = Field(None, description="When it was over; an hour is assumed while it is not known")
    cause: Time | None = Field(None, description="When its cause began: before it nothing can announce the failure")
    service: str = Field("", max_length=500, description="What failed on the host")
    kind: str = Field("", max_length=100, description="In a word, e.g. disk_full")
    note: str = Field("", max_length=10_000, description="Free text")
    id: str = Field("", max_length=200, description="Yours; made of host, service, kind and start when left out")
    by: str = Field("", max_length=200, description="Who says so; a key's own name wins over it")


class FailureItem(Shape):
    """A failure that was reported."""

    id: str
    host: str
    service: str = ""
    kind: str = ""
    start: str
    end: str | None = None
    cause: str | None = None
    note: str = ""
    by: str = ""
    reported: str | None = None
    outcome: Literal["", "added", "changed", "unchanged"] = ""


class FailuresKept(Shape):
    """What became of a report."""

    failures: list[FailureItem]
    added: int
    changed: int
    unchanged: int


class Label(Shape):
    """A failure that training and evaluation count, and where the knowledge of it comes from."""

    id: str
    host: str
    service: str = ""
    kind: str = ""
    start: str
    end: str
    source: Literal["reported", "judged", "derived"]


class Labels(Shape):
    """Everything that counts as a failure, and the rule in words."""

    rule: list[str]
    counts: dict[str, int]
    enough: int
    labels: list[Label]


class TrainBody(BaseModel):
    """What to learn from, what to hold out, and whether to put the model in use."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"source": "index", "use": True}]})

    name: Name = Field("failure", description="Name of the model")
    source: Literal["index", "recordings"] = Field("index", description="What was indexed, or named recordings")
    recordings: list[str] = Field(default=[], max_length=1000, description="Their names, see `GET /models/recordings`")
    holdout: list[str] = Field(default=[], max_length=1000, description="Those of them that are kept for the test")
    since: str = Field("", max_length=60, description="Of the index: from when on (RFC 3339 or `-30d`)")
    until: str = Field("", max_length=60, description="Of the index: until when")
    horizon_s: int = Field(0, ge=0, le=604_800, description="How far ahead forecasts look; 0: as the model in use")
    train_share: float = Field(0.7, ge=0.1, le=0.9, description="Earlier share that is trained on")
    estimator: Literal["logistic", "boosting"] = Field("logistic", description="Few failures, or hundreds of them")
    use: bool = Field(True, description="Put it in use unless it is worse than what is")

    def plan(self) -> dict[str, Any]:
        """As a plan of the life cycle is written."""
        return {
            "name": self.name,
            "collect": {"source": self.source, "recordings": self.recordings, "since": self.since,
                        "until": self.until, "horizon_s": self.horizon_s},
            "preprocess": {"holdout": self.holdout, "train_share": self.train_share,
                           "by": "failures" if self.source == "index" else "time"},
            "train": {"estimator": self.estimator},
            "deploy": {"use": self.use},
        }  # fmt: skip


class EvaluateBody(BaseModel):
    """Which version, and on what."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": "2", "source": "index"}]})

    version: Name = Field(description="As `GET /models` lists it")
    name: Name = Field("failure", description="Name of the model")
    source: Literal["index", "recordings"] = Field("index", description="What was indexed, or named recordings")
    recordings: list[str] = Field(default=[], max_length=1000, description="Their names")
    since: str = Field("", max_length=60, description="Of the index: from when on")
    until: str = Field("", max_length=60, description="Of the index: until when")

    def plan(self) -> dict[str, Any]:
        collect = self.model_dump(include={"source", "recordings", "since", "until"})
        return {"name": self.name, "collect": collect}


class PromoteBody(BaseModel):
    """Which version shall be in use."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"version": "2"}]})

    version: Name = Field(description="As `GET /models` lists it")
    name: Name = Field("failure", description="Name of the model")
    force: bool = Field(False, description="Even if it is worse than the one in use")


class RollbackBody(BaseModel):
    """Which model shall go back to the version before."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "failure"}]})

    name: Name = Field("failure", description="Name of the model")


class JobProblem(Shape):
    """Why a job failed."""

    what: str
    why: str
    where: str
    fix: str


class Job(Shape):
    """Work on a model that goes on beside the service. Ask again until ``state`` is done, failed or cancelled."""

    id: str
    kind: Literal["train", "evaluate", "promote", "rollback", "refresh"]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: float = Field(ge=0, le=1)
    doing: str = ""
    created: str
    ended: str | None = None
    by: str = ""
    request: dict[str, Any] = Field(default_factory=dict)
    result: dict[str, Any] | None = None
    problem: JobProblem | None = None


class Fit(Shape):
    """Whether the model in use still fits; ``fits`` is null while too little was seen to tell."""

    name: str
    version: str
    fits: bool | None
    why: str
    shifted_share: float = 0.0
    shifted: list[tuple[str, float]] = Field(default_factory=list)
    brier: float | None = None
    brier_base_rate: float | None = None
    calibration_error: float | None = None
    unknown_share: float | None = None
    vectors: int = 0
    failures: int = 0


FAILURE = {
    "id": "ticket-4711", "host": "db1", "service": "postgresql", "kind": "disk_full", "start": _T,
    "end": "2026-03-01T02:31:00Z", "cause": None, "note": "old WAL segments", "by": "mira",
    "reported": "2026-03-01T08:00:00Z",
}  # fmt: skip
KEPT = {"failures": [{**FAILURE, "outcome": "added"}], "added": 1, "changed": 0, "unchanged": 0}
LABELS = {
    "rule": ["Every failure that was reported counts."], "counts": {"reported": 1, "judged": 0, "derived": 0},
    "enough": 20,
    "labels": [{"id": "ticket-4711", "host": "db1", "service": "postgresql", "kind": "disk_full", "start": _T,
                "end": "2026-03-01T02:31:00Z", "source": "reported"}],
}  # fmt: skip
JOB = {
    "id": "job-1772331240000-0a1b2c", "kind": "train", "state": "running", "progress": 0.4, "doing": "fitting",
    "created": _T, "ended": None, "by": "mira", "request": {"name": "failure", "collect": {"source": "index"}},
    "result": None, "problem": None,
}  # fmt: skip
FIT = {
    "name": "failure", "version": "2", "fits": True, "why": "8% of the features look different from the training data",
    "shifted_share": 0.08, "shifted": [["disk:level", 0.41]], "brier": None, "brier_base_rate": None,
    "calibration_error": None, "unknown_share": 0.02, "vectors": 512, "failures": 1,
}  # fmt: skip
