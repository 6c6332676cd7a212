"""Prints HAProxy's own counters from its stats socket as one JSON line a second. Usage: haproxy_probe.py SOCKET"""

from __future__ import annotations

import csv
import json
import socket
import sys
import time

last: dict[str, float] = {}
while True:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.connect(sys.argv[1])
            sock.sendall(b"show stat\n")
            text = b""
            while chunk := sock.recv(65536):
                text += chunk
        rows = list(csv.DictReader(text.decode().lstrip("# ").splitlines()))
        front = next(r for r in rows if r["svname"] == "FRONTEND")
        servers = [r for r in rows if r["svname"] not in ("FRONTEND", "BACKEND")]
        out = {
            "haproxy.sessions.current": float(front["scur"]),
            "haproxy.servers.up": float(sum(r["status"].startswith("UP") for r in servers)),
        }
        for name, key in (("requests.rate", "req_tot"), ("responses.4xx", "hrsp_4xx"), ("responses.5xx", "hrsp_5xx")):
            value = float(front[key] or 0)
            out[f"haproxy.{name}"] = max(0.0, value - last.get(key, value))
            last[key] = value
        print(json.dumps(out), flush=True)
    except (OSError, StopIteration, KeyError, ValueError):
        pass
    time.sleep(1)
