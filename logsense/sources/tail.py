"""Follows log files: rotation, truncation, new files, restarts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from logsense import errors
from logsense.sources._deliver import accept_patiently
from logsense.sources.lines import MAX_LINE_BYTES
from logsense.sources.patterns import PathPattern
from logsense.sources.positions import Positions
from logsense.sources.tailed_file import Batch, FollowOptions, TailedFile, open_followed
from logsense.stages import Intake

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TailOptions:
    """Which files to follow, and how."""

    #: Paths with ``*``, ``**``, ``?``, ``[…]`` and placeholders ``{host}``, ``{service}`` (give the event's fields).
    paths: tuple[str, ...] = ()
    #: Where positions are kept between runs (in the data folder).
    positions: Path = Path("tail-positions.json")
    #: Fields that are stated for every line, e.g. ``{"service.name": "nginx"}``.
    fields: dict[str, Any] = field(default_factory=dict)
    #: Where to begin in files that were never seen and exist at the start: ``beginning`` or ``end``.
    start_at: str = "beginning"
    #: Seconds between two looks at the files.
    poll_interval_s: float = 0.5
    #: Seconds between two searches for new files.
    discover_interval_s: float = 2.0
    #: Bytes of a line that are kept; the rest is cut off and counted in ``logsense.truncated_bytes``.
    max_line_bytes: int = MAX_LINE_BYTES
    #: Seconds after which a last line without newline is taken as it is; 0 waits for the newline.
    partial_line_timeout_s: float = 0.0
    #: Seconds that a file which was renamed or deleted is still followed (its writer may not know yet).
    rotated_wait_s: float = 10.0
    #: Lines that are handed over (and flushed to disk) at once.
    batch_lines: int = 2000


class TailSource:
    """Follows all files that match. Positions are saved only after ``intake.accept`` returned.

    Line ids are made of the file's identity (device, inode, first line) and the byte offset, so what is read twice
    after a crash keeps its ids.
    """

    name = "tail"

    def __init__(self, options: TailOptions) -> None:
        if options.start_at not in ("beginning", "end"):
            raise errors.BadConfig(f"start_at = {options.start_at!r}", fix="write beginning or end")
        self.options = options
        self._follow = FollowOptions(options.max_line_bytes, options.partial_line_timeout_s, options.rotated_wait_s)
        self._patterns = [PathPattern(pattern) for pattern in options.paths]
        for pattern in self._patterns:
            if pattern.is_plain and Path(pattern.pattern).is_dir():
                raise errors.BadConfig(
                    f"{pattern.pattern} is a directory", fix=f"name the files, e.g. {pattern.pattern.rstrip('/')}/*.log"
                )
        self._positions = Positions(options.positions)
        self._files: list[TailedFile] = []
        #: What the intake has, and whose positions are still to be moved: also done when ``run`` is cancelled between.
        self._accepted: list[tuple[TailedFile, Batch]] = []
        self._unreadable: dict[str, str] = {}
        self._first_search = True

    @property
    def problems(self) -> dict[str, str]:
        """path → why it cannot be read at the moment; it is tried again."""
        return self._unreadable | {file.path: file.problem for file in self._files if file.problem}

    async def run(self, intake: Intake) -> None:
        """Until cancelled. All file access is in one thread, so a slow disk never holds up the event loop."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="tail") as thread:

            async def in_thread(function: Callable[..., T], *args: Any) -> T:
                return await loop.run_in_executor(thread, function, *args)

            try:
                await self._follow_files(intake, in_thread)
            finally:
                thread.shutdown(wait=True)  # what still runs there may use the files
                self._commit_accepted()
                self._positions.save()
                for file in self._files:
                    file.close()
                self._files = []

    async def _follow_files(self, intake: Intake, in_thread: Callable[..., Any]) -> None:
        searched: float | None = None
        saved, unsaved = 0.0, False
        while True:
            now = time.monotonic()
            if searched is None or now - searched >= self.options.discover_interval_s:
                await in_thread(self._search)
                searched = now
            batches: list[tuple[TailedFile, Batch]] = await in_thread(self._read)
            events = [event for _, batch in batches for event in batch.events]
            if events:
                await accept_patiently(intake, events)
            if batches:
                self._accepted = batches
                await in_thread(self._commit_accepted)
                unsaved = True
            if unsaved and (not batches or now - saved >= 1.0):
                await in_thread(self._positions.save)
                saved, unsaved = now, False
            if not events:
                await asyncio.sleep(self.options.poll_interval_s)

    def _read(self) -> list[tuple[TailedFile, Batch]]:
        """What is new in the files, up to a batch."""
        room = self.options.batch_lines
        batches: list[tuple[TailedFile, Batch]] = []
        for file in list(self._files):
            if room <= 0:
                break
            problem = file.problem
            batch = file.read(room)
            if file.problem and file.problem != problem:
                self._warn(file.path, file.problem)
            if batch.advanced or batch.finished:
                room -= len(batch.events)
                batches.append((file, batch))
                # To the end of the list: a busy file must not starve the others.
                self._files.remove(file)
                self._files.append(file)
        return batches

    def _commit_accepted(self) -> None:
        batches, self._accepted = self._accepted, []
        for file, batch in batches:
            if batch.advanced:
                try:
                    file.commit()
                except OSError as error:  # the disk fails under us: the lines are accepted, their position is not known
                    self._warn(file.path, error.strerror or str(error))
            if batch.finished:
                file.close()
                self._files.remove(file)

    def _search(self) -> None:
        """Find new files, and notice which of the followed ones have lost their name."""
        named: set[tuple[int, int]] = set()
        unreadable: dict[str, str] = {}
        followed = {file.position.key() for file in self._files}
        for path, fields in self._matches():
            try:
                if path.is_dir():
                    continue
                info = path.stat()
                named.add((info.st_dev, info.st_ino))
                if (info.st_dev, info.st_ino) not in followed:
                    followed.add(self._open(path, fields))
            except OSError as error:
                unreadable[str(path)] = error.strerror or str(error)
                if str(path) not in self._unreadable:
                    self._warn(str(path), unreadable[str(path)])
        self._unreadable = unreadable
        if self._first_search:
            self._open_rotated_meanwhile(named)
        for file in self._files:
            file.set_named(file.position.key() in named)
        self._first_search = False

    def _matches(self) -> Iterator[tuple[Path, dict[str, str]]]:
        for pattern in self._patterns:
            yield from pattern.paths()

    def _open(self, path: Path, fields: dict[str, str]) -> tuple[int, int]:
        file = open_followed(path, {**self.options.fields, **fields}, self._follow, self._positions)
        if self._first_search and self.options.start_at == "end" and not file.position.offset:
            file.skip_to_end()
        self._files.append(file)
        return file.position.key()

    def _open_rotated_meanwhile(self, named: set[tuple[int, int]]) -> None:
        """Files that were renamed while we were stopped: their last lines are still to be read."""
        for position in self._positions.all():
            if position.key() in named or position.done:
                continue
            with contextlib.suppress(OSError):
                for sibling in Path(position.path).parent.iterdir():
                    info = sibling.stat()
                    if (info.st_dev, info.st_ino) == position.key() and info.st_size > position.offset:
                        self._open(sibling, self._fields_of(position.path))
                        break

    def _fields_of(self, path: str) -> dict[str, str]:
        return next((found for one in self._patterns if (found := one.match(path)) is not None), {})

    def _warn(self, path: str, problem: str) -> None:
        log.warning("tail: %s: %s (tried again every %g s)", path, problem, self.options.discover_interval_s)
