"""Name → class, written out. Nothing registers itself; a class is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logsense.config import Settings, shipped

if TYPE_CHECKING:
    from logsense.errors import IndexUnavailable
    from logsense.stages import Index

SOURCES = {
    "tail": "logsense.sources.tail:TailSource",
    "syslog": "logsense.sources.syslog:SyslogSource",
    "stdin": "logsense.sources.stdin:StdinSource",
    "journald": "logsense.sources.journald:JournaldSource",
    "hostmetrics": "logsense.sources.hostmetrics:HostMetricsSource",
    "metrics_csv": "logsense.sources.metrics_csv:MetricsCsv",
    "prometheus": "logsense.sources.prometheus:PrometheusSource",
}

# Protocols with a port of their own: the key of [ports] -> the class, made with SocketOptions.
PORTS = {
    "relp": "logsense.receivers.relp:RelpReceiver",
    "gelf": "logsense.receivers.gelf:GelfReceiver",
    "lines": "logsense.receivers.raw_lines:RawLinesReceiver",
    "fluent": "logsense.receivers.fluent_forward:FluentForwardReceiver",
    "lumberjack": "logsense.receivers.lumberjack:LumberjackReceiver",
    "graphite": "logsense.receivers.graphite:GraphiteReceiver",
    "statsd": "logsense.receivers.statsd:StatsdReceiver",
    "otlp_grpc": "logsense.receivers.otlp_grpc:OtlpGrpcReceiver",
}

# Keys of [ports] that are further doors to the one HTTP application.
HTTP_PORTS = ("elasticsearch", "loki", "otlp_http", "splunk_hec", "journal_upload", "influxdb")

RECEIVERS = {
    "jsonlines": "logsense.receivers.jsonlines:JsonLinesReceiver",
    "loki": "logsense.receivers.loki:LokiReceiver",
    "otlp_http": "logsense.receivers.otlp_http:OtlpHttpReceiver",
    "splunk_hec": "logsense.receivers.splunk_hec:SplunkHecReceiver",
    "datadog": "logsense.receivers.datadog:DatadogReceiver",
    "remote_write": "logsense.receivers.remote_write:RemoteWriteReceiver",
    "gelf_http": "logsense.receivers.gelf:GelfHttpReceiver",
    "journal_upload": "logsense.receivers.journal_upload:JournalUploadReceiver",
    "influxdb": "logsense.receivers.influxdb:InfluxReceiver",
    "collectd": "logsense.receivers.collectd:CollectdReceiver",
    "alertmanager": "logsense.receivers.alertmanager:AlertmanagerReceiver",
    # Last: its paths begin with a free index name and would catch the others'.
    "elastic_bulk": "logsense.receivers.elastic_bulk:ElasticBulkReceiver",
}

INDEXES = {
    "embedded": "logsense.index.embedded:EmbeddedIndex",
    "elasticsearch": "logsense.index.elastic:ElasticIndex",
}

# What looks at lines is made with the options of the section of its name, and ``text_of`` for the texts of templates.
LOG_DETECTORS = {
    "log_anomaly": "logsense.detect.log_anomaly:LogAnomaly",
    "session_anomaly": "logsense.detect.sessions:SessionAnomaly",
    "request_pace": "logsense.detect.paces:RequestPace",
    "value_anomaly": "logsense.detect.value_anomaly:ValueAnomaly",
    "query_anomaly": "logsense.detect.query_anomaly:QueryAnomaly",
    "network_anomaly": "logsense.detect.network_anomaly:NetworkAnomaly",
}
DETECTORS = {**LOG_DETECTORS, "metric_anomaly": "logsense.detect.metric_anomaly:MetricAnomaly"}


def load(path: str) -> Any:
    """The object behind ``module:name``."""
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


def receivers() -> list[Any]:
    return [load(path)() for path in RECEIVERS.values()]


def open_index(
    data: Path, settings: Settings, *, writer: bool, waiting: Callable[[IndexUnavailable], bool] | None = None
) -> Index:
    """The index of the data folder ``data``, of the kind that ``[index] type`` names.

    An index on a server may be away: a writer then waits, calling ``waiting`` with the reason some times a second,
    until that returns True (``errors.IndexUnavailable``). The embedded index never waits.
    """
    kind = settings.section("index").type
    make = load(INDEXES[kind])
    if kind == "embedded":
        index: Index = make(data / "index", writer=writer, options=settings.section("index"))
    else:
        index = make(data / "index", writer=writer, options=settings.section(kind), waiting=waiting)
    return index


def model_folders(data: Path | None) -> list[Path]:
    """Where models are looked for: the data folder's own first, then those that come with logsense."""
    return [*([data / "models"] if data else []), shipped("models")]
