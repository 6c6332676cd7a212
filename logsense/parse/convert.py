"""Conversions that a format's ``[fields]`` can name: text → the value of an ECS field, or None to leave it out."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|µs|μs|ms|s|m|h)")
_UNIT_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def integer(text: str) -> int | None:
    try:
        return int(text)
    except (ValueError, TypeError):
        return None


def number(text: str) -> float | None:
    try:
        value = float(text)
    except (ValueError, TypeError):
        return None
    return value if value - value == 0 else None  # NaN and infinity are no JSON numbers


def _scaled(unit_ns: int) -> Callable[[str], int | None]:
    def convert(text: str) -> int | None:
        value = number(text)
        return None if value is None or value < 0 else round(value * unit_ns)

    return convert


def go_duration(text: str) -> int | None:
    """``1m2.5s`` and ``350µs`` as Go prints them; a bare number is seconds, as zap writes them."""
    parts = _DURATION.findall(text) if isinstance(text, str) else []
    if parts:
        return sum(round(float(value) * _UNIT_NS[unit]) for value, unit in parts)
    return _scaled(10**9)(text)


def clock_duration(text: str) -> int | None:
    """``0:00:33.289`` → nanoseconds."""
    parts = str(text).split(":")
    values = [number(part) for part in parts]
    if not values or any(value is None for value in values):
        return None
    seconds = 0.0
    for value in values:
        seconds = seconds * 60 + (value or 0.0)
    return round(seconds * 10**9)


def unhex(text: str) -> str:
    """auditd writes values with blanks or quotes as hexadecimal bytes, the others in quotes."""
    if len(text) % 2 == 0 and len(text) >= 4 and re.fullmatch(r"[0-9A-F]+", text):
        return bytes.fromhex(text).rstrip(b"\0").decode("utf-8", "backslashreplace").replace("\0", " ")
    return text


@lru_cache(maxsize=65_536)
def ip(text: str) -> str | None:
    """The address as written if it is one (a zone or prefix is not), otherwise None."""
    try:
        ip_address(text)
    except ValueError:
        return None
    return text


def unquote(text: Any) -> str:
    """Quotes or back-ticks around a value, and the escapes that they need inside."""
    text = str(text)
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'`\"":
        quote = text[0]
        return text[1:-1].replace("\\" + quote, quote).replace("\\n", "\n").replace("\\t", "\t")
    return text


def nonzero(text: Any) -> str | None:
    """An error code; zero is none."""
    code = str(text)
    return None if code.strip("0") == "" else code


def status(text: Any) -> int | None:
    """An HTTP status; anything else (``-1``, ``ok``) is none."""
    value = integer(text)
    return value if value is not None and 100 <= value <= 599 else None


#: IANA protocol numbers that flows really have.
_PROTOCOLS = {
    "1": "icmp", "2": "igmp", "4": "ipip", "6": "tcp", "17": "udp", "41": "ipv6", "47": "gre", "50": "esp", "51": "ah",
    "58": "ipv6-icmp", "89": "ospf", "103": "pim", "112": "vrrp", "132": "sctp",
}  # fmt: skip


def protocol(text: Any) -> str | None:
    """``6`` and ``TCP`` → ``tcp``; a number without a name stays a number."""
    value = str(text).strip().lower() if text is not None else ""
    return _PROTOCOLS.get(value, value) or None


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "int": integer,
    "float": number,
    "lower": lambda text: str(text).lower(),
    "unquote": unquote,
    "doubled": lambda text: str(text).replace('""', '"'),
    "nonzero": nonzero,
    "status": status,
    "protocol": protocol,
    "upper": lambda text: str(text).upper(),
    "spaces": lambda text: str(text).replace("+", " "),
    "session": lambda text: f"session-{text}",
    "unit": lambda text: f"unit-{str(text).lower()}",
    "seconds": _scaled(10**9),
    "milliseconds": _scaled(10**6),
    "microseconds": _scaled(10**3),
    "nanoseconds": _scaled(1),
    "duration": go_duration,
    "clock": clock_duration,
}


def set_address(fields: dict[str, Any], name: str, text: str) -> None:
    """Type ``ip``: an address goes to ``<name>`` (``source.ip``), anything else to ``source.address``."""
    text = str(text).strip("[]")
    if ip(text):
        fields[name] = text
    else:
        fields[name.rpartition(".")[0] + ".address"] = text
