"""The word lists of ``vocabulary.toml``."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """``phrases`` matches any of the fixed phrases; ``kinds`` maps a noun to the kind of thing it names."""

    phrases: re.Pattern[str]
    noise: frozenset[str]
    kinds: dict[str, str]


@cache
def load_vocabulary() -> Vocabulary:
    data = tomllib.loads(files("logsense.enrich").joinpath("vocabulary.toml").read_text(encoding="utf-8"))
    longest_first = sorted(data["phrases"], key=len, reverse=True)
    alternatives = "|".join(re.escape(phrase) for phrase in longest_first)
    return Vocabulary(
        phrases=re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)", re.IGNORECASE),
        noise=frozenset(data["noise"]),
        kinds={noun: kind for kind, nouns in data["kinds"].items() for noun in nouns},
    )
