"""What every index implementation shares: stored rows, exact-match keys, and the plan of a query.

Relevance is BM25 with k1 = 0 (Robertson & Zaragoza 2009, section 3.4.3): a line's score is the summed inverse
document frequency of the query words that it holds. In lines of one sentence, a repeated word or a longer
line says nothing about relevance, and term presence makes scores exact, so that ties are real ties and go to
the newer line, pages never overlap, and implementations agree. Scores are whole numbers of 1/``SCALE``.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from typing import Any, TypeVar

import orjson

from logsense.index.text import inflections, units, words
from logsense.record import LogRecord, Query

DAY_NS = 86_400 * 1_000_000_000

#: Score of a line that holds every word of the query; small enough that float32 adds whole numbers exactly.
SCALE = 10_000
#: Words of a query beyond this many add cost, not meaning; the rarest are kept.
MAX_UNITS = 12
#: Templates of the semantic part that are ranked apart; lines of later ones share the last rank.
MAX_RANKS = 200
#: Exact-match values are cut here, in the index and in the query alike.
MAX_KEY = 256
#: Further fields of one line that can be filtered on.
MAX_FACTS = 64

#: Spellings of a severity that people and programs use.
LEVEL_NAMES = {
    "warn": "warning",
    "err": "error",
    "fatal": "critical",
    "crit": "critical",
    "panic": "emergency",
    "emerg": "emergency",
    "information": "info",
    "informational": "info",
    "severe": "error",
    "fine": "debug",
    "verbose": "trace",
}

#: Fields that ``Index.terms`` counts.
TERM_FIELDS = ("host", "service", "level", "template_id", "pipeline")

T = TypeVar("T")


@lru_cache(maxsize=256)
def level_name(level: str) -> str:
    """The canonical name of a severity, or the lower-cased text where it is none."""
    name = level.strip().lower()
    return LEVEL_NAMES.get(name, name)


# --- rows: how a record is kept ---------------------------------------------------------------


def to_json(value: Any) -> bytes:
    """JSON of any content: what JSON cannot hold (lone surrogates, odd keys, huge numbers) is made to fit."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except (TypeError, ValueError):
        return orjson.dumps(_plain(value))


