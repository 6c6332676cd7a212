"""Name → class, written out. Nothing registers itself; a class is imported when it is asked for."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from logsense.config import shipped

SOURCES = {
    "tail": "logsense.sources.tail:TailSource",
    "syslog": "logsense.sources.syslog:SyslogSource",
    "stdin": "logsense.sources.stdin:StdinSource",
    "journald": "logsense.sources.journald:JournaldSource",
    "hostmetrics": "logsense.sources.hostmetrics:HostMetricsSource",
    "metrics_csv": "logsense.sources.metrics_csv:MetricsCsv",
}

RECEIVERS = {
    "jsonlines": "logsense.receivers.jsonlines:JsonLinesReceiver",
    "loki": "logsense.receivers.loki:LokiReceiver",
    "otlp_http": "logsense.receivers.otlp_http:OtlpHttpReceiver",
    "splunk_hec": "logsense.receivers.splunk_hec:SplunkHecReceiver",
    "datadog": "logsense.receivers.datadog:DatadogReceiver",
    "remote_write": "logsense.receivers.remote_write:RemoteWriteReceiver",
    # Last: its paths begin with a free index name and would catch the others'.
    "elastic_bulk": "logsense.receivers.elastic_bulk:ElasticBulkReceiver",
}

INDEXES = {
    "embedded": "logsense.index.embedded:EmbeddedIndex",
}

DETECTORS = {
    "log_anomaly": "logsense.detect.log_anomaly:LogAnomaly",
    "metric_anomaly": "logsense.detect.metric_anomaly:MetricAnomaly",
}


def load(path: str) -> Any:
    """The object behind ``module:name``."""
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


def receivers() -> list[Any]:
    return [load(path)() for path in RECEIVERS.values()]


def model_folders(data: Path | None) -> list[Path]:
    """Where models are looked for: the data folder's own first, then those that come with logsense."""
    return [*([data / "models"] if data else []), shipped("models")]
