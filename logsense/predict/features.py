"""Features per host and step, from the host's recent past; generic over whatever metric names arrive.

Every feature is 0 when nothing is unusual or nothing is known, grows with what may precede a failure, and is
squashed to the order of 1 where it is made, so that a model needs no scaler learnt from a handful of failures.
Names are ``<group>:<aspect>``; the group (``disk``, ``log.errors``) is what reasons are given for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from logsense.predict import bounds, expiry, families, flapping, runout, trend
from logsense.predict.history import COLUMN, COUNTS, USUAL, Array, HostHistory
from logsense.predict.options import ForecastOptions
from logsense.predict.outlook import Outlook
from logsense.predict.windows import HostWindow, count_signal, count_window

_FAMILY_COLUMN = {name: i for i, name in enumerate(families.FAMILY_NAMES)}
#: A metric that was constant so far and now moves has no scale; it counts as this many spreads.
_UNSEEN_MOVE = 4.0
#: Spreads below this share of the usual level are rounding, not variation.
_MIN_RELATIVE_SPREAD = 0.02


@dataclass(slots=True)
class FeatureVector:
    """Features of one host at one time. ``values`` has the shape (len(feature_names(options)),), all finite.

    ``outlooks`` is what is foreseen without a model, likeliest first.
    """

    host: str
    at_ns: int
    values: Array
    history_s: float
    outlooks: tuple[Outlook, ...] = ()

    @property
    def limit(self) -> Outlook | None:
        """The likeliest of what is foreseen without a model."""
        return self.outlooks[0] if self.outlooks else None


@cache
def _names(lookbacks: tuple[int, ...]) -> tuple[str, ...]:
    names: list[str] = []
    for span in lookbacks:
        names += [f"log.errors:excess.{span}", f"log.warnings:excess.{span}"]
        names += [f"log.volume:rise.{span}", f"log.volume:drop.{span}"]
        names += [f"log.critical:count.{span}", f"log.errors:kinds.{span}"]
        names += [f"log.new:count.{span}", f"log.new:errors.{span}"]
        names += [f"signals.log:count.{span}", f"signals.log:score.{span}"]
        names += [f"signals.metric:count.{span}", f"signals.metric:score.{span}", f"signals.unit:count.{span}"]
    return (*names, *(f"{families.FAMILY_NAMES[f]}:{aspect}" for aspect, f in _metric_cells(lookbacks)))


def _metric_aspects(lookbacks: tuple[int, ...]) -> list[str]:
    """Rows of the table of metric features; its columns are the families."""
    ways = (f"{way}.{span}" for span in lookbacks for way in ("rise", "fall"))
    return ["high", "low", *ways, "level", "projected", "soon"]


def _metric_cells(lookbacks: tuple[int, ...]) -> list[tuple[str, int]]:
    """(aspect, family number) of the cells that are features: lows count only where they may be bad."""
    return [
        (aspect, number)
        for aspect in _metric_aspects(lookbacks)
        for number, family in enumerate(families.FAMILY_NAMES)
        if family in families.LOW_IS_BAD or not aspect.startswith(("low", "fall"))
    ]


@cache
def _metric_mask(lookbacks: tuple[int, ...]) -> np.ndarray:
    """Which cells of the table are features, shape (aspects, families)."""
    cells = set(_metric_cells(lookbacks))
    return np.array([[(a, f) in cells for f in range(len(families.FAMILY_NAMES))] for a in _metric_aspects(lookbacks)])


def feature_names(options: ForecastOptions) -> tuple[str, ...]:
    """Names of the features, in the order of ``FeatureVector.values``."""
    return _names(options.lookbacks_s)


class FeatureBuilder:
    """Keeps every host's history. ``learn`` changes it, ``vector`` and ``describe`` never do.

    Called from one thread. Nothing raises on content: times out of order, NaN and endless names are dropped.
    """

    def __init__(self, options: ForecastOptions | None = None) -> None:
        self.options = options or ForecastOptions()
        self.names = feature_names(self.options)
        self.hosts: OrderedDict[str, HostHistory] = OrderedDict()
        self.step_ns = self.options.step_s * 1_000_000_000
        self.late = 0  # windows that came too late to matter
        self.forgotten: set[str] = set()  # hosts that made room since the last save

    def learn(self, window: HostWindow) -> None:
        """Take in a closed window (about one step long; it counts for the step in which it ends)."""
        metrics = expiry.in_seconds_left(window.metrics, window.start_ns, window.end_ns)
        self._put(window.host, self.step_of(window), count_window(window), metrics)

    def step_of(self, window: HostWindow) -> int:
        """By its end: a step must not know what comes after it."""
        return (window.end_ns - 1) // self.step_ns

    def learn_signal(self, host: str, at_ns: int, kind: str, score: float) -> None:
        """Take in an anomaly that was found after its window had been learnt."""
        row = dict.fromkeys(COUNTS, 0.0)
        count_signal(row, kind, score)
        self._put(host, at_ns // self.step_ns, list(row.values()), {})

    def _put(self, host: str, step: int, counts: list[float], metrics: Mapping[str, float]) -> None:
        if not self.history(host).put(step, counts, metrics):
            self.late += 1

    def history(self, host: str) -> HostHistory:
        """The host's history, a new one for an unknown host; the host unseen for longest makes room."""
        known = self.hosts.get(host)
        if known is None:
            o = self.options
            per_block = max(1, o.baseline_step_s // o.step_s)
            known = self.hosts[host] = HostHistory(o.ring_steps, o.baseline_points, per_block, o.max_metrics)
            if len(self.hosts) > o.max_hosts:
                self.forgotten.add(self.hosts.popitem(last=False)[0])
            self.forgotten.discard(host)
        self.hosts.move_to_end(host)
        return known

    def present(self, step: int) -> list[str]:
        """Hosts that were heard of within the longest look-back before ``step``; their histories reach to it now.

        Hosts whose history is ahead of ``step`` (old windows arriving late) are not among them.
        """
        found = []
        for host, history in self.hosts.items():
            if history.seen >= 0 and step - history.seen <= self.options.ring_steps and history.last <= step + 1:
                history.silent_until(step)
                found.append(host)
        return found

    def vector(self, host: str, at_ns: int) -> FeatureVector:
        """Features of what was known at ``at_ns``, the end of the last step learnt."""
        values = np.zeros(len(self.names), np.float32)
        history = self.hosts.get(host)
        if history is None or history.last < 0:
            return FeatureVector(host, at_ns, values, 0.0)
        spans = self.options.lookbacks_s
        logs = np.concatenate([self._log_features(history, span) for span in spans])
        values[: len(logs)] = logs
        columns, to_share = bounds.bounded(history, self.options.limits)
        values[len(logs) :] = self._metric_features(history, columns, to_share)
        seen = (history.last - history.first + 1) * self.options.step_s
        values = np.nan_to_num(values, nan=0.0, posinf=10.0, neginf=0.0)
        known_s = float(max(seen, history.base_blocks * self.options.baseline_step_s))
        return FeatureVector(host, at_ns, values, known_s, self._outlooks(history, columns, to_share))

    def _outlooks(self, history: HostHistory, columns: np.ndarray, to_share: bounds.ToShare) -> tuple[Outlook, ...]:
        found = [
            *runout.limits(history, columns, to_share, self.options),
            *runout.growth(history, columns, self.options),
            *expiry.dates(history, self.options),
            *flapping.restarts(history, self.options),
        ]
        return tuple(sorted(found, key=lambda outlook: (-outlook.probability, outlook.metric)))

    def steps(self, span_s: int) -> int:
        """Steps in a look-back."""
        return max(1, span_s // self.options.step_s)

    def _log_features(self, history: HostHistory, span: int) -> Array:
        rows = history.counts(self.steps(span))
        total, top = rows.sum(0), rows.max(0)
        usual = history.usual()[0][: len(USUAL)] * len(rows)
        now = total[[COLUMN[name] for name in USUAL]]
        ratio = np.nan_to_num(np.log((now + 1) / (usual + 1)))  # unknown: as usual
        lines, warnings, errors = (float(v) for v in ratio)
        count = {name: float(np.log1p(total[i])) for name, i in COLUMN.items()}
        best = {name: float(np.log1p(top[COLUMN[name]])) for name in ("error_kinds", "log_score", "metric_score")}
        return np.array(
            [
                *(max(errors, 0.0), max(warnings, 0.0), max(lines, 0.0), max(-lines, 0.0)),
                *(count["critical"], best["error_kinds"], count["new_templates"], count["new_error_templates"]),
                *(count["log_signals"], best["log_score"], count["metric_signals"], best["metric_score"]),
                count["unit_signals"],
            ],
            np.float32,
        )

    def _metric_features(self, history: HostHistory, columns: np.ndarray, to_share: bounds.ToShare) -> Array:
        spans = self.options.lookbacks_s
        out = np.zeros((5 + 2 * len(spans), len(families.FAMILY_NAMES)), np.float32)
        names = history.names
        if not names:
            return out[_metric_mask(spans)]
        fam = np.array([_family_column(name) for name in names])
        moves = self.moves(history)
        worse = np.array([families.worse(name) for name in names])
        np.maximum.at(out[0], fam, _squash(moves.z * worse))
        np.maximum.at(out[1], fam, _squash(-moves.z * worse))
        with np.errstate(all="ignore"):
            for i, span in enumerate(spans):
                line = trend.fit(history.values(self.steps(span)).astype(np.float64), self.options.step_s)
                change = line.slope * span
                moved = np.where(moves.scale > 0, change / moves.scale, np.sign(change) * _UNSEEN_MOVE)
                moved *= line.r2 * worse
                np.maximum.at(out[2 + 2 * i], fam, _squash(moved))
                np.maximum.at(out[3 + 2 * i], fam, _squash(-moved))
            if len(columns):
                self._fill_limits(history, columns, fam[columns], to_share, out[-3:])
        return out[_metric_mask(spans)]

    def _fill_limits(
        self, history: HostHistory, columns: np.ndarray, fam: np.ndarray, to_share: bounds.ToShare, out: Array
    ) -> None:
        """Fill the rows level, projected and soon by plain linear extrapolation (the model's features; what is passed
        on by itself is ``runout``'s). Besides the look-backs, the newest few steps alone are tried."""
        shares = to_share(history.values(self.options.ring_steps)[:, columns].astype(np.float64))
        latest = _last(shares[-self.steps(self.options.lookbacks_s[0]) :])
        np.maximum.at(out[0], fam, np.nan_to_num(latest).clip(0, 1).astype(np.float32))
        for steps in (trend.MIN_POINTS, *(self.steps(span) for span in self.options.lookbacks_s)):
            reach = trend.reach(trend.fit(shares[-steps:], self.options.step_s), self.options.horizon_s)
            soon = self.options.horizon_s / (self.options.horizon_s + reach.seconds)
            np.maximum.at(out[1], fam, reach.probability.astype(np.float32))
            np.maximum.at(out[2], fam, soon.astype(np.float32))

    def moves(self, history: HostHistory) -> Moves:
        """How far each metric is from usual now (mean of the shortest look-back), in robust spreads."""
        centre, spread = (a[len(USUAL) :] for a in history.usual())
        recent = history.values(self.steps(self.options.lookbacks_s[0]))
        known = np.isfinite(recent)
        mean = np.where(known, recent, 0).sum(0) / np.maximum(known.sum(0), 1)
        scale = np.maximum(spread, _MIN_RELATIVE_SPREAD * np.abs(centre))
        off = mean - centre
        with np.errstate(all="ignore"):
            z = np.where(scale > 0, off / scale, np.sign(off) * _UNSEEN_MOVE)
        usable = known.any(0) & np.isfinite(centre)
        return Moves(np.where(usable, z, 0.0), np.where(usable, mean, np.nan), centre, np.nan_to_num(scale))


class Moves(NamedTuple):
    """Per metric, shape (M,): robust z now, mean now, usual level, spread (0: unknown or constant)."""

    z: np.ndarray
    now: np.ndarray
    usual: np.ndarray
    scale: np.ndarray


@lru_cache(65_536)
def _family_column(name: str) -> int:
    return _FAMILY_COLUMN[families.family(name)]


def _squash(z: np.ndarray) -> np.ndarray:
    """0 for what is not raised, about linear near 0, logarithmic far out; at most arcsinh(30) = 4.1."""
    return np.arcsinh(np.clip(np.nan_to_num(z), 0.0, 30.0)).astype(np.float32)


def _last(values: np.ndarray) -> np.ndarray:
    """Newest known value per column, NaN where there is none."""
    known = np.isfinite(values)
    row = len(values) - 1 - known[::-1].argmax(0)
    return np.where(known.any(0), values[row, np.arange(values.shape[1])], np.nan)
