"""What the forecaster is told: one window per host and step, and how it is counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from logsense.predict.history import COUNTS
from logsense.record import LEVEL_RANK

_WARNING, _ERROR, _CRITICAL = (LEVEL_RANK[level] for level in ("warning", "error", "critical"))


class TemplateCount(NamedTuple):
    """Lines of one template in one window. ``is_new``: the template was born in this window."""

    lines: int
    is_new: bool
    level: str


class WindowSignal(NamedTuple):
    """One anomaly in a window: kind and score as in ``record.Signal``, ``metric`` empty for log signals."""

    kind: str
    score: float
    metric: str


@dataclass(slots=True)
class HostWindow:
    """What one host did in ``[start_ns, end_ns)``: the input of the forecaster, one per host and step."""

    host: str
    start_ns: int
    end_ns: int
    levels: dict[str, int] = field(default_factory=dict)
    templates: dict[str, TemplateCount] = field(default_factory=dict)
    signals: list[WindowSignal] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)


def count_window(window: HostWindow) -> list[float]:
    """The window's row of ``history.COUNTS``."""
    row = dict.fromkeys(COUNTS, 0.0)
    levels = dict(window.levels)
    if not levels:
        for template in window.templates.values():
            levels[template.level] = levels.get(template.level, 0) + template.lines
    for level, count in levels.items():
        rank = LEVEL_RANK.get(level, -1)
        row["lines"] += count
        row["warnings"] += count if rank == _WARNING else 0
        row["errors"] += count if rank >= _ERROR else 0
        row["critical"] += count if rank >= _CRITICAL else 0
    for template in window.templates.values():
        bad = LEVEL_RANK.get(template.level, -1) >= _ERROR
        row["new_templates"] += template.is_new
        row["new_error_templates"] += template.is_new and bad
        row["error_kinds"] += bad
    for signal in window.signals:
        count_signal(row, signal.kind, signal.score)
    return list(row.values())


def count_signal(row: dict[str, float], kind: str, score: float) -> None:
    """Add one signal to a row of counts."""
    side = "metric" if kind.startswith("metric.") else "log"
    row[f"{side}_signals"] += 1
    row["unit_signals"] += kind == "log.unit"
    if 0.0 <= score < 1e6:
        row[f"{side}_score"] = max(row[f"{side}_score"], score)
