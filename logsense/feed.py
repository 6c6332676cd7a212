"""Files in: what ``ingest``, ``tail``, ``parse`` and ``mine`` do, for the CLI and for anyone else.

``ingest`` goes the way that every line goes: into the spool, and from there through the pipeline. Where a
server runs on the same data folder, its worker does the second half.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import gzip
import json
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from logsense import registry
from logsense.config import PipelineSpec, Settings, SourceSpec, load_pipeline, pipelines_dir
from logsense.errors import BadConfig, BadInput, Busy, LogsenseError, Overloaded
from logsense.record import Incident, RawEvent
from logsense.shapes import incident_brief
from logsense.sources.lines import decode
from logsense.sources.metrics_csv import MetricsCsv, MetricsCsvOptions
from logsense.sources.patterns import PathPattern
from logsense.sources.read_file import GZIP_ERRORS, GZIP_MAGIC, open_log, read_file
from logsense.spool import DiskSpool
from logsense.worker import Worker

Progress = Callable[[str, float, float], None]
Tell = Callable[[str, dict[str, Any]], None]
MODELS_WAIT_S = 120.0  # loading takes some seconds; thousands of templates some more


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known about lines besides their text; stated for every line that does not say it itself."""

    format: str = "auto"
    host: str = ""
    service: str = ""
    time_zone: str = "UTC"
    pipeline: str = ""

    def fields(self) -> dict[str, Any]:
        stated = {
            "host.name": self.host,
            "service.name": self.service,
            "pipeline": self.pipeline,
            "logsense.format": "" if self.format == "auto" else self.format,
            "logsense.time_zone": "" if self.time_zone == "UTC" else self.time_zone,
        }
        return {name: value for name, value in stated.items() if value}

    def check(self) -> None:
        """Raise BadInput for a format or zone that does not exist, before a line is read."""
        from logsense.parse import list_formats

        known = [f.name for f in list_formats()] if self.format != "auto" else []
        if self.format != "auto" and self.format not in known:
            near = difflib.get_close_matches(self.format, known, n=1)
            raise BadInput(f"There is no format {self.format!r}.",
                           fix=f"did you mean {near[0]!r}?" if near else "`logsense formats` lists them")  # fmt: skip
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise BadInput(
                f"There is no time zone {self.time_zone!r}.", fix="use a name such as Europe/Berlin"
            ) from error


@dataclass(frozen=True, slots=True)
class Found:
    """A file that a source of a pipeline matches, and what its path says."""

    path: Path
    fields: dict[str, str]


def pipeline_files(source: SourceSpec, root: Path) -> list[Found]:
    """The files of ``source`` under ``root``, sorted."""
    return [Found(path, fields) for path, fields in PathPattern(str(root / source.path)).paths() if path.is_file()]


def find_pipeline(name: str) -> PipelineSpec:
    """By name (those that come with logsense) or by path."""
    shipped = pipelines_dir() / f"{name}.toml"
    if shipped.is_file():
        return load_pipeline(shipped)
    if Path(name).suffix == ".toml" or Path(name).is_file():
        return load_pipeline(Path(name))
    known = ", ".join(sorted(p.stem for p in pipelines_dir().glob("*.toml")))
    raise BadConfig(
        f"There is no pipeline {name!r}.", where=str(pipelines_dir()), fix=f"use {known}, or a path to a .toml"
    )


