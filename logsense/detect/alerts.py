"""Alerts that others raised as signals: no statistics, somebody decided that it matters."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from logsense.record import LogRecord, Signal

#: How much an alert of a level proves; see ``Signal.score``. One of warning level opens an incident by itself.
SCORES = {"emergency": 9.0, "alert": 9.0, "critical": 9.0, "error": 7.0, "warning": 5.0, "notice": 2.5}
LEAST = 1.5
SOURCE = "alerts"  # of the receiver that takes them
SECOND = 1_000_000_000
#: An alert whose sender repeats it is over when it was not repeated for this long; one that is said once lasts a day.
REPEATED_NS = 1800 * SECOND
LONGEST_NS = 86_400 * SECOND
#: How often an alert that goes on says so again: an incident calms down when nothing is heard of it.
AGAIN_NS = 30 * SECOND
MOST = 10_000


@dataclass(slots=True)
class Firing:
    """An alert that is not over. ``told_ns``: end of its last signal, 0 before the first."""

    signal: Signal
    until_ns: int
    told_ns: int = 0


class Alerts:
    """``take`` picks the alerts out of a batch; ``due`` says which of them are on, once their time has come.

    An alert is one signal from its beginning to its end, however often it is repeated.
    """

    name = "alerts"

    def __init__(self) -> None:
        self._firing: dict[str, Firing] = {}

    @property
    def firing(self) -> bool:
        """Whether one of them is not over."""
        return bool(self._firing)

    def take(self, records: Iterable[LogRecord]) -> None:
        for record in records:
            # By source and not by event.kind: an intrusion detector's every line is of that kind.
            if record.source != SOURCE:
                continue
            identity = str(record.fields.get("event.id") or record.id)
            known = self._firing.get(identity)
            if record.fields.get("event.action") == "resolved":
                if known is not None:
                    known.until_ns = min(known.until_ns, record.timestamp_ns)
                continue
            lasts = REPEATED_NS if record.fields.get("event.end") else LONGEST_NS
            until = max(record.ingested_ns, record.timestamp_ns) + lasts
            if known is not None:
                known.until_ns = max(known.until_ns, until)
            elif len(self._firing) < MOST:
                self._firing[identity] = Firing(_signal(identity, record), until)

    def due(self, now_ns: int) -> list[Signal]:
        """Those that began before ``now_ns`` and were not told of lately, oldest first; what is over is forgotten."""
        found = []
        for identity, alert in list(self._firing.items()):
            fresh = not alert.told_ns and alert.signal.start_ns < now_ns
            if fresh or (alert.told_ns and alert.told_ns + AGAIN_NS <= now_ns <= alert.until_ns):
                alert.told_ns = min(now_ns, max(alert.until_ns, alert.signal.start_ns + SECOND))
                found.append(replace(alert.signal, end_ns=alert.told_ns))
            if alert.told_ns and now_ns > alert.until_ns:
                del self._firing[identity]
        return sorted(found, key=lambda s: (s.start_ns, s.id))

    def load(self, db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE IF NOT EXISTS alerts_state (id INTEGER PRIMARY KEY, body TEXT)")
        row = db.execute("SELECT body FROM alerts_state WHERE id = 0").fetchone()
        for identity, one in json.loads(row[0]).items() if row else ():
            self._firing[identity] = Firing(Signal(**one["signal"]), one["until_ns"], one["told_ns"])

    def save(self, db: sqlite3.Connection) -> None:
        """Does not commit."""
        db.execute("CREATE TABLE IF NOT EXISTS alerts_state (id INTEGER PRIMARY KEY, body TEXT)")
        body = {identity: asdict(alert) for identity, alert in self._firing.items()}
        db.execute("INSERT OR REPLACE INTO alerts_state VALUES (0, ?)", (json.dumps(body),))


def _signal(identity: str, record: LogRecord) -> Signal:
    return Signal(
        id=f"alert-{identity}", kind="alert", start_ns=record.timestamp_ns, end_ns=record.timestamp_ns + SECOND,
        score=SCORES.get(record.level, LEAST), host=record.host, service=record.service, pipeline=record.pipeline,
        template_id=record.template_id, text=record.message[:500], evidence=[f"line:{record.id}"],
    )  # fmt: skip
