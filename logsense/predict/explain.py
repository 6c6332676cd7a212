"""Readable reasons: what a feature group stands for on one host, with the metrics and numbers behind it."""

from __future__ import annotations

import numpy as np

from logsense.predict import families, trend
from logsense.predict.features import FeatureBuilder, Limit
from logsense.predict.history import COLUMN, USUAL, HostHistory

#: group -> (column of history.COUNTS, what it counts)
_COUNTED = {
    "log.errors": ("errors", "error lines"),
    "log.warnings": ("warnings", "warning lines"),
    "log.critical": ("critical", "critical lines"),
    "log.new": ("new_templates", "message types never seen before"),
    "log.volume": ("lines", "lines"),
    "signals.log": ("log_signals", "log anomalies"),
    "signals.metric": ("metric_signals", "metric anomalies"),
    "signals.unit": ("unit_signals", "services that failed or restarted"),
}


def describe(builder: FeatureBuilder, host: str, group: str, limit: Limit | None = None) -> str:
    """One line on what ``group`` shows on ``host`` now. ``limit`` is the host's, from its feature vector."""
    history = builder.hosts.get(host)
    if history is None:
        return group
    if group in _COUNTED:
        return _count_text(builder, history, group)
    if limit is not None and families.family(limit.metric) == group:
        return limit_text(limit)
    return _metric_text(builder, history, group)


def limit_text(limit: Limit) -> str:
    """``system.disk.utilization at 83 % of its limit and rising: full in about 9 min (7 min to 13 min)``."""
    if families.bound_kind(limit.metric) == "remaining":
        text = f"{limit.metric} fallen by {100 * limit.share:.0f} %: nothing left in about {_span(limit.seconds)}"
    else:
        text = (
            f"{limit.metric} at {100 * limit.share:.0f} % of its limit and rising: full in about {_span(limit.seconds)}"
        )
    if limit.latest < 10 * limit.seconds and _span(limit.earliest) != _span(limit.latest):
        text += f" ({_span(limit.earliest)} to {_span(limit.latest)})"
    return text


def _count_text(builder: FeatureBuilder, history: HostHistory, group: str) -> str:
    column, noun = _COUNTED[group]
    spans = builder.options.lookbacks_s
    counts = {span: float(history.counts(builder.steps(span))[:, COLUMN[column]].sum()) for span in spans}
    span = next((s for s in spans if counts[s] > 0), spans[-1])
    text = f"{counts[span]:.0f} {noun} in {_span(span)}"
    if column in USUAL:
        usual = float(history.usual()[0][USUAL.index(column)]) * builder.steps(span)
        if usual == usual:
            text += f" (usually about {usual:.0f})"
    return text


def _metric_text(builder: FeatureBuilder, history: HostHistory, group: str) -> str:
    columns = [i for i, name in enumerate(history.names) if families.family(name) == group]
    if not columns:
        return group
    moves = builder.moves(history)
    span = builder.options.lookbacks_s[min(1, len(builder.options.lookbacks_s) - 1)]
    with np.errstate(all="ignore"):
        line = trend.fit(history.values(builder.steps(span)).astype(np.float64), builder.options.step_s)
        drift = np.nan_to_num(line.slope * span / moves.scale) * line.r2
    best = max(columns, key=lambda i: max(abs(float(moves.z[i])), abs(float(drift[i]))))
    name, now = history.names[best], float(moves.now[best])
    if now != now:
        return f"{name} stopped reporting"
    text = f"{name} {number(now)}"
    if abs(float(drift[best])) >= abs(float(moves.z[best])):
        text += f", {'rising' if drift[best] > 0 else 'falling'} for {_span(span)}"
    usual = float(moves.usual[best])
    return text + (f", usually about {number(usual)}" if usual == usual else "")


def number(value: float) -> str:
    """Three significant digits, thousands as k, M, G."""
    size = abs(value)
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e4)):
        if size >= factor:
            return f"{value / (1e3 if unit == 'k' else factor):.3g} {unit}"
    return f"{value:.0f}" if size >= 1000 else f"{value:.3g}"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
