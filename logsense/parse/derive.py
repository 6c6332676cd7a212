"""Named steps that finish a record where a pattern cannot: what a status means, how a URL splits, stack traces.

Each takes the record and changes it in place. Formats name them in ``derive``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from logsense.parse import derive_records
from logsense.parse.convert import ip, set_address, unhex
from logsense.record import LogRecord

_REASONS = {status.value: status.phrase for status in HTTPStatus} | {
    499: "Client Closed Request",  # nginx
    460: "Client Closed Connection", 444: "No Response", 494: "Request Header Too Large",
    495: "SSL Certificate Error", 496: "SSL Certificate Required", 497: "HTTP Request Sent to HTTPS Port",
    520: "Unknown Error", 521: "Web Server Is Down", 522: "Connection Timed Out", 523: "Origin Is Unreachable",
    524: "A Timeout Occurred", 0: "No Response",
}  # fmt: skip


@lru_cache(maxsize=16_384)
def split_url(target: str) -> tuple[tuple[str, str], ...]:
    """ECS parts of a request target or absolute URL; a target that is no URL is only kept as it is."""
    parts: list[tuple[str, str]] = [("url.original", target)]
    if target.startswith("/"):
        path, _, query = target.partition("?")
        parts.append(("url.path", unquote(path)))
    else:
        try:
            url = urlsplit(target)
            host, port = url.hostname or "", url.port
        except ValueError:
            return tuple(parts)
        path, query = url.path, url.query
        if url.scheme and host:
            parts += [("url.scheme", url.scheme), ("url.domain", host)]
            if port:
                parts.append(("url.port", str(port)))
            if path:
                parts.append(("url.path", unquote(path)))
        elif re.fullmatch(r"[\w.-]+:\d+|\[[0-9a-fA-F:]+\]:\d+", target):  # CONNECT example.com:443
            domain, _, target_port = target.rpartition(":")
            parts += [("url.domain", domain), ("url.port", target_port)]
    if query:
        parts.append(("url.query", unquote(query)))
    return tuple(parts)


def http(record: LogRecord) -> None:
    """Access logs: URL parts, level and outcome by status, and a message that mines well.

    The message is ``GET /path 502 Bad Gateway``: what was asked and how it ended. The query, sizes, times and the
    client are fields only; the status stands there as number and as words, so that a template keeps it readable
    and searchable even where a miner masks numbers.
    """
    fields = record.fields
    target = fields.pop("url.original", None)
    plain = ""
    if target is not None:
        for name, value in split_url(target):
            fields.setdefault(name, value)
        if "url.port" in fields:
            fields["url.port"] = int(fields["url.port"])
        plain = target.partition("?")[0] if target[:1] == "/" else ""
    status = fields.get("http.response.status_code")
    method = fields.get("http.request.method")
    # As it was sent: a decoded path may hold blanks, which would break the message into other words.
    path = plain or fields.get("url.path") or fields.get("url.domain") or target
    if path is not None and target is not None and target[:1] != "/" and "url.domain" in fields:
        path = fields["url.domain"] + (fields.get("url.path") or "")
    if status is not None:
        ending = f"{status} {_REASONS.get(status, '')}".rstrip()
        request = f"{method} {path}" if method else f'"{target or ""}"'
        record.message = f"{request} {ending}"
        if not record.level:
            record.level = "error" if status >= 500 or status == 0 else "warning" if status >= 400 else "info"
        fields.setdefault("event.outcome", "success" if 0 < status < 400 else "failure")


_MAX_LINE = 2000  # characters in which an exception is looked for
_MAX_CAUSE = 300  # characters of an exception's text that the message takes over


def name_cause(record: LogRecord) -> None:
    """``insert failed`` + error fields → ``insert failed: UniqueViolation: duplicate key value``.

    What went wrong often stands only in the exception or in a field beside the message. The message is what is
    mined, embedded and searched, so it names the cause.
    """
    text, kind = (str(record.fields.get(name) or "") for name in ("error.message", "error.type"))
    cause = f"{kind}: {text}" if kind and text else text or kind
    if cause and (text or kind) not in record.message:
        cause = cause.partition("\n")[0][:_MAX_CAUSE]
        record.message = f"{record.message.rstrip(' .:')}: {cause}" if record.message else cause


# Only at the beginnings of lines and with bounded blanks: this is searched in all that was joined to a record.
_TRACE_START = re.compile(
    r"^(?:Traceback \(most recent call last\):|Caused by: |goroutine \d+ |stack traceback:"
    r"|[ \t]{1,80}(?:at \S|File \"|\S{1,80}\.go:\d|#\d+ |(?:\? )?\S{1,80}\+0x[0-9a-f]{1,16}/0x)|#\d+ )",
    re.MULTILINE,
)
_EXCEPTION = re.compile(
    r"(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning|Interrupt|Exit|Failure|Fault)?)(?::\s+(?P<text>.*))?$"
)
_THROWABLE = re.compile(r"(?P<type>(?:[a-z_]\w*\.)+[A-Z][\w$]*|[A-Z]\w*(?:Error|Exception))(?::\s*(?P<text>.*))?$")


def attach_lines(record: LogRecord, rest: str) -> None:
    """Continuation lines: a stack trace goes to ``error.*``, everything else belongs to the message."""
    fields = record.fields
    rest = rest.rstrip()
    if not rest:  # blank lines say nothing; the original keeps them
        return
    if _TRACE_START.search(rest) is None:
        record.message = f"{record.message}\n{rest}" if record.message else rest
        return
    fields["error.stack_trace"] = rest
    lines = [line for line in rest.split("\n") if line.strip()]
    python = "Traceback (most recent call last):" in rest or "Traceback (most recent call last):" in record.message
    # Python names the exception last, Java and JavaScript first (in the message or the first line of the rest).
    candidates = [line for line in reversed(lines) if line[:1].strip()] if python else [*lines[:1], record.message]
    for line in candidates:
        match = (_EXCEPTION if python else _THROWABLE).match(line.strip()[:_MAX_LINE])
        if match:
            fields.setdefault("error.type", match["type"])
            if match["text"]:
                fields.setdefault("error.message", match["text"])
            break
    if python and record.message.startswith("Traceback (most recent call last)") and "error.type" in fields:
        # A traceback that no log line introduces: what happened is its last line.
        text = fields.get("error.message")
        record.message = f"{fields['error.type']}: {text}" if text else fields["error.type"]
        record.level = record.level or "error"
        return
    name_cause(record)


def outcome_words(record: LogRecord) -> None:
    """``event.outcome`` in ECS words: yes/no, 1/0 and success/failed as auditd and others write them."""
    value = str(record.fields.get("event.outcome", "")).lower()
    if value in ("success", "yes", "1", "ok", "0 failures"):
        record.fields["event.outcome"] = "success"
    elif value in ("failure", "failed", "no", "0", "fail", "denied"):
        record.fields["event.outcome"] = "failure"
    elif value:
        record.fields["event.outcome"] = "unknown"


def audit(record: LogRecord) -> None:
    """auditd: the arguments of EXECVE as ``process.args``, hexadecimal command lines, unset ids left out."""
    fields = record.fields
    outcome_words(record)
    action = fields.get("event.action")
    if action:
        fields["event.action"] = action.lower()
    count = fields.pop("auditd.log.argc", None)
    if count is not None and str(count).isdecimal():
        arguments = []
        for index in range(min(int(count), 64)):
            text = fields.pop(f"auditd.log.a{index}", None)
            if text is not None:  # without quotes it is hexadecimal
                arguments.append(text if f' a{index}="' in record.message else unhex(text))
        fields["process.args"] = arguments
        fields["process.args_count"] = int(count)
        if fields["process.args"]:
            fields.setdefault("process.executable", fields["process.args"][0])
    command = fields.get("process.command_line")
    if isinstance(command, str):
        fields.setdefault("process.args", command.split(" "))
    if action and action.startswith(("USER_", "CRED_", "LOGIN", "GRP_", "ADD_", "DEL_")):
        # Who logged in (auid) did it, as whom the program runs (uid, acct) is the effective user.
        login = fields.get("user.audit.id")
        if login not in (None, "4294967295", "-1"):
            if "user.name" in fields:
                fields["user.effective.name"] = fields["user.name"]
            if "user.name" in fields or not action.startswith("USER_"):
                fields["user.id"] = login
    if (
        not record.level
        and fields.get("event.outcome") == "failure"
        and action
        and action.startswith(("USER_", "CRED_", "AVC"))
    ):
        record.level = "warning"


def json_http(record: LogRecord) -> None:
    """Access logs as JSON: a combined ``request`` line is split first."""
    request = record.fields.get("http.request")
    if isinstance(request, str):
        parts = request.split(" ")
        if len(parts) >= 2:
            record.fields.pop("http.request")
            record.fields.setdefault("http.request.method", parts[0])
            record.fields.setdefault("url.original", parts[1])
            if len(parts) == 3 and parts[2].startswith("HTTP/"):
                record.fields.setdefault("http.version", parts[2][5:])
    http(record)


def slow_query(record: LogRecord) -> None:
    """Slow-query logs: the message is the statement, introduced by what it stands for."""
    statement = record.fields.get("db.query.text")
    if statement:
        record.message = f"slow query: {statement}"


def sessions_closed(record: LogRecord) -> None:
    """HAProxy: a termination state that is not two dashes means that a session did not end normally."""
    state = record.fields.get("haproxy.termination_state")
    if state:
        if not state.startswith("--"):
            record.fields["event.outcome"] = "failure"
        else:
            record.fields.setdefault("event.outcome", "success")
        if not record.level:
            record.level = "info" if state.startswith("--") else "warning"


def client_address(record: LogRecord) -> None:
    """``10.0.0.7:5432``, ``::1:5432`` and ``[local]`` → ``source.ip`` and ``source.port``."""
    text = record.fields.pop("client.address", None)
    if text and text != "[local]":
        address, _, port = text.rpartition(":")
        if address and port.isdecimal():
            record.fields["source.port"] = int(port)
        set_address(record.fields, "source.ip", address or text)


def forwarded(record: LogRecord) -> None:
    """A list of forwarded addresses: the client is the first public one, or else the first."""
    text = record.fields.pop("source.forwarded", None)
    if not text:
        return
    addresses = [part.strip() for part in text.split(",")]
    public = (part for part in addresses if ip(part) and ip_address(part).is_global)
    set_address(record.fields, "source.ip", next(public, addresses[0]))
    if len(addresses) > 1:
        record.fields["network.forwarded_ip"] = addresses


def virtual_host(record: LogRecord) -> None:
    """The host that was asked for, where the line begins with it, is the destination of the request."""
    fields = record.fields
    name = fields.get("url.domain")
    if name:
        fields["destination.ip" if ip(name) else "destination.domain"] = name
        if "url.port" in fields:
            fields["destination.port"] = int(fields["url.port"])


_ELEMENT = re.compile(r"\[([^\s=\]\"]+)((?: [^\s=\]\"]+=\"(?:[^\"\\]|\\.)*+\")*+)\]", re.DOTALL)
_PARAMETER = re.compile(r" ([^\s=\]\"]+)=\"((?:[^\"\\]|\\.)*+)\"", re.DOTALL)


def structured_data(record: LogRecord) -> None:
    """RFC 5424 section 6.3: ``[id name="value"]`` → ``log.syslog.structured_data.<id>.<name>``."""
    text = record.fields.pop("log.syslog.structured_data", None)
    if text:
        for element, parameters in _ELEMENT.findall(text):
            for name, value in _PARAMETER.findall(parameters):
                key = f"log.syslog.structured_data.{element}.{name}"
                record.fields[key] = re.sub(r"\\([\"\\\]])", r"\1", value)


def ssh_outcome(record: LogRecord) -> None:
    """What sshd's first word says about the login."""
    event = record.fields.get("system.auth.ssh.event")
    if event == "Accepted":
        record.fields["event.outcome"] = "success"
    elif event in ("Failed", "Invalid"):
        record.fields["event.outcome"] = "failure"
        record.level = record.level or "warning"


