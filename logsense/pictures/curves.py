"""Pictures of how good a model is: do its probabilities come true, and what does finding more cost."""

from __future__ import annotations

import math
from typing import Any

from logsense.pictures.frame import Picture, Say, frame, percent

#: Probabilities of rare events crowd near zero: both axes of the reliability curve are square roots.
_TICKS = (0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 1.0)
_SIZE = {"width": 460, "height": 340}
#: Lines that do not rely on colour alone.
_LINES = ("pic-line", "pic-2", "pic-3", "pic-4", "pic-5")


def reliability_picture(card: dict[str, Any], say: Say = str) -> Picture | None:
    """Forecast against what came true, with intervals; None when the card holds no curve."""
    rows = _scores(card).get("reliability") or []
    if not rows:
        return None
    worst = max(rows, key=lambda r: abs(r["forecast"] - r["observed"]))
    said = say("Of %(count)s groups of forecasts the one farthest off said %(said)s and %(true)s came true") % {
        "count": len(rows), "said": percent(worst["forecast"]), "true": percent(worst["observed"]),
    }  # fmt: skip
    made = frame(f"{say('Reliability')} · {_name(card)}", said, (0.0, 1.0), (0.0, 1.0), **_SIZE)
    made.y_axis([(math.sqrt(t), percent(t)) for t in _TICKS])
    made.x_axis([(math.sqrt(t), percent(t)) for t in _TICKS], say("forecast probability"))
    made.line([(0.0, 0.0), (1.0, 1.0)], "pic-ideal")
    points = [(math.sqrt(r["forecast"]), math.sqrt(r["observed"])) for r in rows]
    for (at, _), row in zip(points, rows, strict=True):
        if isinstance(row.get("low"), int | float) and row["low"] == row["low"]:
            made.upright(at, math.sqrt(max(0.0, row["low"])), math.sqrt(min(1.0, row["high"])))
    made.line(points)
    for (at, value), row in zip(points, rows, strict=True):
        words = f"{percent(row['forecast'])} → {percent(row['observed'])} ({row['steps']})"
        made.dot(at, value, name="pic-fill", said=words)
    made.legend = [("pic-line", say("share that came true")), ("pic-ideal", say("as it should be"))]
    return made


def precision_recall_picture(card: dict[str, Any], say: Say = str) -> Picture | None:
    """Precision over recall of the model and of simple rules; None when the card holds no curve."""
    scores = _scores(card)
    curves = {name: points for name, points in (scores.get("curves") or {}).items() if points}
    if not curves:
        return None
    precisions = ", ".join(
        f"{say(name)} {score['average_precision']['value']:.2f}" for name, score in scores.get("scores", {}).items()
    )
    said = say("Average precision: %(list)s") % {"list": precisions}
    made = frame(f"{say('Precision and recall')} · {_name(card)}", said, (0.0, 1.0), (0.0, 1.0), **_SIZE)
    ticks = [(t, percent(t)) for t in (0.0, 0.25, 0.5, 0.75, 1.0)]
    made.y_axis(ticks)
    made.x_axis(ticks, say("recall"))
    if isinstance(base := scores.get("base_rate"), int | float):
        made.level(base, "pic-ideal")
    for name, line in zip(list(curves)[: len(_LINES)], _LINES, strict=False):
        made.line([(recall, precision) for recall, precision, _ in curves[name]], line)
        made.legend.append((line, say(name)))
    return made


def _scores(card: dict[str, Any]) -> dict[str, Any]:
    scores = card.get("scores")
    return scores if isinstance(scores, dict) else {}


def _name(card: dict[str, Any]) -> str:
    return f"{card.get('name', '')} {card.get('version', '')}"
