"""Typed settings with defaults, from TOML. An unknown key is an error that names file, key and nearest key.

Two kinds of files: the settings of one installation (``logsense.toml``, optional: everything has a default)
and pipelines (``pipelines/*.toml``: where a scenario's lines and metrics come from, and its thresholds).
Each option is declared and documented in the package that it belongs to; this module only composes them.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import re
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union

from logsense.errors import BadConfig


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """``[server]``: where the API and the pages listen."""

    #: Address to listen on. Anything but loopback needs ``allow_open = true`` as long as there are no API keys.
    host: str = "127.0.0.1"
    #: Port of the API, the pages and all HTTP receivers.
    port: int = 8514
    #: PEM file with a certificate chain: the API, the pages and all HTTP ports are then HTTPS.
    certificate: Path | None = None
    #: PEM file with its key, when the certificate file does not hold it.
    key: Path | None = None
    #: Listen beyond loopback although nobody has to authenticate.
    allow_open: bool = False
    #: Syslog port for UDP and TCP; 0 switches it off.
    syslog_port: int = 5514
    #: Seconds between two readings of this machine's own metrics; 0 switches them off.
    host_metrics_every_s: float = 10.0


@dataclass(frozen=True, slots=True)
class PortOptions:
    """``[ports]``: ports of single protocols; 0 is off.

    API keys belong to HTTP and OTLP; ``[access]`` says who may use the other ones.
    """

    #: Address for these ports; empty takes ``[server] host``.
    host: str = ""
    #: Syslog over TLS (usually 6514); needs ``certificate``.
    syslog_tls: int = 0
    #: RELP, rsyslog's reliable protocol (usually 2514).
    relp: int = 0
    #: GELF over TCP and UDP (usually 12201).
    gelf: int = 0
    #: Plain lines over TCP and UDP.
    lines: int = 0
    #: Fluent Bit's and Fluentd's forward protocol (usually 24224).
    fluent: int = 0
    #: Lumberjack 2, what Beats send to Logstash (usually 5044).
    lumberjack: int = 0
    #: Graphite's plaintext protocol over TCP and UDP (usually 2003).
    graphite: int = 0
    #: StatsD over UDP and TCP (usually 8125).
    statsd: int = 0
    #: OpenTelemetry over gRPC (usually 4317).
    otlp_grpc: int = 0
    #: A further port for everything over HTTP, so that Elasticsearch clients find it where they look (usually 9200).
    elasticsearch: int = 0
    #: The same for Loki clients (usually 3100).
    loki: int = 0
    #: The same for OpenTelemetry over HTTP (usually 4318).
    otlp_http: int = 0
    #: The same for Splunk's HTTP Event Collector (usually 8088).
    splunk_hec: int = 0
    #: The same for systemd-journal-upload (usually 19532).
    journal_upload: int = 0
    #: The same for InfluxDB clients (usually 8086).
    influxdb: int = 0
    #: Names of ports above whose TCP is TLS, e.g. ``["relp", "lumberjack", "otlp_grpc"]``; needs ``certificate``.
    tls: tuple[str, ...] = ()
    #: PEM file with the certificate chain for ``syslog_tls`` and ``tls``.
    certificate: Path | None = None
    #: PEM file with its key, when the certificate file does not hold it.
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """``[worker]``: how lines move from the spool to the index."""

    #: Lines read from the spool at once.
    batch_lines: int = 4000
    #: 2: a process parses while another one indexes, so that two cores work; 1: all in one process, for one core or
    #: little memory.
    processes: int = 2
    #: Longest time between two commits in seconds: how long a line may stay invisible to search.
    commit_every_s: float = 1.0
    #: How long a window stays open for stragglers after its end, in seconds.
    lateness_s: float = 10.0

    def __post_init__(self) -> None:
        if self.processes not in (1, 2):
            raise ValueError(f"processes is 1 or 2, not {self.processes!r}")


# Section of logsense.toml -> the dataclass that declares its keys. Imported when the section is read.
SECTIONS = {
    "server": "logsense.config:ServerOptions",
    "ports": "logsense.config:PortOptions",
    "prometheus": "logsense.sources.prometheus:PrometheusOptions",
    "worker": "logsense.config:WorkerOptions",
    "tenants": "logsense.tenancy:TenantOptions",
    "access": "logsense.access:AccessOptions",
    "limits": "logsense.limits:LimitOptions",
    "spool": "logsense.spool:SpoolOptions",
    "parse": "logsense.parse:ParseOptions",
    "redact": "logsense.parse:RedactOptions",
    "mine": "logsense.mine:MinerOptions",
    "embeddings": "logsense.enrich:EmbedderOptions",
    "keywords": "logsense.enrich:KeywordOptions",
    "index": "logsense.index:EmbeddedOptions",
    "elasticsearch": "logsense.index.elastic:ElasticOptions",
    "windows": "logsense.detect:WindowOptions",
    "log_anomaly": "logsense.detect:LogAnomalyOptions",
    "metric_anomaly": "logsense.detect:MetricAnomalyOptions",
    "facts": "logsense.detect:FactOptions",
    "session_anomaly": "logsense.detect:SessionAnomalyOptions",
    "request_pace": "logsense.detect:RequestPaceOptions",
    "value_anomaly": "logsense.detect:ValueAnomalyOptions",
    "query_anomaly": "logsense.detect:QueryAnomalyOptions",
    "network_anomaly": "logsense.detect:NetworkAnomalyOptions",
    "incidents": "logsense.incidents:IncidentOptions",
    "predict": "logsense.predict:ForecastOptions",
    "labels": "logsense.predict.options:LabelOptions",
    "models": "logsense.refresh:RefreshOptions",
    "silence": "logsense.incidents.silences:SilenceOptions",
    "reword": "logsense.rewording:RewordOptions",
    "notify": "logsense.notify.options:NotifyOptions",
}


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """``[[source]]`` of a pipeline: one thing to read."""

    #: ``tail`` (log files) or ``metrics_csv`` (recorded metrics).
    type: str
    #: Files, relative to the folder that the pipeline is applied to. ``*`` matches within a name;
    #: ``{host}`` and ``{service}`` match like ``*`` and give host.name and service.name.
    path: str
    #: Name of the format (``logsense formats`` lists them), or ``auto``.
    format: str = "auto"
    #: Fixed host.name for lines that state none.
    host: str = ""
    #: Fixed service.name for lines that state none.
    service: str = ""


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """One scenario: its sources and what it changes of the settings."""

    #: Short name; incidents of different pipelines are never merged unless they share a host.
    name: str
    #: One line for people.
    description: str = ""
    #: Zone of timestamps that carry none, as an IANA name.
    time_zone: str = "UTC"
    #: What to read.
    source: list[SourceSpec] = field(default_factory=list)
    #: ``[settings.<section>]``: what this scenario changes of logsense.toml when it is read with ``--pipeline``.
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Settings:
    """All sections; ``settings.section("mine")`` gives the options of one."""

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    file: Path | None = None

    def over(self, tables: dict[str, dict[str, Any]]) -> Settings:
        """These settings with ``tables`` beneath: what the installation states wins over what a pipeline suggests."""
        names = {*self.tables, *tables}
        return Settings({n: {**tables.get(n, {}), **self.tables.get(n, {})} for n in names}, self.file)

    def section(self, name: str) -> Any:
        where = str(self.file or "")
        return build(_resolve(SECTIONS[name]), self.tables.get(name, {}), where=where, section=name, file=self.file)


def load_settings(path: Path | None) -> Settings:
    """Read ``logsense.toml``; every section is checked now, so that a mistake stops the start."""
    if path is None:
        return Settings()
    return check_tables(load_toml(path), path)


def check_tables(tables: dict[str, Any], path: Path) -> Settings:
    """Settings of ``tables``, after building every section once."""
    for key in tables:
        if key not in SECTIONS:
            raise _unknown(path, key, list(SECTIONS), kind="section")
    settings = Settings(tables, path)
    for name in tables:
        settings.section(name)
    return settings


def load_pipeline(path: Path) -> PipelineSpec:
    table = load_toml(path)
    spec: PipelineSpec = build(PipelineSpec, table, where=str(path), section="", file=path)
    if not spec.source:
        raise BadConfig(
            "The pipeline reads nothing.",
            why="it has no [[source]]",
            where=str(path),
            fix='add [[source]] with type = "tail" and path = "…"',
        )
    check_tables(spec.settings, path)
    for source in spec.source:
        if source.type not in ("tail", "metrics_csv"):
            raise BadConfig(
                f"Unknown source type {source.type!r}.", where=_at(path, source.type), fix='use "tail" or "metrics_csv"'
            )
    return spec


def pipelines_dir() -> Path:
    """The pipelines that come with logsense."""
    return shipped("pipelines")


def shipped(name: str) -> Path:
    """A folder that comes with logsense: beside the package in a checkout, inside it when installed from a wheel."""
    package = Path(__file__).resolve().parent
    inside = package / "shipped" / name
    return inside if inside.is_dir() else package.parent / name


def build(cls: Any, table: dict[str, Any], *, where: str, section: str, file: Path | None) -> Any:
    """Make dataclass ``cls`` of ``table``; keys and types are checked against its declaration."""
    hints = typing.get_type_hints(cls)
    known = {f.name: f for f in dataclasses.fields(cls)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise _unknown(file, key, list(known), kind="key", section=section)
        values[key] = _convert(value, hints[key], key=key, section=section, file=file)
    missing = [
        name
        for name, f in known.items()
        if name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise BadConfig(
            f"Missing key {missing[0]!r}.",
            where=f"{where} [{section}]" if section else where,
            fix=f"add {missing[0]} = …",
        )
    try:
        return cls(**values)
    except ValueError as error:
        raise BadConfig("A setting is out of its range.", why=str(error), where=f"{where} [{section}]") from error


def options_help(cls: Any) -> list[tuple[str, str, str]]:
    """(key, default, documentation) of an options dataclass, from the ``#:`` comments at its fields."""
    import inspect

    rows, comment = [], []
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for line in inspect.getsource(cls).splitlines():
        text = line.strip()
        if text.startswith("#:"):
            comment.append(text[2:].strip())
        elif match := re.match(r"(\w+)\s*:", text):
            if match[1] in fields:
                f = fields[match[1]]
                default = f.default if f.default is not dataclasses.MISSING else ""
                rows.append((match[1], str(default), " ".join(comment)))
            comment = []
    return rows


