"""OpenAPI says what each operation does, takes and answers; the page of it needs nothing from elsewhere."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest
from starlette.testclient import TestClient

from logsense.api import examples, model_shapes, schemas
from logsense.api.app import create_app

EXPECTED = {
    "/api/v1/search", "/api/v1/terms",
    "/api/v1/tail", "/api/v1/logs/{log_id}", "/api/v1/incidents", "/api/v1/incidents/{incident_id}",
    "/api/v1/incidents/{incident_id}/merge",
    "/api/v1/incidents/{incident_id}/summary",
    "/api/v1/incidents/{incident_id}/split",
    "/api/v1/templates/{template_id}/{kind}", "/api/v1/template-drift", "/api/v1/template-edits",
    "/api/v1/incidents/{incident_id}/{kind}", "/api/v1/templates", "/api/v1/templates/{template_id}",
    "/api/v1/forecasts", "/api/v1/metrics/series", "/api/v1/diagnose", "/api/v1/evidence/{evidence_id}",
    "/api/v1/overview", "/api/v1/hosts", "/api/v1/sources", "/api/v1/models", "/healthz", "/readyz", "/metrics",
    "/api/v1/failures", "/api/v1/failures/{failure_id}", "/api/v1/failure-labels", "/api/v1/models/recordings",
    "/api/v1/models/{name}/fit", "/api/v1/models/{name}/{version}", "/api/v1/models/train", "/api/v1/models/evaluate",
    "/api/v1/models/promote", "/api/v1/models/rollback", "/api/v1/jobs", "/api/v1/jobs/{job_id}",
}  # fmt: skip


@pytest.fixture(scope="module")
def client(fake: ModuleType) -> TestClient:
    return TestClient(create_app(fake.FakeWorkspace(), None, []))


@pytest.fixture(scope="module")
def openapi(client: TestClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def operations(openapi: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{m} {p}", operation) for p, methods in openapi["paths"].items() for m, operation in methods.items()]


def test_every_operation_is_listed_and_no_page(openapi: dict[str, Any]) -> None:
    assert openapi["paths"].keys() == EXPECTED


def test_every_operation_is_described(openapi: dict[str, Any]) -> None:
    missing = [name for name, o in operations(openapi) if len(o.get("description", "")) < 10]
    assert missing == []
    ids = [o["operationId"] for _, o in operations(openapi)]
    assert len(ids) == len(set(ids))


def test_every_query_parameter_is_described(openapi: dict[str, Any]) -> None:
    missing = [
        f"{name} {p['name']}"
        for name, o in operations(openapi)
        for p in o.get("parameters", ())
        if p["in"] == "query" and not p.get("description")
    ]
    assert missing == []


def test_every_answer_has_a_schema_with_examples(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi):
        if name.endswith("/summary"):  # text
            continue
        success = "202" if "202" in operation["responses"] else "200"
        content = operation["responses"][success]["content"]
        if name in ("get /metrics", "get /api/v1/tail"):  # text and a stream of events
            assert "application/json" not in content
            continue
        assert content["application/json"]["schema"], name
        assert content["application/json"]["example"], name


def test_every_operation_has_a_summary_a_tag_and_described_answers(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi):
        assert operation.get("summary") and operation.get("tags"), name
        assert all(answer["description"] for answer in operation["responses"].values()), name


def test_errors_are_documented_as_problems(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi):
        for status in ("401", "403", "404", "422"):
            assert "application/problem+json" in operation["responses"][status]["content"], (name, status)
        assert "application/problem+json" in operation["responses"]["422"]["content"]
        assert "application/json" not in operation["responses"]["422"]["content"]


def test_page_lists_every_operation(client: TestClient) -> None:
    text = client.get("/docs", headers={"accept": "text/html"}).text
    for place in EXPECTED:
        assert f"<code>{place}</code>" in text
    assert not re.search(r'(?:src|href)="https?://', text)
    assert client.get("/redoc").status_code == 404


@pytest.mark.parametrize(
    ("example", "shape"),
    [
        (examples.SEARCH, schemas.SearchAnswer),
        (examples.LOG, schemas.LogContext),
        (examples.INCIDENT_BRIEF, schemas.IncidentBrief),
        (examples.INCIDENT, schemas.IncidentDetail),
        (examples.DIAGNOSIS, schemas.Diagnosis),
        (examples.EVIDENCE, schemas.Evidence),
        (examples.TEMPLATE_BRIEF, schemas.TemplateBrief),
        (examples.TEMPLATE, schemas.TemplateDetail),
        (examples.FORECAST, schemas.ForecastItem),
        (examples.HOST, schemas.HostItem),
        (examples.SERIES, schemas.SeriesItem),
        (examples.OVERVIEW, schemas.Overview),
        (examples.SOURCE, schemas.SourceHealth),
        (examples.MODEL, model_shapes.ModelItem),
        (examples.READY, schemas.Readiness),
        (model_shapes.FAILURE, model_shapes.FailureItem),
        (model_shapes.KEPT, model_shapes.FailuresKept),
        (model_shapes.LABELS, model_shapes.Labels),
        (model_shapes.JOB, model_shapes.Job),
        (model_shapes.FIT, model_shapes.Fit),
    ],
)
def test_examples_have_the_documented_shape(example: dict[str, Any], shape: type[schemas.Shape]) -> None:
    made = shape.model_validate(example, extra="forbid" if shape is not schemas.Evidence else "allow")
    assert made.model_dump(by_alias=True, exclude_unset=True, mode="json") == example