def sudo_outcome(record: LogRecord) -> None:
    """sudo names a reason only when it refused."""
    if "process.command_line" in record.fields:
        refused = "system.auth.sudo.error" in record.fields
        record.fields["event.outcome"] = "failure" if refused else "success"
        if refused:
            record.level = record.level or "warning"


_OWN = ("ecs.version", "@version", "data_stream.type", "data_stream.dataset", "data_stream.namespace", "event.original")


def ecs_fields(record: LogRecord) -> None:
    """JSON that is ECS already: bookkeeping goes, an ``event.original`` stands in for a missing message."""
    fields = record.fields
    original = fields.get("event.original")
    if not record.message and isinstance(original, str):
        record.message = original
    for name in _OWN:
        fields.pop(name, None)


def journal_bytes(record: LogRecord) -> None:
    """journalctl writes messages that are not UTF-8 as a list of byte values."""
    if record.message.startswith("[") and re.fullmatch(r"\[(?:\d{1,3}, )*+\d{1,3}\]", record.message):
        values = [int(value) for value in record.message[1:-1].split(", ")]
        if all(value < 256 for value in values):
            record.message = bytes(values).decode("utf-8", "backslashreplace")


_PHP = {
    "fatal error": "critical",
    "parse error": "error",
    "warning": "warning",
    "notice": "notice",
    "deprecated": "notice",
}


