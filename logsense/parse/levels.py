"""Severity: what programs write → one of ``record.LEVELS``."""

from __future__ import annotations

import re

from logsense.record import LEVELS

# Syslog severities by number (RFC 5424, table 2), which journald's PRIORITY uses too.
SYSLOG = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")

NAMES = {name: name for name in LEVELS} | {
    "emerg": "emergency", "panic": "emergency", "dpanic": "critical", "crit": "critical", "fatal": "critical",
    "severe": "error", "err": "error", "eror": "error", "fail": "error", "failure": "error", "exception": "error",
    "warn": "warning", "information": "info", "informational": "info", "inform": "info", "log": "info",
    "note": "notice", "config": "info", "success": "info", "ok": "info", "fine": "debug", "finer": "trace",
    "finest": "trace", "verbose": "debug", "dbg": "debug", "verb": "debug", "silly": "trace", "system": "info",
}  # fmt: skip

# bunyan and pino: 10 trace … 60 fatal.
_BUNYAN = ("trace", "debug", "info", "warning", "error", "critical")

# A level that opens the text of a line whose format states none: "ERROR foo", "warning: foo", "[error] foo".
# Lower case needs a colon or brackets, because "error in line 3" may be a quotation and "debug mode" is not a level.
_LEADING = re.compile(
    r"[\[<(]?(?:(?P<strict>emerg|alert|crit|critical|fatal|panic|err|error|warn|warning|notice|info|debug|trace)"
    r"(?=[\]>)]|:[ \t])"
    r"|(?P<upper>EMERG|EMERGENCY|ALERT|CRIT|CRITICAL|FATAL|PANIC|ERR|ERROR|WARN|WARNING|NOTICE|INFO|DEBUG|TRACE)"
    r"\b(?![-=_.]))",
    re.ASCII,
)
_CAPITALISED = re.compile(r"(?:Critical|Fatal|Error|Warning|Notice|Info|Debug)(?=:[ \t])", re.ASCII)
_FIRST = frozenset("[<(EACFPWNIDTecafpwnidt")


def level_of(text: str) -> str:
    """The level that a word or number stands for, or "" when it stands for none."""
    name = text.strip().lower()
    known = NAMES.get(name)
    if known is not None:
        return known
    if name.isdecimal() and len(name) <= 2:
        number = int(name)
        if number <= 7:
            return SYSLOG[number]
        if number % 10 == 0 and 10 <= number <= 60:
            return _BUNYAN[number // 10 - 1]
    if re.fullmatch(r"(?:debug|trace|finest)\d", name):  # PostgreSQL's debug1 … debug5, Apache's trace1 … trace8
        return name[:-1] if name[:-1] != "finest" else "trace"
    return ""


def leading_level(message: str) -> str:
    """The level that a message opens with, for formats that state none elsewhere."""
    if not message or message[0] not in _FIRST:
        return ""
    match = _LEADING.match(message)
    if match is not None:
        return level_of(match["strict"] or match["upper"])
    match = _CAPITALISED.match(message)
    return level_of(match[0]) if match is not None else ""
