"""Parameters that leave their learned range: durations, sizes, counts; error codes that never came before.

Each amount of each template on each host has a sketch of its own values (``sketch``); units that values carry are
respected (``1.5 ms`` is less than ``2 s``). A window is judged by its extremes among all its values of that
parameter. Codes are judged by how often a new one appeared (Good and Turing's estimate). What leaves the range is
taken in when it stays.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from logsense.detect.baseline import nb_tail
from logsense.detect.counted import budget
from logsense.detect.facts import Codes, Place, Values
from logsense.detect.options import ValueAnomalyOptions
from logsense.detect.signals import order, plain_number, shorten, signal_id
from logsense.detect.sketch import Sketch
from logsense.detect.slots import WILDCARD, slots
from logsense.detect.windows import SECOND, Window
from logsense.record import Signal

MAX_CODES = 30  # of one parameter: more are no codes
FEW_CODES = 0.02  # new codes that a parameter is credited with besides those that came once
PAUSE = 6  # windows without a further value outside before an episode has ended
FAR = 1.5  # times beyond the 98 % point (or below the 2 % point) from which people would call a value far out

Key = tuple[str, str, str, str, int]  # (pipeline, host, service, template, position)


@dataclass(slots=True)
class Slot:
    """What is known of one parameter. ``since`` and ``mark`` are windows of the running episode (-1: none)."""

    sketch: Sketch = field(default_factory=Sketch)
    codes: dict[str, int] = field(default_factory=dict)
    count: int = 0
    windows: int = 0
    seen: int = 0
    since: int = -1
    mark: int = -1


@dataclass(slots=True)
class Found:
    """One parameter outside its range in a window."""

    key: Key
    score: float
    value: float | str
    line: str
    upwards: bool = True
    count: int = 1


class ValueAnomaly:
    """The detector. ``text_of`` gives a template's text."""

    name = "value_anomaly"

    def __init__(self, options: ValueAnomalyOptions | None = None, text_of: Callable[[str], str] | None = None) -> None:
        self.options = options or ValueAnomalyOptions()
        self.text_of = text_of
        self.number = 0
        self._slots: dict[Key, Slot] = {}
        self._last: tuple[Window, dict[Key, Found]] | None = None
        self._dirty = False

    # -- the contract ----------------------------------------------------------------------------------

    def score(self, window: Window) -> list[Signal]:
        """Signals of parameters outside their range, best first."""
        need = self._need()
        found = [one for one in self._evaluate(window).values() if one.score >= need]
        return order([self._signal(one, window) for one in found])

    def learn(self, window: Window) -> None:
        """Take the values in; those outside only when they stay."""
        if not (window.facts.values or window.facts.codes):
            self.number += bool(self._slots)
            return
        found, need = self._evaluate(window), self._need()
        touched: set[Key] = set()
        for row in window.facts.values:
            slot = self._slot(row, touched)
            outside = found.get(_key(row))
            slot.count += row.times
            if outside is None or outside.score < need or self._lasts(slot):
                # the extremes are two values; the sample stands for the others
                slot.sketch.add((row.low, row.high), min(row.times, 2))
                slot.sketch.add(row.sample, max(row.times - 2, 0))
            else:
                edge = self._edge(slot.sketch, upwards=outside.upwards)
                usual = [v for v in row.sample if (v <= edge if outside.upwards else v >= edge)]
                slot.sketch.add(usual, row.times * len(usual) / max(len(row.sample), 1))
        for code in window.facts.codes:
            slot = self._slot(code, touched)
            slot.count += code.times
            if len(slot.codes) <= MAX_CODES:
                slot.codes[code.code] = slot.codes.get(code.code, 0) + code.times
        for key in touched:
            self._mark(self._slots[key], key in found and found[key].score >= need)
        self.number += 1
        self._forget()
        self._last, self._dirty = None, True

    def _need(self) -> float:
        return budget(self.options.window_s, self.options.false_alarms_per_day, max(len(self._slots), 10))

    # -- evaluation (no state is changed) --------------------------------------------------------------

    def _evaluate(self, window: Window) -> dict[Key, Found]:
        if self._last is not None and self._last[0] is window:
            return self._last[1]
        found: dict[Key, Found] = {}
        totals: dict[Key, int] = {}
        for row in window.facts.values:
            totals[_key(row)] = totals.get(_key(row), 0) + row.times
        for row in window.facts.values:
            key = _key(row)
            slot = self._slots.get(key)
            if slot is None or not self._ripe(slot):
                continue
            high = self._outside(slot, row.high, totals[key], upwards=True)
            low = self._outside(slot, row.low, totals[key], upwards=False)
            best = (
                Found(key, high, row.high, row.high_line)
                if high >= low
                else Found(key, low, row.low, row.low_line, upwards=False)
            )
            if best.score > 0 and (key not in found or best.score > found[key].score):
                found[key] = best
        for code in window.facts.codes:
            self._judge_code(found, code)
        self._last = (window, found)
        return found

    def _outside(self, slot: Slot, value: float, count: int, *, upwards: bool) -> float:
        sketch = slot.sketch
        edge = sketch.quantile(0.98 if upwards else 0.02)
        far = value > edge * FAR + 1e-12 if upwards else value < edge / FAR - 1e-12
        # Integers next to each other are no news: 3 rows after 2, 0 retries after 1.
        if not far or (value == int(value) and abs(value - edge) < 3):
            return 0.0
        return sketch.tail(value, count, upwards=upwards)

    def _judge_code(self, found: dict[Key, Found], row: Codes) -> None:
        key = _key(row)
        slot = self._slots.get(key)
        if slot is None or not self._ripe(slot) or row.code in slot.codes or len(slot.codes) > MAX_CODES:
            return
        # codes that came once say how often a new one comes; one that comes often at once is no odd one out
        rate = (sum(count == 1 for count in slot.codes.values()) + FEW_CODES) / (slot.windows + 10)
        score = nb_tail(1.0 + math.log2(row.times), rate, 2.0 * rate)
        if key not in found or score > found[key].score:
            found[key] = Found(key, score, row.code, row.line, count=row.times)

    def _ripe(self, slot: Slot) -> bool:
        return slot.count >= self.options.warmup_values and slot.windows >= self.options.warmup_windows

    def _lasts(self, slot: Slot) -> bool:
        return slot.since >= 0 and (self.number - slot.since) * self.options.window_s >= self.options.adopt_after_s

    @staticmethod
    def _edge(sketch: Sketch, *, upwards: bool) -> float:
        return sketch.quantile(0.98) * FAR if upwards else sketch.quantile(0.02) / FAR

    # -- signals ---------------------------------------------------------------------------------------

    def _signal(self, one: Found, window: Window) -> Signal:
        pipeline, host, service, template, position = one.key
        slot = self._slots[one.key]
        running = slot.since >= 0 and self.number - slot.mark <= PAUSE
        start_ns = window.start_ns - (self.number - slot.since if running else 0) * self.options.window_s * SECOND
        text = (self.text_of(template) if self.text_of is not None else "") or template
        name, unit = _named(text, position)
        if isinstance(one.value, str):
            usual = ", ".join(sorted(slot.codes, key=lambda code: -slot.codes[code])[:4])
            said = f"{name or 'code'} {shorten(one.value, 24)} for the first time, so far {usual}"
            value = expected = None
        else:
            low, high = slot.sketch.quantile(0.02), slot.sketch.quantile(0.98)
            usual = plain_number(low) if low == high else f"{plain_number(low)} to {plain_number(high)}"
            said = f"{name or 'value'} {plain_number(one.value)}{unit}, usually {usual}{unit}"
            value, expected = one.value, slot.sketch.quantile(0.5)
        return Signal(
            id=signal_id("log.value", start_ns, *map(str, one.key)), kind="log.value", start_ns=start_ns,
            end_ns=window.end_ns, score=one.score, host=host, service=service, pipeline=pipeline, template_id=template,
            value=value, expected=expected, text=f"{said} in `{shorten(text)}`",
            evidence=[f"line:{one.line}", f"template:{template}"],
        )  # fmt: skip

    # -- learning --------------------------------------------------------------------------------------

    def _slot(self, row: Values | Codes, touched: set[Key]) -> Slot:
        key = _key(row)
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = Slot()
        if key not in touched:
            touched.add(key)
            slot.windows += 1
            slot.seen = self.number
        return slot

    def _mark(self, slot: Slot, outside: bool) -> None:
        if outside:
            if slot.since < 0 or self.number - slot.mark > PAUSE:
                slot.since = self.number
            slot.mark = self.number
        elif slot.since >= 0 and self.number - slot.mark > PAUSE:
            slot.since = -1

    def _forget(self) -> None:
        if len(self._slots) > self.options.max_slots:
            oldest = sorted(self._slots, key=lambda key: self._slots[key].seen)
            for key in oldest[: len(oldest) - self.options.max_slots * 9 // 10]:
                del self._slots[key]

    # -- state -----------------------------------------------------------------------------------------

    def load(self, db: sqlite3.Connection) -> None:
        """Read the ranges; the table is made if it is missing."""
        db.execute("CREATE TABLE IF NOT EXISTS value_anomaly_state (id INTEGER PRIMARY KEY, body BLOB)")
        row = db.execute("SELECT body FROM value_anomaly_state WHERE id = 0").fetchone()
        if row:
            body = json.loads(row[0])
            self.number = body["number"]
            self._slots = {
                (*key[:4], key[4]): Slot(Sketch.of(sketch), dict(codes), *rest)
                for key, sketch, codes, rest in body["slots"]
            }

    def save(self, db: sqlite3.Connection) -> None:
        """Write the ranges if a window was learnt since the last time. Does not commit."""
        db.execute("CREATE TABLE IF NOT EXISTS value_anomaly_state (id INTEGER PRIMARY KEY, body BLOB)")
        if not self._dirty:
            return
        slots_: list[Any] = [
            [key, s.sketch.state(), s.codes, [s.count, s.windows, s.seen, s.since, s.mark]]
            for key, s in self._slots.items()
        ]
        body = json.dumps({"number": self.number, "slots": slots_})
        db.execute("INSERT OR REPLACE INTO value_anomaly_state VALUES (0, ?)", (body,))
        self._dirty = False


def _key(row: Values | Codes) -> Key:
    return (*Place(*row.place), row.template, row.position)


def _named(text: str, position: int) -> tuple[str, str]:
    """The parameter's name and its unit with a blank before it, from the template's text."""
    if text.count(WILDCARD) <= position:
        return "", ""
    slot = next((slot for slot in slots(text) if slot.position == position), None)
    return (slot.name, f" {slot.unit}" if slot.unit else "") if slot else ("", "")
