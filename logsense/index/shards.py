"""One tantivy index per UTC day of the event time.

A shard folder holds the tantivy files and ``rows.bin`` (see ``rows``). Indexed are the message, the exact
fields and the line's nanosecond within the day (``at``, which float64 aggregations hold exactly, unlike
nanoseconds since 1970); ``row`` points to the stored record.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logsense.index.base import DAY_NS, facts, id_key, key, level_name, pack, unpack
from logsense.index.engine import any_of, document_type, everything, open_index, order, within, written_after
from logsense.index.options import EmbeddedOptions
from logsense.index.rows import RowReader, RowWriter
from logsense.index.text import camel_parts, indexable
from logsense.record import LogRecord

if TYPE_CHECKING:
    from logsense.index.engine import CompiledQuery, IndexHandle, SearcherHandle, WriterHandle

_EPOCH = date(1970, 1, 1).toordinal()
_TIE_LIMIT = 20_000  # lines of one shard with the same nanosecond that are put in id order


class ShardError(Exception):
    """A shard that cannot be read or written."""


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Turn whatever tantivy raises, Rust panics included (they derive from BaseException), into ShardError."""
    try:
        yield
    except (ShardError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise ShardError(f"{path}: {type(error).__name__}: {str(error)[:300]}") from error


def day_of(timestamp_ns: int) -> int:
    """Days since 1970-01-01, held within the years that a calendar has (1 to 9999)."""
    return min(max(timestamp_ns // DAY_NS, 1 - _EPOCH), date.max.toordinal() - _EPOCH)


def day_name(day: int) -> str:
    return date.fromordinal(day + _EPOCH).isoformat()


def day_from_name(name: str) -> int | None:
    """The day of a shard folder, or None when the folder is something else."""
    try:
        return date.fromisoformat(name).toordinal() - _EPOCH if len(name) == 10 else None
    except ValueError:
        return None


@dataclass(slots=True)
class Place:
    """Where a found line is: its nanosecond within the day, its score, and its stored row."""

    at: int
    score: int
    pointer: int


class View:
    """One shard as it was at one commit. Immutable; safe from any thread."""

    def __init__(self, path: Path, day: int, searcher: SearcherHandle, rows: RowReader) -> None:
        self.path, self.day, self.start_ns = path, day, day * DAY_NS
        self._searcher, self._rows = searcher, rows
        self._all_terms: dict[str, list[tuple[str, int]]] = {}

    def _clip(self, query: CompiledQuery, from_ns: int | None, to_ns: int | None) -> CompiledQuery | None:
        """``query`` within the half-open time range, None when the range misses this day."""
        low = 0 if from_ns is None else max(0, from_ns - self.start_ns)
        high = DAY_NS if to_ns is None else min(DAY_NS, to_ns - self.start_ns)
        if low >= high:
            return None
        return query if (low, high) == (0, DAY_NS) else within(query, low, high)

    def count(self, query: CompiledQuery, from_ns: int | None, to_ns: int | None) -> int:
        clipped = self._clip(query, from_ns, to_ns)
        if clipped is None:
            return 0
        with _guarded(self.path):
            return int(self._searcher.search(clipped, limit=1).count)  # type: ignore[attr-defined]

    def best(self, query: CompiledQuery, from_ns: int | None, to_ns: int | None, limit: int) -> tuple[int, list[Place]]:
        """Matches, and the best ``limit`` of them in no particular order among equals."""
        clipped = self._clip(query, from_ns, to_ns)
        if clipped is None:
            return 0, []
        with _guarded(self.path):
            result = self._searcher.search(clipped, limit=max(1, limit))
            addresses = [address for _, address in result.hits][:limit]
            ats = self._searcher.fast_field_values("at", addresses)
            pointers = self._searcher.fast_field_values("row", addresses)
            scores = [round(score) for score, _ in result.hits]
            places = [Place(*item) for item in zip(ats, scores, pointers, strict=False)]  # type: ignore[arg-type]
            return int(result.count), places  # type: ignore[attr-defined]

    def ordered(
        self,
        query: CompiledQuery,
        from_ns: int | None,
        to_ns: int | None,
        *,
        skip: int,
        limit: int,
        newest_first: bool,
    ) -> list[LogRecord]:
        """Matches ``skip`` to ``skip + limit`` in time order, equal times in id order (reversed if newest first).

        The order is total: it depends neither on the page asked for nor on how segments were merged.
        """
        clipped = self._clip(query, from_ns, to_ns)
        if clipped is None or limit <= 0:
            return []
        wanted = skip + limit
        found = self._by_time(clipped, wanted + 1, newest_first)
        if len(found) > wanted:
            edge = found[wanted - 1].at
            if found[wanted].at == edge:  # the page ends amid lines of one time: fetch them all, then cut by id
                ties = self._by_time(within(clipped, edge, edge + 1), max(_TIE_LIMIT, wanted), newest_first)
                found = [place for place in found if place.at != edge] + ties
            else:
                found = found[:wanted]
        start = min(skip, len(found))
        while 0 < start < len(found) and found[start - 1].at == found[start].at:
            start -= 1
        records = self.records(found[start:])
        records.sort(key=lambda record: (record.timestamp_ns, record.id), reverse=newest_first)
        return records[skip - start : skip - start + limit]

    def _by_time(self, query: CompiledQuery, limit: int, newest_first: bool) -> list[Place]:
        with _guarded(self.path):
            hits = self._searcher.search(
                query, limit=limit, count=False, order_by_field="at", order=order(newest_first)
            ).hits
            pointers = self._searcher.fast_field_values("row", [address for _, address in hits])
            return [Place(at, 0, pointer) for (at, _), pointer in zip(hits, pointers, strict=True)]  # type: ignore[arg-type]

    @cached_property
    def last_row(self) -> int:
        """The pointer of the line that was written last, -1 without any: pointers rise in the order of arrival."""
        newest = self._by_arrival(everything(), 1)
        return newest[0].pointer if newest else -1

    def arrived(self, query: CompiledQuery, after: int, limit: int) -> tuple[int, list[LogRecord]]:
        """Matches among the lines written behind the pointer ``after``, and the last ``limit`` of them in that order.

        Up to the view's own last line: a later view begins there.
        """
        fresh = written_after(query, after)
        found = list(reversed(self._by_arrival(fresh, limit))) if limit > 0 else []
        total = len(found) if len(found) < limit else self.count(fresh, None, None)
        return total, self.records(found)

    def _by_arrival(self, query: CompiledQuery, limit: int) -> list[Place]:
        """The last ``limit`` matches that were written, last first."""
        with _guarded(self.path):
            hits = self._searcher.search(
                query, limit=limit, count=False, order_by_field="row", order=order(newest_first=True)
            ).hits
            ats = self._searcher.fast_field_values("at", [address for _, address in hits])
            return [Place(at, 0, row) for (row, _), at in zip(hits, ats, strict=True)]  # type: ignore[arg-type]

    def times(self, query: CompiledQuery, from_ns: int | None, to_ns: int | None, limit: int) -> list[int]:
        """The times of up to ``limit`` matches, oldest first, in nanoseconds since 1970."""
        clipped = self._clip(query, from_ns, to_ns)
        if clipped is None or limit <= 0:
            return []
        return [self.start_ns + place.at for place in self._by_time(clipped, limit, newest_first=False)]

    def records(self, places: Sequence[Place]) -> list[LogRecord]:
        """The stored records; one whose row is damaged comes back as a line that says so."""
        records = []
        for place, row in zip(places, self._rows.read([place.pointer for place in places]), strict=True):
            if row is not None:
                records.append(unpack(row))
                continue
            at_ns = self.start_ns + place.at
            lost = f"(the stored text of this line is damaged: {self.path}/rows.bin)"
            records.append(LogRecord(f"damaged-{self.day}-{place.pointer}", at_ns, lost, "", at_ns, outcome="unparsed"))
        return records

    def holds(self, log_id: str) -> bool:
        """Whether the id may be here (deleted lines count until their segment is merged)."""
        with _guarded(self.path):
            return bool(self._searcher.doc_freq("id", id_key(log_id)))

    def by_id(self, log_id: str) -> LogRecord | None:
        with _guarded(self.path):
            query = any_of("id", [id_key(log_id)])
            pointers = self._searcher.fast_field_values("row", [at for _, at in self._searcher.search(query, 1).hits])
        rows = self._rows.read([pointer for pointer in pointers if pointer is not None])  # type: ignore[misc]
        return unpack(rows[0]) if rows and rows[0] is not None else None

    def frequency(self, form: Sequence[str]) -> int:
        """Lines that hold a word; for several words, an upper bound: that of the rarest."""
        with _guarded(self.path):
            return min(self._searcher.doc_freq("message", word) for word in form)

    @property
    def lines(self) -> int:
        return int(self._searcher.num_docs)

    def histogram(
        self, query: CompiledQuery, from_ns: int | None, to_ns: int | None, step_ns: int
    ) -> list[tuple[int, int]]:
        """(bucket start since 1970, lines), bucket starts being multiples of ``step_ns``."""
        clipped = self._clip(query, from_ns, to_ns)
        if clipped is None:
            return []
        offset = -self.start_ns % step_ns
        spec: dict[str, Any] = {"field": "at", "interval": step_ns, "min_doc_count": 1}
        if offset:
            spec["offset"] = offset
        with _guarded(self.path):
            answer = self._searcher.aggregate(clipped, {"time": {"histogram": spec}})
        return [(self.start_ns + int(b["key"]), int(b["doc_count"])) for b in answer["time"]["buckets"]]

    def terms(
        self, query: CompiledQuery, from_ns: int | None, to_ns: int | None, field: str, size: int
    ) -> list[tuple[str, int]]:
        clipped = self._clip(query, from_ns, to_ns)
        if clipped is None:
            return []
        spec = {"field": field, "size": size, "segment_size": size}
        with _guarded(self.path):
            answer = self._searcher.aggregate(clipped, {"terms": {"terms": spec}})
        return [(str(b["key"]), int(b["doc_count"])) for b in answer["terms"]["buckets"]]

    def all_terms(self, everything: CompiledQuery, field: str, size: int) -> list[tuple[str, int]]:
        """``terms`` over all lines, counted once: a view never changes."""
        if field not in self._all_terms:
            self._all_terms[field] = self.terms(everything, None, None, field, size)
        return self._all_terms[field]


class Shard:
    """A day's folder, open for reading. ``view`` follows the writer's commits."""

    def __init__(self, path: Path, day: int, *, create: bool = False) -> None:
        self.path, self.day = path, day
        self._lock = threading.Lock()
        with _guarded(path):
            self._index = open_index(path, create=create)
            self._rows = RowReader(path / "rows.bin")
            self._stamp = self._meta_stamp()
            self._view = View(path, day, self._index.searcher(), self._rows)

    def _meta_stamp(self) -> tuple[int, int]:
        stat = (self.path / "meta.json").stat()
        return stat.st_mtime_ns, stat.st_ino

    def view(self) -> View:
        """The shard as of its last commit. Costs one ``stat`` when nothing changed."""
        with _guarded(self.path), self._lock:
            stamp = self._meta_stamp()
            if stamp != self._stamp:
                self._index.reload()
                self._stamp = stamp
                self._view = View(self.path, self.day, self._index.searcher(), self._rows)
            return self._view

    def writer(self, options: EmbeddedOptions) -> ShardWriter:
        with _guarded(self.path):
            return ShardWriter(self.path, self.day, self._index, options)

    def close(self) -> None:
        self._rows.close()


class ShardWriter:
    """Appends to one shard. ``pending`` holds the ids added since the last commit, which no view shows yet.

    The shard is locked until ``close`` or ``abandon``.
    """

    def __init__(self, path: Path, day: int, index: IndexHandle, options: EmbeddedOptions) -> None:
        self.path, self._start_ns, self._options = path, day * DAY_NS, options
        self._document = document_type()
        self._rows = RowWriter(path / "rows.bin")
        # Last: nothing may fail while it is held here alone.
        self._handle: WriterHandle = index.writer(max(15, options.writer_memory_mb) * 1024 * 1024, 1)
        self.pending: set[str] = set()
        self._dirty = False

    def add(self, records: Sequence[LogRecord]) -> None:
        """Add lines of this day."""
        with _guarded(self.path):
            for record in records:
                self._add(record)
        self.pending.update([record.id for record in records])
        self._dirty = True

    def _add(self, record: LogRecord) -> None:
        limit = self._options.indexed_chars
        message = record.message if len(record.message) <= limit else record.message[:limit]
        document = self._document()
        add_text = document.add_text
        add_text("id", id_key(record.id))
        add_text("message", message if message.isascii() else indexable(message))
        if record.host:
            add_text("host", key(record.host))
        if record.service:
            add_text("service", key(record.service))
        if record.level:
            add_text("level", key(level_name(record.level)))
        if record.pipeline:
            add_text("pipeline", key(record.pipeline))
        # The constant words' parts are found through the template; only what varies is the line's own.
        varying = message
        if record.template_id:
            add_text("template_id", key(record.template_id))
            varying = " ".join(map(str, record.parameters))[:limit]
        parts = camel_parts(varying)
        if parts:
            add_text("parts", " ".join(parts))
        if record.fields:
            for item in facts(record.fields):
                add_text("facts", item)
        document.add_unsigned("at", min(max(record.timestamp_ns - self._start_ns, 0), DAY_NS - 1))
        document.add_unsigned("row", self._rows.add(pack(record, self._options.stored_chars), len(record.message)))
        self._handle.add_document(document)

    def delete(self, log_id: str) -> None:
        """Remove every line with this id that was added before, committed or not."""
        with _guarded(self.path):
            self._handle.delete_documents_by_term("id", id_key(log_id))
        self._dirty = True

    def commit(self) -> bool:
        """Make everything durable and visible. False when there was nothing to do."""
        if not self._dirty:
            return False
        with _guarded(self.path):
            self._rows.flush()  # before the pointers to it
            self._handle.commit()
        self.pending.clear()
        self._dirty = False
        return True

    def close(self) -> None:
        """Commit, let merges end and release the shard."""
        try:
            self.commit()
            with _guarded(self.path):
                self._handle.wait_merging_threads()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Give up what was not committed, and release the shard."""
        # tantivy unlocks the folder when its writer is freed. This object may live on in the traceback of the error
        # that led here; the lock must not.
        if hasattr(self, "_handle"):
            del self._handle
        with contextlib.suppress(OSError):  # what its buffer still holds cannot be written either
            self._rows.close()
