"""Which services stopped writing: all through the incident, or for a stretch of it in which they would have written.

An incident is dated to a detection window, so lines of just before a crash and of after the restart fall into it. How
much a service would have written is told by the others: what it usually writes for each of their lines, times their
lines in the stretch. No rate is needed, so a busy hour is no silence of the next one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from itertools import pairwise

from logsense.rootcause.requests import Place, Requests

#: Lines that it would have written: by chance none comes once in half a billion stretches.
EXPECTED = 20


def silent_places(requests: Requests) -> set[Place]:
    """Services of normal times that wrote nothing, or nothing for a stretch in which much was to be expected."""
    usual = Counter(line.place for line in requests.normal)
    if not requests.during:
        return set()
    every = [line.at_ns for line in requests.during]
    times: dict[Place, list[int]] = {}
    for line in requests.during:
        times.setdefault(line.place, []).append(line.at_ns)
    found = set()
    for place, count in usual.items():
        mine = times.get(place)
        if mine is None:
            found.add(place)
            continue
        edges = [every[0], *mine, every[-1]]
        for begin, end in pairwise(edges):
            between = bisect_left(every, end) - bisect_right(every, begin)  # all of them are others': it wrote none
            if between * count >= EXPECTED * max(len(requests.normal) - count, 1):
                found.add(place)
                break
    return found
