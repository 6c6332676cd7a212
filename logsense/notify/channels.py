"""Ways to deliver a message. Each raises ``Undeliverable`` with the reason; whoever calls it tries again later."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Protocol

from logsense.errors import BadConfig
from logsense.notify.messages import SECOND, Message
from logsense.notify.options import SEVERITIES, ChannelSpec
from logsense.record import Incident

TIMEOUT_S = 15.0
#: How long an Alertmanager keeps an alert that is not sent again: longer than a short stop of ours.
ALERT_LASTS_S = 900
NOT_SENT = "delivery failed"


class Undeliverable(Exception):
    """The message did not arrive. ``after_s``: when the other side asked to be tried again."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Channel(Protocol):
    """Delivers a message, or raises ``Undeliverable``. Blocks for ``TIMEOUT_S`` and a little at most."""

    #: Seconds after which an open incident is to be told again although nothing changed; 0: never.
    repeat_s: float

    def send(self, message: Message) -> None: ...


def open_channel(spec: ChannelSpec) -> Channel:
    """The channel of ``spec``. Raises ``BadConfig`` when its URL cannot be used."""
    url = spec.url or os.environ.get(spec.url_env, "")
    if not url:
        raise BadConfig(
            f"The channel {spec.name!r} has no URL.", why=f"the environment variable {spec.url_env} is empty",
            fix=f"set {spec.url_env}, or write url in [[notify.channel]]",
        )  # fmt: skip
    if spec.type == "apprise":
        return AppriseChannel(spec.name, url)
    if not url.startswith(("http://", "https://")):
        raise BadConfig(f"The URL of channel {spec.name!r} is not http(s).", fix="write http://… or https://…")
    if spec.type == "webhook":
        return Webhook(url)
    return Alertmanager(url) if spec.type == "alertmanager" else AlertmanagerWebhook(url)


class AppriseChannel:
    """Everything that Apprise knows: https://github.com/caronc/apprise/wiki lists the URLs."""

    repeat_s = 0.0

    def __init__(self, name: str, url: str) -> None:
        import apprise  # some 80 ms and a hundred services: only who has such a channel pays for it

        self._apprise: Any = apprise
        self._target = apprise.Apprise()
        if not self._target.add(url):
            raise BadConfig(
                f"Apprise does not understand the URL of channel {name!r}.",
                fix="see the Apprise wiki for the form, e.g. slack://TokenA/TokenB/TokenC or mailtos://user:pass@host",
            )

    def send(self, message: Message) -> None:
        kinds = self._apprise.NotifyType
        kind = {"resolved": kinds.SUCCESS, "over": kinds.INFO}.get(
            message.kind, kinds.FAILURE if message.severity in ("high", "critical") else kinds.WARNING
        )
        with self._apprise.LogCapture(level=logging.WARNING) as captured:
            sent = self._target.notify(title=message.title, body=message.body, notify_type=kind)
            said = captured.getvalue() if not sent else ""
        if not sent:
            lines = said.strip().splitlines()
            raise Undeliverable(lines[-1][:300] if lines else NOT_SENT)


class Webhook:
    """JSON by POST: the message, its incidents with summary and causes, and an ``Idempotency-Key`` header."""

    repeat_s = 0.0

    def __init__(self, url: str) -> None:
        self.url = url

    def send(self, message: Message) -> None:
        post(self.url, {
            "kind": message.kind, "title": message.title, "text": message.body, "severity": message.severity,
            "link": message.link, "key": message.key, "incidents": [_incident(i) for i in message.incidents],
        }, message.key)  # fmt: skip


class Alertmanager:
    """``POST /api/v2/alerts`` of a Prometheus Alertmanager: it groups, routes and repeats; we only keep it told."""

    repeat_s = 240.0

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/") + ("" if url.rstrip("/").endswith("/alerts") else "/api/v2/alerts")

    def send(self, message: Message) -> None:
        alerts = []
        for incident in message.incidents:
            alerts.append(self._alert(incident, message, incident.severity, incident.status == "resolved"))
            if message.kind in ("worsened", "resolved"):
                # The severity is a label, since people route by it: what was told under a lower one is ended.
                lower = SEVERITIES[: SEVERITIES.index(incident.severity)]
                alerts += [self._alert(incident, message, severity, True) for severity in lower]
        post(self.url, alerts, message.key)

    def _alert(self, incident: Incident, message: Message, severity: str, over: bool) -> dict[str, Any]:
        ended = incident.end_ns or incident.last_ns if incident.status == "resolved" else _now_ns()
        until = ended if over else _now_ns() + ALERT_LASTS_S * SECOND
        return {
            "labels": labels(incident, severity), "annotations": remarks(incident),
            "startsAt": rfc3339(incident.start_ns), "endsAt": rfc3339(max(until, incident.start_ns + 1_000_000)),
            **({"generatorURL": message.link} if message.link else {}),
        }  # fmt: skip


