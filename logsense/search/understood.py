"""What a question was understood as."""

from __future__ import annotations

from dataclasses import dataclass, field

from logsense.record import Query


@dataclass(frozen=True, slots=True)
class Catalog:
    """What the index holds; names in questions are checked against it, never guessed."""

    hosts: list[str] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    levels: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chip:
    """One understood part: ``what`` kind it is, the words that ``said`` it, what it ``means`` in the query.

    ``what``: time, host, service, level, pipeline, template, field, identifier, phrase, exclude.
    """

    what: str
    said: str
    means: str


@dataclass(slots=True)
class Understood:
    """``query`` holds the filters and, in ``text``, the content words; ``topic`` is the question without its
    filters, for semantic search; ``identifiers`` are the phrases that were recognised rather than quoted."""

    query: Query
    topic: str
    chips: list[Chip] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    identifiers: list[str] = field(default_factory=list)
