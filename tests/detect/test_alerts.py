"""Alerts of others as signals."""

from __future__ import annotations

import sqlite3
from typing import Any

from logsense.detect import Alerts
from logsense.record import LogRecord

SECOND = 1_000_000_000
HOUR = 3600


def record(at_s: int, number: int = 1, level: str = "critical", source: str = "alerts", **fields: Any) -> LogRecord:
    return LogRecord(
        f"l{at_s}-{number}", at_s * SECOND, f"Alert A is firing {number}", source, at_s * SECOND, "db1", "node", level,
        fields={"event.kind": "alert", "event.action": "firing", "event.id": f"e{number}", **fields},
    )  # fmt: skip


def over(at_s: int, number: int = 1) -> LogRecord:
    return record(at_s, number, "info", **{"event.action": "resolved"})


def spans(alerts: Alerts, *times_s: int) -> list[tuple[str, int, int]]:
    return [
        (s.id, s.start_ns // SECOND, s.end_ns // SECOND) for at in times_s for s in alerts.due(at * SECOND)
    ]  # fmt: skip


def test_an_alert_is_a_signal_when_its_time_has_come() -> None:
    alerts = Alerts()
    alerts.take([record(20, 2), record(5, 1), record(8, 3, source="suricata")])
    (signal,) = alerts.due(10 * SECOND)
    assert (signal.id, signal.kind, signal.evidence, signal.host) == ("alert-e1", "alert", ["line:l5-1"], "db1")
    assert [s.id for s in alerts.due(30 * SECOND)] == ["alert-e2"]


def test_it_goes_on_until_it_is_over() -> None:
    alerts = Alerts()
    alerts.take([record(5)])
    assert spans(alerts, 10, 20, 40, 50, 70) == [("alert-e1", 5, 10), ("alert-e1", 5, 40), ("alert-e1", 5, 70)]
    alerts.take([over(75)])
    assert spans(alerts, 80, 110, 140) == []


def test_one_that_was_over_before_anybody_looked_is_told_once() -> None:
    alerts = Alerts()
    alerts.take([record(5), over(7)])
    assert spans(alerts, 10, 60, 120) == [("alert-e1", 5, 7)]


def test_a_sender_that_repeats_and_falls_silent_ends_it() -> None:
    alerts = Alerts()
    alerts.take([record(0, **{"event.end": "2026-01-01T00:04:00Z"})])
    assert len(spans(alerts, *range(10, 2 * HOUR, 30))) == HOUR // 2 // 30
    assert spans(alerts, 3 * HOUR) == []


def test_its_level_says_how_much_it_proves() -> None:
    alerts = Alerts()
    alerts.take([record(1, 1, "critical"), record(2, 2, "warning"), record(3, 3, "info")])
    scores = [s.score for s in alerts.due(10 * SECOND)]
    assert scores == sorted(scores, reverse=True) and scores[1] > 4.3 > scores[2]  # a warning opens an incident


def test_what_is_on_survives_a_restart() -> None:
    db = sqlite3.connect(":memory:")
    alerts, again = Alerts(), Alerts()
    alerts.load(db)
    alerts.take([record(1)])
    assert spans(alerts, 10) == [("alert-e1", 1, 10)]
    alerts.save(db)
    again.load(db)
    assert spans(again, 20, 40) == spans(alerts, 20, 40) == [("alert-e1", 1, 40)]
