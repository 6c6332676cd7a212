"""Dates that come: certificates (and licences, domains, tokens) whose end a metric states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np

from logsense.predict import families
from logsense.predict.history import HostHistory
from logsense.predict.options import ForecastOptions
from logsense.predict.outlook import EXPIRY, Outlook

_THINGS = frozenset(
    ("cert", "certs", "certificate", "certificates", "ssl", "tls", "x509", "licence", "license", "domain")
)
_ENDS = frozenset(("expiry", "expires", "expire", "expiration", "expiring", "notafter", "until", "remaining", "valid"))
_UNITS = {"days": 86_400.0, "day": 86_400.0, "hours": 3600.0, "minutes": 60.0, "ms": 0.001}
#: Larger numbers are dates (seconds since 1970, or milliseconds); smaller ones are what is left.
_DATE_S, _DATE_MS = 1e9, 1e12
#: A date is certain, but somebody may still renew in time.
CERTAINTY = 0.95
#: Notice of what is renewed seldom: this share of the longest time that was ever left, and at most so many seconds.
NOTICE_SHARE, MAX_NOTICE_S = 0.2, 14 * 86_400.0


@lru_cache(65_536)
def states_end(name: str) -> bool:
    """``tls.certificate.expires_in``, ``probe_ssl_earliest_cert_expiry``, ``x509_cert_not_after`` …"""
    present = frozenset(families.words(name))
    return bool(present & _THINGS and (present & _ENDS or {"not", "after"} <= present))


def in_seconds_left(metrics: Mapping[str, float], start_ns: int, end_ns: int) -> Mapping[str, float]:
    """``metrics`` of a window with every stated end as the seconds left at the window's end.

    Done before a history keeps them: its 32-bit numbers would round a date to two minutes. What is left is the
    mean of a window, so it is half a window old.
    """
    ends = [name for name in metrics if states_end(name)]
    if not ends:
        return metrics
    now, half = end_ns / 1e9, (end_ns - start_ns) / 2e9
    return {**metrics, **{name: _left(name, metrics[name], now, half) for name in ends}}


def dates(history: HostHistory, options: ForecastOptions) -> Iterator[Outlook]:
    """Ends that are near: within the horizon, or within the last fifth of the longest time that was left.

    What is renewed every few hours is announced one horizon before its end, what lasts for months some days before.
    """
    for column, name in enumerate(history.names):
        if not states_end(name):
            continue
        recent = history.values(3)[:, column].astype(np.float64)
        known = np.flatnonzero(np.isfinite(recent))
        if not len(known):
            continue
        left = float(recent[known[-1]]) - (len(recent) - 1 - known[-1]) * options.step_s
        longest = max(float(history.seen_max()[column]), left)
        notice = max(float(options.horizon_s), min(NOTICE_SHARE * longest, MAX_NOTICE_S))
        if 0 < left <= notice:
            yield Outlook(EXPIRY, name, 1 - left / longest, CERTAINTY, int(notice), notice - left, left, left, left)


def _left(name: str, value: float, now_s: float, half_s: float) -> float:
    if value >= _DATE_MS:
        return value / 1000 - now_s
    if value >= _DATE_S:
        return value - now_s
    return value * next((_UNITS[w] for w in families.words(name) if w in _UNITS), 1.0) - half_s