class Taken:
    """How far each file was ingested, by its identity, so that the same file again adds only what is new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends: dict[str, int] = {}
        with contextlib.suppress(OSError, ValueError):
            self._ends = {str(k): int(v) for k, v in json.loads(path.read_text(encoding="utf-8")).items()}
        self._before = dict(self._ends)

    def new(self, events: list[RawEvent]) -> list[RawEvent]:
        """Those of ``events`` that lie beyond what an earlier run took."""
        fresh = []
        for event in events:
            identity, _, offset = (event.id or "").partition("-")
            if not offset:
                fresh.append(event)  # standard input has no identity
                continue
            at = int(offset, 16)
            if at > self._before.get(identity, -1):
                fresh.append(event)
                self._ends[identity] = max(at, self._ends.get(identity, -1))
        return fresh

    def save(self) -> None:
        work = self._path.with_suffix(".new")
        work.write_text(json.dumps(self._ends), encoding="utf-8")
        work.replace(self._path)


class Ingest:
    """One run of ``ingest``: ``add`` files, then ``finish``. Its report is a dict for people and programs."""

    def __init__(
        self,
        data: Path,
        settings: Settings,
        *,
        models: bool = True,
        progress: Progress | None = None,
        observe: Callable[[list[Any]], None] | None = None,
    ) -> None:
        self.data, self._progress = data, progress or (lambda what, done, total: None)
        self._started = time.monotonic()
        self._told: dict[str, Incident] = {}
        self.notes: list[str] = []
        self.lines = self.points = 0
        data.mkdir(parents=True, exist_ok=True)
        self._taken = Taken(data / "ingested.json")
        self.on_incident: Callable[[Incident], None] | None = None
        self.worker: Worker | None = None
        try:
            self.worker = Worker(data, settings, models=models, told=self._hear, observe=observe)
            self.spool = self.worker.spool
        except Busy:
            self.notes.append("a server works on this data folder: it indexes and analyses what was read")
            self.spool = DiskSpool(data / "spool", settings.section("spool"))

    def _hear(self, incident: Incident) -> None:
        self._told[incident.id] = incident
        if self.on_incident is not None:
            self.on_incident(incident)

    def add_lines(self, path: str, hints: Hints, extra: dict[str, str] | None = None) -> None:
        """Read ``path`` (``-``: standard input) to its end. What comes before damage is kept."""
        stated = {**hints.fields(), **(extra or {})}
        total = 0 if path == "-" else _size(path)
        done, before = 0, self.lines

        def advance(count: int) -> None:
            nonlocal done
            done += count
            self._progress("reading", done, total)

        empty = True
        try:
            for events in read_file(path, fields=stated, progress=advance):
                empty = False
                new = self._taken.new(events)
                if new:
                    self._put(new)
        except BadInput as error:
            if empty:
                raise
            self.notes.append(str(error))
        if empty:
            self.notes.append(f"{path} is empty")
        elif self.lines == before:
            self.notes.append(f"{path} holds nothing that was not ingested before")

    def _put(self, events: Sequence[RawEvent]) -> None:
        """Into the spool; when it is full, the worker (ours or the server's) makes room."""
        while True:
            try:
                self.spool.append(events)
                break
            except Overloaded as error:
                if self.worker is None:
                    time.sleep(min(error.retry_after_s, 1))
                elif not self.worker.step():
                    raise
                else:
                    self.worker.commit()
        self.lines += len(events)
        if self.worker is not None:
            self.worker.step()

    def add_metrics(self, path: Path, host: str) -> None:
        """A recorded metrics file (wide CSV)."""
        for points in MetricsCsv(MetricsCsvOptions(host=host)).read(path):
            self.spool.append((), points)
            self.points += len(points)

    def finish(self) -> dict[str, Any]:
        """Index and analyse everything; the report."""
        self._taken.save()
        unparsed = 0
        if self.worker is not None:
            worker = self.worker
            backlog = max(self.spool.backlog_bytes(), 1)
            worker.drain(lambda left: self._progress("indexing", backlog - left, backlog))
            worker.analyse(lambda windows: self._progress("looking for incidents", windows, 0))
            if worker.pipeline.enricher is not None and not worker.pipeline.finish_enrichment(MODELS_WAIT_S):
                self.notes.append(
                    f"templates have no meaning vectors yet: the models are {worker.pipeline.enricher.state}"
                )
            worker.commit()
            unparsed = sum(row["unparsed"] for row in worker.pipeline.parsed.values())
            worker.close()
        else:
            while backlog := self.spool.backlog_bytes():
                self._progress("the server indexes", 0, backlog)
                time.sleep(0.2)
            self.spool.close()
        incidents = sorted(self._told.values(), key=lambda i: i.start_ns)
        return {
            "lines": self.lines,
            "points": self.points,
            "unparsed": unparsed,
            "seconds": round(time.monotonic() - self._started, 3),
            "incidents": [incident_brief(i) for i in incidents],
            "notes": self.notes,
        }


def ingest_files(
    data: Path, settings: Settings, files: Iterable[str], hints: Hints, *, progress: Progress | None = None
) -> dict[str, Any]:
    """Read log files and analyse them. A file that cannot be read stops nothing but is an error if all are so."""
    hints.check()
    names = list(files)
    problems = [error for name in names if name != "-" and (error := _unreadable(name))]
    if len(problems) == len(names):
        raise problems[0]
    run = Ingest(data, settings, progress=progress)
    bad = {error.where for error in problems}
    for name in names:
        if name not in bad:
            run.add_lines(name, hints)
    run.notes += [str(error) for error in problems]
    return run.finish()


def ingest_pipeline(
    data: Path, settings: Settings, pipeline: str, roots: Sequence[Path], *, progress: Progress | None = None,
    models: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Read recordings laid out as ``pipeline`` says."""
    spec = find_pipeline(pipeline)
    run = Ingest(data, settings.over(spec.settings), progress=progress, models=models)
    for root in roots:
        add_recording(run, spec, root)
    return run.finish()


def add_recording(run: Ingest, spec: PipelineSpec, root: Path) -> None:
    """All files under ``root`` that the pipeline's sources match."""
    if not root.is_dir():
        raise BadInput(f"{root} is no folder.", fix="give the folder that the pipeline's paths are relative to")
    count = 0
    for source in spec.source:
        hints = Hints(source.format, source.host, source.service, spec.time_zone, spec.name)
        for found in pipeline_files(source, root):
            count += 1
            if source.type == "metrics_csv":
                run.add_metrics(found.path, found.fields.get("host.name", source.host))
            else:
                run.add_lines(str(found.path), hints, found.fields)
    if not count:
        raise BadInput(f"Pipeline {spec.name!r} matches no file under {root}.",
                       fix=f"it reads {', '.join(s.path for s in spec.source)}")  # fmt: skip


def follow(data: Path, settings: Settings, files: Sequence[str], hints: Hints, tell: Tell) -> None:
    """Tail files into the data folder and report incidents until interrupted."""

    def told(incident: Incident) -> None:
        tell("incident", incident_brief(incident))

    worker = Worker(data, settings, told=told)
    asyncio.run(_follow(data, files, hints, worker, tell))


async def _follow(data: Path, files: Sequence[str], hints: Hints, worker: Worker, tell: Tell) -> None:
    from logsense.spool import SpoolIntake

    source = make_tail(data, files, hints.fields())
    intake = SpoolIntake(worker.spool)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    reading = asyncio.create_task(source.run(intake))
    working = asyncio.create_task(asyncio.to_thread(worker.run_until, stop.is_set))
    problems: dict[str, str] = {}
    while not stop.is_set() and not reading.done() and not working.done():
        for path, problem in source.problems.items():
            if problems.get(path) != problem:
                tell("warning", {"text": f"{path}: {problem}"})
        problems = dict(source.problems)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5)
    stop.set()
    reading.cancel()
    results = await asyncio.gather(reading, working, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


def make_tail(data: Path, paths: Iterable[str], fields: dict[str, Any]) -> Any:
    """The tail source with its positions in the data folder."""
    from logsense.sources.tail import TailOptions

    options = TailOptions(paths=tuple(paths), positions=data / "tail-positions.json", fields=fields)
    return registry.load(registry.SOURCES["tail"])(options)


def parse_file(path: str, settings: Settings, hints: Hints) -> Iterator[dict[str, Any]]:
    """One ECS document a record, parsed and redacted, streamed."""
    from logsense.parse import Parser, Redactor, to_ecs

    hints.check()
    parser, redactor = Parser(settings.section("parse")), Redactor(settings.section("redact"))
    for events in read_file(path, fields=hints.fields()):
        yield from map(to_ecs, redactor.process(parser.parse(events)))
    yield from map(to_ecs, redactor.process(parser.flush()))


def mine_file(path: str, settings: Settings, hints: Hints, *, raw: bool) -> Iterator[tuple[str, str]]:
    """(template id, template) for each input line, blank ones included; the text is the final one.

    A line that continues a record (a stack trace) gets that record's template.
    """
    from logsense.mine import mine_lines
    from logsense.parse import Parser, Redactor

    if raw:
        yield from mine_lines(_lines(path))
        return
    hints.check()
    lines = list(_lines(path))
    now = time.time_ns()
    events = [RawEvent(line, "mine", now, hints.fields(), str(n)) for n, line in enumerate(lines) if line.strip()]
    parser, redactor = Parser(settings.section("parse")), Redactor(settings.section("redact"))
    records = redactor.process([*parser.parse(events), *parser.flush()])
    records.sort(key=lambda r: int(r.id))
    mined = list(mine_lines(r.message for r in records))
    first = [int(r.id) for r in records]
    at = -1
    for number, line in enumerate(lines):
        if at + 1 < len(first) and first[at + 1] == number:
            at += 1
        yield mined[at] if line.strip() and at >= 0 else ("", "")


def _lines(path: str) -> Iterator[str]:
    """Every line as it stands, without its end."""
    file: Any = sys.stdin.buffer if path == "-" else open_log(Path(path))
    try:
        packed = path != "-" and file.peek(2)[:2] == GZIP_MAGIC
        for line in gzip.GzipFile(fileobj=file) if packed else file:
            yield decode(line.rstrip(b"\r\n"))
    except GZIP_ERRORS as error:
        raise BadInput(f"{path} is damaged gzip", why=str(error), fix="fetch the file again") from error
    finally:
        if path != "-":
            file.close()


def _unreadable(name: str) -> LogsenseError | None:
    path = Path(name)
    try:
        if path.is_dir():
            return BadInput(f"{name} is a directory.", where=name, fix=f"name the files, e.g. {name.rstrip('/')}/*.log")
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return BadInput(f"{name} cannot be read.", why=error.strerror or str(error), where=name,
                        fix="check the spelling and the permissions")  # fmt: skip
    return None


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0
