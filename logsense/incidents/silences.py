"""Planned maintenance and suppression, written in the settings: what is seen, kept and counted, but calls nobody."""

from __future__ import annotations

import fnmatch
import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from logsense.record import Signal

SECOND = 1_000_000_000
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


@dataclass(frozen=True, slots=True)
class Maintenance:
    """``[[silence.maintenance]]``: times in which trouble is expected. Once (``start``, ``end``) or weekly."""

    #: What is being done; shown where the trouble would be.
    reason: str
    #: Hosts that it concerns, as patterns (``db*``); empty means all.
    hosts: tuple[str, ...] = ()
    #: Services that it concerns, as patterns; empty means all.
    services: tuple[str, ...] = ()
    #: Begin of a single maintenance, e.g. ``2026-12-24T22:00:00+01:00``; without a zone it is in ``time_zone``.
    start: str = ""
    #: Its end.
    end: str = ""
    #: Days of a weekly one: ``mon`` … ``sun``; empty means every day. It begins on these.
    days: tuple[str, ...] = ()
    #: Begin of a weekly one, e.g. ``02:00``; it may run over midnight.
    at: str = ""
    #: Its length in minutes.
    minutes: int = 0
    #: Zone of the times as an IANA name; daylight saving is heeded.
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"maintenance {self.reason!r}: unknown time_zone {self.time_zone!r}") from error
        once, weekly = bool(self.start or self.end), bool(self.at or self.minutes or self.days)
        if once == weekly:
            raise ValueError(f"maintenance {self.reason!r}: give start and end, or at and minutes")
        if once and not (self.start and self.end and self._moment(self.start) < self._moment(self.end)):
            raise ValueError(f"maintenance {self.reason!r}: start must come before end")
        if weekly and not (_CLOCK.fullmatch(self.at) and 0 < self.minutes <= 7 * 1440):
            raise ValueError(f"maintenance {self.reason!r}: at must read like 02:00, minutes be 1 to 10080")
        if wrong := [day for day in self.days if day not in DAYS]:
            raise ValueError(f"maintenance {self.reason!r}: unknown day {wrong[0]!r}, use {', '.join(DAYS)}")
        self.until(0)  # a clock such as 25:00 is told now and not in the night

    def until(self, at_ns: int) -> int:
        """End (ns) of the maintenance that is on at ``at_ns``; 0 when none is."""
        now = datetime.fromtimestamp(at_ns / SECOND, UTC)
        if self.start:
            begin, end = self._moment(self.start), self._moment(self.end)
            return int(end.timestamp() * SECOND) if begin <= now < end else 0
        hour, minute = map(int, self.at.split(":"))
        local, length = now.astimezone(ZoneInfo(self.time_zone)), timedelta(minutes=self.minutes)
        for back in range(self.minutes // 1440 + 2):
            day = local.date() - timedelta(days=back)
            begin = datetime.combine(day, time(hour, minute), ZoneInfo(self.time_zone)).astimezone(UTC)
            if (not self.days or DAYS[day.weekday()] in self.days) and begin <= now < begin + length:
                return int((begin + length).timestamp() * SECOND)
        return 0

    def holds(self, signal: Signal) -> bool:
        # By its end: what began before and goes on is expected now; what goes on after it is not expected any more.
        return _any(self.hosts, signal.host) and _any(self.services, signal.service) and self.until(signal.end_ns) > 0

    def _moment(self, text: str) -> datetime:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(self.time_zone))


@dataclass(frozen=True, slots=True)
class Suppression:
    """``[[silence.suppress]]``: signals that are known and mean nothing. All that is given must match."""

    #: Why it means nothing, and who says so.
    reason: str
    #: Hosts as patterns; empty means all.
    hosts: tuple[str, ...] = ()
    #: Services as patterns; empty means all.
    services: tuple[str, ...] = ()
    #: Template ids (``logsense templates`` lists them); empty means all.
    templates: tuple[str, ...] = ()
    #: Kinds of signals as patterns, e.g. ``log.rate`` or ``metric.*``; empty means all.
    kinds: tuple[str, ...] = ()
    #: Pattern that the signal's text matches, e.g. ``*link is up*``; case does not count.
    text: str = ""
    #: Day or time from which it is heard again, e.g. ``2027-01-31``: nothing should be ignored for ever.
    until: str = ""

    def __post_init__(self) -> None:
        if not any((self.hosts, self.services, self.templates, self.kinds, self.text)):
            raise ValueError(f"suppress {self.reason!r}: say what: hosts, services, templates, kinds or text")
        if self.until:
            _day(self.until)

    def ends_ns(self) -> int:
        """0 when it has no end."""
        return int(_day(self.until).timestamp() * SECOND) if self.until else 0

    def holds(self, signal: Signal) -> bool:
        return (
            (not self.until or signal.end_ns < self.ends_ns())
            and _any(self.hosts, signal.host)
            and _any(self.services, signal.service)
            and (not self.templates or signal.template_id in self.templates)
            and _any(self.kinds, signal.kind)
            and (not self.text or fnmatch.fnmatchcase(signal.text.lower(), self.text.lower()))
        )


@dataclass(frozen=True, slots=True)
class SilenceOptions:
    """``[silence]``: planned maintenance and suppression; in a pipeline ``[settings.silence]``."""

    #: Times in which trouble is expected; see ``[[silence.maintenance]]``.
    maintenance: list[Maintenance] = field(default_factory=list)
    #: What is known and means nothing; see ``[[silence.suppress]]``.
    suppress: list[Suppression] = field(default_factory=list)


class Silences:
    """Takes the signals that call nobody out, and counts them by the rule that did it."""

    def __init__(self, options: SilenceOptions | None = None) -> None:
        self.options = options or SilenceOptions()
        self._rules: Sequence[Maintenance | Suppression] = [*self.options.maintenance, *self.options.suppress]
        self.counts: dict[str, int] = {}

    def heard(self, signals: Iterable[Signal]) -> list[Signal]:
        """The signals that may call people."""
        if not self._rules:
            return list(signals)
        kept = []
        for signal in signals:
            rule = next((rule for rule in self._rules if rule.holds(signal)), None)
            if rule is None:
                kept.append(signal)
            else:
                self.counts[rule.reason] = self.counts.get(rule.reason, 0) + 1
        return kept

    def active(self, now_ns: int) -> list[tuple[str, Maintenance | Suppression, int]]:
        """(kind, rule, end in ns or 0) of what is on at ``now_ns``."""
        found: list[tuple[str, Maintenance | Suppression, int]] = [
            ("maintenance", rule, end) for rule in self.options.maintenance if (end := rule.until(now_ns))
        ]
        return found + [
            ("suppression", rule, rule.ends_ns())
            for rule in self.options.suppress
            if not rule.until or now_ns < rule.ends_ns()
        ]

    def load(self, db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE IF NOT EXISTS silences_state (id INTEGER PRIMARY KEY, body TEXT)")
        row = db.execute("SELECT body FROM silences_state WHERE id = 0").fetchone()
        self.counts = json.loads(row[0]) if row else {}

    def save(self, db: sqlite3.Connection) -> None:
        """Does not commit. Counts of rules that are gone are let go."""
        db.execute("CREATE TABLE IF NOT EXISTS silences_state (id INTEGER PRIMARY KEY, body TEXT)")
        named = {rule.reason for rule in self._rules}
        body = {reason: count for reason, count in self.counts.items() if reason in named}
        db.execute("INSERT OR REPLACE INTO silences_state VALUES (0, ?)", (json.dumps(body),))


def _any(patterns: Sequence[str], value: str) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns)


def _day(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
