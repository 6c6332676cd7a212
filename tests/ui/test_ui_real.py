"""Pages and API over the real workspace: a small index on disk, every link followed, every shape compared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from logsense.api import model_shapes, schemas
from logsense.api.app import create_app
from logsense.index import EmbeddedIndex
from logsense.record import (
    Forecast,
    Hypothesis,
    Incident,
    LogRecord,
    MetricPoint,
    Sentence,
    Signal,
    Template,
)
from logsense.workspace import Workspace

SECOND = 10**9
START = 1_772_330_400 * SECOND
HOSTILE = "<script>alert(1)</script> \x1b[31m \u202e {{7*7}} \"'"
PAGE = {"accept": "text/html"}


def records() -> list[LogRecord]:
    made = [
        LogRecord(
            id=f"line/{n} ä", timestamp_ns=START + n * SECOND, message=f"disk is full, write {n} failed",
            source="bulk", ingested_ns=START + n * SECOND, host="db 1", service="postgresql", level="error",
            template_id="t-full", pipeline="server", fields={"process.pid": n},
        )
        for n in range(120)
    ]  # fmt: skip
    made.append(
        LogRecord(id="hostile", timestamp_ns=START + 200 * SECOND, message=HOSTILE, source=HOSTILE, ingested_ns=START,
                  host="<b>evil</b>", service=HOSTILE, template_id="t-hostile", original=HOSTILE, outcome="unparsed",
                  fields={HOSTILE: HOSTILE})
    )  # fmt: skip
    return made


def fill(folder: Path) -> None:
    index = EmbeddedIndex(folder / "index", writer=True)
    index.write_logs(records())
    index.put_templates(
        [
            Template("t-full", "disk is full, write <*> failed", "postgresql", count=120, first_seen_ns=START,
                     last_seen_ns=START + 119 * SECOND, level="error", keywords=["disk"], sample="disk is full"),
            Template("t-hostile", HOSTILE, count=1, first_seen_ns=START, last_seen_ns=START, sample=HOSTILE),
        ]
    )  # fmt: skip
    index.write_metrics(
        [
            MetricPoint("disk.used", "db 1", START + n * SECOND, min(100.0, 50 + n), {"device": "sda"})
            for n in range(200)
        ]
    )
    metric = f"metric:db 1/disk.used{{device=sda}}@{START + 50 * SECOND}"
    index.put_signals(
        [
            Signal("s-1", "metric.high", START + 40 * SECOND, START + 60 * SECOND, 6.0, "db 1",
                   metric="disk.used{device=sda}", value=100.0, expected=50.0,
                   text="`disk.used` rose", evidence=[metric]),
            Signal("s-2", "log.new", START + 51 * SECOND, START + 60 * SECOND, 5.0, "db 1", "postgresql",
                   template_id="t-full", text=HOSTILE, evidence=["line:line/51 ä", "template:t-full"]),
        ]
    )  # fmt: skip
    cited = ["line:line/51 ä", "template:t-full", metric, "signal:s-2", "line:hostile", "line:gone"]
    index.put_incidents(
        [
            Incident(
                id="inc-1", title="Disk full on db 1", status="open", severity="high", start_ns=START + 40 * SECOND,
                last_ns=START + 60 * SECOND, hosts=["db 1"], services=["postgresql"], signal_ids=["s-1", "s-2"],
                template_ids=["t-full"], score=9.0, similar=["inc-0"],
                hypotheses=[Hypothesis("host:db 1", "disk_full", 0.9, cited[:3], ["line:hostile"], "db 1", "postgresql",
                                       "Disk full", HOSTILE, ["df -h"])],
                summary=[Sentence("The disk is full.", cited, "headline"), Sentence(HOSTILE, cited[:1], "impact")],
                not_examined=[HOSTILE],
            ),
            Incident(id="inc-0", title=HOSTILE, status="resolved", severity="low", start_ns=START, last_ns=START,
                     end_ns=START + SECOND, hosts=["<b>evil</b>"]),
        ]
    )  # fmt: skip
    index.put_forecasts(
        [Forecast("f-1", "db 1", START + 60 * SECOND, 3600, 0.7, "failure/1", True, reasons=[("`disk` rises", 0.6)])]
    )
    index.put_source_stats({"bulk": {"accepted": 121, "parsed": 120, "unparsed": 1, "last_ns": START}})
    index.commit()
    index.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    fill(folder)
    return folder


@pytest.fixture(scope="module")
def client(data: Path) -> Iterator[TestClient]:
    workspace = Workspace(data, load_models=False)
    with TestClient(create_app(workspace, None, []), follow_redirects=False) as made:  # type: ignore[arg-type]
        yield made
    workspace.close()


def test_every_link_of_every_page_leads_somewhere(client: TestClient) -> None:
    todo, seen, broken = ["/", "/search?q=disk", "/incidents/inc-1"], set(), {}
    while todo:
        place = todo.pop(0)
        # Searches and lines lead to ever more of their kind: a sample of each is enough.
        kind = place.split("/")[1].split("?")[0]
        enough = kind in ("search", "logs") and sum(other.startswith(f"/{kind}") for other in seen) >= 25
        if place in seen or (enough and "line%2F51" not in place):
            continue
        seen.add(place)
        answer = client.get(place, headers=PAGE)
        expected = 404 if "line%3Agone" in place else 503 if place == "/readyz" else 200
        if answer.status_code != expected:
            broken[place] = answer.status_code
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        for raw in ("<script>alert", "\x1b", "\u202e", "<b>evil"):
            assert raw not in answer.text, place
        for link in re.findall(r'(?:href|data-chart)="(/[^"#]*)', answer.text):
            todo.append(link.replace("&amp;", "&"))
    assert broken == {}
    for part in (
        "/logs/line%2F51%20%C3%A4",
        "/hosts/db%201",
        "/templates/t-full",
        "/incidents/inc-0",
        "/charts/metric",
    ):
        assert any(place.startswith(part) for place in seen), part


@pytest.mark.parametrize(
    ("place", "shape"),
    [
        ("/api/v1/search?q=disk", schemas.SearchAnswer),
        ("/api/v1/search?q=host:db1&from=2026-01-01&to=now&sort=time", schemas.SearchAnswer),
        ("/api/v1/logs/line%2F51%20%C3%A4", schemas.LogContext),
        ("/api/v1/logs/hostile", schemas.LogContext),
        ("/api/v1/incidents", list[schemas.IncidentBrief]),
        ("/api/v1/incidents?status=open&from=2026-01-01", list[schemas.IncidentBrief]),
        ("/api/v1/incidents/inc-1", schemas.IncidentDetail),
        ("/api/v1/templates?order=new", list[schemas.TemplateBrief]),
        ("/api/v1/templates?order=last", list[schemas.TemplateBrief]),
        ("/api/v1/templates/t-full", schemas.TemplateDetail),
        ("/api/v1/forecasts?host=db%201", list[schemas.ForecastItem]),
        ("/api/v1/metrics/series", list[schemas.SeriesItem]),
        ("/api/v1/metrics/series?host=db%201&name=disk.used%7Bdevice%3Dsda%7D&step=10", list[schemas.SeriesItem]),
        (f"/api/v1/diagnose?from={START}&to={START + 100 * SECOND}", schemas.Diagnosis),
        ("/api/v1/evidence/line:line%2F51%20%C3%A4", schemas.Evidence),
        ("/api/v1/evidence/signal:s-1", schemas.Evidence),
        ("/api/v1/evidence/template:t-full", schemas.Evidence),
        (f"/api/v1/evidence/metric:db%201%2Fdisk.used%7Bdevice%3Dsda%7D@{START}", schemas.Evidence),
        ("/api/v1/overview", schemas.Overview),
        ("/api/v1/hosts", list[schemas.HostItem]),
        ("/api/v1/sources", list[schemas.SourceHealth]),
        ("/api/v1/models", list[model_shapes.ModelItem]),
    ],
)
def test_the_workspace_keeps_the_documented_shapes(client: TestClient, place: str, shape: Any) -> None:
    answer = client.get(place)
    assert answer.status_code == 200, answer.text
    TypeAdapter(shape).validate_python(answer.json())


def test_actions_survive_the_process(client: TestClient, data: Path) -> None:
    assert client.post("/incidents/inc-1/ack", content=b"by=mira").status_code == 303
    assert client.post("/api/v1/incidents/inc-1/note", json={"text": "moved the WAL", "by": "mira"}).status_code == 200
    again = Workspace(data, load_models=False)
    try:
        page = TestClient(create_app(again, None, [])).get("/incidents/inc-1", headers=PAGE).text  # type: ignore[arg-type]
    finally:
        again.close()
    assert "moved the WAL" in page
    assert 'class="status st-acknowledged"' in page


def test_steps_that_make_no_sense_are_explained(client: TestClient) -> None:
    answer = client.post("/api/v1/incidents/inc-0/ack")
    assert answer.status_code in (400, 409)
    assert answer.json()["detail"]


def test_an_index_that_holds_nothing(tmp_path: Path) -> None:
    EmbeddedIndex(tmp_path / "index", writer=True).close()
    workspace = Workspace(tmp_path, load_models=False)
    try:
        empty = TestClient(create_app(workspace, None, []))  # type: ignore[arg-type]
        assert "No logs yet" in empty.get("/", headers=PAGE).text
        for place in (
            "/incidents",
            "/search",
            "/search?q=x",
            "/hosts",
            "/templates",
            "/sources",
            "/models",
            "/charts/volume",
        ):
            assert empty.get(place, headers=PAGE).status_code == 200, place
    finally:
        workspace.close()
