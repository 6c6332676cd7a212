"""Turn counts and metrics into signals: event-time windows, and detectors that score each closed window."""

from __future__ import annotations

from logsense.detect.alerts import Alerts
from logsense.detect.log_anomaly import LogAnomaly
from logsense.detect.metric_anomaly import MetricAnomaly
from logsense.detect.options import LogAnomalyOptions, MetricAnomalyOptions, WindowOptions
from logsense.detect.windows import FOREVER, Window, Windows, derived_points

__all__ = [
    "FOREVER",
    "Alerts",
    "LogAnomaly",
    "LogAnomalyOptions",
    "MetricAnomaly",
    "MetricAnomalyOptions",
    "Window",
    "WindowOptions",
    "Windows",
    "derived_points",
]
