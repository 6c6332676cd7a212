"""Turn counts and metrics into signals: event-time windows, and detectors that score each closed window."""

from __future__ import annotations

from logsense.detect.alerts import Alerts
from logsense.detect.facts import FactCollector
from logsense.detect.log_anomaly import LogAnomaly
from logsense.detect.metric_anomaly import MetricAnomaly
from logsense.detect.network_anomaly import NetworkAnomaly
from logsense.detect.options import (
    FactOptions,
    LogAnomalyOptions,
    MetricAnomalyOptions,
    NetworkAnomalyOptions,
    QueryAnomalyOptions,
    RequestPaceOptions,
    SessionAnomalyOptions,
    ValueAnomalyOptions,
    WindowOptions,
)
from logsense.detect.paces import RequestPace
from logsense.detect.query_anomaly import QueryAnomaly
from logsense.detect.sessions import SessionAnomaly
from logsense.detect.value_anomaly import ValueAnomaly
from logsense.detect.windows import FOREVER, Window, Windows, derived_points

__all__ = [
    "FOREVER",
    "Alerts",
    "FactCollector",
    "FactOptions",
    "LogAnomaly",
    "LogAnomalyOptions",
    "MetricAnomaly",
    "MetricAnomalyOptions",
    "NetworkAnomaly",
    "NetworkAnomalyOptions",
    "QueryAnomaly",
    "QueryAnomalyOptions",
    "RequestPace",
    "RequestPaceOptions",
    "SessionAnomaly",
    "SessionAnomalyOptions",
    "ValueAnomaly",
    "ValueAnomalyOptions",
    "Window",
    "WindowOptions",
    "Windows",
    "derived_points",
]
