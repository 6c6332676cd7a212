"""Pictures over time: a metric with what is usual and what was noticed, and the risk of a host."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from logsense.pictures.frame import Picture, Say, frame, percent, round_ticks, short, time_ticks
from logsense.timefmt import SECOND, iso, parse_time

#: More points than pixels say nothing more.
MOST_POINTS = 1200


def metric_picture(view: dict[str, Any], host: str, name: str, say: Say = str) -> Picture:
    """``view`` as ``Workspace.metric`` gives it. What is shown is also in ``table``."""
    points = _points(view["points"])
    band = [(float(_ns(t)), low, high) for t, low, high in view["band"] if low is not None and high is not None]
    lows = [v for _, v in points] + [low for _, low, _ in band]
    highs = [v for _, v in points] + [high for _, _, high in band]
    room = (max(highs, default=1.0) - min(lows, default=0.0)) * 0.06
    anomalies = marked(view, points)
    said = say("%(what)s of %(host)s from %(first)s to %(last)s UTC: %(low)s to %(high)s, %(count)s anomalies") % {
        "what": name, "host": host, "first": clock(points[0][0]) if points else "–",
        "last": clock(points[-1][0]) if points else "–", "low": short(min((v for _, v in points), default=0)),
        "high": short(max((v for _, v in points), default=0)), "count": len(anomalies),
    }  # fmt: skip
    made = _over_time(f"{name} · {host}", said, points, min(lows, default=0.0) - room, max(highs, default=1.0) + room)
    made.y_axis([(v, short(v)) for v in round_ticks(made.y.low, made.y.high)])
    _incidents(made, view["incidents"])
    made.band(band)
    made.line(points)
    for at, value, entry in anomalies:
        made.dot(at, value, said=f"{clock(at)}: {short(value)} {entry['text']}".strip())
    made.legend = [
        ("pic-line", name[:40]),
        *([("pic-band", say("usual range"))] if band else []),
        *([("pic-mark", say("anomaly"))] if anomalies else []),
        *([("pic-span", say("incident"))] if view["incidents"] else []),
    ]
    return made


def risk_picture(
    course: Sequence[Sequence[Any]],
    host: str,
    incidents: Sequence[dict[str, Any]],
    threshold: float = 0.0,
    say: Say = str,
) -> Picture:
    """(time, probability) of a host's forecasts; ``threshold`` opens alarms, 0 draws none."""
    points = _points(course)
    top = min(1.0, max([0.05, threshold * 1.2, *(v for _, v in points)]) * 1.1)
    said = say("Risk of failure of %(host)s from %(first)s to %(last)s UTC: at most %(high)s, last %(now)s") % {
        "host": host, "first": clock(points[0][0]) if points else "–", "last": clock(points[-1][0]) if points else "–",
        "high": percent(max((v for _, v in points), default=0)), "now": percent(points[-1][1] if points else 0),
    }  # fmt: skip
    made = _over_time(f"{say('risk of failure')} · {host}", said, points, 0.0, top)
    made.y_axis([(v, percent(v)) for v in round_ticks(0.0, top)])
    _incidents(made, incidents)
    if threshold:
        made.level(threshold)
    made.line(points)
    made.legend = [
        ("pic-line", say("risk of failure")),
        *([("pic-limit", say("alarm from here"))] if threshold else []),
        *([("pic-span", say("incident"))] if incidents else []),
    ]
    return made


def marked(view: dict[str, Any], points: Sequence[tuple[float, float]]) -> list[tuple[float, float, dict[str, Any]]]:
    """For each anomaly the shown point farthest from what was expected meanwhile: (time, value, anomaly)."""
    found = []
    for entry in view["anomalies"]:
        start, end = _ns(entry["@timestamp"]), _ns(entry.get("end") or entry["@timestamp"])
        usual = entry.get("expected") if entry["kind"] in ("metric.high", "metric.low") else None
        meanwhile = [p for p in points if start <= p[0] <= end]
        if meanwhile:
            at, value = meanwhile[0] if usual is None else max(meanwhile, key=lambda p: abs(p[1] - usual))
            found.append((at, value, entry))
    return found


def table(view: dict[str, Any], most: int = 60) -> list[dict[str, Any]]:
    """The same in rows for those who read: {"at": RFC 3339, "value", "low", "high", "odd"}, about ``most`` and every
    anomaly."""
    points = _points(view["points"])
    band = {_ns(t): (low, high) for t, low, high in view["band"]}
    odd = {at for at, _, _ in marked(view, points)}
    every = max(1, len(points) // most)
    rows = []
    for number, (at, value) in enumerate(points):
        if number % every == 0 or at in odd:
            low, high = band.get(int(at), (None, None))
            rows.append({"at": iso(int(at)), "value": value, "low": low, "high": high, "odd": at in odd})
    return rows


def clock(ns: float) -> str:
    return datetime.fromtimestamp(ns / SECOND, UTC).strftime("%m-%d %H:%M:%S")


def _over_time(title: str, said: str, points: Sequence[tuple[float, float]], low: float, high: float) -> Picture:
    first, last = (points[0][0], points[-1][0]) if points else (0.0, 1.0)
    made = frame(title, said, (first, last), (low, high))
    made.x_axis(time_ticks(made.x.low, made.x.high), "UTC")
    return made


def _incidents(made: Picture, incidents: Sequence[dict[str, Any]]) -> None:
    for incident in incidents:
        start, end = float(_ns(incident["start"])), float(_ns(incident["end"] or incident["last"]))
        if end >= made.x.low and start <= made.x.high:
            made.span(start, end, incident["title"])


def _points(rows: Sequence[Sequence[Any]]) -> list[tuple[float, float]]:
    """Times as numbers; what cannot be drawn is left out."""
    kept = [(float(_ns(str(t))), float(v)) for t, v in rows if isinstance(v, int | float) and abs(v) < 1e150]
    return kept[:: len(kept) // MOST_POINTS + 1]


def _ns(text: str) -> int:
    return parse_time(text)
