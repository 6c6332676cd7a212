"""Graphite's plaintext protocol: ``path[;tag=value…] value [seconds]``, one point a line, over TCP and UDP."""

from __future__ import annotations

import math

from logsense.receivers._events import decode_text
from logsense.receivers._sockets import Connection, LineConnection, Parsed, SocketReceiver, now_ns
from logsense.receivers._times import epoch_to_ns
from logsense.record import MetricPoint

_MAX_LINE = 8192


class GraphiteReceiver(SocketReceiver):
    """The tag ``host`` is the host; without it, the sender's address. A line that is no point is left out."""

    name = "graphite"
    udp = True

    def connection(self, address: str) -> Connection:
        return _Graphite(address, self.options)

    def datagram(self, data: bytes, address: str) -> Parsed:
        return [], [point for line in data.split(b"\n") if (point := parse_line(line, address)) is not None]


class _Graphite(LineConnection):
    def message(self, data: bytes) -> Parsed:
        point = parse_line(data, self.address)
        return [], [] if point is None else [point]


def parse_line(line: bytes, address: str) -> MetricPoint | None:
    """The point of one line, or None."""
    parts = line[:_MAX_LINE].split()
    if len(parts) not in (2, 3):
        return None
    try:
        value = float(parts[1])
    except ValueError:
        return None
    stamp = parts[2].decode("ascii", "replace") if len(parts) == 3 else "-1"
    ns = now_ns() if stamp in ("-1", "N") else epoch_to_ns(stamp)
    if ns is None or not math.isfinite(value):
        return None
    name, *tags = decode_text(parts[0]).split(";")
    labels = dict(pair for tag in tags if len(pair := tag.split("=", 1)) == 2)
    host = labels.pop("host", "") or address
    return MetricPoint(name, host, ns, value, labels) if name else None
