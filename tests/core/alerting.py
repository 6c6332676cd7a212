"""A worker's round over some alerts, in this process."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from logsense.config import Settings
from logsense.receivers.alertmanager import parse_alerts
from logsense.worker import Worker


def take_alerts(data: Path, settings: Settings, *labels: dict[str, str]) -> None:
    """Critical alerts that begin now, through the whole pipeline, windows closed behind them."""
    common = {"alertname": "Down", "severity": "critical"}
    started = datetime.now(UTC).isoformat()
    body = [{"labels": {**common, **one}, "startsAt": started} for one in labels]
    worker = Worker(data, settings, models=False)
    if body:
        worker.spool.append(parse_alerts(json.dumps(body).encode()))
    worker.drain()
    worker.analyse()
    worker.close()