class AlertmanagerWebhook:
    """What an Alertmanager posts to its webhook receivers (payload version 4)."""

    repeat_s = 0.0

    def __init__(self, url: str) -> None:
        self.url = url

    def send(self, message: Message) -> None:
        alerts = [self._alert(i, message) for i in message.incidents]
        firing = any(a["status"] == "firing" for a in alerts)
        common = dict(set.intersection(*(set(a["labels"].items()) for a in alerts)))
        post(self.url, {
            "version": "4", "groupKey": "{}:{" + message.key + "}", "truncatedAlerts": 0, "receiver": "logsense",
            "status": "firing" if firing else "resolved", "groupLabels": {}, "commonLabels": common,
            "commonAnnotations": alerts[0]["annotations"] if len(alerts) == 1 else {},
            "externalURL": message.link, "alerts": alerts,
        }, message.key)  # fmt: skip

    def _alert(self, incident: Incident, message: Message) -> dict[str, Any]:
        over = incident.status == "resolved"
        named = labels(incident, incident.severity)
        return {
            "status": "resolved" if over else "firing", "labels": named, "annotations": remarks(incident),
            "startsAt": rfc3339(incident.start_ns),
            "endsAt": rfc3339(incident.end_ns or incident.last_ns) if over else "0001-01-01T00:00:00Z",
            "generatorURL": message.link, "fingerprint": fingerprint(named),
        }  # fmt: skip


def labels(incident: Incident, severity: str) -> dict[str, str]:
    """What identifies the incident to an Alertmanager: little that changes while it lasts."""
    return {"alertname": "logsense_incident", "incident": incident.id, "severity": severity,
            **({"pipeline": incident.pipeline} if incident.pipeline else {})}  # fmt: skip


def remarks(incident: Incident) -> dict[str, str]:
    said = " ".join(s.text for s in incident.summary if s.role in ("impact", "cause"))
    return {
        "summary": incident.title, "description": said,
        "hosts": ", ".join(incident.hosts[:20]), "services": ", ".join(incident.services[:20]),
    }  # fmt: skip


def fingerprint(named: dict[str, str]) -> str:
    return hashlib.sha256(repr(sorted(named.items())).encode()).hexdigest()[:16]


def rfc3339(at_ns: int) -> str:
    try:
        return datetime.fromtimestamp(at_ns / SECOND, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, OSError, ValueError):
        return "1970-01-01T00:00:00Z"


def post(url: str, body: dict[str, Any] | Sequence[Any], key: str) -> None:
    """POST ``body`` as JSON. Raises ``Undeliverable`` unless the answer is 2xx."""
    import httpx

    headers = {"Idempotency-Key": key, "User-Agent": "logsense"}
    try:
        answer = httpx.post(url, json=body, headers=headers, timeout=TIMEOUT_S, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Undeliverable(f"{type(error).__name__}: {error}"[:300]) from error
    if not answer.is_success:
        after = answer.headers.get("retry-after", "")
        raise Undeliverable(f"HTTP {answer.status_code}: {answer.text[:200]}", float(after) if after.isdigit() else 0.0)


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id, "title": incident.title, "status": incident.status, "severity": incident.severity,
        "start": rfc3339(incident.start_ns), "end": rfc3339(incident.end_ns) if incident.end_ns else None,
        "hosts": incident.hosts, "services": incident.services, "pipeline": incident.pipeline,
        "summary": [asdict(s) for s in incident.summary],
        "causes": [{"title": h.title, "score": round(h.score, 3), "why": h.why} for h in incident.hypotheses[:3]],
    }  # fmt: skip


def _now_ns() -> int:
    return int(datetime.now(UTC).timestamp() * SECOND)
