"""Group commit: one thread writes what all callers have queued and flushes once for all of them."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import shutil
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from logsense import errors
from logsense.spool.options import SpoolOptions
from logsense.spool.segment import SegmentWriter, list_segments, start_ns

log = logging.getLogger(__name__)

#: A commit takes at most this many bytes, so that one caller's huge batch does not delay everyone's answer.
GROUP_BYTES = 16 * 1024**2
#: How often the folder's size is looked up again (other processes write and the worker deletes).
USAGE_REFRESH_S = 0.25


class GroupWriter:
    """Owns this process's current segment. ``submit`` may be called from any thread."""

    def __init__(self, directory: Path, options: SpoolOptions) -> None:
        self._directory = directory
        self._options = options
        self._queue: queue.SimpleQueue[tuple[bytes, Future[None]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pending = 0
        self._usage = 0
        self._oldest_ns = 0
        self._free = 0
        self._usage_read = -1.0
        self._segment: SegmentWriter | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._pid = os.getpid()

    def submit(self, frames: bytes) -> Future[None]:
        """Queue ``frames``; the future is done when they are durable. Raises Overloaded before anything is kept."""
        if os.getpid() != self._pid:
            raise RuntimeError("a spool must not be used across fork(): open one in each process")
        future: Future[None] = Future()
        with self._lock:
            if self._closed:
                raise self._refusal("the spool is closed")
            self._check_room(len(frames))
            self._pending += len(frames)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="spool-writer", daemon=True)
                self._thread.start()
            self._queue.put((frames, future))
        return future

    def close(self) -> None:
        """Write what is queued and end the thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        if self._thread is not None:
            self._thread.join()

    def _check_room(self, size: int) -> None:
        options = self._options
        now = time.monotonic()
        if now - self._usage_read >= USAGE_REFRESH_S or self._usage_read < 0:
            segments = list_segments(self._directory)
            self._usage = sum(used for _, used in segments)
            self._oldest_ns = start_ns(segments[0][0]) if segments else 0
            self._free = shutil.disk_usage(self._directory).free
            self._usage_read = now
        if self._usage + self._pending + size > options.max_bytes:
            raise self._refusal(
                f"{self._usage} bytes wait to be indexed and {size} more would exceed max_bytes = {options.max_bytes}",
                fix="wait for the worker to catch up, check that it runs, or raise spool.max_bytes",
            )
        if options.keep_free_bytes and self._free - self._pending - size < options.keep_free_bytes:
            raise self._refusal(
                f"only {self._free} bytes are free on the disk and keep_free_bytes = {options.keep_free_bytes}",
                fix="free space on the data disk",
            )
        if self._pending and self._pending + size > options.max_pending_bytes:
            raise self._refusal(f"{self._pending} bytes wait for the disk", fix="check the disk of the data folder")
        age_s = (time.time_ns() - self._oldest_ns) / 1e9
        if options.max_age_s and self._oldest_ns and age_s > options.max_age_s:
            raise self._refusal(
                f"the oldest unindexed lines are {age_s:.0f} s old (max_age_s = {options.max_age_s:g})",
                fix="check that the worker runs",
            )

    def _refusal(self, why: str, fix: str = "") -> errors.Overloaded:
        return errors.Overloaded(
            "The spool takes no more lines for now",
            retry_after_s=self._options.retry_after_s,
            why=why,
            where=str(self._directory),
            fix=fix,
        )

    def _run(self) -> None:
        last = False
        while not last:
            try:
                item = self._queue.get(timeout=max(self._options.segment_age_s, 0.05))
            except queue.Empty:
                self._close_segment()  # idle: let the reader finish and delete it
                continue
            group: list[tuple[bytes, Future[None]]] = []
            size = 0
            while True:
                if item is None:
                    last = True
                    break
                group.append(item)
                size += len(item[0])
                if size >= GROUP_BYTES:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            if group:
                self._commit(group, size)
        self._close_segment()

    def _commit(self, group: list[tuple[bytes, Future[None]]], size: int) -> None:
        # A cancelled caller was never told that its lines are kept, so they are left out.
        waiting = [(frames, future) for frames, future in group if future.set_running_or_notify_cancel()]
        try:
            if waiting:
                self._write(b"".join(frames for frames, _ in waiting))
        except OSError as error:
            self._close_segment()
            log.error("spool: cannot write to %s: %s", self._directory, error)
            refusal = self._refusal(f"writing failed: {error.strerror}", fix="free space on, or repair, the data disk")
            for _, future in waiting:
                future.set_exception(refusal)
        except BaseException as error:  # a defect or no memory: nobody may wait for ever
            self._close_segment()
            for _, future in waiting:
                future.set_exception(error)
            raise
        else:
            for _, future in waiting:
                future.set_result(None)
        finally:
            with self._lock:
                self._pending -= size
                self._usage += size
                self._free -= size

    def _write(self, data: bytes) -> None:
        segment = self._segment
        # Whole segments are reclaimed, and never the one being written: it must be a small part of the spool.
        segment_bytes = min(self._options.segment_bytes, self._options.max_bytes // 4)
        if segment is not None and (
            segment.end + len(data) > segment_bytes or time.monotonic() - segment.born > self._options.segment_age_s
        ):
            self._close_segment()
        if self._segment is None:
            self._segment = SegmentWriter(self._directory, fsync=self._options.fsync)
        self._segment.append(data)

    def _close_segment(self) -> None:
        if self._segment is not None:
            with contextlib.suppress(OSError):
                self._segment.close()
            self._segment = None
