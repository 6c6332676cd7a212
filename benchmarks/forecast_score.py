"""Forecasts against onsets: who was announced, how early, how wrong the predicted time was, and how many were false.

What is scored is what the running service passes on, step by step; simpler forecasters go through the same alarm rules.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from logsense.config import Settings
from logsense.predict.alarms import AlarmTracker
from logsense.predict.baselines import BASELINES
from logsense.predict.failure import FailureModel
from logsense.predict.features import FeatureBuilder
from logsense.predict.forecaster import Forecaster
from logsense.predict.labels import Failure
from logsense.predict.options import ForecastOptions
from logsense.predict.windows import HostWindow, TemplateCount, WindowSignal
from logsense.trials import failures_of, play, recording_name

SECOND = 1_000_000_000
SERVED = "logsense"
#: Time after a failure that belongs to it.
RECOVERY_NS = 60 * SECOND
#: A lead of a minute is enough to act, or half of what there was.
GOOD_LEAD_S, GOOD_SHARE = 60.0, 0.5


@dataclass
class Step:
    """One host at one step: what each forecaster said. ``eta_s`` is None where no time was told."""

    at_ns: int
    probability: dict[str, float]
    eta_s: float | None = None
    horizon_s: int = 0
    alarm: bool = False
    why: str = ""


@dataclass
class Course:
    """All steps of one host of one recording, and its failures in time order."""

    recording: str
    host: str
    steps: list[Step] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def in_failure(self, at_ns: int) -> bool:
        """From the cause to the end and the recovery: neither quiet nor false."""
        return any((f.cause_ns or f.onset_ns) <= at_ns < f.end_ns + RECOVERY_NS for f in self.failures)

    def quiet_days(self) -> float:
        if len(self.steps) < 2:
            return 0.0
        step = np.median(np.diff([s.at_ns for s in self.steps]))
        return sum(not self.in_failure(s.at_ns) for s in self.steps) * float(step) / SECOND / 86_400


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The folder of a recording; a .tar.xz is unpacked for as long as it is used."""
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="onsets-") as folder, tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
        yield Path(folder)


def windows_of(path: Path, settings: Settings, cache: Path | None) -> tuple[list[HostWindow], list[Failure]]:
    """A recording through the real pipeline, cut into windows. ``cache`` keeps them for the next run."""
    name = path.name.removesuffix(".tar.xz") if path.is_file() else recording_name(path).replace("/", "-")
    kept = cache / f"{name}.json" if cache else None
    with unpacked(path) as folder:
        labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
        if kept and kept.exists():
            return [_window(one) for one in json.loads(kept.read_text())], failures_of(labels)
        played = play(folder, settings)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps([_plain(w) for w in played.windows]))
    return played.windows, failures_of(labels)


def staged(path: Path) -> list[tuple[str, int, int]]:
    """Harmless look-alikes that a recording staged: host, begin, end; one that names no host is left out."""
    with unpacked(path) as folder:
        labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    found = []
    for one in labels.get("benign", []):
        if "host" in one and "end" in one:
            begin, end = (int(np.datetime64(one[k].rstrip("Z"), "ns").astype(np.int64)) for k in ("start", "end"))
            found.append((one["host"], begin, end))
    return found


def follow(
    name: str, windows: Sequence[HostWindow], failures: Sequence[Failure], options: ForecastOptions,
    model: FailureModel | None,
) -> list[Course]:  # fmt: skip
    """Play windows through the service's forecaster, and the baselines' scores of the same features beside it."""
    forecaster = Forecaster(options, model)
    plain = FeatureBuilder(options)
    by_end: dict[int, list[HostWindow]] = defaultdict(list)
    for window in windows:
        by_end[window.end_ns].append(window)
    courses: dict[str, Course] = {}
    for end in sorted(by_end):
        made = forecaster.update(by_end[end], (), end)
        for window in by_end[end]:
            plain.learn(window)
        vectors = np.stack([plain.vector(f.host, end).values for f in made]) if made else np.zeros((0, 0))
        scores = {title: score(vectors, plain.names) for title, score in BASELINES.items()} if made else {}
        for i, f in enumerate(made):
            said = {SERVED: f.probability} | {title: float(s[i]) for title, s in scores.items()}
            step = Step(end, said, f.eta_s, f.horizon_s, f.alarm, f.reasons[0][0] if f.reasons else "")
            courses.setdefault(f.host, Course(name, f.host)).steps.append(step)
    for course in courses.values():
        course.failures = sorted((f for f in failures if f.host == course.host), key=lambda f: f.onset_ns)
    return list(courses.values())


def alarm_starts(course: Course, title: str, threshold: float, options: ForecastOptions) -> list[int]:
    """When alarms opened. The service's own come from the service; the others go through the same rules."""
    if title == SERVED:
        on = [s.alarm for s in course.steps]
        return [s.at_ns for i, s in enumerate(course.steps) if on[i] and (i == 0 or not on[i - 1])]
    tracker, starts = AlarmTracker(options), []
    for step in course.steps:
        changed = tracker.update("", step.at_ns, step.probability[title], threshold)
        if changed is not None and not changed.end_ns:
            starts.append(step.at_ns)
    return starts


