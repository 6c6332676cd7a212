"""From probabilities to alarms. The forecaster and the evaluation share this, so that what is scored is what runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Container
from dataclasses import dataclass

from logsense.predict.options import ForecastOptions

SECOND = 1_000_000_000


@dataclass(slots=True)
class Alarm:
    """One alarm of one host; ``end_ns`` is 0 while it is on. ``capped``: it was ended by its length."""

    host: str
    start_ns: int
    end_ns: int = 0
    peak: float = 0.0
    capped: bool = False


@dataclass(slots=True)
class _State:
    above: int = 0
    muted: bool = False
    alarm: Alarm | None = None
    steps: int = 0
    steps_on: int = 0


class AlarmTracker:
    """Opens after ``confirm_steps`` above the threshold, closes below ``release`` x threshold or at the length cap.

    A capped host is muted until its probability has fallen below the release level once: a score that stays high
    for days is one alarm, not one a step.
    """

    def __init__(self, options: ForecastOptions) -> None:
        self.options = options
        self.states: dict[str, _State] = {}

    def update(
        self, host: str, at_ns: int, probability: float, threshold: float, *, confirmed: bool = False
    ) -> Alarm | None:
        """Take in one step; returns the alarm that opened or closed with it, if one did.

        ``confirmed``: what raised it is no single measurement (a date, several falls), so it opens at once.
        """
        state = self.states.setdefault(host, _State())
        state.steps += 1
        released = probability < threshold * self.options.release
        changed: Alarm | None = None
        if state.alarm is not None:
            state.steps_on += 1
            state.alarm.peak = max(state.alarm.peak, probability)
            state.alarm.capped = at_ns - state.alarm.start_ns >= self.options.max_alarm_s * SECOND
            if released or state.alarm.capped:
                changed, state.alarm = state.alarm, None
                changed.end_ns = at_ns
                state.muted, state.above = changed.capped and not released, 0
        elif state.muted:
            state.muted = not released
        else:
            state.above = state.above + 1 if probability >= threshold else 0
            if state.above >= (1 if confirmed else self.options.confirm_steps):
                changed = state.alarm = Alarm(host, at_ns, peak=probability)
                state.steps_on += 1
        return changed

    def active(self, host: str) -> bool:
        """Is an alarm on for this host?"""
        state = self.states.get(host)
        return state is not None and state.alarm is not None

    def hosts_in_alarm(self) -> list[str]:
        return [host for host, state in self.states.items() if state.alarm is not None]

    def interrupt(self, host: str, at_ns: int) -> Alarm | None:
        """End what is on without a verdict: the failure has begun, or the host went away."""
        state = self.states.get(host)
        if state is None:
            return None
        alarm, state.alarm, state.above, state.muted = state.alarm, None, 0, False
        if alarm is not None:
            alarm.end_ns = at_ns
        return alarm

    def keep(self, hosts: Container[str]) -> None:
        """Forget all other hosts."""
        self.states = {host: state for host, state in self.states.items() if host in hosts}

    def save(self, db: sqlite3.Connection) -> None:
        """Write the alarms that are on and the hosts that are muted, so that a restart does not raise them again."""
        db.execute("create table if not exists predict_alarms (host text primary key, start_ns integer, peak real)")
        db.execute("delete from predict_alarms")
        rows = [
            (host, state.alarm.start_ns if state.alarm else 0, state.alarm.peak if state.alarm else 0.0)
            for host, state in self.states.items()
            if state.alarm or state.muted
        ]
        db.executemany("insert into predict_alarms values (?, ?, ?)", rows)

    def load(self, db: sqlite3.Connection) -> None:
        """Read what ``save`` wrote; a start of 0 means muted."""
        db.execute("create table if not exists predict_alarms (host text primary key, start_ns integer, peak real)")
        for host, start, peak in db.execute("select host, start_ns, peak from predict_alarms"):
            alarm = Alarm(host, start, peak=peak) if start else None
            self.states[host] = _State(muted=alarm is None, alarm=alarm)

    def share_on(self) -> float:
        """Share of all steps, over all hosts, that were in an alarm."""
        steps = sum(state.steps for state in self.states.values())
        return sum(state.steps_on for state in self.states.values()) / steps if steps else 0.0
