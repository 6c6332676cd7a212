"""All log lines: the day shards together. Finds, orders and counts across days; knows no engine."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from logsense.errors import IndexUnavailable
from logsense.index.base import DAY_NS, SCALE, TERM_FIELDS, Plan
from logsense.index.base import plan as make_plan
from logsense.index.engine import compile_plan, compile_score
from logsense.index.options import EmbeddedOptions
from logsense.index.shards import (
    Place,
    Shard,
    ShardError,
    ShardWriter,
    View,
    day_from_name,
    day_name,
    day_of,
)
from logsense.record import Hit, LogRecord, Query

if TYPE_CHECKING:
    from logsense.index.engine import CompiledQuery

log = logging.getLogger(__name__)

R = TypeVar("R")

#: Beyond this many buckets in a day, times are read one by one instead of aggregated (tantivy allows 65,000).
_MAX_BUCKETS = 50_000
_SCAN_CHUNK = 10_000
_ALL_TERMS = 60_000  # values of one field in one shard that are counted exactly


class Lines:
    """The shards under ``root``. Writing methods are for the one writer process and one thread of it."""

    def __init__(self, root: Path, options: EmbeddedOptions) -> None:
        self.root, self._options = root, options
        root.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._shards: dict[int, Shard] = {}
        self._bad: dict[int, tuple[int, str]] = {}  # day -> (folder's inode, why)
        self._listed: int = -1
        self._writers: OrderedDict[int, ShardWriter] = OrderedDict()

    # --- shards ---------------------------------------------------------------------------------

    def _views(self, from_ns: int | None = None, to_ns: int | None = None) -> list[View]:
        """The readable shards that overlap the time range, newest day first."""
        with self._lock:
            self._discover()
            low = None if from_ns is None else day_of(from_ns)
            high = None if to_ns is None else day_of(to_ns)
            views = []
            for day in sorted(self._shards, reverse=True):
                if (low is not None and day < low) or (high is not None and day > high):
                    continue
                try:
                    views.append(self._shards[day].view())
                except ShardError as error:
                    self._skip(day, str(error))
            return views

    def _discover(self) -> None:
        """Open shard folders that appeared since the last look."""
        stamp = self.root.stat().st_mtime_ns
        if stamp == self._listed:
            return
        complete = True
        for entry in os.scandir(self.root):
            day = day_from_name(entry.name)
            if day is None or day in self._shards or self._bad.get(day, (0, ""))[0] == entry.inode():
                continue
            if not (Path(entry.path) / "meta.json").exists():
                complete = False  # its writer is just creating it
                continue
            try:
                self._shards[day] = Shard(Path(entry.path), day)
            except ShardError as error:
                self._skip(day, str(error))
        # file systems stamp in ticks of some milliseconds: a folder made in the tick of this look would be missed
        settled = complete and time.time_ns() - stamp > 1_000_000_000
        self._listed = stamp if settled else -1

    def _skip(self, day: int, why: str) -> None:
        """Leave a damaged shard out until its folder is replaced."""
        path = self.root / day_name(day)
        self._bad[day] = (path.stat().st_ino if path.exists() else -1, why)
        shard = self._shards.pop(day, None)
        if shard is not None:
            shard.close()
        log.warning(
            "the lines of %s cannot be read and are left out of every answer: %s (restore %s from a backup, "
            "or delete the folder to be rid of this message)",
            day_name(day),
            why,
            path,
        )

    def problems(self) -> list[str]:
        """One sentence for each shard that is left out."""
        return [f"the lines of {day_name(day)} cannot be read: {why}" for day, (_, why) in sorted(self._bad.items())]

    # --- writing --------------------------------------------------------------------------------

    def write(self, records: Sequence[LogRecord], *, replay: bool) -> None:
        """See ``Index.write_logs``. Raises IndexUnavailable when the disk refuses; then nothing may be acknowledged."""
        try:
            if replay:
                records = list({record.id: record for record in records}.values())
                self._forget(records)
            days: dict[int, list[LogRecord]] = {}
            for record in records:
                days.setdefault(day_of(record.timestamp_ns), []).append(record)
            for day, lines in days.items():
                self._writer(day).add(lines)
        except (ShardError, OSError) as error:
            self._abandon()
            raise _refused(self.root, error) from error

    def _forget(self, records: Sequence[LogRecord]) -> None:
        """Delete whatever these ids name, in any shard.

        A replayed id is in its own day; an id stated by a client may come again with another time. Looking
        costs a term lookup per id and shard (about 1 µs); only ids that exist are deleted.
        """
        for writer in self._writers.values():  # first: deleting below may close one of these
            for record in records:
                if record.id in writer.pending:
                    writer.delete(record.id)

        def held(view: View) -> list[str]:
            return [record.id for record in records if view.holds(record.id)]

        for view, log_ids in self._each(self._views(), held):
            for log_id in log_ids:
                self._writer(view.day).delete(log_id)

    def _writer(self, day: int) -> ShardWriter:
        writer = self._writers.get(day)
        if writer is not None:
            self._writers.move_to_end(day)
            return writer
        while len(self._writers) >= self._options.open_writers:
            self._writers.popitem(last=False)[1].close()
        with self._lock:
            shard = self._writable(day)
        writer = self._writers[day] = shard.writer(self._options)
        return writer

    def _writable(self, day: int) -> Shard:
        """The day's shard, created when missing; a damaged one is set aside so that new lines have a place."""
        self._discover()
        shard = self._shards.get(day)
        if shard is None:
            path = self.root / day_name(day)
            if day in self._bad:
                number = 1
                while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
                    number += 1
                path.rename(aside)
                log.warning("the damaged shard %s was moved to %s; a new one takes its place", path, aside)
                del self._bad[day]
            shard = self._shards[day] = Shard(path, day, create=True)
        return shard

    def commit(self) -> None:
        try:
            for writer in self._writers.values():
                writer.commit()
        except (ShardError, OSError) as error:
            self._abandon()
            raise _refused(self.root, error) from error

    def _abandon(self) -> None:
        for writer in self._writers.values():
            writer.abandon()
        self._writers.clear()

    def close(self) -> None:
        refused: Exception | None = None
        for writer in self._writers.values():
            try:
                writer.close()
            except (ShardError, OSError) as error:
                refused = error
        self._writers.clear()
        for shard in self._shards.values():
            shard.close()
        self._shards.clear()
        if refused is not None:
            raise _refused(self.root, refused) from refused

    # --- reading --------------------------------------------------------------------------------

    def _each(self, views: Sequence[View], ask: Callable[[View], R]) -> Iterator[tuple[View, R]]:
        """Ask every view; one that turns out to be damaged is left out from now on."""
        for view in views:
            try:
                answer = ask(view)
            except ShardError as error:
                self._judge(view, error)
            else:
                yield view, answer

    def _judge(self, view: View, error: ShardError) -> None:
        """Was it the shard or the question? Only a shard that fails the simplest question is left out for good."""
        try:
            fresh = Shard(view.path, view.day)
            fresh.view().ordered(compile_plan(make_plan(Query())), None, None, skip=0, limit=1, newest_first=True)
            fresh.close()
        except ShardError as damage:
            with self._lock:
                self._skip(view.day, str(damage))
        else:
            log.warning("a query failed on the lines of %s, its answer lacks them: %s", day_name(view.day), error)

    def get(self, log_id: str) -> LogRecord | None:
        found = self._each(self._views(), lambda view: view.by_id(log_id) if view.holds(log_id) else None)
        return next((record for _, record in found if record is not None), None)

    def frequency(self, form: Sequence[str]) -> int:
        """Lines that hold the word or (an upper bound) the words, over all days."""
        return sum(found for _, found in self._each(self._views(), lambda v: v.frequency(form)))

    def total(self) -> int:
        return sum(view.lines for view in self._views())

    def search(self, plan: Plan, *, limit: int, offset: int, by_time: bool) -> tuple[int, list[Hit]]:
        views = self._views(plan.from_ns, plan.to_ns)
        query = compile_plan(plan)
        if by_time or not plan.scored:
            counts = self._counts(views, query, plan)
            records = self._walk(counts, query, plan, skip=offset, need=limit)
            return sum(counts.values()), [Hit(record, plan.top_score / SCALE) for record in records]
        return self._best(views, plan, limit=limit, offset=offset)

    def _counts(self, views: Sequence[View], query: CompiledQuery, plan: Plan) -> dict[View, int]:
        found = self._each(views, lambda view: view.count(query, plan.from_ns, plan.to_ns))
        return dict(found)

    def _walk(
        self, counts: dict[View, int], query: CompiledQuery, plan: Plan, *, skip: int, need: int
    ) -> list[LogRecord]:
        """Matches ``skip`` to ``skip + need``, newest first, over days whose counts are known."""
        records: list[LogRecord] = []
        for view, count in counts.items():
            if skip >= count:
                skip -= count
                continue
            if len(records) == need:
                break
            ask = partial(View.ordered, query=query, from_ns=plan.from_ns, to_ns=plan.to_ns, newest_first=True)
            for _, found in self._each([view], partial(ask, skip=skip, limit=need - len(records))):
                records += found
            skip = 0
        return records

    def _best(self, views: Sequence[View], plan: Plan, *, limit: int, offset: int) -> tuple[int, list[Hit]]:
        """Best first, newest first among equals, exactly.

        The engine returns the best k lines, but which of the equals at the end of those k it returns is its
        own affair. So only the lines above the lowest score are taken from there; the lowest score's lines
        are asked for again by that score alone, newest first.
        """
        wanted = offset + limit
        query = compile_plan(plan)
        total = 0
        found: list[tuple[int, View, Place]] = []
        for view, answer in self._each(views, lambda v: v.best(query, plan.from_ns, plan.to_ns, wanted)):
            count, places = answer
            total += count
            found += [(place.score, view, place) for place in places]
        if not found or not limit:
            return total, []
        scores = Counter(score for score, _, _ in found)
        lowest, above = min(scores), 0
        for score in sorted(scores, reverse=True):
            lowest = score
            if above + scores[score] >= wanted:
                break
            above += scores[score]
        better: list[Hit] = []
        for view in views:
            mine = [place for score, other, place in found if other is view and score > lowest]
            records = view.records(mine)
            better += [Hit(record, place.score / SCALE) for place, record in zip(mine, records, strict=True)]
        better.sort(key=lambda hit: (hit.score, hit.record.timestamp_ns, hit.record.id), reverse=True)
        page = better[offset:wanted]
        if len(better) < wanted:
            equals = compile_score(plan, lowest)
            rest = self._walk(
                self._counts(views, equals, plan),
                equals,
                plan,
                skip=max(0, offset - len(better)),
                need=limit - len(page),
            )
            page += [Hit(record, lowest / SCALE) for record in rest]
        return total, page

    def scan(self, plan: Plan) -> Iterator[LogRecord]:
        """All matches, oldest first, ``_SCAN_CHUNK`` in memory at a time."""
        query = compile_plan(plan)
        for view in reversed(self._views(plan.from_ns, plan.to_ns)):
            from_ns = plan.from_ns
            while True:
                chunk = partial(_chunk, query=query, from_ns=from_ns, to_ns=plan.to_ns)
                answer = next(self._each([view], chunk), None)
                if answer is None:
                    break
                records, from_ns = answer[1]
                yield from records
                if from_ns is None:
                    break

    def histogram(self, plan: Plan, step_ns: int) -> list[tuple[int, int]]:
        query = compile_plan(plan)
        counts: Counter[int] = Counter()

        def ask(view: View) -> list[tuple[int, int]]:
            if DAY_NS // step_ns <= _MAX_BUCKETS:
                return view.histogram(query, plan.from_ns, plan.to_ns, step_ns)
            times = view.times(query, plan.from_ns, plan.to_ns, view.count(query, plan.from_ns, plan.to_ns))
            return [(at - at % step_ns, 1) for at in times]

        for _, buckets in self._each(self._views(plan.from_ns, plan.to_ns), ask):
            for start, count in buckets:
                counts[start] += count
        return sorted(counts.items())

    def terms(self, plan: Plan, field: str) -> Counter[str]:
        """Lines per value of ``field``, all values."""
        counts: Counter[str] = Counter()
        if field not in TERM_FIELDS:
            return counts
        query = compile_plan(plan)
        views = self._views(plan.from_ns, plan.to_ns)

        def ask(view: View) -> list[tuple[str, int]]:
            if plan.everything:  # asked with every question, for the catalogue of hosts and services
                return view.all_terms(query, field, _ALL_TERMS)
            return view.terms(query, plan.from_ns, plan.to_ns, field, _ALL_TERMS)

        for _, values in self._each(views, ask):
            counts.update(dict(values))
        return counts

    def time_range(self, everything: Plan) -> tuple[int, int] | None:
        """Times of the first and the last line."""
        query = compile_plan(everything)
        ends: list[int] = []
        views = [view for view in self._views() if view.lines]
        for newest_first, ordered in ((True, views), (False, list(reversed(views)))):
            ask = partial(View.ordered, query=query, from_ns=None, to_ns=None, skip=0, limit=1)
            found = self._each(ordered, partial(ask, newest_first=newest_first))
            ends += next(([records[0].timestamp_ns] for _, records in found if records), [])
        return (ends[1], ends[0]) if len(ends) == 2 else None


def _chunk(
    view: View, query: CompiledQuery, from_ns: int | None, to_ns: int | None
) -> tuple[list[LogRecord], int | None]:
    """The oldest matches of a day from ``from_ns`` on, and the time at which the next chunk begins (None: no more).

    A chunk ends between two times; lines of one single time stay together, however many they are.
    """
    times = view.times(query, from_ns, to_ns, _SCAN_CHUNK + 1)
    if len(times) <= _SCAN_CHUNK:
        return view.ordered(query, from_ns, to_ns, skip=0, limit=len(times), newest_first=False), None
    until = times[-1] if times[-1] > times[0] else times[0] + 1
    count = view.count(query, from_ns, until)
    return view.ordered(query, from_ns, until, skip=0, limit=count, newest_first=False), until


def _refused(root: Path, error: Exception) -> IndexUnavailable:
    return IndexUnavailable(
        "the index cannot be written",
        why=str(error)[:500],
        where=str(root),
        fix="check free space and permissions there; nothing acknowledged is lost, indexing resumes by itself",
    )