def _plain(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if depth > 50:
        return str(type(value))
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), depth + 1) for field in fields(value)}
    if isinstance(value, Mapping):
        return {clean(str(key)): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    return clean(str(value))


def clean(text: str) -> str:
    """``text`` as valid Unicode: lone surrogates become ``?``."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def from_dict(kind: type[T], data: Mapping[str, Any], nested: Mapping[str, type] | None = None) -> T:
    """The dataclass ``kind`` from stored JSON. Unknown keys (a newer writer's) are ignored."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    values = {key: value for key, value in data.items() if key in known}
    for name, inner in (nested or {}).items():
        if name in values:
            values[name] = [from_dict(inner, item) for item in values[name]]
    return kind(**values)


#: A record as a tuple in the order of ``LogRecord``'s fields.
Row = tuple[Any, ...]
#: Columns of a row that rise slowly, so that differences are kept: ``timestamp_ns`` and ``ingested_ns``.
DIFFERENCE_COLUMNS = (1, 4)


def pack(record: LogRecord, max_message: int) -> Row:
    """The row to store. A message longer than ``max_message`` characters is cut, and the row says so.

    An original that holds the message is kept as what stands before and after it.
    """
    fields_ = record.fields
    message, original = record.message, record.original
    around: str | tuple[str, str] | None = original
    if original is not None:
        if len(message) > max_message or len(original) > max_message:
            fields_ = {**fields_, "logsense.truncated": max(len(message), len(original))}
            message, original = message[:max_message], original[:max_message]
        at = original.find(message) if message else -1
        around = (original[:at], original[at + len(message) :]) if at >= 0 else original
    elif len(message) > max_message:
        fields_ = {**fields_, "logsense.truncated": len(message)}
        message = message[:max_message]
    return (
        record.id,
        record.timestamp_ns,
        message,
        record.source,
        record.ingested_ns,
        record.host,
        record.service,
        record.level,
        record.pipeline,
        around,
        record.outcome,
        record.template_id,
        list(record.parameters),  # copies: the caller may go on changing the record
        dict(fields_),
    )


def unpack(row: Row) -> LogRecord:
    """The record of one stored row; it shares nothing with the row."""
    record = LogRecord(*row)
    record.parameters, record.fields = list(record.parameters), dict(record.fields)
    if record.original is not None and not isinstance(record.original, str):
        before, after = record.original
        record.original = f"{before}{record.message}{after}"
    return record


def key(value: str) -> str:
    """An exact-match value as both index and query cut it."""
    return value if value.isascii() and len(value) <= MAX_KEY else clean(value)[:MAX_KEY]


def id_key(log_id: str) -> str:
    """The exact-match form of a line id; long ones are told apart by their digest."""
    if len(log_id) <= MAX_KEY:
        return log_id if log_id.isascii() else clean(log_id)
    log_id = clean(log_id)
    return f"{log_id[:128]}#{hashlib.sha256(log_id.encode()).hexdigest()}"


def is_digest(item: str) -> bool:
    """Whether ``id_key`` may have made this of a longer id."""
    return len(item) == 128 + 1 + 64 and item[128] == "#"


def fact(name: str, value: Any) -> str:
    """The exact-match key of one further ECS field."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    return key(f"{name}={value}")


def facts(fields_: Mapping[str, Any]) -> list[str]:
    """The exact-match keys of a line's further fields; each element of a list is one."""
    found: list[str] = []
    for name, value in fields_.items():
        kind = value.__class__
        if kind is str or kind is int:  # nearly all; what follows says the same in general
            text = f"{name}={value}"
            if len(text) <= MAX_KEY and text.isascii():
                found.append(text)
            elif kind is int or len(value) <= MAX_KEY:
                found.append(fact(name, value))
        elif isinstance(value, (str, int, float)):
            if not isinstance(value, str) or len(value) <= MAX_KEY:
                found.append(fact(name, value))
        elif isinstance(value, (list, tuple)):
            found += [fact(name, item) for item in value[:MAX_FACTS] if isinstance(item, (str, int, float))]
        if len(found) >= MAX_FACTS:
            break
    return found[:MAX_FACTS]


# --- plans: what a query asks, apart from how an engine is asked ------------------------------


@dataclass(slots=True)
class Unit:
    """One thing to look for: any of ``forms`` (each a run of adjacent words) or any line of ``templates``.

    ``weight`` is the unit's share of ``SCALE``.
    """

    forms: list[tuple[str, ...]]
    templates: list[str]
    weight: int = 0


@dataclass(slots=True)
class Plan:
    """A normalised query. ``ranks`` are the semantic templates, best first, each with its aliases.

    A line matches when it holds at least ``required`` of the ``units`` or is of a template in ``ranks``
    (without either, always) and satisfies every filter.
    """

    units: list[Unit]
    required: int
    ranks: list[list[str]]
    phrases: list[tuple[str, ...]]
    excludes: list[Unit]
    hosts: list[str]
    services: list[str]
    levels: list[str]
    pipelines: list[str]
    facts: list[str]
    from_ns: int | None
    to_ns: int | None
    impossible: bool = False

    @property
    def scored(self) -> bool:
        """Whether matching lines can differ in score; if not, newest first is the order."""
        return len(self.ranks) > 1 or bool(self.units and (self.ranks or self.required < len(self.units)))

    @property
    def top_score(self) -> int:
        """Of a line that holds every unit and is of the best template."""
        return sum(unit.weight for unit in self.units) + (self.rank_score(0) if self.ranks else 0)

    @property
    def everything(self) -> bool:
        """Whether every line of every time matches."""
        conditions = (self.units, self.ranks, self.phrases, self.excludes, self.hosts, self.services, self.levels)
        further = (self.pipelines, self.facts, self.impossible, self.from_ns is not None, self.to_ns is not None)
        return not any(conditions) and not any(further)

    def rank_score(self, rank: int) -> int:
        """From ``SCALE`` for the best template down to half of it for the last."""
        return SCALE - round(SCALE / 2 * rank / max(1, len(self.ranks)))


def required_units(count: int) -> int:
    """How many of ``count`` words a line must hold: all of two, three quarters of more (rounded up)."""
    return count if count <= 2 else math.ceil(0.75 * count)


def plan(
    query: Query,
    *,
    expand: Callable[[str], Sequence[str]] = lambda template_id: [template_id],
    templates_with: Callable[[Iterable[str]], Sequence[str]] = lambda forms: (),
    frequency: Callable[[tuple[str, ...]], int] = lambda form: 0,
    total: int = 0,
) -> Plan:
    """Normalise ``query``.

    ``expand`` gives a template id with its aliases; ``templates_with`` the templates whose keywords or
    identifier parts hold one of the words; ``frequency`` how many of the ``total`` lines hold a form.
    """
    weighed: list[tuple[float, int, Unit]] = []
    for order, unit in enumerate(units(query.text)):
        found = _unit(unit, templates_with)
        seen = min(total, sum(frequency(form) for form in found.forms))
        weighed.append((math.log(1 + (total - seen + 0.5) / (seen + 0.5)), order, found))
    weighed = sorted(sorted(weighed, key=lambda item: (-item[0], item[1]))[:MAX_UNITS], key=lambda item: item[1])
    whole = sum(idf for idf, _, _ in weighed) or 1.0
    for idf, _, found in weighed:
        found.weight = max(1, round(SCALE * idf / whole))
    ranks: list[list[str]] = []
    seen_ids: set[str] = set()
    for template_id in query.template_ids:
        family = [key(item) for item in expand(template_id) if item not in seen_ids]
        seen_ids.update(family)
        if family and len(ranks) < MAX_RANKS:
            ranks.append(family)
        elif family:
            ranks[-1].extend(family)
    phrases = [tuple(words(phrase)) for phrase in query.phrases]
    asked = bool(query.text.strip()) and not weighed and not ranks
    return Plan(
        units=[found for _, _, found in weighed],
        required=required_units(len(weighed)),
        ranks=ranks,
        phrases=[phrase for phrase in phrases if phrase],
        excludes=[_unit(tuple(words(text)), templates_with) for text in query.exclude if words(text)],
        hosts=[key(host) for host in query.hosts],
        services=[key(service) for service in query.services],
        levels=[level_name(level) for level in query.levels],
        pipelines=[key(pipeline) for pipeline in query.pipelines],
        facts=[fact(name, value) for name, value in query.fields.items()],
        from_ns=query.from_ns,
        to_ns=query.to_ns,
        # text of punctuation alone, and a phrase without a word, can match nothing
        impossible=asked or len([p for p in phrases if p]) < len(query.phrases),
    )


def _unit(tokens: tuple[str, ...], templates_with: Callable[[Iterable[str]], Sequence[str]]) -> Unit:
    if len(tokens) > 1:
        return Unit([tokens], [])
    forms = inflections(tokens[0])
    return Unit([(form,) for form in forms], list(templates_with(forms)))


def combinations(parts: Plan, score: int) -> list[tuple[int | None, frozenset[int]]]:
    """Which (template rank or None, units held) give exactly ``score``.

    An empty set beside units means "fewer units than required". Used to fetch the lines of one score,
    newest first.
    """
    count = len(parts.units)
    sums: dict[int, list[frozenset[int]]] = {} if count else {0: [frozenset()]}
    for size in range(max(1, parts.required), count + 1):
        for held in itertools.combinations(range(count), size):
            sums.setdefault(sum(parts.units[at].weight for at in held), []).append(frozenset(held))
    found: list[tuple[int | None, frozenset[int]]] = []
    if count or not parts.ranks:
        found.extend((None, held) for held in sums.get(score, ()))
    for rank in range(len(parts.ranks)):
        rest = score - parts.rank_score(rank)
        found.extend((rank, held) for held in sums.get(rest, ()))
        if count and rest == 0:
            found.append((rank, frozenset()))
    return found
