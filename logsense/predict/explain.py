"""Readable reasons: what a feature group stands for on one host, with the metrics and numbers behind it."""

from __future__ import annotations

import numpy as np

from logsense.predict import families, trend
from logsense.predict.features import FeatureBuilder
from logsense.predict.history import COLUMN, USUAL, HostHistory
from logsense.predict.outlook import EXPIRY, FLAPPING, GROWTH, Outlook

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


def describe(builder: FeatureBuilder, host: str, group: str, outlook: Outlook | None = None) -> str:
    """One line on what ``group`` shows on ``host`` now. ``outlook`` is the host's, from its feature vector."""
    history = builder.hosts.get(host)
    if history is None:
        return group
    if group in _COUNTED:
        return _count_text(builder, history, group)
    if outlook is not None and families.family(outlook.metric) == group:
        return outlook_text(outlook)
    return _metric_text(builder, history, group)


def outlook_text(outlook: Outlook) -> str:
    """``system.disk.utilization at 83 % of its limit and rising: full in about 9 min (7 min to 13 min)``."""
    name, since = outlook.metric, _span(outlook.evidence_s)
    if outlook.kind == GROWTH:
        return f"{name} at {number(outlook.now)}, growing for {since} without a pause: nobody keeps up with it"
    if outlook.kind == FLAPPING:
        return f"{name}: {outlook.now:.0f} in {since}, ever more often: the next ones may end it"
    if outlook.kind == EXPIRY:
        return f"{name}: ends in {_span(outlook.seconds)}"
    if families.bound_kind(name) == "remaining":
        text = f"{name} fallen by {100 * outlook.share:.0f} %: nothing left in about {_span(outlook.seconds)}"
    else:
        text = f"{name} at {100 * outlook.share:.0f} % of its limit and rising: full in about {_span(outlook.seconds)}"
    if outlook.latest < 10 * outlook.seconds and _span(outlook.earliest) != _span(outlook.latest):
        text += f" ({_span(outlook.earliest)} to {_span(outlook.latest)})"
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
