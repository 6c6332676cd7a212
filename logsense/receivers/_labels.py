"""Labels of Loki, tags of Datadog, attributes of OpenTelemetry → ECS names."""

from __future__ import annotations

from typing import Any

#: ECS name ← label names in order of preference.
_KNOWN: dict[str, tuple[str, ...]] = {
    "host.name": ("host.name", "host_name", "host", "hostname", "node_name", "node", "nodename", "instance"),
    "service.name": (
        "service.name",
        "service_name",
        "service",
        "app",
        "application",
        "appname",
        "app_kubernetes_io_name",
        "container_name",
        "container",
        "syslog_identifier",
        "unit",
        "job",
    ),
    "log.level": ("log.level", "level", "detected_level", "severity", "log_level"),
    "log.file.path": ("log.file.path", "filename", "log_file_path"),
    "trace.id": ("trace.id", "trace_id", "traceID"),
    "span.id": ("span.id", "span_id", "spanID"),
    "error.type": ("exception.type",),
    "error.message": ("exception.message",),
    "error.stack_trace": ("exception.stacktrace",),
}


def fields_from_labels(labels: dict[str, Any]) -> dict[str, Any]:
    """Flat fields: known labels under their ECS name, dotted names as they are, the rest as ``labels.<name>``."""
    fields: dict[str, Any] = {}
    used: set[str] = set()
    for target, names in _KNOWN.items():
        for name in names:
            if labels.get(name) not in (None, ""):
                fields[target] = labels[name]
                used.add(name)
                break
    for name, value in labels.items():
        if name not in used and value is not None:
            fields[name if "." in name else f"labels.{name}"] = value
    return fields
