"""What shippers state about an event → ``RawEvent``: message, flat ECS fields, time.

All JSON receivers share it, so that ``{"msg": …, "ts": …, "hostname": …}`` means the same everywhere.
"""

from __future__ import annotations

import json
import time
from functools import lru_cache
from typing import Any

import orjson

from logsense.receivers._times import epoch_to_ns, ns_to_text
from logsense.record import LEVELS, RawEvent

#: Names that loggers and shippers use, after flattening and lower-casing → the ECS name. The first that is
#: present wins; the others stay what they are.
ALIASES: dict[str, tuple[str, ...]] = {
    "message": ("msg", "log", "text", "line", "body", "event.original", "log.message", "short_message", "_raw"),
    "@timestamp": ("timestamp", "time", "ts", "datetime", "isodate", "date", "eventtime", "event_time", "timereported"),
    "log.level": ("level", "severity", "loglevel", "log_level", "levelname", "lvl", "severity_text", "syslog_severity"),
    "host.name": ("hostname", "host", "host.hostname", "host_name", "kubernetes.node_name"),
    "service.name": (
        "service",
        "service_name",
        "app",
        "application",
        "appname",
        "app_name",
        "app-name",
        "program",
        "programname",
        "ident",
        "syslog.appname",
        "kubernetes.container.name",
        "kubernetes.container_name",
    ),
    "process.pid": ("pid", "process_id", "procid"),
    "log.logger": ("logger", "logger_name", "loggername"),
    "trace.id": ("trace_id", "traceid"),
    "span.id": ("span_id", "spanid"),
}
#: Fields that are text for everyone behind us, whatever a client sends.
_TEXT_FIELDS = ("host.name", "service.name", "log.level")
_MAX_DEPTH = 16
_SYSLOG_WORDS = {"emerg", "alert", "crit", "err", "error", "warning", "notice", "info", "debug"}


def event_from_object(document: dict[str, Any], raw: bytes | None, source: str, received_ns: int) -> RawEvent:
    """One JSON object as an event.

    ``document``: flat, nested or mixed names. Without a message of any usual name, the JSON text itself (``raw``,
    or ``document`` encoded anew) becomes the message, so that nothing is lost.
    """
    fields: dict[str, Any] = {}
    _flatten("", document, fields, 0)
    _apply_aliases(fields)
    if "log.level" not in fields:  # a priority may be anything; only syslog's words are taken for a level
        name = next((n for n in ("PRIORITY", "priority") if str(fields.get(n)).lower() in _SYSLOG_WORDS), "")
        if name:
            fields["log.level"] = fields.pop(name)
    stamp = fields.get("@timestamp")
    if stamp is not None and not (isinstance(stamp, str) and "-" in stamp):
        ns = epoch_to_ns(stamp)
        fields["@timestamp"] = str(stamp) if ns is None else ns_to_text(ns)
    for name in _TEXT_FIELDS:
        value = fields.get(name)
        if value is not None and not isinstance(value, str):
            fields[name] = (_level(value) if name == "log.level" else "") or json_text(value)
    message = fields.pop("message", None)
    if message is None or message == "":
        message = json_text(document) if raw is None else decode_text(raw)
    elif not isinstance(message, str):
        message = json_text(message)
    elif message[0] == " " and not message[1:2].isspace():
        # rsyslog's ``msg`` begins with the blank after the syslog tag. Left there, it would look like the further
        # line of a stack trace, which begins with a tab or several blanks.
        message = message[1:] or message
    return RawEvent(message, source, received_ns, fields)


def _level(number: Any) -> str:
    """A numeric level: of syslog (0 to 7, also GELF's), or of pino and bunyan (10 to 60). Empty for others."""
    if isinstance(number, bool) or not isinstance(number, int):
        return ""
    if 0 <= number <= 7:
        return LEVELS[len(LEVELS) - 1 - number]
    return {10: "trace", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "critical"}.get(number, "")


def decode_text(raw: bytes) -> str:
    """Bytes as text; what is not UTF-8 is kept as ``\\xNN``."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace")


def load_json(raw: bytes) -> Any:
    """JSON as clients really send it: also NaN, lone surrogates and invalid UTF-8 (kept as ``\\xNN``).

    Raises ValueError.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        text = raw.decode("utf-8", "surrogateescape").translate(_ESCAPES)
        try:
            return json.loads(text)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


# surrogateescape maps an undecodable byte NN to U+DCNN; inside JSON the backslash of "\\xNN" is itself escaped.
_ESCAPES = {0xDC00 + byte: f"\\\\x{byte:02x}" for byte in range(0x80, 0x100)}


def json_text(value: Any) -> str:
    """``value`` as JSON text, whatever it holds."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, RecursionError):  # lone surrogates, huge integers, deep nesting
        try:
            return json.dumps(value, default=str)
        except RecursionError:
            return f"<{type(value).__name__} nested too deeply>"


def now_ns() -> int:
    """The time of acceptance."""
    return time.time_ns()


def _apply_aliases(fields: dict[str, Any]) -> None:
    names = tuple(fields)
    renames = _renames(names) if len(names) <= 200 else _renames.__wrapped__(names)
    for name, target in renames:
        if target not in fields and not isinstance(fields[name], list | dict):
            fields[target] = fields.pop(name)


@lru_cache(maxsize=4096)  # one shipper sends few shapes; without it this would be most of the cost of an event
def _renames(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """(name, ECS name) of the aliases among ``names``, the preferred alias of each ECS name first."""
    lowered = {name.lower(): name for name in reversed(names)}
    present = set(names)
    return tuple(
        (lowered[alias], target)
        for target, aliases in ALIASES.items()
        if target not in present
        for alias in (target, *aliases)  # the name itself, too: syslog-ng writes MESSAGE and HOST
        if alias in lowered
    )


def _flatten(prefix: str, value: dict[str, Any], out: dict[str, Any], depth: int) -> None:
    for key, one in value.items():
        name = prefix + key
        if isinstance(one, dict):
            if depth < _MAX_DEPTH:
                _flatten(f"{name}.", one, out, depth + 1)
            else:
                out[name] = json_text(one)
        elif one is not None:
            out[name] = one