@dataclass(frozen=True)
class Told:
    """One onset: the first alarm after its cause, with its lead and the error of the time that it told."""

    failure: Failure
    recording: str
    lead_s: float | None
    eta_error_s: float | None
    why: str

    @property
    def precursor_s(self) -> float:
        return (self.failure.onset_ns - (self.failure.cause_ns or self.failure.onset_ns)) / SECOND

    @property
    def good(self) -> bool:
        return self.lead_s is not None and self.lead_s >= min(GOOD_LEAD_S, GOOD_SHARE * self.precursor_s)


@dataclass
class Score:
    """One forecaster over all courses."""

    title: str
    told: list[Told]
    false: list[tuple[str, str, int, str]]  # recording, host, when, why
    quiet_days: float

    @property
    def recall(self) -> float:
        return sum(t.good for t in self.told) / max(1, len(self.told))

    @property
    def announced(self) -> int:
        return sum(t.lead_s is not None for t in self.told)


def score(courses: Iterable[Course], title: str, threshold: float, options: ForecastOptions) -> Score:
    told: list[Told] = []
    false: list[tuple[str, str, int, str]] = []
    days = 0.0
    for course in courses:
        starts = alarm_starts(course, title, threshold, options)
        said = {s.at_ns: s for s in course.steps}
        told += [_told(course, f, starts, said) for f in course.failures]
        false += [(course.recording, course.host, at, said[at].why) for at in starts if not course.in_failure(at)]
        days += course.quiet_days()
    return Score(title, told, false, days)


def _told(course: Course, failure: Failure, starts: Sequence[int], said: Mapping[int, Step]) -> Told:
    cause = failure.cause_ns or failure.onset_ns
    inside = [at for at in starts if cause <= at < failure.onset_ns]
    if not inside:
        return Told(failure, course.recording, None, None, "")
    lead, step = (failure.onset_ns - inside[0]) / SECOND, said[inside[0]]
    error = None if step.eta_s is None else step.eta_s - lead
    return Told(failure, course.recording, lead, error, step.why)


def best_threshold(courses: Sequence[Course], title: str, allowed: int, options: ForecastOptions) -> float:
    """The threshold with the best recall and at most ``allowed`` false alarms; chosen on training takes."""
    values = np.array([s.probability[title] for c in courses for s in c.steps])
    positive = values[values > 0]
    if not len(positive):
        return 1.1
    best, found = 1.1, -1.0
    for threshold in np.unique(np.quantile(positive, np.linspace(0.05, 1, 20))):
        result = score(courses, title, float(threshold), options)
        if len(result.false) <= allowed and result.recall > found:
            best, found = float(threshold), result.recall
    return best


def null_recall(courses: Sequence[Course], result: Score, options: ForecastOptions, shifts: int = 200) -> list[float]:
    """Recall of the same alarms moved in time by a random amount, around the end, host by host."""
    rng = np.random.default_rng(0)
    starts = {id(c): alarm_starts(c, SERVED, 0.0, options) for c in courses}
    found = []
    for _ in range(shifts):
        good = total = 0
        for course in courses:
            if not course.failures or not course.steps:
                continue
            first, last = course.steps[0].at_ns, course.steps[-1].at_ns
            moved = rng.uniform(0.1, 0.9) * (last - first)
            at = [int(first + (s - first + moved) % (last - first)) for s in starts[id(course)]]
            for failure in course.failures:
                one = _told(course, failure, sorted(at), defaultdict(lambda: Step(0, {})))
                good += one.good
                total += 1
        found.append(good / max(1, total))
    return found


def reliability(courses: Iterable[Course], edges: Sequence[float]) -> list[dict[str, float]]:
    """Per bin of the probability: how many steps, the mean told, and how often a failure came within the horizon."""
    rows: list[tuple[float, bool]] = []
    for course in courses:
        for step in course.steps:
            if any(f.onset_ns <= step.at_ns < f.end_ns + RECOVERY_NS for f in course.failures):
                continue
            end = step.at_ns + step.horizon_s * SECOND
            if end > course.steps[-1].at_ns and not any(step.at_ns < f.onset_ns <= end for f in course.failures):
                continue  # what came after the recording's end is not known
            rows.append((step.probability[SERVED], any(step.at_ns < f.onset_ns <= end for f in course.failures)))
    out = []
    for low, high in pairwise(edges):
        inside = [(p, came) for p, came in rows if low <= p < high or (high == edges[-1] and p == high)]
        if inside:
            told, came = (float(np.mean(column)) for column in zip(*inside, strict=True))
            out.append({"low": low, "high": high, "steps": len(inside), "told": told, "came": came})
    return out


def _plain(window: HostWindow) -> dict[str, Any]:
    return {
        "host": window.host, "start_ns": window.start_ns, "end_ns": window.end_ns, "levels": window.levels,
        "templates": {k: list(v) for k, v in window.templates.items()}, "signals": [list(s) for s in window.signals],
        "metrics": window.metrics,
    }  # fmt: skip


def _window(plain: dict[str, Any]) -> HostWindow:
    templates = {key: TemplateCount(*value) for key, value in plain["templates"].items()}
    signals = [WindowSignal(*value) for value in plain["signals"]]
    return HostWindow(**{**plain, "templates": templates, "signals": signals})
