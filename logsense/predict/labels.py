"""Failure labels: for every step of a host, does a failure begin within the horizon?

Failures come from people (``labels.json``, tickets) or are derived from the logs by one visible rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from logsense.predict.options import LabelOptions

SECOND = 1_000_000_000
UNUSED = -1


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure of one host. ``onset_ns`` is when its effect first showed.

    ``cause_ns``, where known, is when its cause began: before it nothing can point to the failure, so training
    leaves those steps out (evaluation never does). ``also`` are further hosts that it reached.
    """

    host: str
    kind: str
    onset_ns: int
    end_ns: int
    cause_ns: int | None = None
    id: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Labels:
    """Per step, shape (n,): ``y`` is 1 before an onset, 0 when quiet, ``UNUSED`` during a failure.

    ``onset`` is the index into the failures of the onset that a positive step precedes, else -1.
    ``knowable`` is False for positive steps that the failure's cause cannot show in.
    """

    y: NDArray[np.int8]
    onset: NDArray[np.int64]
    knowable: NDArray[np.bool_]


def label_steps(
    hosts: Sequence[str],
    at_ns: NDArray[np.int64],
    failures: Sequence[Failure],
    horizon_s: int,
    options: LabelOptions | None = None,
    step_s: int = 0,
) -> Labels:
    """Label steps given by host and time, both of shape (n,). A step at t is positive when t < onset <= t + horizon.

    A step is knowable when the cause had been at work for all of it (``step_s`` seconds before t).
    """
    options = options or LabelOptions()
    n = len(at_ns)
    y, onset = np.zeros(n, np.int8), np.full(n, -1, np.int64)
    knowable = np.ones(n, np.bool_)
    names = np.asarray(hosts, dtype=object)
    order = sorted(range(len(failures)), key=lambda i: failures[i].onset_ns, reverse=True)
    for i in order:  # the earliest onset after a step is written last and wins
        failure = failures[i]
        here = names == failure.host
        before = here & (at_ns < failure.onset_ns) & (at_ns >= failure.onset_ns - horizon_s * SECOND)
        y[before], onset[before] = 1, i
        knowable[before] = failure.cause_ns is None or at_ns[before] - step_s * SECOND >= failure.cause_ns
    for failure in failures:
        end = failure.end_ns + options.recovery_s * SECOND
        during = (names == failure.host) & (at_ns >= failure.onset_ns) & (at_ns < end)
        if failure.also:  # what other hosts show from the cause on is this failure, not one of their own
            start = failure.onset_ns if failure.cause_ns is None else failure.cause_ns
            during |= np.isin(names, failure.also) & (at_ns >= start) & (at_ns < end)
        y[during], onset[during] = UNUSED, -1
    return Labels(y, onset, knowable)


def merge_episodes(signs: Iterable[tuple[str, int, int, str]], merge_s: int) -> list[Failure]:
    """(host, start, end, kind) in time order per host: those less than ``merge_s`` apart are one failure, of the
    first one's kind."""
    found: dict[str, list[tuple[int, int, str]]] = {}
    for host, start, end, kind in signs:
        episodes = found.setdefault(host, [])
        if episodes and start - episodes[-1][1] < merge_s * SECOND:
            first, last, first_kind = episodes[-1]
            episodes[-1] = (first, max(last, end), first_kind)
        else:
            episodes.append((start, end, kind))
    return [
        Failure(host, kind, start, end, id=f"{host}-{start}")
        for host, episodes in sorted(found.items())
        for start, end, kind in episodes
    ]
