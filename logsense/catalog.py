"""What one index holds, for the names in questions: hosts, services, components, accounts, and what happened when."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from logsense.record import Query

if TYPE_CHECKING:
    from logsense.search.understood import Moment
    from logsense.stages import Index

#: How often, in seconds, and over how many of the latest lines the components' names are collected.
LOGGERS_S, LOGGERS_LINES = 30.0, 1000


class CatalogReader:
    """Reads the catalogue of ``index``. Safe from any thread."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._loggers_at: tuple[float, list[str]] = (float("-inf"), [])

    def read(self) -> Any:
        """A ``search.Catalog``, as the index is now."""
        from logsense.search import Catalog

        index, everything = self._index, Query()
        terms = index.page(everything, limit=0, fields={"host": 1000, "service": 1000, "level": 20}).terms
        names = {field: {value for value, _ in found if value} for field, found in terms.items()}
        hosts = names["host"] | {host for host, _ in index.metric_names() if host}
        return Catalog(
            hosts=sorted(hosts),
            services=sorted(names["service"]),
            levels=sorted(names["level"]),
            loggers=self._loggers(),
            holds=lambda field, value: index.search(Query(fields={field: value}), limit=0)[0] > 0,
            moment=lambda kind, before: find_moment(index, kind, before),
        )

    def _loggers(self) -> list[str]:
        """Components that the latest lines name."""
        read_at, known = self._loggers_at
        if time.monotonic() - read_at > LOGGERS_S:
            latest = self._index.search(Query(), limit=LOGGERS_LINES, by_time=True)[1]
            known = sorted({str(h.record.fields["log.logger"]) for h in latest if h.record.fields.get("log.logger")})
            self._loggers_at = (time.monotonic(), known)
        return known


def find_moment(index: Index, kind: str, before_ns: int) -> Moment | None:
    """The last event of a kind before a time; None when none is recorded.

    ``kind`` is one of the values of ``moments.KINDS``, or an incident's id.
    """
    from logsense.search.moments import EVENT_WORDS
    from logsense.search.understood import Moment

    if kind == "incident":
        # the newest that had begun
        begun = [i for i in index.incidents(to_ns=before_ns, limit=50) if i.start_ns <= before_ns]
        latest = max(begun, key=lambda i: i.start_ns, default=None)
        return Moment(latest.start_ns, latest.title) if latest else None
    if kind not in EVENT_WORDS:
        incident = index.get_incident(kind)
        if incident is None:
            return None
        return Moment(incident.start_ns, incident.title, incident.last_ns + 1, tuple(incident.template_ids))
    found: list[Moment] = []
    for query in [*(Query(text=words) for words in EVENT_WORDS[kind]), Query(services=[kind])]:
        query.to_ns = before_ns
        for hit in index.search(query, limit=1, by_time=True)[1]:
            found.append(Moment(hit.record.timestamp_ns, hit.record.message[:120]))
    return max(found, key=lambda moment: moment.at_ns, default=None)
