"""Pictures without script, and what BokehJS is given."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from logsense.timefmt import iso
from logsense.ui import charts, sparks

MINUTE = 60 * 10**9
START = 1_772_330_400 * 10**9
VALUES = st.one_of(st.floats(), st.none(), st.integers(-(10**6), 10**6))


def points(values: list[Any]) -> list[list[Any]]:
    return [[iso(START + at * MINUTE), value] for at, value in enumerate(values)]


@given(st.lists(VALUES, max_size=60))
def test_pictures_are_well_formed_whatever_the_values(values: list[Any]) -> None:
    for picture in (sparks.sparkline(points(values), '<"&'), sparks.histogram(points(values), 60, '<"&')):
        ElementTree.fromstring(f"<div>{picture}</div>")
        assert "nan" not in picture
        assert "inf" not in picture


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=500), st.integers(4, 100))
def test_thin_keeps_the_extremes_and_the_order(values: list[float], most: int) -> None:
    thinned = sparks.thin(points(values), most)
    kept = [value for _, value in thinned]
    assert min(kept) == min(values)
    assert max(kept) == max(values)
    assert len(thinned) <= max(most, 2)
    assert [at for at, _ in thinned] == sorted(at for at, _ in thinned)


def test_stacked_bars_shade_spans_and_name_counts() -> None:
    series = {"error": points([1, 2]), "info": points([10, 0])}
    picture = sparks.stacked(series, 60, "Volume", spans=[(START, START + MINUTE, 'INC <b>"1"')])
    assert "1 error, 10 info" in picture
    assert "INC &lt;b&gt;" in picture
    root = ElementTree.fromstring(picture)
    heights = {r.get("class"): float(r.get("height") or 0) for r in root.iter("rect") if r.get("class") == "lv-info"}
    assert heights["lv-info"] > 0


def test_metric_chart_carries_points_marks_and_shading() -> None:
    document = charts.metric_chart(
        [(START, 1.0), (START + MINUTE, 100.0)],
        "cpu",
        "dark",
        spans=[charts.Span(START, START + MINUTE, "INC-1")],
        anomalies=[(START + MINUTE, 100.0)],
        expected=[(START, START + MINUTE, 12.0)],
    )
    text = json.dumps(document)
    assert "BoxAnnotation" in text
    assert "100.0" in text
    assert charts.PALETTE["dark"]["line"] in text
    assert "CustomJS" not in text  # the Content-Security-Policy would refuse it


@given(st.floats(-1e15, 1e15), st.floats(1e-3, 1e15))
def test_ticks_are_few_and_inside(low: float, rise: float) -> None:
    high = low + rise
    places = charts.ticks(low, high)
    assert len(places) <= 7
    slack = max(rise * 1e-6, abs(high) * 1e-15)  # far from zero, floats are coarser than a small rise
    assert all(low - slack <= at <= high + slack for at in places)


def test_ticks_are_round() -> None:
    assert charts.ticks(0, 41_000_000) == [0, 20_000_000, 40_000_000]
    assert charts.ticks(0, 12_345) == [0, 5_000, 10_000]


def test_few_bars_are_not_blown_up() -> None:
    picture = sparks.histogram(points([5]), 60, "Found")
    root = ElementTree.fromstring(f"<div>{picture}</div>")
    [bar] = root.iter("rect")
    assert float(bar.get("width") or 0) < 600 / 20
    assert 250 < float(bar.get("x") or 0) < 350


def test_charts_of_nothing_do_not_fail() -> None:
    assert charts.metric_chart([], "cpu", "light")["root_id"]
    assert charts.volume_chart({}, MINUTE, "light")["root_id"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_chart_data_over_http(client: TestClient, theme: str) -> None:
    volume = client.get(f"/charts/volume?theme={theme}")
    metric = client.get(f"/charts/metric?host=db1&name=load.1m&incident=INC-42&theme={theme}")
    for answer in (volume, metric):
        assert answer.status_code == 200
        assert {"doc", "root_id", "target_id", "version"} <= answer.json().keys()
    assert "inverted_triangle" in volume.text
    assert "/incidents/INC-42" in volume.text


def test_chart_of_an_unknown_incident_is_still_a_chart(client: TestClient) -> None:
    assert client.get("/charts/metric?host=db1&name=load.1m&incident=nix").status_code == 200


def test_chart_of_an_unknown_series_says_so(client: TestClient) -> None:
    answer = client.get("/charts/metric?host=db1&name=nix", headers={"accept": "*/*"})
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:logsense:problem:not-found"
