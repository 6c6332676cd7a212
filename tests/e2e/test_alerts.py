"""An alert of another system comes in, becomes an incident, and people are told; kill -9 in between tells them once."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.places import LONG_KINDS, Place
from tests.e2e.running import Running
from tests.notify.conftest import Inbox, inbox

__all__ = ["inbox"]
WITHIN_S = 90


def alert(status: str = "firing") -> dict[str, Any]:
    return {
        "status": status, "labels": {"alertname": "DiskWillFill", "instance": "db7:9100", "severity": "critical"},
        "annotations": {"summary": "/var on db7 is full in 20 minutes"},
        "startsAt": datetime.now(UTC).isoformat(), "endsAt": "0001-01-01T00:00:00Z",
    }  # fmt: skip


@pytest.mark.parametrize("place", LONG_KINDS, indirect=True)
def test_alert_to_incident_to_people(tmp_path: Path, inbox: Inbox, place: Place) -> None:
    settings = (
        "[worker]\nlateness_s = 0.5\n[notify]\nsettle_s = 0.5\nevery_s = 0.2\npage_url = 'https://logs.example.org'\n"
        f"[[notify.channel]]\nname = 'hook'\ntype = 'webhook'\nurl = '{inbox.url}'\n"
    )
    body = json.dumps({"version": "4", "status": "firing", "alerts": [alert()]}).encode()
    headers = {"Content-Type": "application/json"}
    with Running(tmp_path / "data", settings=settings + place.toml) as server:
        for _ in range(3):  # senders repeat it as long as it lasts
            assert server.request("POST", "/api/v1/alerts", body, headers)[0] == 200
        server.kill()
        server.start()
        deadline = time.monotonic() + WITHIN_S
        while not inbox.bodies and time.monotonic() < deadline:
            # Windows close when time has passed them, also when nothing else comes.
            server.post_lines([{"message": "tick", "host": "db7", "service": "cron", "level": "info"}])
            time.sleep(0.5)
        said = inbox.bodies[0]
        assert said["kind"] == "opened" and "DiskWillFill" in said["title"], said
        assert said["incidents"][0]["hosts"] == ["db7"]
        assert server.get("/api/v1/search?q=DiskWillFill")["total"] == 1
        incident = server.get(f"/api/v1/incidents/{said['incidents'][0]['id']}")
        assert incident["timeline"][0]["kind"] == "alert"
        server.kill()
        server.start()
        code, _ = server.request("POST", f"/api/v1/incidents/{incident['id']}/resolve", b"{}", headers)
        assert code == 200
        deadline = time.monotonic() + WITHIN_S
        while len(inbox.bodies) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert [b["kind"] for b in inbox.bodies] == ["opened", "resolved"]
