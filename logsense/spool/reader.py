"""Reads all segments in order, remembers how far, and deletes what is indexed."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path

import orjson

from logsense.record import MetricPoint, RawEvent
from logsense.spool import codec
from logsense.spool.frames import FrameReader
from logsense.spool.segment import DATA_START, SUFFIX, SegmentFile, list_segments

log = logging.getLogger(__name__)

#: Where the reader leaves its last checkpoint so that other processes can tell the backlog. Only a hint.
HINT = "indexed.json"


def parse_position(position: str | None) -> dict[str, int]:
    """Segment stem → offset of the first byte that is not yet read. Raises ValueError."""
    if not position:
        return {}
    offsets = orjson.loads(position)
    if not isinstance(offsets, dict) or not all(isinstance(one, int) for one in offsets.values()):
        raise ValueError(f"not a spool position: {position[:80]}")
    return offsets


def read_hint(directory: Path) -> dict[str, int]:
    """The last checkpoint of whatever process reads this spool; empty when none is known."""
    try:
        return parse_position((directory / HINT).read_text())
    except (OSError, ValueError):
        return {}


@dataclass(slots=True)
class _Open:
    file: SegmentFile
    frames: FrameReader
    offset: int
    done: bool = False


class SpoolReader:
    """The one consumer of a spool. Not thread-safe.

    ``corrupt_frames`` counts damaged places that were skipped, ``torn_bytes`` what dead writers left half-written
    (never acknowledged, unless the disk itself lost it).
    """

    def __init__(self, directory: Path, position: str | None) -> None:
        self._directory = directory
        self._checkpointed = parse_position(position)
        self._segments: dict[str, _Open] = {}
        self.corrupt_frames = 0
        self.torn_bytes = 0

    def read(self, limit: int) -> tuple[list[RawEvent], list[MetricPoint], str]:
        """About ``limit`` entries (whole frames), oldest segment first, and the position behind them."""
        events: list[RawEvent] = []
        points: list[MetricPoint] = []
        present = list_segments(self._directory)
        self._forget(present)
        for stem, _ in present:
            if len(events) + len(points) >= limit:
                break
            self._read_segment(stem, limit, events, points)
        position = {stem: self._offset(stem) for stem, _ in present if self._offset(stem) > DATA_START}
        self._reclaim()
        return events, points, orjson.dumps(position).decode()

    def checkpoint(self, position: str) -> None:
        """Everything before ``position`` is indexed: delete the segments that end there."""
        checkpointed = parse_position(position)
        if checkpointed != self._checkpointed:
            self._checkpointed = checkpointed
            with contextlib.suppress(OSError):  # a full disk must not stop the indexing that will free it
                temporary = self._directory / f"{HINT}.tmp"
                temporary.write_text(position)
                temporary.replace(self._directory / HINT)
        self._reclaim()

    def backlog_bytes(self) -> int:
        """Bytes that are not yet behind a checkpoint."""
        return backlog(self._directory, self._checkpointed)

    def close(self) -> None:
        for segment in self._segments.values():
            segment.file.close()
        self._segments.clear()

    def _offset(self, stem: str) -> int:
        segment = self._segments.get(stem)
        return segment.offset if segment else self._checkpointed.get(stem, DATA_START)

    def _read_segment(self, stem: str, limit: int, events: list[RawEvent], points: list[MetricPoint]) -> None:
        segment = self._segments.get(stem)
        if segment is None:
            try:
                file = SegmentFile(self._directory / f"{stem}{SUFFIX}")
            except FileNotFoundError:
                return
            segment = _Open(file, FrameReader(file.fd), self._offset(stem))
            self._segments[stem] = segment
        if segment.done:
            return
        end = segment.file.readable_end()
        while len(events) + len(points) < limit:
            found = segment.frames.next_frame(segment.offset, end)
            if found.payload is None:
                if segment.file.finished:
                    self._finish(stem, segment, end)
                return
            if found.skipped:
                self._damaged(stem, segment.offset, f"{found.skipped} bytes skipped")
            segment.offset = found.next
            try:
                # The prefix makes ids unique over segments, writers and restarts, and the same on every reading.
                batch, metrics = codec.decode(found.payload, f"{stem}-{found.start:x}-")
            except ValueError as error:
                self._damaged(stem, found.start, str(error))
                continue
            events += batch
            points += metrics

    def _damaged(self, stem: str, offset: int, what: str) -> None:
        self.corrupt_frames += 1
        log.warning("spool: damaged frame in %s%s at byte %d: %s", stem, SUFFIX, offset, what)

    def _finish(self, stem: str, segment: _Open, end: int) -> None:
        torn = end - segment.offset
        if torn > 0:
            self.torn_bytes += torn
            log.warning("spool: %s%s ends in %d bytes of an unfinished write", stem, SUFFIX, torn)
            segment.offset = end
        segment.done = True

    def _reclaim(self) -> None:
        """Delete finished segments that the last checkpoint covers."""
        for stem, segment in list(self._segments.items()):
            covered = self._checkpointed.get(stem, DATA_START) >= segment.offset
            if segment.done and covered:
                segment.file.close()
                del self._segments[stem]
                with contextlib.suppress(FileNotFoundError):
                    (self._directory / f"{stem}{SUFFIX}").unlink()

    def _forget(self, present: list[tuple[str, int]]) -> None:
        """Drop what an administrator deleted by hand."""
        stems = {stem for stem, _ in present}
        for stem in [stem for stem in self._segments if stem not in stems]:
            self._segments.pop(stem).file.close()


def backlog(directory: Path, offsets: dict[str, int]) -> int:
    """Bytes in ``directory`` behind ``offsets``."""
    return sum(max(0, size - max(offsets.get(stem, DATA_START), DATA_START)) for stem, size in list_segments(directory))
