"""The application of the server scenario: a small HTTP order service that runs inside a host.

It is a real service on purpose: each request costs CPU, an order is appended to a journal on the host's
volume, and the cache it keeps really grows when the flag file says so. Usage: orders_api.py PORT DATA LOG.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT, DATA, LOG = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
FLAGS = DATA / "flags.json"
log = logging.getLogger("orders.api")
cache: list[bytes] = []


def flags() -> dict[str, float]:
    try:
        return dict(json.loads(FLAGS.read_text()))
    except (OSError, ValueError):
        return {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, format: str, *args: object) -> None:
        """Our own access line is written by ``serve``."""

    def do_GET(self) -> None:
        self.serve(self.read)

    def do_POST(self) -> None:
        self.serve(self.order)

    def serve(self, action: Callable[[], tuple[int, bytes]]) -> None:
        began = time.monotonic()
        try:
            status, body = action()
        except OSError:
            log.exception("unhandled error in %s %s", self.command, self.path)
            status, body = 500, b'{"error":"internal"}'
        try:
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            log.warning("client went away before the answer: %s %s", self.command, self.path)
        took = (time.monotonic() - began) * 1000
        if self.path != "/health":
            log.info("%s %s -> %d in %d ms", self.command, self.path, status, took)
            if took > 250:
                log.warning("slow request: %s %s took %d ms (limit 250 ms)", self.command, self.path, took)

    def read(self) -> tuple[int, bytes]:
        hashlib.pbkdf2_hmac("sha256", self.path.encode(), b"price list", 70_000)
        if "/orders/9" in self.path and random.random() < 0.3:
            return 404, b'{"error":"no such order"}'
        return 200, json.dumps({"path": self.path, "items": random.randint(1, 9)}).encode()

    def order(self) -> tuple[int, bytes]:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        number = random.randint(10_000, 99_999)
        hashlib.pbkdf2_hmac("sha256", body, b"signature", 90_000)
        with (DATA / "journal.dat").open("ab") as journal:
            journal.write(body.ljust(4096))
            journal.flush()
            os.fsync(journal.fileno())
        if random.random() < 0.04:
            log.warning("payment provider answered late, retrying order=%d attempt=2", number)
        log.info("order accepted order=%d amount=%.2f", number, random.uniform(4, 300))
        return 201, json.dumps({"order": number}).encode()


def refresh() -> None:
    """The price cache: two generations are kept, unless the flag says that nothing is evicted (the leak)."""
    turn = 0
    while True:
        set_to = flags()
        leak = float(set_to.get("leak_mb_per_s", 0))
        cache.append(os.urandom(int(max(leak, 0.05) * 2**20)))
        if not leak:
            del cache[:-2]
        turn += 1
        if turn % 30 == 0:
            log.info("price cache refreshed entries=%d size_mb=%.0f", len(cache), sum(map(len, cache)) / 2**20)
        time.sleep(1)


def main() -> None:
    ctypes.CDLL(None).prctl(15, b"orders-api", 0, 0, 0)  # PR_SET_NAME: the kernel's OOM report shows it
    logging.basicConfig(filename=LOG, level=logging.INFO, format="%(asctime)s %(levelname)s [%(name)s] %(message)s")
    print(f"orders-api 2.4.1 starting on port {PORT}", flush=True)
    log.info("listening on 0.0.0.0:%d", PORT)
    threading.Thread(target=refresh, daemon=True).start()
    ThreadingHTTPServer(("0.0.0.0", PORT), Handler).serve_forever()


main()
