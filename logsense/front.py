"""The first half of the writing side: spool → parse → redact, a batch at a time.

It knows no template, no index and no state but that of the lines that may go on (see ``parse.multiline``). So it can
run in the worker's own process (``LocalFront``) or beside it (``front_process``), and what it hands over says all that
must be kept for a restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from logsense.config import Settings
from logsense.parse import Parser, Redactor
from logsense.record import LogRecord, MetricPoint, RawEvent
from logsense.spool import DiskSpool, is_entry_id

#: How often the names of the formats found are handed over; looking them up visits every stream.
FORMATS_EVERY_S = 1.0


@dataclass(slots=True)
class Parsed:
    """One batch. ``pending`` are the lines held back after it, ``position`` the place in the spool behind it (None:
    where it was); both belong to one commit. ``replay``: some records may be in the index already."""

    records: list[LogRecord] = field(default_factory=list)
    points: list[MetricPoint] = field(default_factory=list)
    position: str | None = None
    replay: bool = False
    pending: list[RawEvent] = field(default_factory=list)
    stats: dict[str, dict[str, int]] = field(default_factory=dict)
    formats: dict[str, str] | None = None  # None: as before
    received_ns: int = 0  # when the newest event came
    lines: int = 0
    #: True while the spool was not yet read to its end since the start.
    catching_up: bool = False


class Front(Protocol):
    """What the worker reads from. One thread calls all methods.

    ``idle`` is True when the spool held nothing more at the last look.
    """

    idle: bool

    def read(self, *, wait: bool = True) -> Parsed | None:
        """The next batch; None when there is none now, or a moment later if ``wait``.

        Raises LogsenseError when no more can come.
        """

    def flush(self, now_ns: int | None = None) -> Parsed | None:
        """Records that waited for a further line (long enough at ``now_ns``), if there are any here to give."""

    def finish(self) -> Iterator[Parsed]:
        """What was read and not handed over yet, with all that is held back; nothing is read after that."""

    def checkpoint(self, position: str) -> None:
        """Everything up to ``position`` is indexed."""

    def close(self) -> None: ...


class LocalFront:
    """``Front`` in the caller's process. Reads ``spool`` from ``position``; ``held`` are the lines that were held back
    when that position was stored."""

    def __init__(self, spool: DiskSpool, settings: Settings, position: str | None, held: Sequence[RawEvent]) -> None:
        self._spool, self._batch = spool, settings.section("worker").batch_lines
        spool.open_reader(position)
        self._parser = Parser(settings.section("parse"))
        self._redactor = Redactor(settings.section("redact"))
        self._held: Sequence[RawEvent] | None = held or None
        self._formats_at = 0.0
        self._replay = True  # until the spool was read to its end once, entries may be in the index already
        self.idle = False

    def read(self, taken: Callable[[], None] | None = None, *, wait: bool = True) -> Parsed | None:
        """See ``Front``; ``taken`` is called when a batch was read, before it is parsed."""
        if self._held is not None:
            held, self._held = self._held, None
            return self._parsed(self._parser.resume(held), replay=True)
        events, points, position = self._spool.read(self._batch)
        self.idle = not events and not points
        if self.idle:
            self._replay = False
            return None
        if taken is not None:
            taken()
        parsed = self._parsed(self._parser.parse(events), replay=self._replay)
        self._redactor.points(points)
        parsed.points, parsed.position, parsed.lines = points, position, len(events)
        parsed.received_ns = events[-1].received_ns if events else time.time_ns()
        return parsed

    def flush(self, now_ns: int | None = None) -> Parsed | None:
        records = self._parser.flush(now_ns)
        return self._parsed(records, replay=True) if records else None

    def finish(self) -> Iterator[Parsed]:
        parsed = self.flush()
        if parsed is not None:
            yield parsed

    def checkpoint(self, position: str) -> None:
        self._spool.checkpoint(position)

    def close(self) -> None:
        """The spool is its owner's."""

    def _parsed(self, records: list[LogRecord], *, replay: bool) -> Parsed:
        # Lines whose id their sender gave may be sent again.
        replay = replay or not all(is_entry_id(record.id) for record in records)
        parsed = Parsed(self._redactor.process(records), replay=replay, catching_up=self._replay)
        parsed.pending, parsed.stats = self._parser.pending(), self._parser.stats()
        now = time.monotonic()
        if now - self._formats_at >= FORMATS_EVERY_S or not self._formats_at:
            self._formats_at, parsed.formats = now, self._parser.formats()
        return parsed
