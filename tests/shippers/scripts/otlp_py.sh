#!/bin/bash
# The OpenTelemetry SDK of Python: logs, metrics and a trace. PROTO=http/protobuf|http/json|grpc, GZIP, TOKEN
. "$(dirname "$0")/lib.sh"
[ -n "${GZIP:-}" ] && export OTEL_EXPORTER_OTLP_COMPRESSION=gzip
[ -n "${TOKEN:-}" ] && export OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20$TOKEN"
export OTEL_EXPORTER_OTLP_ENDPOINT="$BASE" OTEL_RESOURCE_ATTRIBUTES="service.name=shop,host.name=web01"
"$PYTHON" "$(dirname "$0")/otlp_py.py"
