"""Which failures a model is trained and judged on: those that people reported, the incidents that they judged, and
those that follow from the logs by one rule. The rule is ``[labels]``; ``rule`` says it in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from logsense.failures import FailureLog, FailureReport
from logsense.incidents import effective
from logsense.predict.labels import Failure, merge_episodes
from logsense.predict.options import LabelOptions
from logsense.record import LEVEL_RANK, LEVELS, Incident, Query
from logsense.stages import Index
from logsense.timefmt import SECOND, iso

REPORTED, JUDGED, DERIVED = "reported", "judged", "derived"
#: Below this many labelled failures probabilities are not calibrated, and say so.
ENOUGH = 20
#: Steps in which severe lines are counted, as the detectors' windows are.
_STEP_NS = 10 * SECOND
_MOST_HOSTS = 10_000
_MOST_INCIDENTS = 10_000


@dataclass(frozen=True, slots=True)
class Label:
    """A failure and where the knowledge of it comes from: ``reported``, ``judged`` (an incident) or ``derived``."""

    failure: Failure
    source: str
    service: str = ""

    def to_dict(self) -> dict[str, Any]:
        f = self.failure
        return {
            "id": f.id, "host": f.host, "service": self.service, "kind": f.kind, "start": iso(f.onset_ns),
            "end": iso(f.end_ns), "source": self.source,
        }  # fmt: skip


def rule(options: LabelOptions) -> list[str]:
    """What counts as a failure, in sentences for people."""
    return [
        "Every failure that was reported counts, from its start to its end (an hour where the end is not known).",
        "An incident counts that people judged with right_cause or wrong_cause; one that they judged noise never does, "
        "nor does what the logs say meanwhile on its hosts.",
        f"From the logs a failure of a host follows when it writes lines of level {options.failure_level} or worse, or "
        f"has a signal {' or '.join(options.failure_signals) or '(none)'}; such times less than {options.merge_s} s "
        "apart are one failure.",
        f"Where two of these say the same (less than {options.merge_s} s apart on one host), the report goes before "
        "the judged incident, and that before the logs.",
        f"{options.recovery_s} s after a failure belong to it: they are no quiet time.",
        f"With fewer than {ENOUGH} failures to learn from, a forecast says that it is not calibrated.",
    ]


def labels(
    index: Index, data: Path, options: LabelOptions, from_ns: int | None = None, to_ns: int | None = None
) -> list[Label]:
    """All failures that begin in the span, by time. Reads the index; nothing is stored."""
    span = index.time_range()
    from_ns = from_ns if from_ns is not None else (span[0] if span else 0)
    to_ns = to_ns if to_ns is not None else (span[1] + 1 if span else 0)
    reports = FailureLog(data).all(from_ns, to_ns)
    known = [Label(_reported(report), REPORTED, report.service) for report in reports]
    verdicts = [(i, v) for i in index.incidents(from_ns, to_ns, limit=_MOST_INCIDENTS) if (v := verdict(i))]
    noise = [i for i, v in verdicts if v == "noise"]
    derived = [f for f in _derived(index, options, from_ns, to_ns) if not any(_within(f, i) for i in noise)]
    confirmed = [_judged(i, derived) for i, v in verdicts if v != "noise" and i.hosts and not i.merged_into]
    for failures, source in ((confirmed, JUDGED), (derived, DERIVED)):
        earlier = [label.failure for label in known]
        known += [Label(f, source) for f in failures if not any(_same(f, other, options.merge_s) for other in earlier)]
    return sorted(known, key=lambda label: (label.failure.onset_ns, label.failure.host))


def counts(found: Iterable[Label]) -> dict[str, int]:
    """Failures by source."""
    number = Counter(label.source for label in found)
    return {source: number[source] for source in (REPORTED, JUDGED, DERIVED)}


def verdict(incident: Incident) -> str:
    """The newest verdict of people, '' where there is none."""
    given = [a.verdict for a in sorted(incident.actions, key=lambda a: a.at_ns) if a.kind == "feedback"]
    return given[-1] if given else ""


def _reported(report: FailureReport) -> Failure:
    end = report.end_ns or report.start_ns + 3600 * SECOND
    return Failure(report.host, report.kind or "failure", report.start_ns, end, report.cause_ns or None, report.id)


def _judged(incident: Incident, derived: Sequence[Failure]) -> Failure:
    """A failure of the host where the cause is; its onset is when the logs first said so, if they did.

    An incident begins with its first sign, which may come long before anything failed: taking that for the onset
    would teach the model to announce signs.
    """
    shown = effective(incident)
    place = incident.hypotheses[0].host if incident.hypotheses else ""
    host = place if place in incident.hosts else incident.hosts[0]
    end = max(shown.end_ns or incident.last_ns, incident.start_ns + SECOND)
    first = next((f for f in derived if f.host == host and incident.start_ns <= f.onset_ns <= end), None)
    onset = first.onset_ns if first else incident.start_ns
    others = tuple(sorted(set(incident.hosts) - {host}))
    return Failure(
        host, first.kind if first else "incident", onset, max(end, onset + SECOND), id=incident.id, also=others
    )


def _derived(index: Index, options: LabelOptions, from_ns: int, to_ns: int) -> list[Failure]:
    """By the rule, of what the index holds: signals, and steps with severe lines."""
    signs = [
        (s.host, s.start_ns, s.end_ns, s.kind)
        for s in index.signals(from_ns, to_ns)
        if s.kind in options.failure_signals and s.host
    ]
    for level in LEVELS[LEVEL_RANK[options.failure_level] :]:
        severe = Query(levels=[level], from_ns=from_ns, to_ns=to_ns)
        for host, _ in index.terms(severe, "host", _MOST_HOSTS):
            if host:
                steps = index.histogram(replace(severe, hosts=[host]), _STEP_NS)
                signs += [(host, at, at + _STEP_NS, level) for at, count in steps if count]
    return merge_episodes(sorted(signs, key=lambda sign: sign[:3]), options.merge_s)


def _same(one: Failure, other: Failure, merge_s: int) -> bool:
    if one.host != other.host and one.host not in other.also:
        return False
    slack = merge_s * SECOND
    return one.onset_ns < other.end_ns + slack and other.onset_ns < one.end_ns + slack


def _within(failure: Failure, incident: Incident) -> bool:
    end = max(effective(incident).end_ns, incident.last_ns)
    return failure.host in incident.hosts and incident.start_ns <= failure.onset_ns <= end
