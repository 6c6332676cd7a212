"""Plain lines over TCP and UDP: netcat, ``>/dev/tcp/…``, devices that know nothing better."""

from __future__ import annotations

from logsense.receivers._events import decode_text, event_from_object, load_json
from logsense.receivers._sockets import Connection, LineConnection, Parsed, SocketReceiver, now_ns
from logsense.record import RawEvent


class RawLinesReceiver(SocketReceiver):
    """One event a line; a line that is a JSON object gives its fields (Logstash's ``json_lines``)."""

    name = "lines"
    udp = True

    def connection(self, address: str) -> Connection:
        return _Lines(address, self.options)

    def datagram(self, data: bytes, address: str) -> Parsed:
        events: list[RawEvent] = []
        for line in data.split(b"\n"):
            events += event_of(line, "lines:udp", address)
        return events, []


class _Lines(LineConnection):
    def message(self, data: bytes) -> Parsed:
        return event_of(data, "lines:tcp", self.address), []


def event_of(line: bytes, source: str, address: str) -> list[RawEvent]:
    """No event for a blank line, else one."""
    line = line.strip(b"\r\0")
    if not line or line.isspace():
        return []
    if line[:1] == b"{":
        try:
            document = load_json(line)
        except ValueError:
            document = None
        if isinstance(document, dict):
            event = event_from_object(document, line, source, now_ns())
            event.fields.setdefault("log.source.address", address)
            return [event]
    return [RawEvent(decode_text(line), source, now_ns(), {"log.source.address": address})]
