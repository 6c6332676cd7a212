"""Interactive charts: the only module that knows Bokeh, imported when the first chart is asked for.

A chart is a Bokeh document as JSON, which BokehJS of the same version draws (``static/app.js``). No callbacks in
JavaScript source are used: the Content-Security-Policy forbids evaluating strings, and that is good.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logsense.ui.format import level_class, number
from logsense.ui.language import gettext
from logsense.ui.sparks import Point

MS = 1_000_000  # Bokeh's time axes count milliseconds

#: Colours that keep 3:1 against the panel behind them, per theme; they match ``static/app.css``.
PALETTE = {
    "light": {
        "text": "#5b616e", "grid": "#e8e9ee", "line": "#4453c6", "span": "#d33f49", "mark": "#b3261e",
        "lv-critical": "#a3123f", "lv-error": "#d33f49", "lv-warning": "#d08a0b", "lv-info": "#7f8fd1",
        "lv-debug": "#b9bdc9", "lv-none": "#a3a8b5",
    },
    "dark": {
        "text": "#a0a6b4", "grid": "#23262e", "line": "#98a4ff", "span": "#ff6b74", "mark": "#ff8a80",
        "lv-critical": "#ff5c8a", "lv-error": "#f2555f", "lv-warning": "#e3a73a", "lv-info": "#6573c3",
        "lv-debug": "#4a4f5d", "lv-none": "#5d6372",
    },
}  # fmt: skip  # fmt: skip


@dataclass(frozen=True)
class Span:
    """A shaded interval, e.g. an incident."""

    start_ns: int
    end_ns: int
    title: str
    address: str = ""


def script_folder() -> Path:
    """Where the installed package keeps BokehJS; found without importing Bokeh, which takes a second."""
    spec = importlib.util.find_spec("bokeh")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("bokeh is not installed")
    return Path(spec.origin).parent / "server" / "static" / "js"


def metric_chart(
    points: Sequence[Point],
    name: str,
    theme: str,
    *,
    window: tuple[int, int] | None = None,
    spans: Sequence[Span] = (),
    anomalies: Sequence[Point] = (),
    expected: Sequence[tuple[int, int, float]] = (),
    band: Sequence[tuple[int, float, float]] = (),
    share: bool = False,
) -> dict[str, Any]:
    """A metric over time: incidents shaded, anomalous points marked, ``expected`` (from, to, value) dashed, the usual
    range ``band`` (time, low, high) behind it; ``share`` draws probabilities from 0 to their highest as percent.

    ``window`` is what the axis shows; without it, what the points span.
    """
    from bokeh.models import HoverTool

    colours = PALETTE[theme]
    figure = _figure(theme, height=210)
    times, values = [at / MS for at, _ in points], [v for _, v in points]
    _show(figure, window)
    _label_values(figure, values)
    _shade(figure, spans, colours)
    if band:
        figure.varea(
            [at / MS for at, _, _ in band], [low for _, low, _ in band], [high for _, _, high in band],
            color=colours["text"], alpha=0.16,
        )  # fmt: skip
    else:
        low = 0.0 if share else min(values, default=0.0)
        figure.varea(times, low, values, color=colours["line"], alpha=0.09)
    if share:
        _label_shares(figure, values)
    line = figure.line(times, values, color=colours["line"], width=1.8)
    for start, end, value in expected:
        figure.line([start / MS, end / MS], [value, value], color=colours["text"], line_dash="dashed", width=1.2)
    if anomalies:
        figure.scatter(
            [at / MS for at, _ in anomalies],
            [v for _, v in anomalies],
            size=9,
            color=colours["mark"],
            line_color=None,
            marker="circle",
        )
    figure.add_tools(
        HoverTool(
            renderers=[line],
            mode="vline",
            formatters={"@x": "datetime"},
            tooltips=[("UTC", "@x{%d %b %H:%M:%S}"), (gettext("value"), "@y{0.[0]%}" if share else "@y{0,0.[000]}")],
        )
    )
    return _document(figure)


def volume_chart(
    series: dict[str, Sequence[Point]],
    step_ns: int,
    theme: str,
    *,
    window: tuple[int, int] | None = None,
    spans: Sequence[Span] = (),
    anomalies: Sequence[tuple[int, str]] = (),
) -> dict[str, Any]:
    """Lines per step, stacked by level, with incidents shaded (a tap opens them) and anomalies as marks on top.

    ``window`` as in ``metric_chart``.
    """
    from bokeh.models import ColumnDataSource, HoverTool, OpenURL, TapTool

    colours = PALETTE[theme]
    order = ("lv-debug", "lv-none", "lv-info", "lv-warning", "lv-error", "lv-critical")
    counts: dict[int, dict[str, float]] = {}
    for level, points in series.items():
        for at, n in points:
            column = counts.setdefault(at, dict.fromkeys(order, 0.0))
            column[level_class(level)] += n
    times = sorted(counts)
    data: dict[str, list[Any]] = {"x": [(at + step_ns / 2) / MS for at in times]}
    data |= {name: [counts[at][name] for at in times] for name in order}
    data["total"] = [sum(counts[at].values()) for at in times]
    data["bad"] = [counts[at]["lv-error"] + counts[at]["lv-critical"] for at in times]
    figure = _figure(theme, height=240)
    if window:  # whole bars at both ends
        window = window[0] // step_ns * step_ns, -(-window[1] // step_ns) * step_ns
    _show(figure, window)
    top = max(data["total"], default=1.0)
    figure.y_range.start, figure.y_range.end = 0, top * 1.14
    source = ColumnDataSource(data)
    stacks = figure.vbar_stack(
        order, x="x", width=step_ns / MS * 0.86, source=source, color=[colours[n] for n in order], line_color=None
    )
    if spans:
        held = ColumnDataSource(
            {
                "left": [s.start_ns / MS for s in spans],
                "right": [max(s.end_ns, s.start_ns + step_ns // 2) / MS for s in spans],
                "title": [s.title for s in spans],
                "address": [s.address for s in spans],
            }
        )
        quads = figure.quad(
            left="left",
            right="right",
            bottom=0,
            top=top * 1.14,
            source=held,
            fill_color=colours["span"],
            fill_alpha=0.1,
            line_color=colours["span"],
            line_alpha=0.35,
            nonselection_fill_alpha=0.1,
            nonselection_line_alpha=0.35,
            level="underlay",
        )
        tap = TapTool(renderers=[quads], callback=OpenURL(url="@address", same_tab=True))
        figure.add_tools(tap)
    if anomalies:
        marks = ColumnDataSource(
            {
                "x": [at / MS for at, _ in anomalies],
                "y": [top * 1.09] * len(anomalies),
                "text": [text for _, text in anomalies],
            }
        )
        dots = figure.scatter("x", "y", source=marks, marker="inverted_triangle", size=8, color=colours["mark"])
        figure.add_tools(HoverTool(renderers=[dots], tooltips=[(gettext("anomaly"), "@text")]))
    figure.add_tools(
        HoverTool(
            renderers=stacks[-1:],
            mode="vline",
            formatters={"@x": "datetime"},
            tooltips=[
                ("UTC", "@x{%d %b %H:%M}"),
                (gettext("lines"), "@total{0,0}"),
                (gettext("errors"), "@bad{0,0}"),
                (gettext("warnings"), "@{lv-warning}{0,0}"),
            ],
        )
    )
    return _document(figure)


def _figure(theme: str, *, height: int) -> Any:
    from bokeh.models import DatetimeTickFormatter
    from bokeh.plotting import figure

    colours = PALETTE[theme]
    made: Any = figure(
        height=height,
        sizing_mode="stretch_width",
        x_axis_type="datetime",
        tools="xbox_zoom,xpan,reset",
        active_drag=None,  # a finger on the chart scrolls the page; zooming has to be chosen in the toolbar
        toolbar_location="above",
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border=4,
    )
    made.toolbar.logo = None
    made.toolbar.autohide = True
    made.toolbar_inner = True
    made.xaxis.formatter = DatetimeTickFormatter(
        seconds="%H:%M:%S",
        minsec="%H:%M:%S",
        minutes="%H:%M",
        hourmin="%H:%M",
        hours="%H:%M",
        days="%d %b",
        months="%b %Y",
    )
    made.xgrid.visible = False
    made.ygrid.grid_line_color = colours["grid"]
    for axis in made.axis:
        axis.axis_line_color = axis.minor_tick_line_color = axis.major_tick_line_color = None
        axis.major_label_text_color = colours["text"]
        axis.major_label_text_font_size = "11px"
    made.yaxis.ticker.desired_num_ticks = 4
    made.xaxis.ticker.desired_num_ticks = 5
    return made


def _show(figure: Any, window: tuple[int, int] | None) -> None:
    if window:
        figure.x_range.start, figure.x_range.end = window[0] / MS, window[1] / MS


def _label_values(figure: Any, values: Sequence[float]) -> None:
    """40 M instead of Bokeh's 4.000e+7 or 40m; smaller numbers keep Bokeh's own form without powers of ten."""
    from bokeh.models import BasicTickFormatter, FixedTicker

    low, high = min(values, default=0.0), max(values, default=0.0)
    largest = max(abs(low), abs(high))
    if largest >= 10_000:
        places = ticks(low, high)
        figure.yaxis.ticker = FixedTicker(ticks=places)
        figure.yaxis.major_label_overrides = {at: number(at) for at in places}
    elif largest >= 0.01:
        figure.yaxis.formatter = BasicTickFormatter(use_scientific=False)


def _label_shares(figure: Any, values: Sequence[float]) -> None:
    from bokeh.models import NumeralTickFormatter

    figure.y_range.start, figure.y_range.end = 0, min(1.04, max(0.05, *values) * 1.15) if values else 1
    figure.yaxis.formatter = NumeralTickFormatter(format="0.[0]%")


def ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers from ``low`` to ``high``: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / 4 or abs(high) / 4 or 1.0
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough * 0.999)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _shade(figure: Any, spans: Sequence[Span], colours: dict[str, str]) -> None:
    from bokeh.models.annotations import BoxAnnotation

    for span in spans:
        figure.add_layout(
            BoxAnnotation(
                left=span.start_ns / MS,
                right=span.end_ns / MS,
                fill_color=colours["span"],
                fill_alpha=0.09,
                line_color=colours["span"],
                line_alpha=0.3,
            )
        )


def _document(figure: Any) -> dict[str, Any]:
    from bokeh.embed import json_item

    return dict(json_item(figure))
