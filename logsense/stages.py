"""The Protocols between the parts. Each docstring is the contract; ``tests/contracts`` runs it.

A stage knows its input and output types and nothing of its neighbours. Only ``pipeline.py`` joins them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from logsense.record import (
    Action,
    Forecast,
    Hit,
    Incident,
    LogRecord,
    MetricPoint,
    Page,
    Query,
    RawEvent,
    Signal,
    Template,
)

if TYPE_CHECKING:  # numpy costs 100 ms of start-up, which `logsense --help` must not pay
    import numpy as np
    from fastapi import APIRouter


class Intake(Protocol):
    """Where sources and receivers hand over what they got. Safe to call from any task or thread."""

    async def accept(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        """Return only when all of it is durable (fsynced). All or nothing.

        Raises ``errors.Overloaded`` (with ``retry_after_s``) when the spool is at its limit: nothing
        of the batch was kept, and the caller must pass the refusal on to its client.
        """

    def accept_sync(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        """The same for callers without an event loop."""

    def dropped(self, source: str, count: int) -> None:
        """Count lines that could not be kept (UDP only): doctor and /metrics show them per source."""


class Source(Protocol):
    """Something that we read: files, a socket of our own, the host's metrics.

    ``run`` is started once, in the event loop of the server, and ends when cancelled. It must checkpoint
    only after ``intake.accept`` returned, wait and retry on ``Overloaded``, and never raise on bad input.
    """

    name: str

    async def run(self, intake: Intake) -> None: ...


class Receiver(Protocol):
    """An HTTP endpoint family that shippers send to.

    ``router`` mounts the family's native paths. Handlers answer success only after ``intake.accept``
    returned; on ``Overloaded`` the *whole* request gets 429 (or what the protocol wants) with
    ``Retry-After``. A bad item is kept raw where possible, otherwise refused in the protocol's own form.
    """

    name: str
    prefix: str  # also mounted under this prefix, e.g. "/elasticsearch"

    def router(self, intake: Intake) -> APIRouter: ...


class Spool(Protocol):
    """The durable queue between accepting and indexing; see ``spool/``.

    A position is opaque, ordered and safe to store. Batches come back in the order they were written by
    one writer. An entry's event ids are deterministic: reading it twice yields the same ids.
    """

    def append(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None: ...

    def read(self, limit: int) -> tuple[list[RawEvent], list[MetricPoint], Any]:
        """Up to about ``limit`` entries after the read position and the position behind them."""

    def checkpoint(self, position: Any) -> None:
        """Everything up to ``position`` is indexed: its space may be reclaimed."""

    def backlog_bytes(self) -> int: ...

    def close(self) -> None: ...


class Stage(Protocol):
    """A step of the pipeline: takes a batch, returns a batch, keeps the order, loses nothing.

    Called from one thread. It may change records in place. It must not raise on any content.
    """

    name: str

    def process(self, records: list[LogRecord]) -> list[LogRecord]: ...


class Stateful(Protocol):
    """A component whose state outlives the process.

    ``save`` is called inside the checkpoint transaction of the worker (do not commit), ``load`` once at
    start. Both use tables prefixed with the component's own name. State is safe data: no pickle.
    """

    def load(self, db: sqlite3.Connection) -> None: ...

    def save(self, db: sqlite3.Connection) -> None: ...


class Detector(Protocol):
    """Scores closed windows. ``learn`` changes state, ``score`` never does; higher is more anomalous.

    ``window`` types are the detector family's own (``detect.windows``). ``score`` before enough history
    returns nothing rather than a guess.
    """

    name: str

    def learn(self, window: Any) -> None: ...

    def score(self, window: Any) -> list[Signal]: ...


class Embedder(Protocol):
    """Sentence embeddings, one row a text, L2-normalised float32 of shape (n, dim)."""

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> np.ndarray: ...


class Arrivals(Protocol):
    """What became visible since the last look, in the order of arrival. Made by ``Index.arrivals``; for one thread."""

    @property
    def cursor(self) -> str:
        """Where ``read`` has got to: short, safe in a header, and good for ``Index.arrivals`` later."""

    def read(self, query: Query, limit: int) -> tuple[int, list[LogRecord]]:
        """The last ``limit`` matches that arrived since the last call, oldest arrival first, and how many earlier
        ones were skipped for the limit. By arrival, whatever times the lines state; ``query`` may change in between.
        A line that is written again (after a crash) may come again.
        """


class Index(Protocol):
    """Everything that is searched. One writer process (the worker), any number of readers.

    Writes become visible to readers after ``commit``. Times are half-open: ``from_ns <= t < to_ns``.
    Ids are unique: writing an id again replaces it. Reads never raise on missing things: they return
    None or an empty list. People's actions may be written by any process at any time.
    """

    # logs
    def write_logs(self, records: Sequence[LogRecord], *, replay: bool = False) -> None:
        """``replay``: some of these ids may be in the index already and must be replaced."""

    def commit(self) -> None: ...

    def get_log(self, log_id: str) -> LogRecord | None: ...

    def search(self, query: Query, *, limit: int = 50, offset: int = 0, by_time: bool = False) -> tuple[int, list[Hit]]:
        """Total matches and the page. Best first, or newest first with ``by_time``."""

    def counts(self, queries: Sequence[Query]) -> list[int]:
        """How many lines match each query, asked together."""

    def page(
        self, query: Query, *, limit: int = 50, offset: int = 0, by_time: bool = False,
        fields: Mapping[str, int] | None = None, step_ns: int = 0,
    ) -> Page:  # fmt: skip
        """``search``, ``terms`` of every field of ``fields`` (each with its size) and ``histogram`` (unless ``step_ns``
        is 0), asked together: in an index beyond the network a page costs one question instead of six."""

    def scan(self, query: Query) -> Iterator[LogRecord]:
        """All matches, oldest first, streamed."""

    def histogram(self, query: Query, step_ns: int) -> list[tuple[int, int]]:
        """(bucket start, lines) for buckets that hold lines, in time order."""

    def terms(self, query: Query, field: str, size: int = 10) -> list[tuple[str, int]]:
        """Most frequent values of ``host``, ``service``, ``level``, ``template_id`` or ``pipeline``."""

    def rare_terms(self, query: Query, field: str, *, most: int = 1, size: int = 10) -> list[tuple[str, int]]:
        """Values of the same fields that at most ``most`` lines hold, rarest first, equals by name."""

    def time_range(self) -> tuple[int, int] | None: ...

    def arrivals(self, after: str = "") -> Arrivals:
        """A follower that begins now, or behind the ``cursor`` of an earlier one; one that makes no sense means now."""

    # templates
    def put_templates(self, templates: Sequence[Template]) -> None: ...

    def put_template_vectors(self, ids: Sequence[str], vectors: np.ndarray, model: str) -> None: ...

    def template_vectors(self) -> Iterator[tuple[str, list[str], np.ndarray]]:
        """(model, template ids, float32 matrix of a row each): everything that was put, some rows at a time."""

    def get_template(self, template_id: str) -> Template | None: ...

    def templates(self, ids: Sequence[str] | None = None) -> list[Template]: ...

    def template_changes(self) -> int:
        """Another number when a template is new or its text, name, level, keywords or survivor changed; not its count.
        Known within half a second in other processes."""

    def nearest_templates(
        self, vector: np.ndarray, k: int, model: str, within: Query | None = None
    ) -> list[tuple[str, float]]:
        """(template id, cosine) best first, exactly. Aliases are resolved. ``within``: only templates that hold lines
        of this query, and of those the nearest ``k``: a filter that many near ones miss costs no answer.
        """

    def matching_templates(self, text: str, k: int, within: Query | None = None) -> list[tuple[str, float]]:
        """(template id, score) of those that hold a word of ``text``, best first, equals by id: the lexical half of a
        hybrid search. Scores as for lines, from 0 to about 1. Aliases and ``within`` as in ``nearest_templates``.
        """

    # metrics
    def write_metrics(self, points: Sequence[MetricPoint]) -> None: ...

    def metric_names(self, host: str | None = None) -> list[tuple[str, str]]:
        """(host, series name) pairs; labels are part of the name: ``disk.util{device=sda}``."""

    def metric_series(
        self, host: str, name: str, from_ns: int | None, to_ns: int | None, step_ns: int = 0
    ) -> list[tuple[int, float]]:
        """Raw points, or the mean per step when ``step_ns`` is given."""

    # what the analysis found
    def put_signals(self, signals: Sequence[Signal]) -> None: ...

    def signals(
        self, from_ns: int | None = None, to_ns: int | None = None, ids: Sequence[str] | None = None
    ) -> list[Signal]: ...

    def put_incidents(self, incidents: Sequence[Incident]) -> None:
        """Never touches actions: those are written by ``add_action`` alone."""

    def get_incident(self, incident_id: str) -> Incident | None:
        """With its actions, oldest first, and the stored (machine) status."""

    def incidents(self, from_ns: int | None = None, to_ns: int | None = None, limit: int = 200) -> list[Incident]: ...

    def put_incident_vectors(self, ids: Sequence[str], vectors: np.ndarray, model: str) -> None: ...

    def incident_vectors(self) -> Iterator[tuple[str, list[str], np.ndarray]]:
        """As ``template_vectors``."""

    def nearest_incidents(
        self, vector: np.ndarray, k: int, model: str, within: Query | None = None
    ) -> list[tuple[str, float]]:
        """(incident id, cosine) best first, exactly. ``within``: only those that overlap its time and share a host, a
        service, a pipeline and a template with it, where it names any."""

    def matching_incidents(self, text: str, k: int, within: Query | None = None) -> list[tuple[str, float]]:
        """(incident id, score) of those whose title, causes or summary hold a word of ``text``, best first."""

    def add_action(self, action: Action) -> None: ...

    def put_forecasts(self, forecasts: Sequence[Forecast]) -> None: ...

    def forecasts(self, host: str | None = None, from_ns: int | None = None, limit: int = 500) -> list[Forecast]:
        """Newest first."""

    # counters that doctor shows
    def put_source_stats(self, stats: dict[str, dict[str, int]]) -> None: ...

    def source_stats(self) -> dict[str, dict[str, int]]: ...

    def close(self) -> None: ...
