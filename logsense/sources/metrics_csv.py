"""Recorded metrics: wide CSV, one row a time, one column a metric."""

from __future__ import annotations

import csv
import gzip
import io
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from logsense import errors
from logsense.record import MetricPoint
from logsense.sources.patterns import PathPattern
from logsense.sources.read_file import GZIP_MAGIC, open_log

log = logging.getLogger(__name__)
_TIME_COLUMNS = ("@timestamp", "timestamp", "time", "date", "datetime")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MetricsCsvOptions:
    """Recorded metrics of hosts."""

    #: Files to read; ``{host}`` gives the host, e.g. ``metrics/{host}.csv``.
    path: str = "metrics/{host}.csv"
    #: The host where the path names none; empty takes the file's name without its suffix.
    host: str = ""
    #: Points in one batch.
    batch_points: int = 5000


class MetricsCsv:
    """Reads files whose first column is ``@timestamp`` (RFC 3339 or epoch seconds) and whose others are metrics.

    A column may carry labels: ``system.disk.utilization{mountpoint=/data}``. Empty cells and cells that are no
    number are left out; ``skipped`` counts the latter and rows without a time.
    """

    name = "metrics_csv"

    def __init__(self, options: MetricsCsvOptions | None = None) -> None:
        self.options = options or MetricsCsvOptions()
        self._pattern = PathPattern(self.options.path)
        self.skipped = 0

    def files(self) -> list[Path]:
        """The files that match, sorted."""
        return [path for path, _ in self._pattern.paths() if path.is_file()]

    def read(
        self, path: Path | None = None, progress: Callable[[int], None] | None = None
    ) -> Iterator[list[MetricPoint]]:
        """Batches of points of one file, or of all that match.

        ``progress`` gets the number of bytes read since the last call. Raises ``BadInput`` for any other kind of file.
        """
        for one in self.files() if path is None else [path]:
            yield from self._read_one(one, progress)

    def _read_one(self, path: Path, progress: Callable[[int], None] | None) -> Iterator[list[MetricPoint]]:
        found = self._pattern.match(str(path)) or {}
        host = found.get("host.name") or self.options.host or path.name.partition(".")[0]
        shared = {name: value for name, value in found.items() if name != "host.name"}
        with open_log(path) as raw:
            packed = raw.peek(2)[:2] == GZIP_MAGIC
            stream = gzip.GzipFile(fileobj=raw) if packed else raw
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="backslashreplace", newline="")
            rows = csv.reader(line.replace("\0", "") for line in text)
            columns = _columns(next(rows, []), path)
            batch: list[MetricPoint] = []
            told = 0
            for row in rows:
                self._add(row, columns, host, shared, batch)
                if len(batch) >= self.options.batch_points:
                    yield batch
                    batch = []
                    if progress is not None:
                        progress(raw.tell() - told)
                        told = raw.tell()
            if batch:
                yield batch
            if progress is not None:
                progress(raw.tell() - told)

    def _add(
        self,
        row: list[str],
        columns: list[tuple[str, dict[str, str]]],
        host: str,
        shared: dict[str, str],
        batch: list[MetricPoint],
    ) -> None:
        if not row:
            return
        stamp = _time_ns(row[0].strip())
        if stamp is None:
            self.skipped += 1
            return
        for (name, labels), cell in zip(columns, row[1:], strict=False):
            if not cell:
                continue
            try:
                value = float(cell)
            except ValueError:
                self.skipped += 1
                continue
            if math.isfinite(value):
                batch.append(MetricPoint(name, host, stamp, value, {**shared, **labels}))


def _columns(header: list[str], path: Path) -> list[tuple[str, dict[str, str]]]:
    """(metric, labels) of every column after the time."""
    if len(header) < 2 or header[0].strip().lower() not in _TIME_COLUMNS:
        raise errors.BadInput(
            f"{path} is no metrics CSV",
            why=f"its first line starts with {','.join(header)[:60]!r}, not with @timestamp and metric names",
            fix="write a header like @timestamp,system.cpu.utilization,system.memory.utilization",
        )
    return [split_series(name.strip()) for name in header[1:]]


def split_series(series: str) -> tuple[str, dict[str, str]]:
    """``name{label=value,…}`` as the name and its labels."""
    name, brace, rest = series.partition("{")
    if not brace or not rest.endswith("}"):
        return series, {}
    pairs = (pair.partition("=") for pair in rest[:-1].split(",") if pair)
    return name, {key.strip(): value.strip().strip('"') for key, _, value in pairs}


def _time_ns(text: str) -> int | None:
    """RFC 3339 (UTC when it names no zone) or epoch seconds; None for other text and for years beyond 1677–2262."""
    try:
        if text.replace(".", "", 1).isdigit():
            ns = round(float(text) * 10**6) * 1000
        else:
            moment = datetime.fromisoformat(text)
            delta = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
            ns = (delta.days * 86_400 + delta.seconds) * 10**9 + delta.microseconds * 1000
    except (ValueError, OverflowError):
        return None
    return ns if -(2**63) <= ns < 2**63 else None
