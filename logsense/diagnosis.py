"""Where the index and the root-cause ranking meet: the same way for incidents and for any stretch of time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from logsense.incidents import Estates
from logsense.record import Hypothesis, Incident, Sentence
from logsense.rootcause import (
    RootcauseOptions,
    as_text,
    gather,
    gather_incident,
    gather_requests,
    rank,
    summarise,
    title,
)
from logsense.stages import Index


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What may have gone wrong in a stretch of time; ``text`` is the summary for reading."""

    hypotheses: list[Hypothesis]
    sentences: list[Sentence]
    not_examined: list[str]
    text: str


def explain(
    index: Index,
    incident: Incident,
    *,
    calls: Iterable[tuple[str, str]] = (),
    addresses: Mapping[str, str] | None = None,
    options: RootcauseOptions | None = None,
) -> Incident:
    """A copy with hypotheses, summary and title.

    ``calls`` are learnt (caller host, called host) pairs, ``addresses`` maps addresses in lines to hosts.
    """
    evidence = gather_incident(index, incident, sorted(calls), options, addresses)
    hypotheses = rank(evidence, options)
    summary, absent = summarise(incident, hypotheses, evidence)
    return replace(
        incident, title=title(incident, hypotheses), hypotheses=hypotheses, summary=summary, not_examined=absent
    )


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
) -> Diagnosis:
    """Ranked hypotheses for ``from_ns <= t < to_ns`` over ``hosts``, or all that wrote lines then.

    Lines are compared with the ``normal`` periods, half-open, or with the time just before if none are given.
    """
    signals = index.signals(from_ns, to_ns)
    evidence = gather(index, from_ns, to_ns - 1, signals, hosts, sorted(calls), options, addresses, normal)
    compared = normal or [(evidence.before_ns, from_ns)]
    evidence = replace(evidence, requests=gather_requests(index, from_ns, to_ns - 1, compared, options))
    hypotheses = rank(evidence, options)
    sentences, absent = summarise(None, hypotheses, evidence)
    return Diagnosis(hypotheses, sentences, absent, as_text(sentences, evidence=True))


def learnt_estates(data: Path) -> Estates:
    """Which host calls which, as the worker has learnt it from the lines so far."""
    learnt = Estates()
    try:
        with closing(sqlite3.connect(f"file:{data / 'state.db'}?mode=ro", uri=True)) as db:
            learnt.load(db)
    except sqlite3.Error:
        return Estates()  # nothing was ingested yet
    return learnt
