"""Finding templates and incidents by their words: what both indices share, and the postings of the embedded one.

Relevance is that of lines (``base``): BM25 with k1 = 0, so a thing's score is the summed inverse document frequency of
the words of the question that it holds, in whole numbers, so that both indices give equal scores and the same order.
Unlike lines, any word may be missing: the best ten of a few thousand are wanted, not all that match.
"""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from logsense.index.base import MAX_UNITS, SCALE
from logsense.index.text import camel_parts, contains, inflections, units, words
from logsense.record import Incident, Query, Template

#: Words of one question that are looked up; the rarest ``MAX_UNITS`` of them count.
MAX_ASKED = 40
#: Characters of one thing that become words.
MAX_CHARS = 20_000
#: How long a reader may use what an earlier part of the same question found out.
RECENT_S = 0.5

#: One thing to look for: any of these runs of adjacent words.
Forms = list[tuple[str, ...]]


def template_words(template: Template) -> list[str]:
    """What a template is found by: its text, the parts of its identifiers, its keywords and its name."""
    said = " ".join([template.text, template.label, *map(str, template.keywords)])[:MAX_CHARS]
    return [*words(said), *camel_parts(template.text[:MAX_CHARS])]


def said(template: Template) -> list[Any]:
    """What readers keep of a template; a change of it changes the counter of ``templates``."""
    return [template.text, template.alias_of, list(template.keywords), template.label, template.level]


def incident_words(incident: Incident) -> list[str]:
    """What an incident is found by: its title, causes and summary, and where it is."""
    causes = [text for cause in incident.hypotheses[:3] for text in (cause.title, cause.why)]
    told = [sentence.text for sentence in incident.summary]
    return words(" ".join([incident.title, *incident.hosts, *incident.services, *causes, *told])[:MAX_CHARS])


def asked(text: str) -> list[Forms]:
    """What a question looks for, each in its inflections."""
    found = units(text[:MAX_CHARS])[:MAX_ASKED]
    return [[unit] if len(unit) > 1 else [(form,) for form in inflections(unit[0])] for unit in found]


def weigh(frequencies: Sequence[int], total: int) -> list[tuple[int, int]]:
    """(position, weight) of the rarest words that anything holds; ``frequencies`` are how many of ``total`` hold each.

    Weights are shares of ``SCALE`` of the whole question's inverse document frequency, those of absent words included:
    what holds all of a question scores ``SCALE``, what holds the only known word of five little.
    """
    idf = [math.log(1 + (total - min(n, total) + 0.5) / (min(n, total) + 0.5)) for n in frequencies]
    rarest = sorted(range(len(idf)), key=lambda at: (-idf[at], at))[:MAX_UNITS]
    whole = sum(idf[at] for at in rarest) or 1.0
    return [(at, max(1, round(SCALE * idf[at] / whole))) for at in sorted(rarest) if frequencies[at]]


def applies(incident: Incident, within: Query) -> bool:
    """Whether the filters of ``within`` that an incident can meet are met: time (overlap), hosts, services, pipelines
    and templates. Levels, fields and text are of lines and do not restrict incidents."""
    end = max(incident.last_ns, incident.end_ns, incident.start_ns)
    return (
        (within.to_ns is None or incident.start_ns < within.to_ns)
        and (within.from_ns is None or end >= within.from_ns)
        and (not within.hosts or bool(set(within.hosts) & set(incident.hosts)))
        and (not within.services or bool(set(within.services) & set(incident.services)))
        and (not within.pipelines or incident.pipeline in within.pipelines)
        and (not within.template_ids or bool(set(within.template_ids) & set(incident.template_ids)))
    )


def rarest(counts: Mapping[str, int], most: int, size: int) -> list[tuple[str, int]]:
    """Those of ``counts`` that are at most ``most``, rarest first, equals by name."""
    rare = ((count, name) for name, count in counts.items() if count <= most)
    return [(name, count) for count, name in heapq.nsmallest(max(0, size), rare)]


class Recent:
    """What ``ask`` says of the last query, for a moment: one question needs it several times."""

    def __init__(self, ask: Callable[[Query], Collection[str]]) -> None:
        self._ask = ask
        self._last: tuple[str, float, Collection[str]] | None = None

    def __call__(self, query: Query) -> Collection[str]:
        said, last = repr(query), self._last
        if last is None or last[0] != said or time.monotonic() > last[1]:
            last = self._last = said, time.monotonic() + RECENT_S, self._ask(query)
        return last[2]

    def forget(self) -> None:
        """The index has changed."""
        self._last = None


@dataclass(frozen=True, slots=True)
class _Held:
    """Words of every thing in their order, and the things that hold each word."""

    said: dict[str, list[str]]
    by_word: dict[str, set[str]]


class Postings:
    """The words of a few thousand things in memory, read again when ``counter`` says that they changed."""

    def __init__(self, counter: Callable[[], int], read: Callable[[], Iterable[tuple[str, list[str]]]]) -> None:
        self._counter, self._read = counter, read
        self._lock = threading.Lock()
        self._seen: int | None = None
        self._held = _Held({}, {})

    def _now(self) -> _Held:
        with self._lock:
            seen = self._counter()
            if seen != self._seen:
                said = dict(self._read())
                by_word: dict[str, set[str]] = {}
                for item, held in said.items():
                    for word in held:
                        by_word.setdefault(word, set()).add(item)
                self._held, self._seen = _Held(said, by_word), seen
            return self._held

    def match(self, text: str, k: int, among: Collection[str] | None = None) -> list[tuple[str, float]]:
        """(id, score) of the best ``k`` that hold a word of ``text``, equals by id; only of ``among`` where given."""
        now = self._now()
        holders = [self._holding(now, forms) for forms in asked(text)]
        scores: dict[str, int] = {}
        for at, weight in weigh([len(found) for found in holders], len(now.said)):
            for item in holders[at]:
                if among is None or item in among:
                    scores[item] = scores.get(item, 0) + weight
        best = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[: max(0, k)]
        return [(item, score / SCALE) for item, score in best]

    @staticmethod
    def _holding(now: _Held, forms: Forms) -> set[str]:
        found: set[str] = set()
        for form in forms:
            holding = set.intersection(*(now.by_word.get(word, set()) for word in form))
            found |= holding if len(form) == 1 else {item for item in holding if contains(now.said[item], form)}
        return found
