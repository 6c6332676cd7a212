"""Find the parameter of each template that says which session, request or block a line belongs to.

Nobody declares it. A parameter is such an identifier when its values look like one (long, with digits, no address, no
path, no time), are many, and come back in lines of *other* templates: a line's own serial number is as long, but only
its own template has it. The decision is taken per template over its first lines and looked at again from time to time.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address

LOOKED_AT = 300  # lines of a template that a decision rests on
AGAIN = 1_000  # lines of a template after which a refusal is looked at again
SHARED = 0.5  # share of the values that must come back elsewhere
MOST_COMMON = 0.1  # a value that one line in ten has is no identifier
REMEMBERED = 50_000  # values
MAX_POSITIONS = 8
MAX_TEMPLATES = 20_000

_FORM = re.compile(r"(?=[^\d]*\d)[\w.:~+=-]{6,128}")
_NUMBER = re.compile(r"-?\d+")
_REFUSED = re.compile(
    r"\d+\.\d+|\d{1,4}(?:[-/.:]\d{1,4}){2,}.*|v?\d+(?:\.\d+)+\S*|[-+]?\d+(?:\.\d+)?[A-Za-zµ%]{1,5}|0x0+|\S*:\d{1,5}"
)


@lru_cache(maxsize=16_384)
def looks_like_one(value: str) -> bool:
    """By form alone: ``blk_-16089``, ``4bf92f35``, ``123e4567-e89b-…``; no address, time, version or quantity."""
    if _FORM.fullmatch(value) is None or _REFUSED.fullmatch(value):
        return False
    if _NUMBER.fullmatch(value):
        digits = value.lstrip("-0")
        # seconds, milliseconds … since 1970 are shared by all lines of a moment
        return len(digits) >= 6 and not (len(digits) in (10, 13, 16, 19) and digits[0] in "12" and value[0] != "-")
    try:
        ip_address(value)
    except ValueError:
        return True
    return False


@dataclass(slots=True)
class Trial:
    """The values that one template's first lines had, per position, until it is decided."""

    lines: int = 0
    values: list[list[str]] = field(default_factory=list)
    rest: int = 0  # lines until a refusal is looked at again
    position: int | None = None
    decided: bool = False


class Identifiers:
    """``find`` gives the identifiers of some lines of one template, and learns from them which parameter that is.

    A template that is not decided, because it is rare, takes part where one of its values is an identifier that
    a decided template had a short time ago: rare lines are what sessions that go wrong are known by.
    """

    def __init__(self) -> None:
        #: Templates whose identifier was found.
        self.version = 0
        self._trials: dict[str, Trial] = {}
        self._owners: OrderedDict[str, str] = OrderedDict()  # value -> the template that has it, "" for several
        self._known: OrderedDict[str, None] = OrderedDict()  # identifiers of decided templates, newest last

    def find(self, template: str, rows: Sequence[Sequence[str]]) -> list[str] | None:
        """The identifier of each row ("" where it has none), or None when none of them has any."""
        trial = self._trials.get(template)
        if trial is None and len(self._trials) < MAX_TEMPLATES:
            trial = self._trials[template] = Trial()
        if trial is not None:
            if not trial.decided:
                self._learn(trial, template, rows)
            elif trial.position is None:
                trial.rest -= len(rows)
                if trial.rest < 0:
                    self._trials[template] = Trial()
            if trial.position is not None:
                return self._column(trial.position, rows)
        return self._familiar(rows) if self._known else None

    def leads(self, template: str) -> bool:
        """Whether lines of this template tell identifiers to those of others: they go first within a batch."""
        trial = self._trials.get(template)
        return trial is not None and trial.position is not None

    def _column(self, at: int, rows: Sequence[Sequence[str]]) -> list[str]:
        found = [row[at] if len(row) > at else "" for row in rows]
        known = self._known
        for value in found:
            known[value] = None
        while len(known) > REMEMBERED:
            known.popitem(last=False)
        return found

    def _familiar(self, rows: Sequence[Sequence[str]]) -> list[str] | None:
        known, some = self._known, False
        found = []
        for row in rows:
            mine = ""
            for value in row:
                if value in known and value:
                    mine, some = value, True
                    break
            found.append(mine)
        return found if some else None

    def _learn(self, trial: Trial, template: str, rows: Sequence[Sequence[str]]) -> None:
        if trial.lines >= LOOKED_AT:  # in a later batch than the lines looked at: others had the time to answer
            self._decide(trial, template)
            return
        owners = self._owners
        for row in rows[: LOOKED_AT - trial.lines]:
            trial.lines += 1
            for at, value in enumerate(row[:MAX_POSITIONS]):
                while len(trial.values) <= at:
                    trial.values.append([])
                if looks_like_one(value):
                    trial.values[at].append(value)
                    owner = owners.get(value)
                    owners[value] = template if owner in (None, template) else ""
        while len(owners) > REMEMBERED:
            owners.popitem(last=False)

    def _decide(self, trial: Trial, template: str) -> None:
        best, most = None, 0
        for at, values in enumerate(trial.values):
            if len(values) < 0.9 * trial.lines:
                continue
            shared = sum(value in self._known or self._owners.get(value, template) != template for value in values)
            often = Counter(values).most_common(1)[0][1]
            if shared >= SHARED * len(values) and often <= max(MOST_COMMON * len(values), 10) and shared > most:
                best, most = at, shared
        if best is not None:
            self._column(0, [[value] for value in trial.values[best]])
        trial.decided, trial.position, trial.rest = True, best, AGAIN
        trial.values.clear()
        self.version += best is not None

    def state(self) -> dict[str, int]:
        """Decided positions by template, to be saved."""
        return {name: trial.position for name, trial in self._trials.items() if trial.position is not None}

    def restore(self, state: dict[str, int]) -> None:
        for template, position in state.items():
            self._trials[template] = Trial(decided=True, position=int(position))
        self.version = len(state)
