"""Labelled feature steps from recordings, split by time or by recording and never shuffled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logsense.errors import BadInput
from logsense.predict.features import FeatureBuilder, feature_names
from logsense.predict.history import Array
from logsense.predict.labels import UNUSED, Failure, label_steps
from logsense.predict.options import ForecastOptions, LabelOptions
from logsense.predict.windows import HostWindow

SECOND = 1_000_000_000
Progress = Callable[[str, float], None]


def silent(step: str, share: float) -> None:
    """The progress callback of those who do not ask: (what is being done, share done from 0 to 1)."""


@dataclass(slots=True)
class Recording:
    """One period of one estate. ``windows`` in time order; several hosts may share a time."""

    name: str
    windows: Iterable[HostWindow]
    failures: Sequence[Failure]


@dataclass(slots=True)
class Dataset:
    """Steps of all recordings, ordered by recording and time; arrays of length n, ``x`` of shape (n, f).

    ``y``: 1 before a failure, 0 quiet, -1 during one. ``onset`` indexes ``failures``, -1 where none follows.
    ``seconds_to_limit`` is the extrapolation's estimate, inf where nothing runs out.
    """

    options: ForecastOptions
    labels: LabelOptions
    names: tuple[str, ...]
    x: Array
    y: NDArray[np.int8]
    onset: NDArray[np.int64]
    knowable: NDArray[np.bool_]
    at_ns: NDArray[np.int64]
    hosts: NDArray[np.object_]
    recordings: NDArray[np.object_]
    enough: NDArray[np.bool_]
    seconds_to_limit: NDArray[np.float64]
    failures: list[Failure] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.y)

    def where(self, mask: NDArray[np.bool_]) -> Dataset:
        """The steps where ``mask`` (n,) holds."""
        arrays = ("x", "y", "onset", "knowable", "at_ns", "hosts", "recordings", "enough", "seconds_to_limit")
        return replace(self, **{name: getattr(self, name)[mask] for name in arrays})

    def onsets(self) -> list[int]:
        """Indices of the failures that at least one step precedes, in time order."""
        found = {int(i) for i in np.unique(self.onset[self.y == 1])}
        return sorted(found, key=lambda i: (self._rank(i), self.failures[i].onset_ns))

    def _rank(self, failure: int) -> int:
        return int(np.flatnonzero(self.onset == failure)[0])

    def describe(self) -> dict[str, Any]:
        """What a card says about the data."""
        kinds = Counter(self.failures[i].kind for i in self.onsets())
        stamp = [
            datetime.fromtimestamp(int(t) // SECOND, UTC).isoformat() for t in (self.at_ns.min(), self.at_ns.max())
        ]
        return {
            "recordings": sorted(set(self.recordings.tolist())),
            "from": stamp[0],
            "to": stamp[1],
            "hosts": len(set(zip(self.recordings.tolist(), self.hosts.tolist(), strict=True))),
            "steps": len(self),
            "host_days": round(float((self.y != UNUSED).sum() * self.options.step_s / 86_400), 4),
            "onsets": len(self.onsets()),
            "onsets_by_kind": dict(sorted(kinds.items())),
        }


def build_dataset(
    recordings: Iterable[Recording],
    options: ForecastOptions | None = None,
    labels: LabelOptions | None = None,
    progress: Progress = silent,
) -> Dataset:
    """Play every recording through a fresh ``FeatureBuilder``, step by step, as the running service would.

    Every host that was seen gets a vector for every step, also when it is silent. Raises ``BadInput`` when there is
    nothing to learn from.
    """
    options, labels = options or ForecastOptions(), labels or LabelOptions()
    parts: list[Dataset] = []
    failures: list[Failure] = []
    for number, recording in enumerate(recordings):
        progress(f"reading {recording.name}", number / (number + 2))
        part = _play(recording, options, labels)
        if part is not None:
            part.onset[part.onset >= 0] += len(failures)
            failures += recording.failures
            parts.append(part)
    if not parts:
        raise BadInput("There is nothing to learn from.", why="the recordings hold no windows", fix="check their paths")
    arrays = ("x", "y", "onset", "knowable", "at_ns", "hosts", "recordings", "enough", "seconds_to_limit")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays}
    return Dataset(options, labels, feature_names(options), **joined, failures=failures)


def _play(recording: Recording, options: ForecastOptions, labels: LabelOptions) -> Dataset | None:
    builder = FeatureBuilder(options)
    step_ns = builder.step_ns
    rows: list[Array] = []
    hosts: list[str] = []
    at: list[int] = []
    enough: list[bool] = []
    to_limit: list[float] = []

    def close(step: int) -> None:
        now = (step + 1) * step_ns
        for host in builder.present(step):
            vector = builder.vector(host, now)
            rows.append(vector.values)
            hosts.append(host)
            at.append(now)
            enough.append(vector.history_s >= options.min_history_s)
            to_limit.append(vector.limit.seconds if vector.limit else np.inf)

    current = -1
    for window in recording.windows:
        step = builder.step_of(window)
        if current >= 0 and step > current:
            for done in range(current, min(step, current + options.ring_steps)):
                close(done)
        current = max(current, step)
        builder.learn(window)
    if current < 0:
        return None
    close(current)
    times = np.array(at, np.int64)
    known = label_steps(hosts, times, recording.failures, options.horizon_s, labels, options.step_s)
    return Dataset(
        options,
        labels,
        builder.names,
        x=np.stack(rows),
        y=known.y,
        onset=known.onset,
        knowable=known.knowable,
        at_ns=times,
        hosts=np.array(hosts, object),
        recordings=np.array([recording.name] * len(rows), object),
        enough=np.array(enough, np.bool_),
        seconds_to_limit=np.array(to_limit),
        failures=list(recording.failures),
    )


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """What is held out. Whole recordings when any is named, otherwise the later part of every recording."""

    #: Names of recordings that are held out.
    holdout: tuple[str, ...] = ()
    #: Share of every recording that is trained on when no recording is named …
    train_share: float = 0.7
    #: … of its ``time``, or of its ``failures``: where they are rare, a share of the time may hold all or none.
    by: str = "time"


def split(dataset: Dataset, options: SplitOptions | None = None) -> tuple[Dataset, Dataset]:
    """(training part, held-out part). A cut in time leaves out one horizon, so that no failure is on both sides."""
    options = options or SplitOptions()
    if options.holdout:
        held = np.isin(dataset.recordings, options.holdout)
        unknown = set(options.holdout) - set(dataset.recordings.tolist())
        if unknown:
            raise BadInput(f"There is no recording {sorted(unknown)[0]!r} to hold out.")
        return dataset.where(~held), dataset.where(held)
    before, after = np.zeros(len(dataset), np.bool_), np.zeros(len(dataset), np.bool_)
    for name in dict.fromkeys(dataset.recordings.tolist()):
        here = dataset.recordings == name
        cut = _CUTS[options.by](dataset, here, options.train_share)
        before |= here & (dataset.at_ns <= cut - dataset.options.horizon_s * SECOND)
        after |= here & (dataset.at_ns > cut)
    return dataset.where(before), dataset.where(after)


def _cut_time(dataset: Dataset, here: NDArray[np.bool_], share: float) -> int:
    first, last = int(dataset.at_ns[here].min()), int(dataset.at_ns[here].max())
    return first + int((last - first) * share)


def _cut_failures(dataset: Dataset, here: NDArray[np.bool_], share: float) -> int:
    """Between two failures, so that at least one lies on either side where there are two."""
    onsets = sorted({dataset.failures[int(i)].onset_ns for i in np.unique(dataset.onset[here & (dataset.y == 1)])})
    if len(onsets) < 2:
        return _cut_time(dataset, here, share)
    earlier = min(len(onsets) - 1, max(1, round(share * len(onsets))))
    # As late as the next failure allows: its whole horizon belongs to the test.
    return max(onsets[earlier - 1], onsets[earlier] - dataset.options.horizon_s * SECOND - 1)


_CUTS = {"time": _cut_time, "failures": _cut_failures}
