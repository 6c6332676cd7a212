"""Each operation answers what its schema promises, and passes its parameters on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from logsense.api import model_shapes, schemas
from logsense.api.health import route_template

SHAPES: tuple[tuple[str, Any], ...] = (
    ("/api/v1/search?q=connection&limit=5", schemas.SearchAnswer),
    ("/api/v1/search", schemas.SearchAnswer),
    ("/api/v1/logs/L00010", schemas.LogContext),
    ("/api/v1/incidents", list[schemas.IncidentBrief]),
    ("/api/v1/incidents/INC-42", schemas.IncidentDetail),
    ("/api/v1/templates", list[schemas.TemplateBrief]),
    ("/api/v1/templates/T-refused", schemas.TemplateDetail),
    ("/api/v1/template-drift", schemas.TemplateDrift),
    ("/api/v1/template-edits", list[schemas.TemplateEdit]),
    ("/api/v1/forecasts", list[schemas.ForecastItem]),
    ("/api/v1/metrics/series", list[schemas.SeriesItem]),
    ("/api/v1/metrics/series?host=db1&name=load.1m&step=60", list[schemas.SeriesItem]),
    ("/api/v1/diagnose?from=-1h&to=now", schemas.Diagnosis),
    ("/api/v1/evidence/signal:S-1", schemas.Evidence),
    ("/api/v1/evidence/template:T-refused", schemas.Evidence),
    ("/api/v1/evidence/line:L00010", schemas.Evidence),
    ("/api/v1/overview", schemas.Overview),
    ("/api/v1/hosts", list[schemas.HostItem]),
    ("/api/v1/sources", list[schemas.SourceHealth]),
    ("/api/v1/models", list[model_shapes.ModelItem]),
    ("/api/v1/models/failure-hazard/2026.03", model_shapes.ModelItem),
    ("/api/v1/models/failure-hazard/fit", model_shapes.Fit),
    ("/api/v1/models/recordings", list[str]),
    ("/api/v1/jobs", list[model_shapes.Job]),
    ("/api/v1/jobs/job-2", model_shapes.Job),
    ("/api/v1/failures", list[model_shapes.FailureItem]),
    ("/api/v1/failures/ticket-4711", model_shapes.FailureItem),
    ("/api/v1/failure-labels", model_shapes.Labels),
    ("/healthz", dict[str, str]),
    ("/readyz", schemas.Readiness),
)


@pytest.mark.parametrize(("place", "shape"), SHAPES)
def test_answer_has_the_documented_shape(client: TestClient, place: str, shape: Any) -> None:
    answer = client.get(place)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    TypeAdapter(shape).validate_python(answer.json())


def test_parameters_reach_the_workspace(client: TestClient, workspace: Any) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []
    real = workspace.search

    def search(question: str, **options: Any) -> dict[str, Any]:
        calls.append((question, options))
        return real(question, **options)

    workspace.search = search
    # The application holds the workspace, not the method, so replacing it here is seen there.
    client.get(
        "/api/v1/search",
        params={
            "q": "refused",
            "from": "2026-03-01T02:00:00.5Z",
            "to": "1772334000",
            "limit": 7,
            "offset": 3,
            "sort": "time",
            "tz": "Europe/Berlin",
            "now": "2026-03-01T04:00:00Z",
        },
    )
    [(question, options)] = calls
    assert question == "refused"
    assert options == {
        "from_": 1_772_330_400_500_000_000,
        "to": 1_772_334_000_000_000_000,
        "limit": 7,
        "offset": 3,
        "by_time": True,
        "tz": "Europe/Berlin",
        "now": 1_772_337_600_000_000_000,
    }


def test_ids_with_slashes_are_found(client: TestClient, workspace: Any) -> None:
    workspace.lines[0]["id"] = "index/1 ä"
    assert client.get("/api/v1/logs/index%2F1%20%C3%A4").json()["hit"]["id"] == "index/1 ä"


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("ack", None, "acknowledged"),
        ("resolve", {"by": "mira"}, "resolved"),
        ("note", {"text": "raised the limit"}, "open"),
        ("feedback", {"verdict": "right_cause"}, "open"),
    ],
)
def test_actions(client: TestClient, kind: str, body: dict[str, str] | None, status: str) -> None:
    answer = client.post(f"/api/v1/incidents/INC-42/{kind}", json=body)
    assert answer.status_code == 200
    incident = schemas.IncidentDetail.model_validate(answer.json())
    assert incident.status == status
    assert incident.actions[-1].kind == kind
    assert incident.actions[-1].by == (body or {}).get("by", "")


@pytest.mark.parametrize(
    ("kind", "body"), [("note", {"text": " "}), ("feedback", {}), ("feedback", {"verdict": "x"}), ("burn", {})]
)
def test_actions_that_say_nothing_are_refused(client: TestClient, workspace: Any, kind: str, body: dict) -> None:
    assert client.post(f"/api/v1/incidents/INC-42/{kind}", json=body).status_code == 422
    assert workspace.actions["INC-42"] == []


def test_series_of_a_name_needs_a_host(client: TestClient) -> None:
    assert client.get("/api/v1/metrics/series?name=load.1m").json()["where"] == "host"


def test_what_json_cannot_hold_is_still_answered(client: TestClient, workspace: Any) -> None:
    answer = client.get("/api/v1/logs/L-surrogate")
    assert answer.json()["hit"]["message"] == "lone surrogate \ud800 here"
    workspace.forecasts = lambda **_: [{"probability": float("nan")}]
    assert json.loads(client.get("/api/v1/forecasts").text) == [{"probability": None}]


def test_not_ready_is_503(client: TestClient, workspace: Any) -> None:
    workspace.ready = lambda: {"ready": False, "checks": {"worker": "down: never started"}}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["worker"] == "down: never started"
    assert client.head("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_own_metrics_count_by_route(client: TestClient) -> None:
    for log_id in ("L00001", "L00002", "nix"):
        client.get(f"/api/v1/logs/{log_id}")
    client.get("/nowhere")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    route = "/api/v1/logs/{log_id}"
    assert f'logsense_http_requests_total{{method="GET",route="{route}",status="200"}} 2.0' in answer.text
    assert f'logsense_http_requests_total{{method="GET",route="{route}",status="404"}} 1.0' in answer.text
    assert "L00001" not in answer.text
    assert "nowhere" not in answer.text


def test_route_template_finds_each_parameter_in_its_place() -> None:
    scope = {"path": "/logs/logs/a/b", "path_params": {"one": "logs", "rest": "a/b"}, "endpoint": print}
    assert route_template(scope) == "/logs/{one}/{rest}"
    assert route_template({"path": "/x"}) == "none"
