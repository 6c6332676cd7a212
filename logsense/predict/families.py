"""What a metric is about and what bounds it, told from its name alone; the words are in ``families.toml``.

A model that is trained on one estate must fit another one with other exporters, so features never use metric
names: they use the family (``disk``, ``connections`` …) and, for bounded metrics, the share of the limit in use.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

_TABLE: dict[str, Any] = tomllib.loads((Path(__file__).parent / "families.toml").read_text(encoding="utf-8"))
_FAMILIES = tuple((f["name"], frozenset(f["words"].split())) for f in _TABLE["family"])
_BOUNDS = {name: frozenset(text.split()) for name, text in _TABLE["bounds"].items()}
_SEPARATOR = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

FAMILY_NAMES: tuple[str, ...] = (*(name for name, _ in _FAMILIES), "other")
#: Families that run out: reaching the limit is a failure by itself.
EXHAUSTIBLE = frozenset(f["name"] for f in _TABLE["family"] if f.get("runs_out"))
#: Families in which an unusually low value may announce a failure too.
LOW_IS_BAD: tuple[str, ...] = (*(f["name"] for f in _TABLE["family"] if f.get("low_is_bad")), "other")


@lru_cache(65_536)
def words(name: str) -> tuple[str, ...]:
    """Lower-case words of a metric name; labels in braces (``{device=sda}``) say nothing about its kind."""
    base = name.split("{", 1)[0]
    return tuple(w for w in _SEPARATOR.split(_CAMEL.sub("_", base).lower()) if w)


@lru_cache(65_536)
def family(name: str) -> str:
    """The family of a metric, ``other`` when no word is known."""
    present = frozenset(words(name))
    return next((fam for fam, known in _FAMILIES if present & known), "other")


@lru_cache(65_536)
def bound_kind(name: str) -> str:
    """``share`` (0–1 or 0–100 of something), ``remaining`` (falls towards zero) or ``""`` (no bound by name)."""
    present = frozenset(words(name))
    if present & _BOUNDS["remaining"]:
        return "" if present & _BOUNDS["rate"] else "remaining"
    if present & _BOUNDS["share"] and not present & _BOUNDS["good_share"]:
        return "share"
    return ""


@lru_cache(65_536)
def worse(name: str) -> int:
    """1 when more of the metric is worse, -1 when less is (free space, idle time, cache hits)."""
    present = frozenset(words(name))
    good_share = present & _BOUNDS["good_share"] and (present & _BOUNDS["share"] or family(name) == "cpu")
    return -1 if good_share or bound_kind(name) == "remaining" else 1


@lru_cache(4096)
def limit_series(names: tuple[str, ...]) -> Mapping[str, str]:
    """metric -> the metric of the same host that states its limit (``pg.backends`` -> ``pg.max_connections``).

    Both must be in the same exhaustible family and namespace (first word); a rate is never bounded by a size.
    """
    known = [(n, frozenset(words(n)), words(n)[:1], family(n)) for n in names]
    known = [k for k in known if k[3] in EXHAUSTIBLE]
    limits = [k for k in known if k[1] & _BOUNDS["limit"] and not k[1] & _BOUNDS["share"]]
    other = _BOUNDS["limit"] | _BOUNDS["rate"] | _BOUNDS["share"] | _BOUNDS["remaining"]
    found: dict[str, str] = {}
    for name, present, space, fam in known:
        if present & other:
            continue
        for limit, limit_words, limit_space, limit_fam in limits:
            same_thing = fam == "connections" or (limit_words - _BOUNDS["limit"]) <= present
            if (limit_fam, limit_space) == (fam, space) and same_thing:
                found[name] = limit
                break
    return found
