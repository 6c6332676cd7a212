"""Where incidents meet the people who want to hear of them: what ``serve`` runs and ``logsense notify`` shows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from logsense.config import Settings
from logsense.errors import LogsenseError
from logsense.incidents import effective
from logsense.notify import Message, Notifier, NotifyOptions, open_channel
from logsense.notify.channels import Undeliverable
from logsense.record import Incident
from logsense.rootcause import in_chinese, translate
from logsense.stages import Index

STATE = "notify.db"
SECOND = 1_000_000_000
#: Incidents that are compared with what was told; older ones cannot change any more.
RECENT_S = 2 * 86_400
MOST = 1000


def make_notifier(data: Path, settings: Settings, index: Index) -> Notifier:
    """The notifier of a data folder. Raises ``BadConfig`` when a channel's URL cannot be used."""

    def recent() -> Sequence[Incident]:
        since = time.time_ns() - RECENT_S * SECOND
        found = [effective(i) for i in index.incidents(since, None, limit=MOST) if not i.merged_into]
        return [_in_chinese(i) for i in found] if options.language == "zh" else found

    options: NotifyOptions = settings.section("notify")
    return Notifier(options, recent, data / STATE)


def _in_chinese(incident: Incident) -> Incident:
    return replace(incident, title=translate(incident.title), summary=in_chinese(incident.summary))


def channel_states(data: Path, settings: Settings) -> list[dict[str, Any]]:
    """{"channel", "type", "delivered", "failed", "given_up", "trouble"} of each channel."""
    options = settings.section("notify")
    if not options.channel or not data.is_dir():
        return [{"channel": c.name, "type": c.type, "delivered": 0, "failed": 0, "given_up": 0, "trouble": ""}
                for c in options.channel]  # fmt: skip
    return Notifier(options, list, data / STATE).state()


def send_test(settings: Settings) -> list[dict[str, Any]]:
    """Send a test message through every channel: {"channel", "type", "trouble": "why it failed, or ''"}."""
    now = time.time_ns()
    incident = Incident(
        id="test", title="logsense test message: nothing happened", status="resolved", severity="low",
        start_ns=now - SECOND, last_ns=now, end_ns=now,
    )  # fmt: skip
    body = "If you can read this, the channel works."
    message = Message("over", incident.title, body, f"test-{now}", incident.severity, (incident,))
    rows = []
    for spec in settings.section("notify").channel:
        trouble = ""
        try:
            open_channel(spec).send(message)
        except Undeliverable as error:
            trouble = str(error)
        except LogsenseError as error:
            trouble = f"{error.what} {error.why}".strip()
        rows.append({"channel": spec.name, "type": spec.type, "trouble": trouble})
    return rows
