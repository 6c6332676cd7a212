"""systemd's journal export format: text fields ``NAME=value`` and binary ones (name, length as LE64, bytes).

https://systemd.io/JOURNAL_EXPORT_FORMATS/
"""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime
from typing import Any

from logsense.receivers._events import decode_text
from logsense.record import LEVELS, RawEvent

Entry = dict[str, bytes]

#: Journal field → ECS field; the first that is present wins.
_FIELDS = {
    "host.name": ("_HOSTNAME",),
    "service.name": ("SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "_COMM"),
    "process.pid": ("_PID", "SYSLOG_PID"),
    "systemd.unit": ("_SYSTEMD_UNIT", "UNIT"),
    "log.syslog.facility.code": ("SYSLOG_FACILITY",),
}
_MAX_FIELDS = 1024


class JournalSplitter:
    """Bytes → entries, in memory bounded by ``max_entry`` bytes. An entry ends with an empty line."""

    def __init__(self, max_entry: int) -> None:
        self._max = max_entry
        self._buffer = bytearray()
        self._entry: Entry = {}
        self._size = 0

    def feed(self, data: bytes) -> list[Entry]:
        """The entries that ``data`` completes. Raises ValueError for what is no export format."""
        self._buffer += data
        entries: list[Entry] = []
        at = 0
        while True:
            end = self._buffer.find(b"\n", at)
            if end < 0:
                break
            line = bytes(self._buffer[at:end])
            if not line:
                if self._entry:
                    entries.append(self._entry)
                self._entry, self._size = {}, 0
                at = end + 1
                continue
            name, equals, value = line.partition(b"=")
            if not equals:
                if len(self._buffer) < end + 9:
                    break
                size = int.from_bytes(self._buffer[end + 1 : end + 9], "little")
                if size > self._max:
                    raise ValueError(f"a field of {size} bytes is too long")
                if len(self._buffer) < end + 10 + size:
                    break
                value = bytes(self._buffer[end + 9 : end + 9 + size])
                if self._buffer[end + 9 + size] != 0x0A:
                    raise ValueError("a binary field does not end with a line feed")
                end += 9 + size
            at = end + 1
            self._keep(name, value)
        del self._buffer[:at]
        if len(self._buffer) > self._max + 64 * 1024:
            raise ValueError("a field is too long")
        return entries

    def end(self) -> list[Entry]:
        """The last entry, when the stream ended in order after one of its fields."""
        entry, self._entry = self._entry, {}
        return [entry] if entry else []

    def _keep(self, name: bytes, value: bytes) -> None:
        text = name.decode("ascii", "replace")
        self._size += len(name) + len(value)
        if self._size > self._max or len(self._entry) >= _MAX_FIELDS:
            raise ValueError("an entry is too long")
        if len(text) > 256 or not text.replace("_", "A").isalnum():
            raise ValueError("a field has no journal name")
        self._entry.setdefault(text, value)


def event_of(entry: Entry, received_ns: int) -> RawEvent | None:
    """An entry as event, None without a message. The id is the same whenever the entry is sent again."""
    message = decode_text(entry.get("MESSAGE", b""))
    if not message.strip():
        return None
    fields: dict[str, Any] = {}
    for target, names in _FIELDS.items():
        value = next((decode_text(entry[name]) for name in names if entry.get(name)), "")
        if value:
            fields[target] = value
    fields["service.name"] = fields.get("service.name", "").removesuffix(".service") or "kernel"
    priority = entry.get("PRIORITY", b"")
    if priority in (b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7"):
        fields["log.level"] = LEVELS[8 - int(priority)]  # LEVELS: trace, debug (7) … emergency (0)
    stamp = entry.get("_SOURCE_REALTIME_TIMESTAMP") or entry.get("__REALTIME_TIMESTAMP") or b""
    if stamp.isdigit() and len(stamp) < 20:
        with contextlib.suppress(ValueError, OverflowError, OSError):
            moment = datetime.fromtimestamp(int(stamp) // 10**6, UTC)
            fields["@timestamp"] = f"{moment:%Y-%m-%dT%H:%M:%S}.{int(stamp) % 10**6:06d}Z"
    return RawEvent(message, "journal_upload", received_ns, fields, identity(entry))


def identity(entry: Entry) -> str:
    """The cursor names an entry; without one, all of its content does."""
    cursor = entry.get("__CURSOR")
    if cursor:
        digest = hashlib.blake2b(cursor, digest_size=12)
    else:
        digest = hashlib.blake2b(digest_size=12)
        for name, value in sorted(entry.items()):
            digest.update(name.encode() + b"=%d=" % len(value) + value)
    return "ju-" + digest.hexdigest()
