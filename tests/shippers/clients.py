"""The real clients: which script runs in which mode, where it is pointed, and what must be found afterwards.

``found`` counts the records of one run that hold MARK (COUNT is ``n``). ``host``, ``service`` and ``level`` are what
the client states in every one of those records that ``match`` selects by its text; '' where it states none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Client:
    """One script in one mode. ``port`` names a port of the server (``http``, ``syslog``, ``relp`` …)."""

    name: str
    script: str
    env: dict[str, str] = field(default_factory=dict)
    port: str = "http"
    found: Callable[[int], int] = lambda n: n
    match: str = ""
    host: str = ""
    service: str = ""
    level: str = ""
    metric: str = ""  # a metric that must be there instead of lines
    token: str = ""  # the form in which this client can send a key: TOKEN, ES, API_KEY, LOKI
    ok: tuple[int, ...] = (0,)
    slack_s: float = 120.0  # how far the records' times may be from now


def _twice(n: int) -> int:
    return 2 * n


def _and_one(n: int) -> int:
    return n + 1


_AUTH = {"match": "203.0.113", "host": "web01.example", "service": "sshd"}
_APP = {"match": "hello", "service": "myapp", "level": "warning"}
_NG = {"match": "203.0.113", "service": "sshd", "level": "error"}
_OTLP = {"match": "hello", "host": "web01", "service": "shop", "level": "error"}

CLIENTS: tuple[Client, ...] = (
    *(
        Client(f"rsyslog {mode}", "rsyslog_fwd.sh", {"MODE": mode}, port, _twice, level="info", **_AUTH)
        for mode, port in (
            ("udp", "syslog"),
            ("udp3164", "syslog"),
            ("tcp", "syslog"),
            ("tcp-octet", "syslog"),
            ("tls", "syslog_tls"),
            ("relp", "relp"),
        )
    ),
    Client("rsyslog es bulk", "rsyslog_es.sh", {"MODE": "bulk"}, level="error", token="ES", **_AUTH),
    Client(
        "rsyslog es single", "rsyslog_es.sh", {"MODE": "single", "ES_TYPE": "_doc"}, level="error", token="ES", **_AUTH
    ),
    Client("syslog-ng es", "syslogng.sh", {"MODE": "es"}, found=_twice, **_NG),
    Client("syslog-ng http-json", "syslogng.sh", {"MODE": "http-json"}, found=_twice, token="TOKEN", **_NG),
    Client("syslog-ng http-array", "syslogng.sh", {"MODE": "http-array"}, found=_twice, **_NG),
    *(
        Client(f"syslog-ng {mode}", "syslogng.sh", {"MODE": mode}, port, _twice, **_NG)
        for mode, port in (
            ("tcp5424", "syslog"),
            ("tls5424", "syslog_tls"),
            ("udp5424", "syslog"),
            ("udp3164", "syslog"),
            ("graylog2", "gelf"),
            ("ewmm", "syslog"),
        )
    ),
    *(
        Client(f"logger {mode}", "logger_cli.sh", {"MODE": mode}, "syslog", lambda n: n + 2, **_APP)
        for mode in ("udp5424", "udp3164", "tcp5424", "tcp-octet")
    ),
    Client(
        "journal-upload", "journal_upload.sh", found=_and_one, match="upstream", host="web01", service="nginx",
        level="error",
    ),
    *(
        Client(
            f"elasticsearch-py {version or 'newest'}", "es_py_bulk.sh", {"ESV": version} if version else {},
            found=_and_one, match="hello", host="web01", level="error", token="ES",
        )
        for version in ("7", "8", "")
    ),
    Client("elasticsearch-py gzip", "es_py_bulk.sh", {"GZIP": "1", "BULK_ONLY": "1"}, match="hello", host="web01",
           level="error", token="API_KEY"),
    Client("python-logging-loki", "loki_py.sh", match="hello", service="web", level="error", token="LOKI"),
    *(
        Client(
            f"otlp {proto}{' gzip' if gzip else ''}", "otlp_py.sh", {"PROTO": proto} | ({"GZIP": "1"} if gzip else {}),
            "otlp_grpc" if proto == "grpc" else "http", _and_one, token="TOKEN", **_OTLP,
        )
        for proto in ("http/protobuf", "http/json", "grpc")
        for gzip in (False, True)
    ),
    *(
        Client(kind, "more_clients.sh", {"KIND": kind}, port, match="hello", host="web01", service="shop",
               level="error", token="TOKEN" if kind == "influx" else "")
        for kind, port in (
            ("fluent", "fluent"),
            ("graypy-udp", "gelf"),
            ("graypy-tcp", "gelf"),
            ("graypy-http", "http"),
            ("beats", "lumberjack"),
            ("influx", "http"),
        )
    ),
    Client("statsd", "more_clients.sh", {"KIND": "statsd"}, "statsd", found=lambda n: 0, metric="shop.orders"),
    Client("collectd", "collectd.sh", found=lambda n: 0, metric="load.load.shortterm"),
    Client("prometheus remote write", "prometheus_rw.sh", found=lambda n: 0, metric="node_load1", token="TOKEN"),
)  # fmt: skip
