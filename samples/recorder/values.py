"""How times and numbers are written in recordings."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def stamp(moment: float | None = None) -> str:
    """UTC ISO-8601 with milliseconds and Z."""
    when = datetime.fromtimestamp(time.time() if moment is None else moment, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def short(value: float | None) -> str:
    """A number with three or four significant digits, as briefly as a CSV reader still understands it."""
    if value is None or value != value:
        return ""
    if value == int(value) and abs(value) < 100_000:
        return str(int(value))
    text = f"{value:.3g}" if abs(value) >= 100_000 else f"{value:.4g}"
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    return f"{mantissa}e{int(exponent)}"
