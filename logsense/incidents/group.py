"""Signals that belong together, before and after they are an incident."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from logsense.incidents.aftermath import Mark
from logsense.incidents.evidence import strength
from logsense.record import Signal

MAX_PHRASES = 400
MAX_TEMPLATES = 200  # that an incident lists
_QUOTED = re.compile(r"`(.+)`", re.DOTALL)
_WORDS = re.compile(r"[a-z][a-z']+", re.IGNORECASE)


@dataclass(slots=True)
class Group:
    """Signals that belong together; becomes an incident when ``id`` is set."""

    pipeline: str
    start_ns: int
    last_ns: int
    id: str = ""
    hosts: dict[str, float] = field(default_factory=dict)  # host -> best score
    services: dict[str, float] = field(default_factory=dict)
    signals: dict[str, float] = field(default_factory=dict)  # signal id -> score, at most max_signals
    templates: dict[str, float] = field(default_factory=dict)
    best: dict[str, tuple[str, float]] = field(default_factory=dict)  # aspect -> (kind, score)
    leads: dict[str, dict] = field(default_factory=dict)  # kind -> its strongest signal, for the title
    phrases: list[str] = field(default_factory=list)  # word triples of its errors
    status: str = "open"
    end_ns: int = 0
    opened_ns: int = 0
    heard_ns: int = 0  # up to when all was known as it got a signal that was noticed late
    follows: str = ""  # the incident that had calmed down when this began near it
    burst_ns: int = 0  # until it opens: begin of the newest signals without a pause before them, 0 if that is its own
    burst: dict[str, tuple[str, float]] = field(default_factory=dict)  # as ``best``, of those
    marks: dict[str, Mark] = field(default_factory=dict)  # what deviates where, see ``aftermath``

    def strength(self) -> float:
        return strength(self.best)

    def take(self, other: Group, max_signals: int) -> None:
        """Everything that ``other`` holds becomes part of this."""
        self.start_ns, self.last_ns = min(self.start_ns, other.start_ns), max(self.last_ns, other.last_ns)
        self.heard_ns = max(self.heard_ns, other.heard_ns)
        for name in ("hosts", "services", "signals", "templates"):
            mine, limit = (
                getattr(self, name),
                {"signals": max_signals, "templates": MAX_TEMPLATES}.get(name),
            )
            for key, value in getattr(other, name).items():
                if key in mine or limit is None or len(mine) < limit:
                    mine[key] = max(value, mine.get(key, value))
        self.marks = dict(list({**other.marks, **self.marks}.items())[:MAX_TEMPLATES])
        for what, found in other.best.items():
            if found[1] > self.best.get(what, ("", -1.0))[1]:
                self.best[what] = found
        for kind, lead in other.leads.items():
            if kind not in self.leads or lead["score"] > self.leads[kind]["score"]:
                self.leads[kind] = lead
        self.phrases = list(dict.fromkeys([*self.phrases, *other.phrases]))[:MAX_PHRASES]


def phrases(signal: Signal) -> set[str]:
    """Word triples of an error's text; empty for other kinds. Numbers, names in brackets and case do not count."""
    if signal.kind not in ("log.severity", "log.new"):
        return set()
    found = _QUOTED.search(signal.text)
    words = [word.lower() for word in _WORDS.findall(found.group(1) if found else signal.text)]
    return {" ".join(words[n : n + 3]) for n in range(len(words) - 2)}


def read_group(body: dict[str, Any]) -> Group:
    """As it was saved; an older logsense kept less."""
    body["best"] = {what: (kind, score) for what, (kind, score) in body["best"].items()}
    body["burst"] = {what: (kind, score) for what, (kind, score) in body.get("burst", {}).items()}
    body["marks"] = {name: (what, kind, score) for name, (what, kind, score) in body.get("marks", {}).items()}
    return Group(**body)
