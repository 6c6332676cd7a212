"""An application with the OpenTelemetry SDK: COUNT log records, one with a traceback, metrics, and a span."""

import importlib
import logging
import os
import warnings

warnings.filterwarnings("ignore")  # the SDK calls parts of itself deprecated

from opentelemetry.instrumentation.logging.handler import LoggingHandler  # noqa: E402
from opentelemetry.sdk._logs import LoggerProvider  # noqa: E402
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor  # noqa: E402
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: E402

FORMS = {"grpc": "proto.grpc", "http/json": "json.http", "http/protobuf": "proto.http"}


def exporter(kind: str, name: str):
    module = importlib.import_module(f"opentelemetry.exporter.otlp.{FORMS[os.environ['PROTO']]}.{kind}")
    return getattr(module, name)()


mark = os.environ["MARK"]
logs = LoggerProvider()
logs.add_log_record_processor(BatchLogRecordProcessor(exporter("_log_exporter", "OTLPLogExporter")))
traces = TracerProvider()
traces.add_span_processor(BatchSpanProcessor(exporter("trace_exporter", "OTLPSpanExporter")))
metrics = MeterProvider([PeriodicExportingMetricReader(exporter("metric_exporter", "OTLPMetricExporter"), 60_000)])

log = logging.getLogger("shop")
log.setLevel(logging.INFO)
log.addHandler(LoggingHandler(logger_provider=logs))
with traces.get_tracer("shop").start_as_current_span("GET /cart"):
    for n in range(int(os.environ["COUNT"])):
        log.error("hello %s %d", mark, n, extra={"user.id": "bob", "n": n, "paid": True, "tags": ["a", "b"]})
try:
    raise ValueError(mark)
except ValueError:
    log.exception("payment failed")
meter = metrics.get_meter("shop")
meter.create_counter("orders").add(3, {"mark": mark})
meter.create_histogram("latency", unit="ms").record(12.5, {"route": "/cart"})
meter.create_up_down_counter("inflight").add(-2)
for provider in (logs, traces, metrics):
    provider.force_flush()
    provider.shutdown()
