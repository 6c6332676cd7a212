"""A small real service that can be told to leak: the program behind most faults of ``record_onsets.py``.

It answers requests to itself over loopback all the time; each one opens a file and a connection, so that a limit
shows as the error that a user would see. Commands come as JSON lines on standard input, and the end of the input
ends it: ``{"leak": "disk" | "inodes" | "files" | "memory", "rate": units a second, "upto": units}``, ``{"stop": 1}``
(give everything back), ``{"crash": 1}``. Once a second it prints what it counted. Usage: onset_app.py LOG VOLUME RATE
"""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

LOG, VOLUME, RATE = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
TICK = 0.25
log_file = LOG.open("a", buffering=1)  # opened once: writing the log must not need a descriptor that ran out
lock = threading.Lock()
counted = {"requests": 0, "errors": 0, "slowest": 0.0, "first_error": 0.0}


def say(level: str, message: str) -> None:
    now = time.time()
    with lock:
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
        log_file.write(f"{clock},{int(now % 1 * 1000):03d} {level} [orders.api] {message}\n")


def count(took: float, ok: bool) -> None:
    with lock:
        counted["requests"] += 1
        counted["slowest"] = max(counted["slowest"], took)
        if not ok:
            counted["errors"] += 1
            counted["first_error"] = counted["first_error"] or time.time()


class Leak:
    """Takes units of one resource at a steady pace until it is stopped; ``upto`` is where a harmless one stops."""

    def __init__(self, kind: str, rate: float, upto: float) -> None:
        self.kind, self.rate, self.upto = kind, rate, upto
        self.held: list[Any] = []
        self.folder = VOLUME / f"{kind}-{time.time_ns()}"
        self.done = threading.Event()
        self.told = 0.0
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        self.folder.mkdir()
        start, taken = time.monotonic(), 0.0
        while not self.done.wait(TICK):
            due = min((time.monotonic() - start) * self.rate, self.upto)
            with suppress(MemoryError):
                try:
                    while taken + 1 <= due and not self.done.is_set():
                        step = self._take(due - taken)
                        taken += step
                except OSError as error:
                    count(0.0, False)
                    if time.monotonic() - self.told > 4:
                        self.told = time.monotonic()
                        say("ERROR", f"{self.kind} writer: {error}")
                    time.sleep(1)

    def _take(self, most: float) -> float:
        if self.kind == "disk":  # units are bytes
            size = int(min(most, 65536))
            with (self.folder / "export.dat").open("ab", buffering=0) as file:
                if file.write(os.urandom(size)) < size:
                    raise OSError(28, "No space left on device")
            return size
        if self.kind == "memory":
            size = int(min(most, 65536))
            self.held.append(bytearray(os.urandom(4096) * (size // 4096 + 1)))
            return size
        if self.kind == "inodes":
            (self.folder / f"session-{time.time_ns()}").touch()
            return 1
        self.held.append((VOLUME / "stock.txt").open())
        return 1

    def stop(self) -> None:
        self.done.set()
        self.thread.join(5)
        for one in self.held:
            if hasattr(one, "close"):
                one.close()
        self.held.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


def serve(server: socket.socket) -> None:
    """Accept, read a file of the volume, write a small one, answer."""
    number = 0
    while True:
        try:
            client, _ = server.accept()
        except OSError as error:
            count(0.0, False)
            say("ERROR", f"accept failed: {error}")
            time.sleep(1)
            continue
        number += 1
        with client:
            try:
                (VOLUME / "stock.txt").read_text()
                (VOLUME / f"order-{number % 50}").write_bytes(b"o" * random.randint(200, 4000))
                client.sendall(b"200")
            except OSError as error:
                say("ERROR", f"order not written: {error}")
                with suppress(OSError):
                    client.sendall(b"500")


def ask(port: int) -> None:
    """The clients: requests at a pace that swells and ebbs."""
    while True:
        swell = 1 + 0.5 * random.random() + 0.4 * (time.time() % 300 < 100)
        time.sleep(random.expovariate(RATE * swell))
        start, path = time.monotonic(), f"/orders/{random.randint(1, 999)}"
        try:
            with socket.create_connection(("127.0.0.1", port), 3) as sock:
                answer = sock.recv(16).decode() or "502"
        except OSError as error:
            count(time.monotonic() - start, False)
            say("ERROR", f"GET {path} -> 503: {error}")
            time.sleep(0.5)
            continue
        took = time.monotonic() - start
        count(took, answer == "200")
        if answer != "200" or random.random() < 0.3:
            say("INFO" if answer == "200" else "ERROR", f"GET {path} -> {answer} in {1000 * took:.0f} ms")


def report() -> None:
    while True:
        time.sleep(1)
        with lock:
            print(json.dumps(counted), flush=True)
            counted["slowest"] = 0.0


def main() -> None:
    (VOLUME / "stock.txt").write_text("stock\n" * 200)
    server = socket.create_server(("127.0.0.1", 0))
    say("INFO", f"listening on {server.getsockname()[1]}")
    for task in (lambda: serve(server), lambda: ask(server.getsockname()[1]), report):
        threading.Thread(target=task, daemon=True).start()
    leaks: list[Leak] = []
    for line in sys.stdin:
        order = json.loads(line)
        if "leak" in order:
            leaks.append(Leak(order["leak"], float(order["rate"]), float(order.get("upto", 1e18))))
        elif "crash" in order:
            say("CRITICAL", "assertion failed: order book is inconsistent, giving up")
            os._exit(1)
        else:
            for leak in leaks:
                leak.stop()
            leaks.clear()
            counted["first_error"] = 0.0


main()
