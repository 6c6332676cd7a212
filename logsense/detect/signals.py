"""Small helpers that detectors share to make signals."""

from __future__ import annotations

import hashlib
import re

from logsense.record import Signal

_KERNEL_TIME = re.compile(r"^\[ *\d+\.\d+\] ")


def signal_id(kind: str, start_ns: int, *parts: str) -> str:
    """The same episode has the same id, however often it is reported."""
    digest = hashlib.blake2b("\x1f".join((kind, str(start_ns), *parts)).encode("utf-8", "replace"), digest_size=8)
    return f"sig-{digest.hexdigest()}"


def shorten(text: str, limit: int = 90) -> str:
    """One line of at most ``limit`` characters."""
    flat = _KERNEL_TIME.sub("", " ".join(text.split()))
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def plain_number(value: float) -> str:
    """As people write it: 12, 0.35, 1.2 million."""
    size = abs(value)
    if size >= 1e15 or (size and size < 1e-4):
        return f"{value:.2g}"
    for limit, word in ((1e9, " billion"), (1e6, " million")):
        if size >= limit:
            return f"{value / limit:.3g}{word}"
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2g}" if size < 1 else f"{value:.3g}"


def usually(expected: float) -> str:
    """The expected count in words."""
    if expected < 0.05:
        return "usually none"
    return f"usually {plain_number(expected)}" if expected >= 1 else f"usually {expected:.1f}"


def order(signals: list[Signal]) -> list[Signal]:
    """Highest score first, ties by id: the order never depends on hashing."""
    return sorted(signals, key=lambda signal: (-signal.score, signal.id))
