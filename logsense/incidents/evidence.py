"""How much a set of signals proves: Fisher's method over independent aspects, with prior odds per kind."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from logsense.record import Signal

#: Decades by which a kind is rarer on healthy systems than its own statistics say. Error lines, deaths of
#: services and unknown errors seldom come without trouble; traffic and single metrics move for many reasons.
PRIOR = {
    "alert": 0.0,
    "log.unit": 1.5,
    "log.severity": 1.0,
    "log.new": 0.5,
    "log.rate": -1.0,
    "log.silence": -0.5,
    "log.session": -0.5,
    "log.slow": -0.5,
    "log.value": -1.5,
    "db.slow": -1.0,
    "db.rate": -1.0,
    "net.scan": 0.0,
    "net.flood": -1.0,
    "net.dns": -0.5,
    "net.beacon": -2.0,
    "net.talker": -2.0,
    "metric.high": -1.5,
    "metric.low": -2.0,
    "metric.change": -0.5,
}
MOST_ASPECTS = 4
#: What each further aspect loses: it had some ten windows in which to coincide with the first.
COINCIDENCE = 1.0
LN10 = math.log(10.0)


def aspect(signal: Signal) -> str:
    """Signals of one aspect repeat each other; different aspects count as independent.

    Errors and news of one service are one aspect: a single mistyped statement is both. For metrics the aspect
    is the resource (``system.cpu``, ``tcp``, a service), since a busy CPU shows in load and throttling alike.
    """
    if not signal.metric:
        family = "error" if signal.kind in ("log.new", "log.severity") else signal.kind
        return f"{family}:{signal.host}/{signal.service}" if family == "error" else family
    if signal.kind == "metric.change":
        return "metric:host"
    parts = signal.metric.partition("{")[0].split(".")
    return "metric:" + ".".join(parts[:2] if parts[0] == "system" else parts[:1])


def fisher(scores: Iterable[float]) -> float:
    """-log10 of the joint tail probability of independent scores (chi-square with 2k degrees of freedom).

    Evaluated exactly: for even degrees the tail is a Poisson sum.
    """
    scores = [score for score in scores if score > 0]
    if not scores:
        return 0.0
    half = LN10 * sum(scores)  # chi-square / 2
    term, total = 1.0, 1.0
    for k in range(1, len(scores)):
        term *= half / k
        total += term
    return max(0.0, (half - math.log(total)) / LN10)


def strength(best: Mapping[str, tuple[str, float]]) -> float:
    """Joint score of the best signal of each aspect: ``best`` maps an aspect to (kind, score)."""
    weighed = sorted((max(0.0, score + PRIOR.get(kind, 0.0)) for kind, score in best.values()), reverse=True)
    capped = [min(score, 12.0) - (COINCIDENCE if n else 0.0) for n, score in enumerate(weighed[:MOST_ASPECTS])]
    return max((fisher(capped[: n + 1]) for n in range(len(capped))), default=0.0)
