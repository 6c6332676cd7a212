"""What the ranking looks at. Plain data: whoever calls it decides where the data comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from logsense.record import Signal
from logsense.rootcause.requests import SECOND, Requests

__all__ = ["SECOND", "Evidence", "SeriesExcerpt", "TemplateCount"]


@dataclass(frozen=True, slots=True)
class TemplateCount:
    """One message type at one place: lines in the time before and during, and where to see them.

    ``samples`` are (line id, text) of lines during the incident, the earliest first; ``peers`` the most frequent
    addresses in them with their number of lines.
    """

    id: str
    text: str
    host: str
    service: str
    level: str = ""
    before: int = 0
    during: int = 0
    first_ns: int = 0
    samples: Sequence[tuple[str, str]] = ()
    peers: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, slots=True)
class SeriesExcerpt:
    """One metric series from ``before_ns`` to ``end_ns``: (time, value) in time order."""

    host: str
    name: str
    points: Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything known about one stretch of time.

    ``before_ns`` … ``start_ns`` is the normal time it is compared with, for lines the ``normal`` periods where any are
    given. ``calls`` are (caller host, called host); ``requests`` are lines that state the request they belong to.
    ``services`` lists the services of each host; ``addresses`` maps addresses to hosts.
    ``absent`` names what was not available ("metrics of db1"); ``incident`` says that it is about one.
    """

    start_ns: int
    end_ns: int
    before_ns: int
    signals: Sequence[Signal] = ()
    templates: Sequence[TemplateCount] = ()
    series: Sequence[SeriesExcerpt] = ()
    hosts: Sequence[str] = ()
    services: Mapping[str, Sequence[str]] = field(default_factory=dict)
    calls: Sequence[tuple[str, str]] = ()
    absent: Sequence[str] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    normal: Sequence[tuple[int, int]] = ()
    requests: Requests | None = None
    incident: bool = False

    @property
    def alarmed(self) -> bool:
        """Whether anything says that something is wrong; without it the first question is whether at all."""
        return self.incident or bool(self.signals)

    def during_s(self) -> float:
        return max((self.end_ns - self.start_ns) / SECOND, 1.0)

    def before_s(self) -> float:
        """Seconds of normal time that lines were counted in."""
        if self.normal:
            return max(sum(to - since for since, to in self.normal) / SECOND, 1.0)
        return max((self.start_ns - self.before_ns) / SECOND, 1.0)

    def excess(self, template: TemplateCount) -> float:
        """How many times more often than before; one unseen line before is given for free."""
        usual = (template.before + 0.5) / self.before_s() * self.during_s()
        return template.during / max(usual, 0.05)
