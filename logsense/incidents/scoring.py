"""Compare incidents with the labels of a recording: found, how fast, named right, and false ones in quiet time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from logsense.record import Hypothesis, Incident

SECOND = 1_000_000_000
AFTER_S = 60  # an incident that begins this long after the fault's end still counts as its


@dataclass(frozen=True, slots=True)
class Fault:
    """One labelled fault. ``also`` lists ``host/service`` places where its effects show."""

    id: str
    kind: str
    host: str
    service: str
    start_ns: int
    effect_ns: int
    end_ns: int
    also: tuple[str, ...] = ()
    cause: str = ""

    def hosts(self) -> set[str]:
        return {self.host, *(place.partition("/")[0] for place in self.also)} - {""}

    def services(self) -> set[str]:
        return {self.service, *(place.partition("/")[2] for place in self.also)} - {""}


@dataclass(slots=True)
class Score:
    """What became of one fault. Delays are seconds; None when it was not found. Ranks count from 1; 0 is "absent"."""

    fault: Fault
    incidents: list[str] = field(default_factory=list)
    delay_start_s: float | None = None
    delay_effect_s: float | None = None
    place_right: bool = False
    kind_rank: int = 0
    cause_rank: int = 0  # kind, host and (if both state one) service right
    first_named: str = ""

    @property
    def found(self) -> bool:
        return bool(self.incidents)

    @property
    def exactly_one(self) -> bool:
        return len(self.incidents) == 1


@dataclass(slots=True)
class Report:
    """Scores of all faults, incidents that lie wholly in quiet time, and how much quiet time there was."""

    scores: list[Score]
    false_incidents: list[str]
    quiet_s: float

    def figures(self) -> dict[str, float]:
        """Shares over the faults; ``false_per_hour`` over the quiet time; delays are medians over found faults."""
        count = max(len(self.scores), 1)
        delays = sorted(s.delay_start_s for s in self.scores if s.delay_start_s is not None)
        effects = sorted(s.delay_effect_s for s in self.scores if s.delay_effect_s is not None)
        return {
            "faults": len(self.scores),
            "found": sum(s.found for s in self.scores) / count,
            "exactly_one": sum(s.exactly_one for s in self.scores) / count,
            "place_right": sum(s.place_right for s in self.scores) / count,
            "kind_first": sum(s.kind_rank == 1 for s in self.scores) / count,
            "kind_in_three": sum(1 <= s.kind_rank <= 3 for s in self.scores) / count,
            "cause_first": sum(s.cause_rank == 1 for s in self.scores) / count,
            "cause_in_three": sum(1 <= s.cause_rank <= 3 for s in self.scores) / count,
            "median_delay_start_s": delays[len(delays) // 2] if delays else -1.0,
            "median_delay_effect_s": effects[len(effects) // 2] if effects else -1.0,
            "false_incidents": len(self.false_incidents),
            "false_per_hour": len(self.false_incidents) * 3600 / self.quiet_s if self.quiet_s else 0.0,
        }


def read_labels(labels: Mapping[str, Any]) -> tuple[list[Fault], list[tuple[int, int]]]:
    """Faults and quiet intervals of a ``labels.json`` (times are RFC 3339 with ``Z``)."""
    faults = [
        Fault(
            id=one["id"], kind=one["kind"], host=one["host"], service=one.get("service", ""),
            start_ns=_ns(one["start"]), effect_ns=_ns(one.get("effect") or one["start"]), end_ns=_ns(one["end"]),
            also=tuple(one.get("also", ())), cause=one.get("cause", ""),
        )
        for one in labels.get("faults", ())
    ]  # fmt: skip
    return faults, [(_ns(one["start"]), _ns(one["end"])) for one in labels.get("quiet", ())]


def score(
    incidents: Sequence[Incident],
    faults: Sequence[Fault],
    quiet: Iterable[tuple[int, int]] = (),
    opened_ns: Callable[[str], int] | None = None,
) -> Report:
    """Match incidents to faults by time; an incident belongs to the fault that it overlaps the longest.

    ``opened_ns`` gives the event time at which an incident was opened (delays); without it delays are counted
    to its first signal's start, which is optimistic by up to a window.
    """
    owner: dict[str, str] = {}
    for incident in incidents:
        begin, end = incident.start_ns, incident.end_ns or incident.last_ns
        spans = [
            (min(end, fault.end_ns + AFTER_S * SECOND) - max(begin, fault.start_ns), fault.id)
            for fault in faults
            if begin <= fault.end_ns + AFTER_S * SECOND and end >= fault.start_ns
        ]
        if spans:
            owner[incident.id] = max(spans)[1]
    scores = [_one(fault, [i for i in incidents if owner.get(i.id) == fault.id], opened_ns) for fault in faults]
    periods = list(quiet)
    false = [i.id for i in incidents if i.id not in owner]
    return Report(scores, false, sum(end - begin for begin, end in periods) / SECOND)


def _one(fault: Fault, mine: list[Incident], opened_ns: Callable[[str], int] | None) -> Score:
    result = Score(fault, [i.id for i in mine])
    if not mine:
        return result
    first = min(mine, key=lambda i: (opened_ns(i.id) if opened_ns else i.start_ns, i.id))
    opened = (opened_ns(first.id) if opened_ns else 0) or first.start_ns
    result.delay_start_s = (opened - fault.start_ns) / SECOND
    result.delay_effect_s = (opened - fault.effect_ns) / SECOND
    best = max(mine, key=lambda i: (i.score, i.id))
    result.place_right = any(
        fault.host in i.hosts and (not i.services or not fault.service or bool(fault.services() & set(i.services)))
        for i in mine
    )
    result.kind_rank = _rank(best.hypotheses, lambda h: h.kind == fault.kind)
    result.cause_rank = _rank(best.hypotheses, lambda h: h.kind == fault.kind and h.host == fault.host)
    result.first_named = f"{best.hypotheses[0].kind}@{best.hypotheses[0].host}" if best.hypotheses else ""
    return result


def _rank(hypotheses: Sequence[Hypothesis], right: Callable[[Hypothesis], bool]) -> int:
    return next((number for number, one in enumerate(hypotheses, 1) if right(one)), 0)


def _ns(text: str) -> int:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(moment.timestamp()) * SECOND + moment.microsecond * 1000
