"""The model store, and the life of its models: train, evaluate, promote, roll back, as jobs with progress."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from logsense.api import examples
from logsense.api import model_shapes as shapes
from logsense.api.examples import answers
from logsense.api.model_shapes import ModelItem
from logsense.api.respond import Json
from logsense.workspace import Workspace

_Name = Annotated[str, Path(max_length=80, description="Name of the model")]
_Version = Annotated[str, Path(max_length=80, description="Its version, as `GET /models` lists it")]


def router(workspace: Workspace) -> APIRouter:
    """``/models`` and ``/jobs`` for reading."""
    routes = APIRouter(tags=["models"])

    @routes.get("/models", response_model=list[ModelItem], responses=answers([examples.MODEL]))
    def models() -> Json:
        """Every version of every model with its card: data, measures, limits."""
        return Json(workspace.models())

    @routes.get("/models/recordings", response_model=list[str], responses=answers(["server", "holdout/server"]))
    def recordings() -> Json:
        """Recordings that can be trained and tested on beside what was indexed."""
        return Json(workspace.desk.recordings())

    @routes.get("/models/{name}/fit", response_model=shapes.Fit | None, responses=answers(shapes.FIT))
    def fit(name: _Name) -> Json:
        """Whether the version in use still fits what is seen: features, forecasts, new kinds of lines. Null when none
        is in use. Looked at every five minutes at most."""
        return Json(workspace.desk.fit(name))

    @routes.get("/models/{name}/{version}", response_model=ModelItem, responses=answers(examples.MODEL))
    def model(name: _Name, version: _Version) -> Json:
        """One version with its card."""
        return Json(workspace.desk.model(name, version))

    @routes.get("/jobs", response_model=list[shapes.Job], responses=answers([shapes.JOB]))
    def jobs() -> Json:
        """The last 50 jobs, newest first."""
        return Json(workspace.desk.jobs())

    @routes.get("/jobs/{job_id}", response_model=shapes.Job, responses=answers(shapes.JOB))
    def job(job_id: str) -> Json:
        """How far a job is, and what came of it. Its file is written four times a second at most."""
        return Json(workspace.desk.job(job_id))

    return routes


def action_router(workspace: Workspace) -> APIRouter:
    """What changes models. One job runs at a time: another one is refused with 409."""
    routes = APIRouter(tags=["models"])
    accepted: dict[str, Any] = {
        "response_model": shapes.Job, "status_code": 202, "responses": answers(shapes.JOB, status=202)
    }  # fmt: skip

    @routes.post("/models/train", **accepted)
    def train(request: Request, body: shapes.TrainBody | None = None) -> Json:
        """Begin to train on what was indexed (with the failures of `/failure-labels`) or on recordings; answers the
        job. What is worse than the model in use is stored, and not used."""
        return _accepted(
            workspace.desk.train((body or shapes.TrainBody.model_validate({})).plan(), by=request.state.actor)
        )

    @routes.post("/models/evaluate", **accepted)
    def evaluate(request: Request, body: shapes.EvaluateBody) -> Json:
        """Begin to score a version beside simple rules; the job's result is the report."""
        return _accepted(workspace.desk.evaluate(body.name, body.version, body.plan(), by=request.state.actor))

    @routes.post("/models/promote", **accepted)
    def promote(request: Request, body: shapes.PromoteBody) -> Json:
        """Begin to put a version in use, unless it is worse on held-out data than the one that is."""
        return _accepted(workspace.desk.promote(body.name, body.version, force=body.force, by=request.state.actor))

    @routes.post("/models/rollback", **accepted)
    def rollback(request: Request, body: shapes.RollbackBody | None = None) -> Json:
        """Put the version before back in use."""
        return _accepted(
            workspace.desk.rollback((body or shapes.RollbackBody.model_validate({})).name, by=request.state.actor)
        )

    @routes.delete("/jobs/{job_id}", response_model=shapes.Job, responses=answers(shapes.JOB))
    def cancel(job_id: str) -> Json:
        """Ask a job to stop; a moment later its state is `cancelled`. The store never holds half a model."""
        return Json(workspace.desk.cancel(job_id))

    return routes


def _accepted(job: dict[str, Any]) -> Json:
    return Json(job, status_code=202, headers={"location": f"/api/v1/jobs/{job['id']}"})
