"""Kinds of parameter values, by their form alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_SCALES: dict[str, dict[str, float]] = {
    "duration": {
        "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "secs": 1.0, "min": 60.0, "mins": 60.0,
        "m": 60.0, "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "d": 86400.0,
    },
    "size": {
        "b": 1.0, "bytes": 1.0, "k": 1024.0, "kb": 1024.0, "kib": 1024.0, "mb": 1024.0**2, "mib": 1024.0**2,
        "g": 1024.0**3, "gb": 1024.0**3, "gib": 1024.0**3, "tb": 1024.0**4, "tib": 1024.0**4,
    },
    "percent": {"%": 1.0},
}  # fmt: skip
_UNITS = {unit: (kind, scale) for kind, units in _SCALES.items() for unit, scale in units.items()}
_QUANTITY = re.compile(r"([-+]?\d+(?:\.\d+)?)\s?([A-Za-zµ%]{1,5})")
_FORMS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("integer", r"[-+]?\d+"),
        ("decimal", r"[-+]?\d+\.\d+(?:[eE][-+]?\d+)?"),
        ("uuid", r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
        ("mac", r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}"),
        ("time", r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?|\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"),
        ("hex", r"0[xX][0-9A-Fa-f]+|(?=\w*\d)(?=\w*[A-Fa-f])[0-9A-Fa-f]{6,}"),
        ("url", r"[A-Za-z][A-Za-z\d+.-]*://\S+"),
        ("email", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
        ("boolean", r"(?i:true|false|yes|no)"),
        ("path", r"(?:[A-Za-z]:)?[/\\]\S*|\.{1,2}/\S+"),
        ("version", r"v?\d+(?:\.\d+){1,4}(?:[-+~]\S+)?"),
        ("host", r"(?=.*[A-Za-z])[\w-]+(?:\.[\w-]+)+"),
        ("word", r"\S+"),
    )
)


@lru_cache(maxsize=8192)
def kind_of(value: str) -> str:
    """``ip``, ``address`` (with a port), ``integer``, ``duration`` … ``word`` without blanks, else ``text``."""
    if is_ip(value):
        return "ip"
    if is_address(value):
        return "address"
    if (found := _QUANTITY.fullmatch(value)) and (unit := _UNITS.get(found[2].lower())):
        return unit[0]
    return next((kind for kind, form in _FORMS if form.fullmatch(value)), "text")


def is_ip(value: str) -> bool:
    if not 2 <= len(value) <= 45 or not (value[0].isalnum() or value[0] == ":"):
        return False
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def is_address(value: str) -> bool:
    """An IP with a port: ``10.0.0.1:22``, ``[::1]:22``."""
    host, colon, port = value.rpartition(":")
    numbered = bool(colon) and port.isdigit() and len(port) <= 5
    return numbered and ("." in host or host[:1] == "[") and is_ip(host.strip("[]"))


def kind_of_all(values: Iterable[str]) -> str:
    """The kind that nineteen of twenty values have; else ``decimal`` for numbers and ``text``."""
    kinds = Counter(map(kind_of, values))
    total = kinds.total()
    if not total:
        return "unknown"
    kind, count = kinds.most_common(1)[0]
    if count >= 0.95 * total:
        return kind
    if kinds["integer"] + kinds["decimal"] >= 0.95 * total:
        return "decimal"
    one_word = sum(n for name, n in kinds.items() if name != "text")
    return "word" if one_word == total else "text"


def number_of(value: str) -> float | None:
    """The number that the value is: as it stands, durations in seconds, sizes in bytes; None for others."""
    if _NUMBER.fullmatch(value):
        number = float(value)
        return number if abs(number) < 1e300 else None
    if (found := _QUANTITY.fullmatch(value)) and (unit := _UNITS.get(found[2].lower())):
        return float(found[1]) * unit[1]
    return None
