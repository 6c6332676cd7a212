"""Derivations of formats whose records are documents of their own: event XML, journal export, query plans, flows."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

from logsense.parse.convert import integer, protocol
from logsense.parse.levels import level_of
from logsense.parse.statements import fingerprint, normalize
from logsense.parse.timestamps import TimestampReader
from logsense.record import LogRecord

# Windows event XML

_DATA = re.compile(r"<Data(?: Name=(['\"])(?P<name>[^'\"]{1,200})\1)?\s*(?:/>|>(?P<value>[^<]*)</Data>)")
_RENDERED = re.compile(r"<Message>([^<]*)</Message>")
#: Names of EventData → ECS, where every provider means the same by them.
_WINDOWS = {
    "IpAddress": "source.ip", "IpPort": "source.port", "TargetUserName": "user.name", "TargetDomainName": "user.domain",
    "SubjectUserName": "user.effective.name", "ProcessName": "process.executable",
    "NewProcessName": "process.executable", "CommandLine": "process.command_line",
}  # fmt: skip
_SYSTEM = {
    "winlog.provider_name": re.compile(r"<Provider Name=['\"]([^'\"]{1,200})"),
    "event.code": re.compile(r"<EventID[^>]{0,60}>(\d{1,9})<"),
    "winlog.record_id": re.compile(r"<EventRecordID>(\d{1,20})<"),
    "winlog.channel": re.compile(r"<Channel>([^<]{1,200})<"),
}
_TIME = re.compile(r"<TimeCreated SystemTime=['\"]([^'\"]{1,40})")
_LEVEL = re.compile(r"<Level>(\d)<")
_KEYWORDS = re.compile(r"<Keywords>(0x[0-9a-fA-F]{1,16})<")
_PROCESS = re.compile(r"<Execution ProcessID=['\"](\d{1,10})")
_COMPUTER = re.compile(r"<Computer>([^<]{1,255})<")
_WINDOWS_LEVELS = {"1": "critical", "2": "error", "3": "warning", "5": "debug"}
_ISO = TimestampReader(("iso",))
_WINDOWS_FAILED = {"4625", "4771", "4776", "4740"}


def windows_event(record: LogRecord) -> None:
    """EventData becomes ``winlog.event_data.*`` and, where the names are general, ECS; the message says which event."""
    fields = record.fields
    text = record.message[:64_000]
    system = text.partition("</System>")[0]
    for field, pattern in _SYSTEM.items():
        if found := pattern.search(system):
            fields[field] = html.unescape(found[1])
    if found := _TIME.search(system):
        record.timestamp_ns = _ISO.read(found[1], record.ingested_ns) or 0
    if found := _PROCESS.search(system):
        fields["process.pid"] = int(found[1])
    if found := _COMPUTER.search(system):
        record.host = html.unescape(found[1])
    found = _LEVEL.search(system)
    record.level = _WINDOWS_LEVELS.get(found[1], "info") if found else ""
    said: list[str] = []
    for match in _DATA.finditer(text):
        value = html.unescape(match["value"] or "").strip()
        if value in ("", "-"):
            continue
        name = match["name"]
        said.append(f"{name}={value}" if name else value)
        if name:
            fields[f"winlog.event_data.{name}"] = value
            known = _WINDOWS.get(name)
            if known == "source.port":
                fields[known] = integer(value)
            elif known:
                fields.setdefault(known, value.removeprefix("::ffff:"))
    rendered = _RENDERED.search(text)
    if rendered:
        record.message = html.unescape(rendered[1]).strip()
    else:
        record.message = f"{fields.get('winlog.provider_name', '')} {fields.get('event.code', '')}: {', '.join(said)}"
    failed = "Audit Failure" in text or fields.get("event.code") in _WINDOWS_FAILED
    found = _KEYWORDS.search(system)
    keywords = found[1] if found else ""
    if failed or keywords.startswith("0x8010"):  # the bit of an audit that failed
        fields["event.outcome"] = "failure"
        record.level = "warning"
    elif keywords.startswith("0x8020"):
        fields["event.outcome"] = "success"


# systemd journal export

_JOURNAL = {
    "_PID": "process.pid", "_COMM": "process.name", "_EXE": "process.executable", "_CMDLINE": "process.command_line",
    "_UID": "user.id", "_GID": "user.group.id", "_SYSTEMD_UNIT": "systemd.unit", "_TRANSPORT": "systemd.transport",
    "CODE_FILE": "log.origin.file.name", "CODE_LINE": "log.origin.file.line", "_BOOT_ID": "host.boot.id",
}  # fmt: skip


def journal_export(record: LogRecord) -> None:
    """``NAME=value`` lines of one entry, as ``journalctl -o export`` writes them."""
    values: dict[str, str] = {}
    for line in record.message.split("\n"):
        name, equals, value = line.partition("=")
        if equals and name.isascii() and name.replace("_", "").isalnum():
            values.setdefault(name, value)
    fields = record.fields
    for name, field in _JOURNAL.items():
        if name in values:
            number = integer(values[name]) if field in ("process.pid", "log.origin.file.line") else None
            fields[field] = values[name] if number is None else number
    stamp = integer(values.get("_SOURCE_REALTIME_TIMESTAMP", values.get("__REALTIME_TIMESTAMP", "")))
    if stamp is not None and 0 < stamp < 2**53:
        record.timestamp_ns = stamp * 1000
    record.host = values.get("_HOSTNAME", record.host)
    record.level = level_of(values.get("PRIORITY", "")) or record.level
    program = values.get("SYSLOG_IDENTIFIER") or values.get("_COMM")
    if program:
        fields["process.name"] = record.service = program
    record.message = values.get("MESSAGE", record.message)


# Databases

_QUERY_TEXT = re.compile(
    r"\bQuery Text: (?P<query>.*?)\n(?P<plan>\s*(?:->\s*)?[A-Z][\w ]*(?: on | using |  \(cost=).*)", re.DOTALL
)
_ROWS = re.compile(r"\(actual [^)]{0,80}?rows=(\d+)")


def explain(record: LogRecord) -> None:
    """PostgreSQL's auto_explain: the statement, the plan, and the rows that the plan's top returned."""
    found = _QUERY_TEXT.search(record.message[:64_000])
    if found is None:
        return
    fields = record.fields
    fields["db.query.text"] = found["query"].strip()
    fields["postgresql.log.plan"] = found["plan"].strip()
    rows = _ROWS.search(found["plan"])
    if rows:
        fields["db.response.returned_rows"] = int(rows[1])
    head = record.message.partition("plan:")[0]
    record.message = f"{head}plan: {fields['db.query.text']}"


def query_identity(fields: dict[str, Any]) -> None:
    """``db.query.normalized`` and ``db.query.fingerprint`` of a record that holds a statement; see ``statements``."""
    statement = fields.get("db.query.text")
    if isinstance(statement, str) and (normal := normalize(statement)):
        fields["db.query.normalized"] = normal
        fields["db.query.fingerprint"] = fingerprint(statement)


# Flows and firewalls

_ALLOWED = {"accept", "allow", "allowed", "pass", "permitted", "permit", "built", "reply"}
_DENIED = {"reject", "deny", "denied", "block", "blocked", "drop", "dropped"}


def flow(record: LogRecord) -> None:
    """One way of saying who talked to whom: names of protocols, ``event.type`` allowed or denied, and a message."""
    fields = record.fields
    transport = protocol(fields.get("network.transport"))
    if transport:
        fields["network.transport"] = transport
    action = str(fields.get("event.action", "")).lower()
    if action:
        fields["event.action"] = action
        if action in _ALLOWED | _DENIED:
            fields["event.type"] = "allowed" if action in _ALLOWED else "denied"
    if "network.bytes" not in fields:
        halves = [fields.get("source.bytes"), fields.get("destination.bytes")]
        if any(isinstance(half, int) for half in halves):
            fields["network.bytes"] = sum(half for half in halves if isinstance(half, int))


def flow_message(record: LogRecord) -> None:
    """A flow has no text of its own: ``ACCEPT tcp 10.0.0.7:20641 -> 10.0.0.5:22``."""
    flow(record)
    fields = record.fields
    if "source.ip" not in fields:  # no flow after all: a header, a note that there is no data
        return
    ends = []
    for side in ("source", "destination"):
        port = fields.get(f"{side}.port")
        ends.append(f"{fields.get(f'{side}.ip', '?')}{f':{port}' if port else ''}")
    words = (fields.get("event.action", "flow"), fields.get("network.transport", ""), f"{ends[0]} -> {ends[1]}")
    record.message = " ".join(str(word) for word in words if word)


def dns(record: LogRecord) -> None:
    """Questions without the final dot, codes in capitals, and an outcome where there is an answer."""
    fields = record.fields
    name = fields.get("dns.question.name")
    if isinstance(name, str) and len(name) > 1:
        fields["dns.question.name"] = name.removesuffix(".")
    code = fields.get("dns.response_code")
    if isinstance(code, str):
        fields["dns.response_code"] = code.upper()
        fields.setdefault("event.outcome", "success" if code.upper() in ("NOERROR", "NXDOMAIN") else "failure")


def zeek_message(record: LogRecord) -> None:
    """What a Zeek record is about: the question of a name, a request, or the connection with its state."""
    fields = record.fields
    if "dns.question.name" in fields:
        words = ("query", fields.get("dns.question.type"), fields["dns.question.name"], fields.get("dns.response_code"))
        record.message = " ".join(str(word) for word in words if word)
    elif "zeek.connection.state" in fields:
        record.message += f" {fields['zeek.connection.state']}"
    elif "rule.name" in fields:
        record.message = f"{fields['rule.name']}: {fields.get('event.reason', '')}".rstrip(": ")
        record.level = record.level or "warning"


_ACCOUNT = re.compile(r"(?P<user>[^\[\s]*)\[[^\]]*\] @ ")


def mysql_audit(record: LogRecord) -> None:
    """Who did what: the account ``app[app] @ web1 [10.0.0.7]``, the statement or the connection, and how it ended."""
    fields = record.fields
    account = fields.pop("mysql.audit.account", None)
    if isinstance(account, str):
        match = _ACCOUNT.match(account)
        fields.setdefault("user.name", match["user"] if match else account)
    fields.setdefault("event.outcome", "failure" if "error.code" in fields else "success")
    action, statement = str(fields.get("event.action", "")), fields.get("db.query.text")
    fields["event.action"] = action.lower()
    if statement:
        record.message = f"{action}: {statement}"
    else:
        where = f" on {fields['db.name']}" if fields.get("db.name") else ""
        record.message = f"{action} {fields.get('user.name', '')}{where}".strip()
    if "error.code" in fields:
        record.message += f" failed: {fields['error.code']}"
        record.level = record.level or "warning"


DERIVATIONS: dict[str, Callable[[LogRecord], Any]] = {
    "windows_event": windows_event,
    "journal_export": journal_export,
    "explain": explain,
    "flow": flow,
    "flow_message": flow_message,
    "dns": dns,
    "zeek_message": zeek_message,
    "mysql_audit": mysql_audit,
}