def php_level(record: LogRecord) -> None:
    """PHP names the kind of an error instead of a level."""
    record.level = record.level or _PHP.get(record.fields.get("php.error.kind", ""), "")


def eve_message(record: LogRecord) -> None:
    """Suricata's events have no text: what happened is the event type and what it is about."""
    fields = record.fields
    kind = fields.get("event.action", "event")
    about = fields.get("rule.name") or fields.get("dns.question.name") or fields.get("suricata.engine.message") or ""
    ports = f"{fields.get('network.transport', '')} {fields.get('network.protocol', '')}".strip()
    record.message = f"{kind}: {about or ports}".rstrip(": ")
    if kind == "alert" and not record.level:
        record.level = "error" if fields.get("event.severity") == 1 else "warning"


DERIVATIONS: dict[str, Callable[[LogRecord], Any]] = {
    "http": http,
    "json_http": json_http,
    "audit": audit,
    "outcome_words": outcome_words,
    "slow_query": slow_query,
    "sessions_closed": sessions_closed,
    "client_address": client_address,
    "forwarded": forwarded,
    "virtual_host": virtual_host,
    "structured_data": structured_data,
    "ssh_outcome": ssh_outcome,
    "sudo_outcome": sudo_outcome,
    "ecs_fields": ecs_fields,
    "journal_bytes": journal_bytes,
    "php_level": php_level,
    "eve_message": eve_message,
    **derive_records.DERIVATIONS,
}
