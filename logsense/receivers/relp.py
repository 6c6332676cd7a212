"""RELP, rsyslog's reliable protocol: each message is acknowledged by its number once it is on disk.

Frame: ``TXNR SP COMMAND SP DATALEN [SP DATA] LF`` (https://www.rsyslog.com/doc/relp.html).
"""

from __future__ import annotations

import re

from logsense.receivers._events import decode_text
from logsense.receivers._sockets import BadFrame, Connection, Parsed, SocketReceiver, now_ns
from logsense.record import RawEvent

_HEAD = re.compile(rb"(\d{1,9}) ([A-Za-z]{1,32}) (\d{1,9})([ \n])")
_LONGEST_HEAD = 64
_OFFER = b"relp_version=0\nrelp_software=logsense\ncommands=syslog"


class RelpReceiver(SocketReceiver):
    """``omrelp`` of rsyslog and compatible senders. TLS when a certificate is set."""

    name = "relp"

    def connection(self, address: str) -> Connection:
        return _Relp(address, self.options)


class _Relp(Connection):
    _done = False

    def __init__(self, address: str, options: object) -> None:
        super().__init__(address, options)  # type: ignore[arg-type]
        self._buffer = bytearray()

    def feed(self, data: bytes) -> tuple[Parsed, bytes]:
        self._buffer += data
        events: list[RawEvent] = []
        replies: list[bytes] = []
        at = 0
        while True:
            while self._buffer[at : at + 1] == b"\n":
                at += 1
            head = _HEAD.match(self._buffer, at)
            if head is None:
                if len(self._buffer) - at > _LONGEST_HEAD:
                    raise BadFrame("no RELP frame")
                break
            size = int(head[3])
            if size > self.options.max_message_bytes:
                raise BadFrame(f"a message of {size} bytes is too long")
            start = head.end() if size else head.end() - (head[4] == b"\n")
            if len(self._buffer) < start + size + 1:
                break
            body = bytes(self._buffer[start : start + size])
            at = start + size
            replies.append(self._command(bytes(head[1]), bytes(head[2]).lower(), body, events))
        del self._buffer[:at]
        return (events, []), b"".join(replies)

    def _command(self, number: bytes, command: bytes, body: bytes, events: list[RawEvent]) -> bytes:
        if command == b"syslog":
            text = decode_text(body.rstrip(b"\r\n\0"))
            if text.strip():
                events.append(RawEvent(text, "relp", now_ns(), {"log.source.address": self.address}))
            return _reply(number, b"200 OK")
        if command == b"open":
            return _reply(number, b"200 OK\n" + _OFFER)
        if command == b"close":
            self._done = True
            return _reply(number, b"") + b"0 serverclose 0\n"
        return _reply(number, b"500 unknown command")

    @property
    def within(self) -> bool:
        return bool(self._buffer)

    @property
    def closing(self) -> bool:
        return self._done


def _reply(number: bytes, text: bytes) -> bytes:
    return b"%s rsp %d%s\n" % (number, len(text), b" " + text if text else b"")
