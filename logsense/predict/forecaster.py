"""The forecaster: what the pipeline calls once a step with every host's window."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from logsense.predict import state
from logsense.predict.alarms import AlarmTracker
from logsense.predict.explain import describe, outlook_text
from logsense.predict.failure import FailureModel
from logsense.predict.features import FeatureBuilder, FeatureVector
from logsense.predict.history import Array
from logsense.predict.options import ForecastOptions
from logsense.predict.outlook import EXPIRY, FLAPPING, LIMIT, Outlook
from logsense.predict.windows import HostWindow
from logsense.record import Forecast, Signal

SECOND = 1_000_000_000
#: ``Forecast.model`` of a probability that is the trend's own, not a trained model's.
TIME_TO_LIMIT = "time-to-limit"
NOT_ENOUGH = "not_enough_history"
#: One vector in this many is kept for the drift check: neighbouring steps are alike.
_KEEP_EVERY = 17
#: A threshold that no probability reaches.
_NEVER = 1.1


@dataclass(slots=True)
class _Emitted:
    at_ns: int
    probability: float
    state: str
    alarm: bool


def forecast_id(host: str, made_ns: int) -> str:
    """Deterministic, so that a replay writes the same forecasts again."""
    return hashlib.sha256(f"{host}\0{made_ns}".encode()).hexdigest()[:16]


class Forecaster:
    """Forecasts per host, with a model or, without one, from the trend of what runs out alone.

    Two things speak: the model in use, and what is foreseen from trends and dates alone (``outlook.py``), which needs
    no training. The one that is further above its own threshold is the forecast, and ``Forecast.model`` says which it
    was. Called from one thread; about 1 ms per host and step. Nothing raises on content.
    """

    name = "predict"

    def __init__(
        self, options: ForecastOptions | None = None, model: FailureModel | None = None, pipeline: str = ""
    ) -> None:
        self._user = options or ForecastOptions()
        self.pipeline = pipeline
        self.model: FailureModel | None = None
        self._recent: deque[Array] = deque(maxlen=self._user.recent_vectors)
        self._unsaved: deque[Array] = deque(maxlen=self._user.recent_vectors)
        self._skip = 0
        self._emitted: dict[str, _Emitted] = {}
        self.future = 0  # windows of a clock that is ahead; they are not used
        self._start(model)

    def set_model(self, model: FailureModel | None) -> None:
        """Use another model from now on. History is kept when the features are the same, otherwise it starts again."""
        self._start(model, self.builder)

    def _start(self, model: FailureModel | None, builder: FeatureBuilder | None = None) -> None:
        options = model.options(self._user) if model else self._user
        if builder is None or builder.options != options:
            builder = FeatureBuilder(options)
            self._recent.clear()
            self._unsaved.clear()
        self.model, self.builder, self.options = model, builder, options
        self.alarms = AlarmTracker(options)
        if model is not None and model.names != builder.names:
            self.model = None  # made by another version of the features: the card's version check normally stops this

    def update(self, windows: Iterable[HostWindow], signals: Iterable[Signal], now_ns: int) -> list[Forecast]:
        """Take in the windows that closed at ``now_ns`` and the signals found since; return what is worth passing on.

        ``signals`` are those not yet listed in a window. Hosts that were heard of lately and have no window now are
        forecast too: silence is a feature.
        """
        step_ns = self.builder.step_ns
        heard: set[str] = set()
        for window in windows:
            if window.end_ns > now_ns + step_ns:
                self.future += 1
            else:
                self.builder.learn(window)
                heard.add(window.host)
        for signal in signals:
            if signal.host and signal.end_ns - 1 < now_ns:
                self.builder.learn_signal(
                    signal.host, max(signal.start_ns, signal.end_ns - 1), signal.kind, signal.score
                )
        step = (now_ns - 1) // step_ns
        present = self.builder.present(step)
        self._end_alarms_of_gone_hosts(step, now_ns)
        if len(self._emitted) > 2 * self.options.max_hosts:
            self._emitted = {host: self._emitted[host] for host in self.builder.hosts if host in self._emitted}
            self.alarms.keep(self.builder.hosts)
        due = [host for host in present if host in heard or self._is_due(host, now_ns)]
        return self._forecasts([self.builder.vector(host, now_ns) for host in due], now_ns)

    def _is_due(self, host: str, now_ns: int) -> bool:
        """A host without anything new is looked at as often as forecasts are passed on anyway: estates of thousands
        of hosts that say little would otherwise cost a forecast per host and step."""
        last = self._emitted.get(host)
        return last is None or not 0 <= now_ns - last.at_ns < self.options.emit_every_s * SECOND

    def _end_alarms_of_gone_hosts(self, step: int, now_ns: int) -> None:
        for host in self.alarms.hosts_in_alarm():
            history = self.builder.hosts.get(host)
            if history is None or step - history.seen > self.options.ring_steps:
                self.alarms.interrupt(host, now_ns)

    def _forecasts(self, vectors: list[FeatureVector], now_ns: int) -> list[Forecast]:
        if not vectors:
            return []
        self._remember(vectors)
        if self.model is not None:
            by_model = self.model.probabilities(np.stack([v.values for v in vectors]))
        else:
            by_model = np.zeros(len(vectors))
        passed_on = []
        for vector, p in zip(vectors, by_model.tolist(), strict=True):
            forecast = self._one(vector, p, now_ns)
            if self._worth_passing_on(forecast):
                self._emitted[vector.host] = _Emitted(now_ns, forecast.probability, forecast.state, forecast.alarm)
                passed_on.append(self._with_reasons(forecast, vector))
        return passed_on

    def _one(self, vector: FeatureVector, p: float, now_ns: int) -> Forecast:
        known = self.model is not None and vector.history_s >= self.options.min_history_s
        outlook = vector.limit
        forecast = Forecast(
            id=forecast_id(vector.host, now_ns),
            host=vector.host,
            made_ns=now_ns,
            horizon_s=self.options.horizon_s,
            probability=p if known else 0.0,
            model=self.model.id if self.model is not None and known else TIME_TO_LIMIT,
            calibrated=self.model is not None and known and self.model.calibrated,
            pipeline=self.pipeline,
            state="ok" if known or outlook else NOT_ENOUGH,
        )
        threshold = self._model_threshold()
        foreseen = outlook.probability if outlook else 0.0
        # each by its own threshold: a model's was chosen on its probabilities, which are far from a trend's
        by_trend = foreseen / self._trend_threshold() > forecast.probability / threshold
        if outlook is not None:
            if by_trend or foreseen > forecast.probability:
                forecast = replace(forecast, probability=foreseen, model=TIME_TO_LIMIT, calibrated=False,
                                   horizon_s=outlook.horizon_s)  # fmt: skip
            forecast = replace(forecast, metric=outlook.metric, eta_s=_finite(outlook.seconds),
                               eta_low_s=_finite(outlook.earliest), eta_high_s=_finite(outlook.latest))  # fmt: skip
        likely, bar = (foreseen, self._trend_threshold()) if by_trend else (p if known else 0.0, threshold)
        sure = by_trend and outlook is not None and self._is_sure(outlook)
        self.alarms.update(vector.host, now_ns, likely, bar, confirmed=sure)
        forecast.alarm = self.alarms.active(vector.host)
        return forecast

    def _model_threshold(self) -> float:
        """Of the model's probability. Without calibration that is no frequency: it ranks, and opens no alarm by itself
        unless a threshold is set."""
        if self.options.alarm_threshold > 0:
            return self.options.alarm_threshold
        if self.model is None or not self.model.calibrated:
            return _NEVER
        return max(self.model.threshold, self.options.least_model_threshold)

    def _is_sure(self, outlook: Outlook) -> bool:
        """Dates, falls and ramps of many steps are no single measurement that a second one must confirm."""
        long = self.options.confirm_steps + 3
        return outlook.kind in (EXPIRY, FLAPPING) or (
            outlook.kind == LIMIT and outlook.evidence_s >= long * self.options.step_s
        )

    def _trend_threshold(self) -> float:
        return self.options.alarm_threshold or self.options.extrapolation_threshold

    def _worth_passing_on(self, forecast: Forecast) -> bool:
        last = self._emitted.get(forecast.host)
        return (
            last is None
            or forecast.state != last.state
            or forecast.alarm != last.alarm
            or forecast.made_ns - last.at_ns >= self.options.emit_every_s * SECOND
            or forecast.made_ns < last.at_ns
            or abs(forecast.probability - last.probability) >= self.options.emit_change
        )

    def _with_reasons(self, forecast: Forecast, vector: FeatureVector) -> Forecast:
        outlook = vector.limit
        if forecast.state == NOT_ENOUGH:
            if self.model is None:
                why = "no model is in use, and nothing runs out, grows or ends by a clear trend"
            else:
                why = f"{vector.history_s:.0f} s of history, {self.options.min_history_s} s are needed"
            forecast.reasons = [(why, 0.0)]
        elif forecast.model == TIME_TO_LIMIT and outlook is not None:
            forecast.reasons = [(outlook_text(o), round(o.probability, 4)) for o in vector.outlooks[:3]]
        elif self.model is not None:
            groups = self.model.reasons(vector.values, forecast.probability)
            forecast.reasons = [(describe(self.builder, vector.host, g, outlook), weight) for g, weight in groups]
        return forecast

    def _remember(self, vectors: list[FeatureVector]) -> None:
        for vector in vectors:
            self._skip = (self._skip + 1) % _KEEP_EVERY
            if self._skip == 0:
                self._recent.append(vector.values)
                self._unsaved.append(vector.values)

    def recent_features(self) -> Array:
        """A sample of recent feature vectors, shape (≤ ``recent_vectors``, f), for ``lifecycle.drift``."""
        return np.stack(self._recent) if self._recent else np.zeros((0, len(self.builder.names)), np.float32)

    def load(self, db: sqlite3.Connection) -> None:
        state.load(self.builder, db)
        self._recent.extend(state.load_recent(db, len(self.builder.names)))
        self.alarms.load(db)

    def save(self, db: sqlite3.Connection) -> None:
        state.save(self.builder, db)
        state.save_recent(db, list(self._unsaved), self._user.recent_vectors)
        self._unsaved.clear()
        self.alarms.save(db)


def _finite(seconds: float) -> float | None:
    return round(seconds, 1) if isfinite(seconds) else None