def _convert(value: Any, hint: Any, *, key: str, section: str, file: Path | None) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        hint = next(a for a in args if a is not type(None))
        return _convert(value, hint, key=key, section=section, file=file)
    if origin in (list, tuple) and isinstance(value, list):
        items = [_convert(v, args[0], key=key, section=key, file=file) for v in value]
        return items if origin is list else tuple(items)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return build(hint, value, where=str(file or ""), section=key, file=file)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    plain = origin or hint
    if isinstance(plain, type) and (not isinstance(value, plain) or (plain is int and isinstance(value, bool))):
        raise BadConfig(
            f"{key!r} has the wrong type.",
            why=f"{value!r} is not {_type_name(plain)}",
            where=_at(file, key),
            fix=f"write {key} = {_example(plain)}",
        )
    return value


def _type_name(kind: type) -> str:
    return {
        int: "a whole number",
        float: "a number",
        str: "a text",
        bool: "true or false",
        list: "a list",
        dict: "a table",
    }.get(kind, kind.__name__)


def _example(kind: type) -> str:
    return {int: "10", float: "1.5", str: '"text"', bool: "true", list: "[…]"}.get(kind, "…")


def _resolve(path: str) -> Any:
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)


def load_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises ``BadConfig`` with its line where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise BadConfig(
            "The file is not valid TOML.",
            why=str(error),
            where=f"{path}:{line[1] if line else 1}",
            fix="mend that line; texts need quotes",
        ) from error
    except UnicodeDecodeError as error:
        raise BadConfig("The file is not UTF-8.", why=str(error), where=str(path), fix="save it as UTF-8") from error
    except OSError as error:
        raise BadConfig(
            "The file cannot be read.",
            why=error.strerror or str(error),
            where=str(path),
            fix="check the path and its permissions",
        ) from error


def _unknown(file: Path | None, key: str, known: list[str], *, kind: str, section: str = "") -> BadConfig:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    inside = f" in [{section}]" if section else ""
    fix = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
    return BadConfig(f"Unknown {kind} {key!r}{inside}.", where=_at(file, key), fix=fix)


def _at(file: Path | None, key: str) -> str:
    """``file:line`` of the first line that mentions ``key`` (tomllib keeps no positions)."""
    if file is None:
        return ""
    try:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if re.search(rf"(^|[\[\s\"'.]){re.escape(key)}([\]\s\"'.=]|$)", line):
                return f"{file}:{number}"
    except OSError:
        pass
    return str(file)
