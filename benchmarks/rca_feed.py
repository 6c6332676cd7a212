"""A pipeline that is fed directly: lines and metrics of a recording go through parse, redact, mine, index and detect
as in the worker, without a spool."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from logsense.config import Settings
from logsense.front import Parsed
from logsense.parse import Parser, Redactor
from logsense.pipeline import Pipeline
from logsense.record import MetricPoint, RawEvent

BATCH = 2000


class Feed:
    """``options`` are those of ``Pipeline``. Leave it as a context to close the index."""

    def __init__(self, data: Path, **options: Any) -> None:
        settings = Settings({})
        self.pipeline = Pipeline(data, settings, models=False, **options)
        self._parser, self._redactor = Parser(settings.section("parse")), Redactor(settings.section("redact"))

    def lines(self, events: Iterable[RawEvent]) -> None:
        """All of a stream: what waits for a further line at its end is taken too."""
        batch: list[RawEvent] = []
        for event in events:
            batch.append(event)
            if len(batch) == BATCH:
                self._take(batch)
                batch = []
        self._take(batch)
        self.pipeline.take(Parsed(self._redactor.process(self._parser.flush())))

    def _take(self, batch: list[RawEvent]) -> None:
        self.pipeline.take(Parsed(self._redactor.process(self._parser.parse(batch))))

    def points(self, points: Iterable[MetricPoint]) -> None:
        batch: list[MetricPoint] = []
        for point in points:
            batch.append(point)
            if len(batch) == 10 * BATCH:
                self.pipeline.take(Parsed(points=batch))
                batch = []
        self.pipeline.take(Parsed(points=batch))

    def analyse(self) -> None:
        """Score everything and make it readable."""
        self.pipeline.commit(None)
        self.pipeline.analyse()
        self.pipeline.commit(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.pipeline.close()
