"""Load ``patterns.toml``: known failures as data. A pattern that does not find its own samples stops the start."""

from __future__ import annotations

import functools
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logsense.errors import BadConfig

TIERS = ("cause", "mechanism", "symptom")
PEERS = ("", "called", "caller", "hub")
DIRECTIONS = ("high", "low")
_PATTERN_KEYS = {"kind", "title", "title_zh", "tier", "owner", "explains", "why", "next", "text", "metric", "peer"}
_TEXT_KEYS = {"match", "decisive", "least", "owner", "samples", "counter_samples"}
_METRIC_KEYS = {"name", "direction", "level", "factor", "change", "decisive", "samples"}


@dataclass(frozen=True, slots=True)
class TextCue:
    """Words that tell this failure. A group ``service`` in the pattern names the service that failed.

    ``least`` lines are needed: one failed login is no attack. ``owner`` narrows the pattern's: these words
    come from that product, whoever repeats them.
    """

    match: re.Pattern[str]
    decisive: bool
    least: int
    owner: re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class MetricCue:
    """A metric that is unusually high or low, by ``factor`` and ``change`` against before, and beyond ``level``.

    ``change`` is absolute, in the metric's own unit: a latency that trebles to 2 ms is no trouble.
    """

    name: re.Pattern[str]
    direction: str
    level: float | None
    factor: float
    change: float
    decisive: bool


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of failure. ``tier`` tells how deep it lies; ``explains`` lists kinds that follow from it.

    ``owner`` matches the services that such a failure belongs to, so that a client's complaint is
    attributed to the server. ``peer`` says where else it may lie than where it shows: ``called`` (the host that
    the words complain about), ``caller`` (of two that show it the one that calls the other, a replica) or ``hub``
    (the one that all affected hosts talk to).
    """

    kind: str
    title: str
    title_zh: str
    tier: str
    owner: re.Pattern[str] | None
    explains: tuple[str, ...]
    why: str
    next: tuple[str, ...]
    texts: tuple[TextCue, ...]
    metrics: tuple[MetricCue, ...]
    peer: str = ""


def fill(text: str, host: str, service: str) -> str:
    """Put the place into a title or step. Not ``str.format``: steps hold shell and SQL with braces of their own."""
    return text.replace("{host}", host or "the host").replace("{service}", service or "the service")


@functools.cache
def known_patterns() -> tuple[Pattern, ...]:
    """The patterns that come with logsense."""
    return load_patterns(Path(__file__).with_name("patterns.toml"))


def load_patterns(path: Path) -> tuple[Pattern, ...]:
    """Read and check a pattern file. Raises ``BadConfig`` that names the file, the pattern and what to do."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfig("The failure patterns cannot be read.", why=str(error), where=str(path)) from error
    patterns = tuple(_pattern(body, path) for body in table.get("pattern", []))
    kinds = [pattern.kind for pattern in patterns]
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise _bad(path, kind, "is there twice", "merge the two")
    for pattern in patterns:
        for other in pattern.explains:
            if other not in kinds:
                raise _bad(
                    path, pattern.kind, f"explains {other!r}, which is no pattern", f"use one of {sorted(kinds)}"
                )
    return patterns


def _pattern(body: dict[str, Any], path: Path) -> Pattern:
    kind = str(body.get("kind", "?"))
    _keys(path, kind, body, _PATTERN_KEYS, needed={"kind", "title", "tier", "why", "next"})
    if body["tier"] not in TIERS:
        raise _bad(path, kind, f"has the tier {body['tier']!r}", f"use one of {', '.join(TIERS)}")
    if body.get("peer", "") not in PEERS:
        raise _bad(path, kind, f"has the peer {body['peer']!r}", "use called, caller, hub, or leave it out")
    texts = tuple(_text(cue, kind, path) for cue in body.get("text", []))
    metrics = tuple(_metric(cue, kind, path) for cue in body.get("metric", []))
    if not texts and not metrics:
        raise _bad(path, kind, "has no cue", "add [[pattern.text]] or [[pattern.metric]]")
    owner = _regex(path, kind, body["owner"]) if body.get("owner") else None
    return Pattern(
        kind, body["title"], body.get("title_zh", ""), body["tier"], owner, tuple(body.get("explains", ())),
        body["why"], tuple(body["next"]), texts, metrics, body.get("peer", ""),
    )  # fmt: skip


def _text(cue: dict[str, Any], kind: str, path: Path) -> TextCue:
    _keys(path, kind, cue, _TEXT_KEYS, needed={"match", "samples"})
    found = TextCue(
        _regex(path, kind, cue["match"]), bool(cue.get("decisive", False)), int(cue.get("least", 1)),
        _regex(path, kind, cue["owner"]) if cue.get("owner") else None,
    )  # fmt: skip
    for sample in cue["samples"]:
        if not found.match.search(sample):
            raise _bad(path, kind, f"does not find its sample {sample!r}", f"correct the pattern {cue['match']!r}")
    for sample in cue.get("counter_samples", ()):
        if found.match.search(sample):
            raise _bad(path, kind, f"finds its counter-sample {sample!r}", f"narrow the pattern {cue['match']!r}")
    return found


def _metric(cue: dict[str, Any], kind: str, path: Path) -> MetricCue:
    _keys(path, kind, cue, _METRIC_KEYS, needed={"name", "direction", "samples"})
    if cue["direction"] not in DIRECTIONS:
        raise _bad(path, kind, f"has the direction {cue['direction']!r}", f"use one of {', '.join(DIRECTIONS)}")
    level = cue.get("level")
    found = MetricCue(
        _regex(path, kind, cue["name"]), cue["direction"], None if level is None else float(level),
        float(cue.get("factor", 1.5)), float(cue.get("change", 0.0)), bool(cue.get("decisive", False)),
    )  # fmt: skip
    for sample in cue["samples"]:
        if not found.name.search(sample):
            raise _bad(path, kind, f"does not find its sample {sample!r}", f"correct the pattern {cue['name']!r}")
    return found


def _keys(path: Path, kind: str, body: dict[str, Any], known: set[str], needed: set[str]) -> None:
    if unknown := sorted(set(body) - known):
        raise _bad(path, kind, f"has the unknown key {unknown[0]!r}", f"use {', '.join(sorted(known))}")
    if missing := sorted(needed - set(body)):
        raise _bad(path, kind, f"lacks {missing[0]!r}", "add it")


def _regex(path: Path, kind: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise _bad(path, kind, f"has the broken expression {text!r}: {error}", "correct it") from error


def _bad(path: Path, kind: str, why: str, fix: str) -> BadConfig:
    return BadConfig("A failure pattern cannot be used.", why=f"pattern {kind!r} {why}", where=str(path), fix=fix)
