"""Sends many requests or knocks on many ports from given addresses.

Usage: flood.py requests HOST RATE SECONDS SOURCE…   or   flood.py scan HOST RATE SECONDS SOURCE…
"""

from __future__ import annotations

import http.client
import random
import socket
import sys
import threading
import time
from contextlib import suppress

MODE, HOST, RATE, SECONDS, SOURCES = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), sys.argv[5:]
PORTS = random.sample(range(1, 1024), 700) + random.sample(range(1024, 49152), 300)


def request(source: str) -> None:
    try:
        conn = http.client.HTTPConnection(HOST, timeout=4, source_address=(source, 0))
        conn.request("GET", f"/?q={random.randint(1, 10**6)}", headers={"User-Agent": "python-requests/2.28.1"})
        conn.getresponse().read()
        conn.close()
    except (OSError, http.client.HTTPException):
        pass


def knock(source: str, port: int) -> None:
    with suppress(OSError):
        socket.create_connection((HOST, port), 0.8, (source, 0)).close()


end, number = time.monotonic() + SECONDS, 0
while time.monotonic() < end:
    source = random.choice(SOURCES)
    args = (source,) if MODE == "requests" else (source, PORTS[number % len(PORTS)])
    threading.Thread(target=request if MODE == "requests" else knock, args=args, daemon=True).start()
    number += 1
    time.sleep(random.expovariate(RATE))
print(number, flush=True)
