"""Typed answers, and answers as DataFrames. pandas is imported when a frame is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: Columns of lines, in this order; further fields follow under their own names.
LINE_COLUMNS = ("@timestamp", "host", "service", "level", "message", "template_id", "score", "id")
TEMPLATE_COLUMNS = ("id", "template", "count", "level", "service", "first_seen", "last_seen", "version", "keywords")
INCIDENT_COLUMNS = (
    "id", "title", "status", "severity", "start", "last", "end", "hosts", "services", "cause", "score", "signals"
)  # fmt: skip
SERIES_COLUMNS = ("time", "host", "name", "value")


@dataclass(frozen=True, slots=True)
class Chip:
    """A part of the question, what it was taken to mean, and the same in the query syntax."""

    what: str
    said: str
    means: str
    syntax: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What ``ask`` found. ``kind`` is "lines", or that of the computed answer (count, table, series …)."""

    kind: str
    text: str
    total: int
    #: The query as it was compiled; it can be asked again as it is.
    syntax: str
    chips: list[Chip]
    notes: list[str]
    #: count and compare: the number.
    value: int | None
    raw: dict[str, Any] = field(repr=False)

    @property
    def lines(self) -> pd.DataFrame:
        """The best lines."""
        return lines_frame(self.raw["hits"])

    @property
    def table(self) -> pd.DataFrame:
        """Rows of a table, series or comparison; the found templates with their counts otherwise."""
        import pandas as pd

        answer = self.raw.get("answer") or {}
        if "columns" not in answer:
            return pd.DataFrame(self.raw["templates"], columns=["id", "template", "count", "score"])
        frame = pd.DataFrame(answer["rows"], columns=answer["columns"])
        for name in ("time", "from", "to"):
            if name in frame:
                frame[name] = _times(frame[name])
        return frame

    @property
    def incidents(self) -> pd.DataFrame:
        """Incidents that share messages with the answer."""
        return incidents_frame(self.raw["incidents"])


@dataclass(frozen=True, slots=True)
class Cause:
    """A possible cause, with the ids of what speaks for and against it."""

    title: str
    score: float
    kind: str
    host: str
    service: str
    why: str
    evidence: list[str]
    against: list[str]
    next_steps: list[str]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Ranked causes of what happened in a span of time."""

    summary: str
    hypotheses: list[Cause]
    not_examined: list[str]
    incidents: list[str]
    raw: dict[str, Any] = field(repr=False)

    @property
    def table(self) -> pd.DataFrame:
        """A row a cause, best first."""
        import pandas as pd

        rows = [[c.title, c.score, c.kind, c.host, c.service, len(c.evidence), len(c.against)] for c in self.hypotheses]
        return pd.DataFrame(rows, columns=["title", "score", "kind", "host", "service", "evidence", "against"])


def read_answer(found: dict[str, Any]) -> Answer:
    computed = found.get("answer") or {}
    total = int(found["total"])
    chips = [Chip(c["what"], c["said"], c["means"], c.get("syntax", "")) for c in found["query"]["understood"]]
    return Answer(
        kind=computed.get("kind", "lines"),
        text=computed.get("text") or (f"{total:,} lines found." if total else "Nothing found."),
        total=total,
        syntax=found["query"].get("syntax", ""),
        chips=chips,
        notes=list(found.get("notes", [])),
        value=computed.get("value"),
        raw=found,
    )


def read_diagnosis(found: dict[str, Any]) -> Diagnosis:
    names = ("title", "score", "kind", "host", "service", "why", "evidence", "against", "next_steps")
    causes = [Cause(**{name: cause[name] for name in names}) for cause in found["hypotheses"]]
    return Diagnosis(found["summary"], causes, found["not_examined"], found["incidents"], found)


def lines_frame(hits: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row a line; times are UTC with nanoseconds."""
    import pandas as pd

    rows = [{**{name: hit.get(name) for name in LINE_COLUMNS}, **(hit.get("fields") or {})} for hit in hits]
    frame = pd.DataFrame(rows, columns=None if rows else list(LINE_COLUMNS))
    frame["@timestamp"] = _times(frame["@timestamp"])
    return frame


def templates_frame(found: Sequence[dict[str, Any]]) -> pd.DataFrame:
    return _frame(found, TEMPLATE_COLUMNS, ("first_seen", "last_seen"))


def values_frame(found: dict[str, Any]) -> pd.DataFrame:
    return _frame(found["values"], ("value", "lines", "text"), ())


def incidents_frame(found: Sequence[dict[str, Any]]) -> pd.DataFrame:
    return _frame(found, INCIDENT_COLUMNS, ("start", "last", "end"))


def series_frame(found: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Long form: a row a point; without points, a row a series (``time`` and ``value`` are missing values)."""
    rows = []
    for series in found:
        points = series.get("points") or [[None, None]]
        rows += [dict(zip(SERIES_COLUMNS, (at, series["host"], series["name"], v), strict=True)) for at, v in points]
    return _frame(rows, SERIES_COLUMNS, ("time",))


def histogram_frame(histogram: dict[str, Any] | None) -> pd.DataFrame:
    """``time`` and ``lines``, a row a step that holds lines."""
    rows = [{"time": at, "lines": count} for at, count in (histogram or {}).get("buckets", [])]
    return _frame(rows, ("time", "lines"), ("time",))


def _frame(rows: Sequence[dict[str, Any]], columns: Sequence[str], times: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame([{name: row.get(name) for name in columns} for row in rows], columns=list(columns))
    for name in times:
        frame[name] = _times(frame[name])
    return frame


def _times(column: pd.Series[Any]) -> pd.Series[Any]:
    import pandas as pd

    texts = column.where(column.astype(bool), None) if len(column) else column
    return pd.Series(pd.to_datetime(texts, utc=True, format="ISO8601"), index=column.index).dt.as_unit("ns")


def time_text(moment: str | float | datetime | None) -> str | None:
    """A time as the API reads it; a datetime without a zone is UTC."""
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
    return None if moment is None else str(moment)
