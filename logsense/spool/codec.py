"""Events and metric points as the payload of a frame, and back.

Columns instead of one object an event: ``m`` messages, ``s`` sources, ``t`` received_ns, ``f`` fields, ``i`` ids,
``x`` metric points. A column whose values are all alike is stored once, which is the usual case for ``s`` and ``t``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import orjson

from logsense.record import MetricPoint, RawEvent

_OPTIONS = orjson.OPT_NON_STR_KEYS
_ENTRY_ID = re.compile(r"[0-9a-z]{17}-[0-9a-f]+-[0-9a-f]+")


def encode(events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> bytes:
    """One payload. Values that JSON cannot hold are kept as text; this never raises on content."""
    batch: dict[str, Any] = {}
    if events:
        batch["m"] = [e.message for e in events]
        batch["s"] = _column([e.source for e in events])
        batch["t"] = _column([e.received_ns for e in events])
        if any(e.fields for e in events):
            batch["f"] = [e.fields for e in events]
        if any(e.id is not None for e in events):
            batch["i"] = [e.id for e in events]
    if metrics:
        batch["x"] = [[p.name, p.host, p.timestamp_ns, _number(p.value), p.labels] for p in metrics]
    try:
        return orjson.dumps(batch, option=_OPTIONS)
    except (TypeError, RecursionError):  # orjson's JSONEncodeError is a TypeError
        return orjson.dumps({key: _clean(value) for key, value in batch.items()}, option=_OPTIONS)


def decode(payload: bytes, id_prefix: str) -> tuple[list[RawEvent], list[MetricPoint]]:
    """The batch of ``encode``. Events without an id get ``id_prefix`` and their index. Raises ValueError."""
    batch = orjson.loads(payload)
    try:
        messages = batch.get("m", ())
        count = len(messages)
        fields = batch.get("f") or [{} for _ in range(count)]
        ids = batch.get("i")
        if ids is None:
            ids = [f"{id_prefix}{index:x}" for index in range(count)]
        else:
            ids = [f"{id_prefix}{i:x}" if one is None else one for i, one in enumerate(ids)]
        sources, times = _spread(batch.get("s"), count), _spread(batch.get("t"), count)
        events = list(map(RawEvent, messages, sources, times, fields, ids))
        points = [MetricPoint(n, h, t, float(v), labels) for n, h, t, v, labels in batch.get("x", ())]
    except (AttributeError, TypeError) as error:
        raise ValueError(f"not a spool batch: {error}") from error
    return events, points


def is_entry_id(event_id: str) -> bool:
    """Whether the spool gave this id, which then names this entry and no other: a sender's own ids begin otherwise."""
    return _ENTRY_ID.fullmatch(event_id) is not None


def _column(values: list[Any]) -> Any:
    first = values[0]
    return first if values.count(first) == len(values) else values


def _spread(value: Any, count: int) -> Any:
    return value if isinstance(value, list) else repeat(value, count)


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(float(value))  # JSON has no NaN; float() reads "nan" back


def _clean(value: Any) -> Any:
    """``value`` with everything replaced by text that JSON refuses (lone surrogates, huge integers, deep nesting)."""
    if isinstance(value, list):
        return [_clean(one) for one in value]
    if _fits(value):
        return value
    if isinstance(value, dict):
        return {_text(key): one if _fits(one) else _text(one) for key, one in value.items()}
    return _text(value)


def _fits(value: Any) -> bool:
    try:
        orjson.dumps([[[[value]]]], option=_OPTIONS)  # as deep as it will lie in the batch
        return True
    except (TypeError, RecursionError):
        return False


def _text(value: Any) -> str:
    try:
        text = str(value)
    except (ValueError, RecursionError):  # an integer beyond the digits that int → str allows, or a cycle
        text = f"<{type(value).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
