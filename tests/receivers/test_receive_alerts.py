"""Alerts in the forms in which monitoring systems send them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from logsense.errors import BadInput
from logsense.receivers.alertmanager import AlertmanagerReceiver, parse_alerts
from logsense.record import RawEvent

# What Prometheus posts to an Alertmanager, once while it fires and once when it is over.
FIRING = {
    "annotations": {"summary": "Instance db1 down", "description": "no scrape for 5 minutes"},
    "endsAt": "2999-01-01T00:04:00.000Z", "startsAt": "2026-09-21T10:00:00.000Z",
    "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
    "labels": {"alertname": "InstanceDown", "instance": "db1:9100", "job": "node", "severity": "page"},
}  # fmt: skip
OVER = {**FIRING, "endsAt": "2026-09-21T10:09:00.000Z"}


def one(alert: Any) -> RawEvent:
    (event,) = parse_alerts(json.dumps(alert).encode())
    return event


def test_prometheus_alert() -> None:
    event = one([FIRING])
    assert event.message == "Alert InstanceDown is firing: Instance db1 down"
    assert event.fields["host.name"] == "db1" and event.fields["service.name"] == "node"
    assert event.fields["log.level"] == "critical" and event.fields["event.action"] == "firing"
    assert event.fields["@timestamp"] == FIRING["startsAt"]
    assert event.fields["rule.description"] == "no scrape for 5 minutes"
    assert event.fields["rule.reference"].startswith("http://prometheus:9090")
    assert event.fields["labels.severity"] == "page"


def test_its_end_is_a_line_of_its_own_and_no_error() -> None:
    event = one([OVER])
    assert event.message.startswith("Alert InstanceDown is resolved") and event.fields["log.level"] == "info"
    assert event.id != one([FIRING]).id and event.fields["event.id"] == one([FIRING]).fields["event.id"]
    assert event.fields["@timestamp"] == OVER["endsAt"]


def test_webhook_of_an_alertmanager_and_a_single_object() -> None:
    body = {"version": "4", "status": "resolved", "alerts": [{**FIRING, "status": "resolved"}, FIRING]}
    events = parse_alerts(json.dumps(body).encode())
    assert [e.fields["event.action"] for e in events] == ["resolved", "firing"]
    assert one({"labels": {"alertname": "x"}}).fields["log.level"] == "error"


@pytest.mark.parametrize("body", [b"", b"no", b"3", b"[3]", b'{"alerts": 3}', b'{"alerts": [[]]}'])
def test_what_is_no_alert_is_refused(body: bytes) -> None:
    with pytest.raises(BadInput):
        parse_alerts(body)


@pytest.mark.parametrize("odd", [
    {}, {"labels": None, "annotations": 3}, {"labels": {"instance": "[::1]:9100"}}, {"startsAt": 5, "endsAt": []},
    {"labels": {"alertname": "\x00\x1b[31m"}, "endsAt": "yesterday"},
])  # fmt: skip
def test_odd_alerts_are_kept(odd: dict[str, Any]) -> None:
    assert one([odd]).message.startswith("Alert ")


async def test_a_repeated_alert_is_one_line_and_a_refusal_keeps_none() -> None:
    kept: list[RawEvent] = []
    full = [True]

    class Intake:
        async def accept(self, events: list[RawEvent], metrics: Any = ()) -> None:
            if full[0]:
                from logsense.errors import Overloaded

                raise Overloaded("full", retry_after_s=7)
            kept.extend(events)

    app = FastAPI()
    app.include_router(AlertmanagerReceiver().router(Intake()))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        busy = await client.post("/api/v2/alerts", json=[FIRING])
        assert busy.status_code == 429 and busy.headers["retry-after"] == "7"
        full[0] = False
        for alerts in ([FIRING], [FIRING], [OVER], [OVER, FIRING]):
            assert (await client.post("/api/v2/alerts", json=alerts)).status_code == 200
        assert [e.fields["event.action"] for e in kept] == ["firing", "resolved"]
        assert (await client.get("/api/v2/status")).json()["cluster"]["status"] == "disabled"
