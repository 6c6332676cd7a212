"""Where the index and the root-cause ranking meet: the same way for incidents and for any stretch of time."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from logsense.incidents import Estates, SilenceOptions, Silences, experience
from logsense.record import Hypothesis, Incident, Sentence
from logsense.rootcause import (
    RequestLines,
    RootcauseOptions,
    as_text,
    gather,
    gather_incident,
    gather_requests,
    is_clear,
    just_before,
    rank,
    summarise,
    title,
    uncollected,
)
from logsense.stages import Index

#: Roles of the sentences that stand first.
PARAGRAPH = ("headline", "impact", "cause")
#: How alike two sets of template ids are in meaning, 0…1.
Similarity = Callable[[Sequence[str], Sequence[str]], float]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What may have gone wrong in a stretch of time; ``text`` is the summary for reading."""

    hypotheses: list[Hypothesis]
    sentences: list[Sentence]
    not_examined: list[str]
    text: str


@uncollected()
def explain(
    index: Index,
    incident: Incident,
    *,
    calls: Iterable[tuple[str, str]] = (),
    addresses: Mapping[str, str] | None = None,
    options: RootcauseOptions | None = None,
    earlier: Sequence[Incident] = (),
    similarity: Similarity | None = None,
    reader: RequestLines | None = None,
    trouble: Sequence[tuple[int, int]] = (),
) -> Incident:
    """A copy with hypotheses, summary and title; what people said of ``earlier`` incidents moves the hypotheses.

    ``calls`` are learnt (caller host, called host) pairs, ``addresses`` maps addresses in lines to hosts; a ``reader``
    that is kept saves reading the same minutes for each incident. ``trouble`` are times of other incidents, which are
    not what is normal.
    """
    evidence = gather_incident(index, incident, sorted(calls), options, addresses, reader, trouble)
    known = experience(incident, earlier, similarity)
    hypotheses = known.weigh(rank(evidence, options))
    summary, absent = summarise(incident, hypotheses, evidence)
    if before := next((one for one in earlier if one.id == incident.follows), None):
        at = next((n for n, sentence in enumerate(summary) if sentence.role not in PARAGRAPH), len(summary))
        summary.insert(at, just_before(before))
    if known.is_noise():
        incident, summary = replace(incident, severity="low"), [*summary, known.sentence()]
    return replace(
        incident, title=title(incident, hypotheses), hypotheses=hypotheses, summary=summary, not_examined=absent
    )


def apart(
    index: Index,
    old: Incident,
    new: Incident,
    *,
    calls: Iterable[tuple[str, str]] = (),
    addresses: Mapping[str, str] | None = None,
    options: RootcauseOptions | None = None,
    reader: RequestLines | None = None,
    trouble: Sequence[tuple[int, int]] = (),
) -> bool:
    """Whether ``new`` clearly has its cause at another place than ``old``.

    Both are explained as far as they are known now, and neither counts as normal for the other.
    """
    spans = [*trouble, (old.start_ns, old.last_ns)]
    there, here = (
        rank(gather_incident(index, one, sorted(calls), options, addresses, reader, others), options)
        for one, others in ((old, trouble), (new, spans))
    )
    return is_clear(there) and is_clear(here) and there[0].host != here[0].host


@uncollected()
def diagnose_range(
    index: Index,
    from_ns: int,
    to_ns: int,
    *,
    calls: Iterable[tuple[str, str]] = (),
    addresses: Mapping[str, str] | None = None,
    options: RootcauseOptions | None = None,
    normal: Sequence[tuple[int, int]] = (),
    hosts: Sequence[str] = (),
    reader: RequestLines | None = None,
) -> Diagnosis:
    """Ranked hypotheses for ``from_ns <= t < to_ns`` over ``hosts``, or all that wrote lines then.

    Lines are compared with the ``normal`` periods, half-open, or with the time just before if none are given.
    """
    signals = index.signals(from_ns, to_ns)
    evidence = gather(index, from_ns, to_ns - 1, signals, hosts, sorted(calls), options, addresses, normal)
    compared = normal or [(evidence.before_ns, from_ns)]
    evidence = replace(evidence, requests=gather_requests(index, from_ns, to_ns - 1, compared, options, reader))
    hypotheses = rank(evidence, options)
    sentences, absent = summarise(None, hypotheses, evidence)
    return Diagnosis(hypotheses, sentences, absent, as_text(sentences, evidence=True))


def learnt_estates(data: Path) -> Estates:
    """Which host calls which, as the worker has learnt it from the lines so far."""
    learnt = Estates()
    try:
        with closing(_state(data)) as db:
            learnt.load(db)
    except sqlite3.Error:
        return Estates()  # nothing was ingested yet
    return learnt


def silenced(data: Path, options: SilenceOptions, now_ns: int) -> list[tuple[str, Any, int, int]]:
    """(kind, rule, end in ns or 0, signals that it kept from people so far) of what is on at ``now_ns``."""
    silences = Silences(options)
    active = silences.active(now_ns)
    if active:
        with contextlib.suppress(sqlite3.Error), closing(_state(data)) as db:  # no worker has run yet
            silences.load(db)
    return [(kind, rule, end, silences.counts.get(rule.reason, 0)) for kind, rule, end in active]


def _state(data: Path) -> sqlite3.Connection:
    """What the worker keeps, for reading."""
    return sqlite3.connect(f"file:{data / 'state.db'}?mode=ro", uri=True)
