"""Alerts of others as signals."""

from __future__ import annotations

import sqlite3
from typing import Any

from logsense.detect import Alerts
from logsense.record import LogRecord

SECOND = 1_000_000_000


def record(number: int, level: str = "critical", source: str = "alerts", **fields: Any) -> LogRecord:
    return LogRecord(
        f"l{number}", number * SECOND, f"Alert A is firing {number}", source, 0, "db1", "node", level,
        fields={"event.kind": "alert", "event.action": "firing", "event.id": f"e{number}", **fields},
    )  # fmt: skip


def test_an_alert_is_a_signal_when_its_time_has_come_and_only_once() -> None:
    alerts = Alerts()
    alerts.take([record(20), record(5), record(7, **{"event.action": "resolved"}), record(8, source="suricata")])
    assert [(s.id, s.kind, s.evidence) for s in alerts.due(10 * SECOND)] == [("alert-e5", "alert", ["line:l5"])]
    assert [s.id for s in alerts.due(30 * SECOND)] == ["alert-e20"]
    assert alerts.due(99 * SECOND) == []


def test_its_level_says_how_much_it_proves() -> None:
    alerts = Alerts()
    alerts.take([record(1, "critical"), record(2, "warning"), record(3, "info")])
    scores = [s.score for s in alerts.due(10 * SECOND)]
    assert scores == sorted(scores, reverse=True) and scores[1] > 4.3 > scores[2]  # a warning opens an incident


def test_what_waits_survives_a_restart() -> None:
    db = sqlite3.connect(":memory:")
    alerts, again = Alerts(), Alerts()
    alerts.load(db)
    alerts.take([record(1)])
    alerts.save(db)
    again.load(db)
    assert again.due(10 * SECOND) == alerts.due(10 * SECOND) != []
