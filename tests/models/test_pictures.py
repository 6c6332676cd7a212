"""Pictures hold what the data holds, whatever the data is."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from logsense.pictures.curves import precision_recall_picture, reliability_picture
from logsense.pictures.frame import round_ticks, short, time_ticks
from logsense.pictures.png import png
from logsense.pictures.series import metric_picture, risk_picture, table

T = "2026-03-01T02:{:02d}:00Z"
EMPTY: dict[str, Any] = {"points": [], "band": [], "anomalies": [], "incidents": []}


def view(values: list[Any], **more: Any) -> dict[str, Any]:
    return {**EMPTY, "points": [[T.format(n), v] for n, v in enumerate(values)], **more}


@pytest.mark.parametrize(
    "values",
    [[], [1.0], [1.0] * 10, [0.0] * 3, [None, 1.0, None], [float("nan"), 2.0], [1e308, -1e308], [1e149, -1e149],
     [-5.0, 3.0], [1e-12, 2e-12], [float("inf")]],
    ids=["none", "one", "constant", "zeros", "gaps", "nan", "huge", "large", "negative", "tiny", "infinite"],
)  # fmt: skip
def test_any_series_is_a_whole_picture(values: list[Any]) -> None:
    svg = metric_picture(view(values), "db1", "load").svg(standalone=True)
    ET.fromstring(svg)
    assert "nan" not in svg and "inf" not in svg.replace("info", "")


def test_hostile_names_stay_text() -> None:
    name = "<script>alert(1)</script>\x00\x1b[31m & \u202e"
    incident = {"title": name, "start": T.format(0), "end": None, "last": T.format(1)}
    svg = metric_picture(view([1.0, 2.0], incidents=[incident]), name, name).svg(standalone=True)
    root = ET.fromstring(svg)
    assert not [e for e in root.iter() if e.tag.endswith("script")]


def test_an_anomaly_is_marked_where_the_value_was_farthest_off() -> None:
    odd = {"@timestamp": T.format(1), "end": T.format(3), "kind": "metric.high", "expected": 1.0, "text": "high"}
    shown = view([1.0, 2.0, 9.0, 3.0], anomalies=[odd], band=[[T.format(n), 0.5, 1.5] for n in range(4)])
    rows = table(shown)
    assert [row["odd"] for row in rows] == [False, False, True, False]
    assert (rows[2]["low"], rows[2]["high"]) == (0.5, 1.5)
    assert "1 anomalies" in metric_picture(shown, "db1", "load").description


def test_a_long_table_is_thinned_and_keeps_the_anomalies() -> None:
    points = [[f"2026-03-01T{n // 60:02d}:{n % 60:02d}:00Z", 1.0] for n in range(600)]
    odd = {"@timestamp": points[333][0], "end": points[333][0], "kind": "metric.change", "text": ""}
    rows = table({**EMPTY, "points": points, "anomalies": [odd]})
    assert len(rows) <= 62 and sum(row["odd"] for row in rows) == 1


def test_risk_shows_the_threshold_inside_the_picture() -> None:
    made = risk_picture([[T.format(n), 0.01] for n in range(5)], "db1", [], threshold=0.3)
    assert made.y.high > 0.3
    assert 'class="pic-limit"' in made.svg()


def test_curves_need_a_card_that_holds_them() -> None:
    assert reliability_picture({}) is None
    assert precision_recall_picture({"scores": {"curves": {"served": []}}}) is None
    row = {"forecast": 0.2, "observed": 0.3, "steps": 9, "low": float("nan"), "high": float("nan")}
    made = reliability_picture({"name": "failure", "version": "1", "scores": {"reliability": [row]}})
    assert made is not None and "20%" in made.description and "nan" not in made.svg()


def test_png_has_twice_the_size_of_the_picture_and_ink() -> None:
    data = png(metric_picture(view([1.0, 5.0, 2.0]), "db1", "load").svg(standalone=True))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert width == 1440 and height > 500
    assert len(data) > 5000, "lines and letters, not an empty sheet"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 7), (1e-9, 3e-9), (1e140, 3e140), (5, 5), (0.99, 1.01)])
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    ticks = round_ticks(low, high)
    assert 1 <= len(ticks) <= 9
    assert all(low - abs(low) * 1e-6 <= t <= high + abs(high) * 1e-6 for t in ticks)


@pytest.mark.parametrize("seconds", [1, 59, 600, 7200, 86_400, 3 * 86_400, 90 * 86_400, 3650 * 86_400])
def test_time_ticks_are_few(seconds: int) -> None:
    start = 1_790_000_000 * 10**9
    assert 1 <= len(time_ticks(start, start + seconds * 10**9)) <= 8


def test_numbers_fit_an_axis() -> None:
    assert [short(v) for v in (0, 0.5, 1234, 4e7, 2.5e12)] == ["0", "0.5", "1.234k", "40M", "2.5T"]
