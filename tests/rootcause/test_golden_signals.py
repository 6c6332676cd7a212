"""Latency and failures along calls: who adds them, without a line of log."""

import pytest

from logsense.record import Signal
from logsense.rootcause import rank
from logsense.rootcause.evidence import Evidence
from logsense.rootcause.golden import excesses

from .cases import END, START, T0, S, series

CALLS = [("site", "search"), ("site", "pay"), ("pay", "bank"), ("search", "db"), ("site", "search.elb_remote")]
HOSTS = ["site", "search", "pay", "bank", "db", "search.elb_remote", "other"]


def shop(latency: dict[str, float] | None = None, failed: dict[str, float] | None = None, alert: str = "latency"):
    """Seconds of latency and failed shares that hosts have during the issue, where they differ from usual."""
    rows = []
    for host in HOSTS:
        rows += [
            series(host, "latency.average", 0.05, (latency or {}).get(host, 0.05)),
            series(host, "requests.sum", 100, 100),
            series(host, "availability.average", 100, 100 - 100 * (failed or {}).get(host, 0.0), noise=0.0),
        ]
    signals = [Signal("a", "metric.high", START, END, 9.0, host="site", metric=alert)]
    return Evidence(START, END, T0, signals=signals, series=rows, hosts=HOSTS, calls=CALLS)


@pytest.mark.parametrize(
    ("latency", "cause"),
    [
        ({"site": 0.55, "search": 0.55, "search.elb_remote": 0.56}, "search"),
        ({"site": 0.55, "pay": 0.55, "bank": 0.55}, "bank"),
        ({"site": 0.55, "pay": 0.54}, "pay"),
        ({"site": 0.55}, "site"),
        ({"site": 0.55, "search": 0.55, "db": 0.55, "other": 5.0}, "db"),  # nobody calls the other one
        ({"site": 0.55, "search": 0.55, "db": 0.15}, "search"),
    ],
)
def test_latency(latency, cause):
    found = excesses(shop(latency))
    assert found[0].host == cause
    assert rank(shop(latency))[0].host == cause


@pytest.mark.parametrize(
    ("failed", "cause"),
    [
        ({"site": 0.05, "search": 0.05}, "search"),
        ({"site": 0.05, "pay": 0.05, "bank": 0.06}, "bank"),
        ({"site": 0.05}, "site"),
    ],
)
def test_failures(failed, cause):
    assert excesses(shop(failed=failed, alert="availability"))[0].host == cause


def test_what_always_fluctuates_or_fails_says_nothing():
    noisy = shop({"site": 0.55, "search": 0.55})
    swinging = [(at, 0.2 if at // (10 * S) % 4 < 2 else 3.0) for at, _ in noisy.series[0].points]
    rows = [s for s in noisy.series if not (s.host == "bank" and s.name.startswith(("latency", "avail")))]
    rows += [type(rows[0])("bank", "latency.average", swinging), series("bank", "availability.average", 0, 0, noise=0)]
    found = excesses(Evidence(START, END, T0, signals=noisy.signals, series=rows, hosts=HOSTS, calls=CALLS))
    assert [one.host for one in found] == ["search"]


def test_without_calls_nothing_is_claimed():
    calm = shop({"site": 0.55, "search": 0.55})
    assert excesses(Evidence(START, END, T0, signals=calm.signals, series=calm.series, hosts=HOSTS)) == []


def test_gaps_and_short_histories_are_left_out():
    plain = shop({"site": 0.55, "search": 0.55})
    rows = [type(s)(s.host, s.name, s.points[-3:] if s.host == "search" else []) for s in plain.series]
    assert excesses(Evidence(START, END, T0, signals=plain.signals, series=rows, hosts=HOSTS, calls=CALLS)) == []
