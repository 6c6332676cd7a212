"""Planned maintenance and suppression: what they take, when they end, and what is refused."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from logsense.config import check_tables
from logsense.errors import BadConfig
from logsense.incidents import SilenceOptions, Silences
from logsense.incidents.silences import Maintenance, Suppression
from logsense.record import Signal

SECOND = 1_000_000_000


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND


def signal(at: str, host: str = "db1", **more: Any) -> Signal:
    end = ns(at)
    values = {"kind": "log.severity", "service": "postgresql", "text": "3 errors: `server is not Ready`"} | more
    return Signal(id=f"s-{end}-{host}", start_ns=end - 10 * SECOND, end_ns=end, score=5.0, host=host, **values)


def heard(rule: Maintenance | Suppression, *signals: Signal) -> list[bool]:
    options = SilenceOptions([rule]) if isinstance(rule, Maintenance) else SilenceOptions([], [rule])
    return [bool(Silences(options).heard([one])) for one in signals]


def test_a_single_maintenance() -> None:
    rule = Maintenance("new disks", hosts=("db*",), start="2026-12-24T22:00:00+01:00", end="2026-12-24T23:00:00+01:00")
    inside, after = "2026-12-24T21:30:00+00:00", "2026-12-24T22:00:00+00:00"
    assert heard(rule, signal(inside), signal(inside, "web1"), signal(after)) == [False, True, True]


def test_a_weekly_one_over_midnight_and_over_the_change_of_clocks() -> None:
    rule = Maintenance("backup", days=("sat",), at="23:00", minutes=180, time_zone="Europe/Berlin")
    # Saturday 2026-10-24 23:00 is 21:00 UTC; the clocks go back at 01:00 UTC.
    times = ["2026-10-24T20:59:59+00:00", "2026-10-24T21:00:00+00:00", "2026-10-24T23:59:59+00:00",
             "2026-10-25T00:00:00+00:00", "2026-10-26T21:30:00+00:00"]  # fmt: skip
    assert heard(rule, *map(signal, times)) == [True, False, False, True, True]


def test_a_daily_one() -> None:
    rule = Maintenance("vacuum", at="02:00", minutes=30, services=("postgresql",))
    assert heard(rule, signal("2026-11-03T02:29:00+00:00"), signal("2026-11-03T02:29:00+00:00", service="nginx")) == [
        False,
        True,
    ]


def test_suppression_needs_all_that_is_given_and_ends() -> None:
    rule = Suppression("known", hosts=("db*",), kinds=("log.*",), text="*not ready*", until="2026-12-01")
    at = "2026-11-30T23:59:59+00:00"
    later = "2026-12-01T00:00:00+00:00"
    assert heard(rule, signal(at), signal(at, "web"), signal(at, kind="metric.high"), signal(at, text="x")) == [
        False, True, True, True,
    ]  # fmt: skip
    assert heard(rule, signal(later)) == [True]
    by_template = Suppression("chatty", templates=("t-1",))
    assert heard(by_template, signal(at, template_id="t-1"), signal(at, template_id="t-2")) == [False, True]


def test_what_it_took_is_counted_by_rule_and_kept() -> None:
    db = sqlite3.connect(":memory:")
    options = SilenceOptions([Maintenance("backup", at="00:00", minutes=1440)], [Suppression("known", hosts=("db*",))])
    silences = Silences(options)
    silences.load(db)
    silences.heard([signal("2026-11-03T02:29:00+00:00", host) for host in ("db1", "db2")])
    silences.save(db)
    again = Silences(options)
    again.load(db)
    assert again.counts == {"backup": 2}
    assert [(kind, rule.reason) for kind, rule, _ in again.active(ns("2026-11-03T02:29:00+00:00"))] == [
        ("maintenance", "backup"),
        ("suppression", "known"),
    ]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"maintenance": [{"reason": "a"}]}, "give start and end, or at and minutes"),
        ({"maintenance": [{"reason": "a", "start": "2026-01-02", "end": "2026-01-01"}]}, "start must come before end"),
        ({"maintenance": [{"reason": "a", "at": "2 am", "minutes": 3}]}, "at must read like 02:00"),
        ({"maintenance": [{"reason": "a", "at": "25:00", "minutes": 3}]}, "hour must be"),
        ({"maintenance": [{"reason": "a", "at": "02:00", "minutes": 3, "days": ["sunday"]}]}, "unknown day"),
        ({"maintenance": [{"reason": "a", "at": "02:00", "minutes": 3, "time_zone": "Mars"}]}, "unknown time_zone"),
        ({"suppress": [{"reason": "a"}]}, "say what"),
        ({"suppress": [{"reason": "a", "text": "x", "until": "soon"}]}, "Invalid isoformat"),
        ({"suppress": [{"reason": "a", "tekst": "x"}]}, "did you mean 'text'"),
    ],
)
def test_a_wrong_rule_stops_the_start(rule: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=said):
        check_tables({"silence": rule}, tmp_path / "logsense.toml")
