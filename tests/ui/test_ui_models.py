"""The page of the models, the page of one metric, and the pictures that the server draws."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.ui.fake_desk import XSS

DISK = "disk.used_percent{device=sda}"
PICTURES = (
    f"/pictures/metric.svg?host=db1&name={DISK}",
    "/pictures/reliability/failure-hazard/2026.03.svg",
    "/pictures/pr/failure-hazard/2026.03.svg",
)


def test_the_page_says_what_is_used_whether_it_fits_and_what_runs(client: TestClient) -> None:
    text = client.get("/models").text
    said = (
        "no longer fits", "41% of the features", 'data-job="job-2"', "<progress", "There is not enough history", "9/12",
        "Train on what was indexed", "ticket-4711", "Reliability", "Precision and recall",
    )  # fmt: skip
    assert [words for words in said if words not in text] == []
    assert XSS not in text
    assert text.count('role="img"') >= 2
    assert text.count("disabled") >= 3, "one job at a time: the buttons wait"


@pytest.mark.parametrize(
    ("act", "form", "asked"),
    [
        ("train", {"name": "failure", "source": "index"}, "train"),
        ("train", {"name": "failure", "source": "recordings"}, "train"),
        ("promote", {"name": "failure-hazard", "version": "2026.02"}, "promote"),
        ("rollback", {"name": "failure-hazard"}, "rollback"),
        ("cancel", {"job": "job-2"}, "cancel"),
        ("report", {"host": "db1", "start": "-15m", "end": "", "by": "mira"}, "report"),
    ],
)
def test_buttons_do_it_once_and_lead_back(
    client: TestClient, workspace: Any, act: str, form: dict[str, str], asked: str
) -> None:
    answer = client.post(f"/models/{act}", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/models?done={act}")
    assert [kind for kind, _ in workspace.desk.asked] == [asked]


def test_recordings_keep_their_second_takes_for_the_test(client: TestClient, workspace: Any) -> None:
    client.post("/models/train", data={"source": "recordings"})
    plan = workspace.desk.asked[0][1]
    assert plan["collect"]["recordings"] == ["server", "holdout/server"]
    assert plan["preprocess"]["holdout"] == ["holdout/server"]


def test_a_form_without_sense_is_refused(client: TestClient, workspace: Any) -> None:
    assert client.post("/models/train", data={"source": "/etc"}).status_code == 400
    assert client.post("/models/burn", data={}).status_code == 422
    assert client.post("/models/train", data={}, headers={"origin": "https://evil.example"}).status_code == 403
    assert workspace.desk.asked == []


def test_reports_are_taken_back(client: TestClient, workspace: Any) -> None:
    assert client.post("/models/remove", data={"id": "ticket-4711"}).status_code == 303
    assert "ticket-4711" not in workspace.desk.kept


def test_a_job_tells_how_far_it_is(client: TestClient) -> None:
    answer = client.get("/models/jobs/job-2")
    assert answer.headers["x-job-state"] == "running"
    assert 'value="40"' in answer.text and "fitting" in answer.text and "<html" not in answer.text
    assert client.get("/models/jobs/nix").status_code == 404


def test_a_metric_is_drawn_with_its_numbers(client: TestClient) -> None:
    text = client.get(f"/metric?host=db1&name={DISK}").text
    for said in ('class="pic-band"', 'class="pic-mark"', 'class="pic-span"', "<desc", "usual range", "<td"):
        assert said in text
    assert client.get("/metric?host=db1&name=nix").status_code == 404


def test_a_host_shows_its_risk_as_a_picture_and_as_numbers(client: TestClient, workspace: Any) -> None:
    made = workspace.forecasts(host="db1")
    workspace.forecasts = lambda **_: [{**made[0], "made": f"2026-03-01T02:{m:02d}:00Z"} for m in range(20, 0, -1)]
    text = client.get("/hosts/db1").text
    assert "Risk of failure of db1" in text and 'class="pic-line"' in text and "83%" in text


@pytest.mark.parametrize("place", PICTURES)
def test_files_are_whole_pictures_that_load_nothing(client: TestClient, place: str) -> None:
    answer = client.get(place)
    assert answer.headers["content-type"].startswith("image/svg+xml")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    root = ET.fromstring(answer.text)
    assert root.tag.endswith("svg") and root.attrib["role"] == "img"
    assert [child.tag.split("}")[1] for child in root][:2] == ["title", "desc"]


def test_what_has_no_picture_says_so(client: TestClient) -> None:
    for place in ("/pictures/pr/failure-hazard/2026.02.svg", "/pictures/nix/failure-hazard/2026.03.svg",
                  "/pictures/pr/nix/1.svg"):  # fmt: skip
        assert client.get(place).status_code == 404
