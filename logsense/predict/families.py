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

    Both must be in the same exhaustible family and namespace (first word) and, where both have labels, carry the same
    ones; besides words that say "limit" or nothing, the limit's words must all be the metric's too. A rate is never
    bounded by a size. Of several limits the one that shares most words is taken.
    """
    known = [(n, frozenset(words(n)), words(n)[:1], family(n)) for n in names]
    known = [k for k in known if k[3] in EXHAUSTIBLE]
    limits = [k for k in known if states_limit(k[0])]
    stating = {k[0] for k in limits}
    other = _BOUNDS["limit"] | _BOUNDS["rate"] | _BOUNDS["share"] | _BOUNDS["unused"]
    found: dict[str, str] = {}
    for name, present, space, fam in known:
        if name in stating or present & other:
            continue
        best = -1
        for limit, limit_words, limit_space, limit_fam in limits:
            meaning = limit_words - _BOUNDS["limit"] - _BOUNDS["filler"]
            same_thing = fam == "connections" or meaning <= present
            if (limit_fam, limit_space) != (fam, space) or not same_thing or not _same_labels(name, limit):
                continue
            if len(meaning & present) > best:
                found[name], best = limit, len(meaning & present)
    return found


@lru_cache(65_536)
def states_limit(name: str) -> bool:
    """Does the metric state a limit? ``total`` and ``size`` do of memory and disks; elsewhere they count."""
    present = frozenset(words(name))
    if present & (_BOUNDS["share"] | _BOUNDS["remaining"]):
        return False
    strong = present & (_BOUNDS["limit"] - {"total", "size"})
    return bool(strong or (family(name) in ("memory", "disk") and present & {"total", "size"}))


@lru_cache(65_536)
def is_rate(name: str) -> bool:
    """Work per second, whose share of a bound is load and not filling."""
    return bool(frozenset(words(name)) & _BOUNDS["rate"])


def _same_labels(name: str, limit: str) -> bool:
    mine, its = (n.partition("{")[2] for n in (name, limit))
    return mine == its or not mine or not its
