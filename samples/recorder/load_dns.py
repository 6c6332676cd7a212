"""DNS load generator: asks a name server and prints its measurements once a second.

Usage: load_dns.py SERVER RATE SEED NAME…
"""

from __future__ import annotations

import json
import random
import socket
import struct
import sys
import threading
import time

SERVER, RATE, rng, NAMES = sys.argv[1], float(sys.argv[2]), random.Random(int(sys.argv[3])), sys.argv[4:]
done: list[tuple[float, bool]] = []
lock = threading.Lock()


def ask(name: str) -> bool:
    """One A query over UDP; true for an answer that is not SERVFAIL or REFUSED (NXDOMAIN is an answer)."""
    number = random.randint(0, 65535)
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(3)
        sock.sendto(struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + question + b"\0\0\1\0\1", (SERVER, 53))
        return sock.recv(4096)[3] & 15 not in (2, 5)


def one(name: str) -> None:
    began = time.monotonic()
    try:
        ok = ask(name)
    except OSError:
        ok = False
    with lock:
        done.append((time.monotonic() - began, ok))


def report() -> None:
    while True:
        time.sleep(1)
        with lock:
            batch, done[:] = list(done), []
        out: dict[str, float] = {"dns.client.queries": len(batch), "dns.client.errors": sum(not ok for _, ok in batch)}
        if batch:
            out["dns.client.latency"] = round(max(took for took, _ in batch), 4)
        print(json.dumps(out), flush=True)


threading.Thread(target=report, daemon=True).start()
while True:
    time.sleep(rng.expovariate(RATE))
    threading.Thread(target=one, args=(rng.choice(NAMES),), daemon=True).start()
