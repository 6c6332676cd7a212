"""Answers that are numbers, tables or courses over time; a quiet overview over old incidents; hosts; models."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from logsense.ui.answers import drawn
from logsense.ui.model_pages import shown

TABLE = {"kind": "table", "title": "Hosts by errors", "columns": ["host", "lines"], "rows": [["db1", 40], ["web1", 10]]}


@pytest.mark.parametrize(
    ("answer", "holds"),
    [
        (TABLE, ("Hosts by errors", "db1", 'width="100.0"', 'width="25.0"')),
        ({"kind": "table", "rows": [{"host": "<b>x</b>", "first": "2026-03-01T02:00:00Z"}]}, ("&lt;b&gt;x", "<time ")),
        ({"kind": "count", "count": 1234567}, ("1.23 M",)),
        ({"kind": "count", "value": 0}, ("<b>0</b>",)),
        (
            {"kind": "series", "step_s": 60, "series": {"this week": [["2026-03-01T02:00:00Z", 4]]}},
            ("this week", "<svg"),
        ),
        ({"kind": "series", "step_s": 60, "buckets": [["2026-03-01T02:00:00Z", 4]]}, ("<svg",)),
        # as the search gives them
        (
            {
                "kind": "series",
                "step_s": 60,
                "columns": ["time", "lines"],
                "rows": [["2026-03-01T02:00:00Z", 4]],
                "text": "Most at 02:00.",
            },
            ("Most at 02:00.", "<svg"),
        ),
        (
            {
                "kind": "compare",
                "columns": ["from", "to", "lines"],
                "text": "40 lines against 20: +100%.",
                "rows": [
                    ["2026-03-01T01:00:00Z", "2026-03-01T02:00:00Z", 20],
                    ["2026-03-01T02:00:00Z", "2026-03-01T03:00:00Z", 40],
                ],
            },
            ("+100%", 'width="50.0"'),
        ),
        (
            {
                "kind": "first",
                "at": "2026-03-01T02:00:00Z",
                "text": "First.",
                "hit": {"@timestamp": "2026-03-01T02:00:00Z", "host": "db1", "message": "<b>x</b>"},
            },
            ("db1", "&lt;b&gt;x"),
        ),
    ],
)
def test_each_kind_is_shown(client: TestClient, workspace: Any, answer: dict[str, Any], holds: tuple[str, ...]) -> None:
    search = workspace.search
    workspace.search = lambda *a, **k: {**search(*a, **k), "answer": answer}
    text = client.get("/search?q=connection").text
    section = text[text.index('class="panel answer"') :].split("</section>")[0]
    for part in holds:
        assert part in section
    assert "<b>x</b>" not in section


@pytest.mark.parametrize(
    "answer",
    [None, 5, [], {}, {"kind": "poem"}, {"kind": "table"}, {"kind": "table", "rows": "abc"}, {"kind": "count"},
     {"kind": "table", "rows": []}, {"kind": "series", "series": 7}, {"kind": "series", "series": {"a": [[1, 2, 3]]}},
     {"kind": "count", "count": float("nan")}, {"kind": "series", "buckets": [["soon", 1]]},
     {"kind": "table", "rows": [7]}],
)  # fmt: skip
def test_what_is_not_understood_is_left_out(answer: Any) -> None:
    assert drawn(answer) is None


def test_uneven_tables_keep_their_columns() -> None:
    made = drawn({"kind": "table", "columns": ["a"], "rows": [["x", 1], ["y"], ["z", 3, "w"]]})
    assert made is not None
    assert [len(row) for row in made["rows"]] == [3, 3, 3]
    assert [c["name"] for c in made["columns"]] == ["a", "", ""]
    assert made["bars"] == 1


def test_nothing_open_is_not_all_quiet_over_old_incidents(client: TestClient, workspace: Any) -> None:
    workspace.status = dict.fromkeys(workspace.status, "resolved")
    text = client.get("/").text
    assert "All quiet" not in text
    assert "Nothing is open now" in text
    assert "3 incidents between" in text
    assert text.count('href="/incidents/INC-') >= 3


def test_host_shows_course_of_the_risk_and_what_stood_out_first(client: TestClient, workspace: Any) -> None:
    made = workspace.forecasts(host="db1")[0]
    earlier = {**made, "made": "2026-01-01T00:00:00Z", "probability": 0.1}
    workspace.forecasts = lambda **_: [made, earlier]
    text = client.get("/hosts/db1").text
    assert "Course of the risk" in text
    assert "/charts/risk?host=db1" in text
    assert text.index("disk.used_percent") < text.index("cpu.used_percent")  # it has an anomaly
    for chart in ("/charts/risk?host=db1", "/charts/metric?host=db1&name=load.1m&band=1"):
        answer = client.get(chart)
        assert answer.status_code == 200, answer.text
        assert "root_id" in answer.json()


def test_a_model_card_is_read_from_its_limits_on() -> None:
    made = shown(
        {"name": "failure", "sha256": "ab", "limits": ["young hosts"], "scores": {"brier": 0.03, "notes": []},
         "data": {"hosts": 3, "recordings": ["a", "b"], "onsets_by_kind": {"x": 1}}, "fit": {"c": 1}}
    )  # fmt: skip
    assert made["score_rows"] == []
    assert made["front"] == {"limits": ["young hosts"], "data": {"hosts": 3, "recordings": "a, b"}}
    assert made["rest"].keys() == {"sha256", "scores", "data", "fit"}
