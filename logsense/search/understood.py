"""What a question was understood as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from logsense.record import Query
from logsense.search.asking import Aggregate


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened once and that people date other things by: the last deploy, a restart, an incident."""

    at_ns: int
    what: str
    until_ns: int | None = None
    template_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the index holds; names in questions are checked against it, never guessed.

    ``holds(field, value)`` says whether any line has that field; ``moment(kind, before_ns)`` finds the last event of a
    kind ("deploy", "restart" … or an incident id). Either may be absent: then such words stay words.
    """

    hosts: list[str] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    levels: list[str] = field(default_factory=list)
    loggers: list[str] = field(default_factory=list)
    holds: Callable[[str, str], bool] | None = None
    moment: Callable[[str, int], Moment | None] | None = None


@dataclass(frozen=True, slots=True)
class Chip:
    """One understood part: ``what`` kind it is, the words that ``said`` it, what it ``means`` in the query.

    ``what``: time, host, service, component, level, pipeline, template, incident, field, identifier, phrase, exclude,
    answer, language, words. ``syntax`` is the same in the query syntax, "" where a part has none: removing or
    changing it there changes the query.
    """

    what: str
    said: str
    means: str
    syntax: str = ""


@dataclass(slots=True)
class Understood:
    """``query`` holds the filters and, in ``text``, the content words; ``topic`` is the question without its
    filters, for semantic search; ``identifiers`` are the phrases that were recognised rather than quoted;
    ``aggregate`` is set when the answer is not lines; ``translated``: the words were another language's, so they are
    near what lines say but need not stand there."""

    query: Query
    topic: str
    chips: list[Chip] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    identifiers: list[str] = field(default_factory=list)
    aggregate: Aggregate | None = None
    translated: bool = False
