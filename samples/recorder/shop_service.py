"""One service of the shop of services: answers requests, calls others, keeps a small store, writes a log of its own.

Usage: shop_service.py NAME PORT FOLDER [CALLED=PORT …]

What it is to suffer from is read from FOLDER/NAME.fault: ``cpu`` (threads that compute), ``memory`` (it keeps what it
handles), ``disk`` (every request writes and syncs megabytes), ``error`` (a defect in the middle of its work) or
nothing. ``/metrics`` gives counters as JSON. It knows of no fault by name in its log: what it writes is what it would.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME, PORT, FOLDER = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
CALLS = dict(pair.split("=") for pair in sys.argv[4:])
# what each kind of request makes a service call, in order
WAYS = {
    "browse": {"frontend": ["catalog"], "catalog": ["stock", "prices"]},
    "cart": {"frontend": ["cart"], "cart": ["prices", "catalog"], "catalog": ["stock"]},
    "checkout": {
        "frontend": ["checkout"],
        "checkout": ["cart", "payment", "shipping"],
        "cart": ["prices"],
        "payment": ["ledger"],
        "shipping": ["stock"],
    },
}
log = (FOLDER / f"{NAME}.log").open("a", buffering=1)  # open as long as the process lives
lock = threading.Lock()
seen = {"requests": 0, "errors": 0, "seconds": 0.0}
kept: list[bytes] = []
fault = ""


class Defect(Exception):
    pass


def write(level: str, request: str, text: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    with lock:
        log.write(f"{now} {level} {NAME} request_id={request} {text}\n")


def watch() -> None:
    global fault
    while True:
        try:
            fault = (FOLDER / f"{NAME}.fault").read_text(encoding="ascii").strip()
        except OSError:
            fault = ""
        if fault == "memory":
            kept.append(os.urandom(8 << 20))
        elif kept:
            kept.clear()
        time.sleep(0.25)


def burn() -> None:
    while True:
        if fault == "cpu":
            sum(n * n for n in range(20_000))
        else:
            time.sleep(0.1)


def store(request: str) -> None:
    """Look something up: a little computing, and a line of its own file."""
    digest = hashlib.sha256(request.encode())
    for _ in range(300):
        digest = hashlib.sha256(digest.digest())
    with (FOLDER / f"{NAME}.store").open("ab") as file:
        file.write(digest.hexdigest().encode() + b"\n")
        if fault == "disk":
            file.write(os.urandom(6 << 20))
            file.flush()
            os.fsync(file.fileno())
            file.truncate(1 << 20)


def handle(kind: str, request: str) -> None:
    write("INFO", request, f"{kind} request received")
    store(request)
    write("INFO", request, f"{kind} looked up in the store")
    if fault == "error" and random.random() < 0.7:
        raise Defect("cannot apply rule: value of 'region' is missing")
    for called in WAYS[kind].get(NAME, []):
        write("INFO", request, f"calling {called}")
        url = f"http://127.0.0.1:{CALLS[called]}/{kind}"
        with urllib.request.urlopen(
            urllib.request.Request(url, headers={"X-Request-ID": request}), timeout=8
        ) as answer:
            answer.read()
        write("INFO", request, f"{called} answered")
    write("INFO", request, f"{kind} done")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/metrics":
            self.answer(200, json.dumps(seen))
            return
        request = self.headers.get("X-Request-ID") or "-"
        begun, code = time.monotonic(), 200
        try:
            handle(self.path.strip("/"), request)
        except Defect as error:
            code = 500
            write("ERROR", request, f"{self.path.strip('/')} failed: {error}")
        except (OSError, urllib.error.URLError) as error:
            code = 502
            write("ERROR", request, f"{self.path.strip('/')} failed: {getattr(error, 'reason', error)}")
        seen["requests"] += 1
        seen["errors"] += code >= 500
        seen["seconds"] += time.monotonic() - begun
        self.answer(code, "ok" if code == 200 else "error")

    def answer(self, code: int, body: str) -> None:
        try:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


for work in (watch, burn, burn):
    threading.Thread(target=work, daemon=True).start()
write("INFO", "-", f"listening on port {PORT}")
ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
