"""The past of an index as the forecaster saw it: windows of every host, read back from lines, metrics and signals.

Nothing has to be recorded for training: what was indexed is enough. Lines and series are read some hours at a time, so
memory is bounded by what a few hours hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from logsense.errors import BadInput
from logsense.predict.windows import HostWindow, TemplateCount, WindowSignal
from logsense.record import LEVEL_RANK, LEVELS, Query
from logsense.stages import Index
from logsense.timefmt import SECOND, iso

#: Read at once. A series is asked for once a chunk, so short ones cost questions and long ones memory.
CHUNK_NS = 3 * 3600 * SECOND
#: More lines than this are not read back: an hour of work for one core, and no better a model.
MAX_LINES = 20_000_000
#: Every line.
ALL = Query()


@dataclass(slots=True)
class _Host:
    """One host in one step: lines and worst level by (service, template)."""

    lines: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    signals: list[WindowSignal] = field(default_factory=list)
    new: set[str] = field(default_factory=set)
    metrics: dict[str, float] = field(default_factory=dict)


def check_size(index: Index, from_ns: int, to_ns: int) -> int:
    """Lines in the span. Raises ``BadInput`` when there are none, or more than can be read back."""
    total, _ = index.search(Query(from_ns=from_ns, to_ns=to_ns), limit=0)
    if total > MAX_LINES:
        raise BadInput(
            f"The span holds {total} lines, too many to read back.",
            why=f"at most {MAX_LINES} are read",
            where=f"{iso(from_ns)} to {iso(to_ns)}",
            fix="give a shorter span: from and to",
        )
    return total


def windows(
    index: Index, from_ns: int, to_ns: int, step_s: int, tell: Callable[[float], None] = lambda share: None
) -> Iterator[HostWindow]:
    """One window a host and step, in time order, for the steps in which the host said anything.

    ``tell`` hears the share that is done. Times of windows are multiples of ``step_s``, as the live ones are.
    """
    step_ns = step_s * SECOND
    series = index.metric_names()
    start = from_ns // step_ns * step_ns
    while start < to_ns:
        end = min(start + CHUNK_NS // step_ns * step_ns, -(-to_ns // step_ns) * step_ns)
        steps: dict[tuple[int, str], _Host] = {}
        _lines(index, start, end, step_ns, steps)
        _metrics(index, series, start, end, step_ns, steps)
        _signals(index, start, end, step_ns, steps)
        for at, host in sorted(steps):
            yield _window(host, at, at + step_ns, steps[at, host])
        tell(min(1.0, (end - from_ns) / max(1, to_ns - from_ns)))
        start = end


def _lines(index: Index, start: int, end: int, step_ns: int, steps: dict[tuple[int, str], _Host]) -> None:
    for record in index.scan(Query(from_ns=start, to_ns=end)):
        cell = _at(steps, record.timestamp_ns, record.host, step_ns).lines
        counted = cell.setdefault((record.service, record.template_id), [0, -1])
        counted[0] += 1
        counted[1] = max(counted[1], LEVEL_RANK.get(record.level, -1))


def _metrics(
    index: Index, series: list[tuple[str, str]], start: int, end: int, step_ns: int,
    steps: dict[tuple[int, str], _Host],
) -> None:  # fmt: skip
    for host, name in series:
        for at, value in index.metric_series(host, name, start, end, step_ns):
            _at(steps, at, host, step_ns).metrics[name] = value


def _signals(index: Index, start: int, end: int, step_ns: int, steps: dict[tuple[int, str], _Host]) -> None:
    for signal in index.signals(start, end):
        # The forecaster hears of a signal in the window that it was found in, which is the one it ends in.
        at = max(signal.start_ns, signal.end_ns - 1)
        if signal.host and start <= at < end:
            told = _at(steps, at, signal.host, step_ns)
            told.signals.append(WindowSignal(signal.kind, signal.score, signal.metric))
            if signal.kind == "log.new":
                told.new.add(signal.template_id)


def _at(steps: dict[tuple[int, str], _Host], ns: int, host: str, step_ns: int) -> _Host:
    key = ns // step_ns * step_ns, host
    found = steps.get(key)
    if found is None:
        found = steps[key] = _Host()
    return found


def _window(host: str, start: int, end: int, told: _Host) -> HostWindow:
    window = HostWindow(host, start, end, signals=told.signals, metrics=told.metrics)
    for (_, template), (count, rank) in told.lines.items():
        level = LEVELS[rank] if rank >= 0 else ""
        window.levels[level] = window.levels.get(level, 0) + count
        window.templates[template] = TemplateCount(count, template in told.new, level)
    return window
