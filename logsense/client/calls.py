"""Every operation as data: its path, its parameters, and how its answer is read. Both clients run these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

from logsense.client import answers
from logsense.client.answers import Answer, Diagnosis, time_text

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
#: A time: RFC 3339, an epoch, ``-15m``, ``now`` or a datetime.
Time = str | float | datetime | None
#: Lines that one request may fetch.
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One GET request and the reader of its answer."""

    path: str
    read: Callable[[Any], T]
    params: dict[str, Any] = field(default_factory=dict)

    def query(self) -> dict[str, Any]:
        return {name: value for name, value in self.params.items() if value is not None}


def ask(question: str, from_: Time, to: Time, limit: int, tz: str, now: Time) -> Call[Answer]:
    return Call(
        "/api/v1/search", answers.read_answer, {"q": question, "limit": limit, "tz": tz, **_span(from_, to, now)}
    )


def page(question: str, from_: Time, to: Time, sort: str, tz: str, offset: int, limit: int) -> Call[dict[str, Any]]:
    """Lines ``offset`` to ``offset + limit`` of a search, as they came."""
    params = {"q": question, "sort": sort, "tz": tz, "offset": offset, "limit": limit, **_span(from_, to)}
    return Call("/api/v1/search", _same, params)


def histogram(question: str, from_: Time, to: Time, tz: str) -> Call[pd.DataFrame]:
    params = {"q": question, "limit": 1, "tz": tz, **_span(from_, to)}
    return Call("/api/v1/search", lambda found: answers.histogram_frame(found["histogram"]), params)


def templates(limit: int, order: str) -> Call[pd.DataFrame]:
    return Call("/api/v1/templates", answers.templates_frame, {"limit": limit, "order": order})


def values(field: str, question: str, rare: bool, most: int, from_: Time, to: Time, limit: int) -> Call[pd.DataFrame]:
    order = {"order": "rare", "most": most} if rare else {"order": "count"}
    params = {"field": field, "q": question, "limit": limit, **order, **_span(from_, to)}
    return Call("/api/v1/terms", answers.values_frame, params)


def incidents(from_: Time, to: Time, status: str | None, limit: int, about: str) -> Call[pd.DataFrame]:
    params = {"status": status, "limit": limit, "q": about or None, **_span(from_, to)}
    return Call("/api/v1/incidents", answers.incidents_frame, params)


def incident(incident_id: str) -> Call[dict[str, Any]]:
    return Call(f"/api/v1/incidents/{quote(incident_id, safe='')}", _same)


def metrics(host: str | None, name: str | None, from_: Time, to: Time, step_s: int) -> Call[pd.DataFrame]:
    params = {"host": host, "name": name, "step": step_s, **_span(from_, to)}
    return Call("/api/v1/metrics/series", answers.series_frame, params)


def diagnose(from_: Time, to: Time) -> Call[Diagnosis]:
    return Call("/api/v1/diagnose", answers.read_diagnosis, _span(from_, to))


def any_path(path: str, params: dict[str, Any]) -> Call[Any]:
    return Call(path, lambda found: found, params)


def _span(from_: Time, to: Time, now: Time = None) -> dict[str, Any]:
    return {"from": time_text(from_), "to": time_text(to), "now": time_text(now)}


def _same(found: dict[str, Any]) -> dict[str, Any]:
    return found
