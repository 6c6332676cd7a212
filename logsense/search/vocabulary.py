"""The word lists of ``terms.toml``, read once."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from logsense.record import LEVEL_RANK


@dataclass(frozen=True, slots=True)
class Terms:
    """``levels`` maps a word to the canonical levels that it asks for, ``fields`` a field name to its place."""

    stop: frozenset[str]
    filler: frozenset[str]
    levels: dict[str, list[str]]
    fields: dict[str, str]
    ecs_roots: frozenset[str]
    accounts: frozenset[str]
    trouble: frozenset[str]
    success: frozenset[str]
    negations: frozenset[str]


@cache
def terms() -> Terms:
    with (Path(__file__).parent / "terms.toml").open("rb") as file:
        data = tomllib.load(file)
    levels: dict[str, list[str]] = {}
    for name, entry in data["levels"].items():
        meant = [name]
        if entry["worse"]:
            meant = [level for level, rank in LEVEL_RANK.items() if rank >= LEVEL_RANK[name]]
        levels.update(dict.fromkeys([name, *entry["words"]], meant))
    return Terms(
        stop=frozenset(data["stop"].split()),
        filler=frozenset(data["filler"].split()),
        levels=levels,
        fields=data["fields"],
        ecs_roots=frozenset(data["ecs"]["roots"].split()),
        accounts=frozenset(data["accounts"]["names"].split()),
        trouble=frozenset(data["polarity"]["trouble"].split()),
        success=frozenset(data["polarity"]["success"].split()),
        negations=frozenset(data["polarity"]["negations"].split()),
    )
