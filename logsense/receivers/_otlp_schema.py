"""The fields of OTLP's protobuf messages that are read, by their JSON names.

Source: https://github.com/open-telemetry/opentelemetry-proto (v1).
"""

from __future__ import annotations

from logsense.receivers._protobuf import Field, Table

_ANY_VALUE: Table = {
    1: Field("stringValue", "string"),
    2: Field("boolValue", "bool"),
    3: Field("intValue", "int"),
    4: Field("doubleValue", "double"),
    5: Field("arrayValue", lambda: {1: Field("values", lambda: _ANY_VALUE, repeated=True)}),
    6: Field("kvlistValue", lambda: {1: Field("values", lambda: _KEY_VALUE, repeated=True)}),
    7: Field("bytesValue", "bytes"),
}
_KEY_VALUE: Table = {1: Field("key", "string"), 2: Field("value", lambda: _ANY_VALUE)}
_RESOURCE: Table = {1: Field("attributes", lambda: _KEY_VALUE, repeated=True)}
_SCOPE: Table = {1: Field("name", "string"), 2: Field("version", "string")}

_LOG_RECORD: Table = {
    1: Field("timeUnixNano", "fixed64"),
    2: Field("severityNumber", "int"),
    3: Field("severityText", "string"),
    5: Field("body", lambda: _ANY_VALUE),
    6: Field("attributes", lambda: _KEY_VALUE, repeated=True),
    9: Field("traceId", "hex"),
    10: Field("spanId", "hex"),
    11: Field("observedTimeUnixNano", "fixed64"),
    12: Field("eventName", "string"),
}
_SCOPE_LOGS: Table = {1: Field("scope", lambda: _SCOPE), 2: Field("logRecords", lambda: _LOG_RECORD, repeated=True)}
_RESOURCE_LOGS: Table = {
    1: Field("resource", lambda: _RESOURCE),
    2: Field("scopeLogs", lambda: _SCOPE_LOGS, repeated=True),
}
LOGS: Table = {1: Field("resourceLogs", lambda: _RESOURCE_LOGS, repeated=True)}

_NUMBER_POINT: Table = {
    3: Field("timeUnixNano", "fixed64"),
    4: Field("asDouble", "double"),
    6: Field("asInt", "sfixed64"),
    7: Field("attributes", lambda: _KEY_VALUE, repeated=True),
}
_HISTOGRAM_POINT: Table = {
    3: Field("timeUnixNano", "fixed64"),
    4: Field("count", "fixed64"),
    5: Field("sum", "double"),
    9: Field("attributes", lambda: _KEY_VALUE, repeated=True),
}
_EXPONENTIAL_POINT: Table = {
    1: Field("attributes", lambda: _KEY_VALUE, repeated=True),
    3: Field("timeUnixNano", "fixed64"),
    4: Field("count", "fixed64"),
    5: Field("sum", "double"),
}
_SUMMARY_POINT: Table = {
    3: Field("timeUnixNano", "fixed64"),
    4: Field("count", "fixed64"),
    5: Field("sum", "double"),
    7: Field("attributes", lambda: _KEY_VALUE, repeated=True),
}


def _points(table: Table) -> Table:
    return {1: Field("dataPoints", lambda: table, repeated=True)}


_METRIC: Table = {
    1: Field("name", "string"),
    3: Field("unit", "string"),
    5: Field("gauge", lambda: _points(_NUMBER_POINT)),
    7: Field("sum", lambda: _points(_NUMBER_POINT)),
    9: Field("histogram", lambda: _points(_HISTOGRAM_POINT)),
    10: Field("exponentialHistogram", lambda: _points(_EXPONENTIAL_POINT)),
    11: Field("summary", lambda: _points(_SUMMARY_POINT)),
}
_SCOPE_METRICS: Table = {1: Field("scope", lambda: _SCOPE), 2: Field("metrics", lambda: _METRIC, repeated=True)}
_RESOURCE_METRICS: Table = {
    1: Field("resource", lambda: _RESOURCE),
    2: Field("scopeMetrics", lambda: _SCOPE_METRICS, repeated=True),
}
METRICS: Table = {1: Field("resourceMetrics", lambda: _RESOURCE_METRICS, repeated=True)}
