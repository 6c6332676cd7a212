"""Through the whole pipeline: an alert opens an incident, in planned maintenance it is only kept and counted."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from logsense.config import Settings, check_tables
from logsense.record import Query
from logsense.workspace import Workspace
from tests.core.alerting import take_alerts


def run(data: Path, settings: Settings) -> dict[str, Any]:
    take_alerts(data, settings, {"instance": "db1:1"})
    workspace = Workspace(data, settings, load_models=False)
    try:
        assert workspace.index.search(Query(text="Down"))[0] == 1
        assert [s.kind for s in workspace.index.signals() if s.kind == "alert"] == ["alert"]
        return workspace.overview()
    finally:
        workspace.close()


def test_an_alert_is_an_incident_and_in_maintenance_it_is_none(tmp_path: Path) -> None:
    (incident,) = run(tmp_path / "loud", Settings())["incidents"]
    assert incident["hosts"] == ["db1"] and "Down" in incident["title"]

    hour = datetime.now(UTC) - timedelta(minutes=30)
    rule = {"reason": "new disks", "hosts": ["db*"], "at": hour.strftime("%H:%M"), "minutes": 60}
    quiet = run(tmp_path / "quiet", check_tables({"silence": {"maintenance": [rule]}}, tmp_path / "x.toml"))
    assert quiet["incidents"] == []
    (shown,) = quiet["silenced"]
    assert shown["signals"] == 1 and shown["reason"] == "new disks" and shown["until"]
    assert time.time() < datetime.fromisoformat(shown["until"].replace("Z", "+00:00")).timestamp()
