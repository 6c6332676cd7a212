"""Record a shop of eight services while resource faults, delays, defects and crashes are done to them.

    python samples/record_shop.py OUT --seed 1 --repeat 2

Real processes that call each other over HTTP on the loopback, a relay between any two that stands for the network,
under a steady mix of three kinds of requests. Written: ``OUT/logs/<host>/<service>.log``, ``OUT/metrics/<host>.csv``
(a row every two seconds: CPU, memory and disk of the process from /proc, requests, errors and latency as the service
counts them) and ``OUT/labels.json``. Needs no root and no network; a fault takes a minute with the calm after it.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).resolve().parent / "recorder"
SERVICES = {
    "frontend": ["catalog", "cart", "checkout"],
    "catalog": ["stock", "prices"],
    "cart": ["prices", "catalog"],
    "checkout": ["cart", "payment", "shipping"],
    "payment": ["ledger"],
    "shipping": ["stock"],
    "stock": [],
    "prices": [],
    "ledger": [],
}
#: What is done -> where it may be done. Nothing is called behind the front end's back.
FAULTS = {
    "cpu": list(SERVICES),
    "memory": list(SERVICES),
    "disk": [name for name in SERVICES if name != "frontend"],
    "delay": [name for name in SERVICES if name != "frontend"],
    "egress": list(SERVICES),
    "error": list(SERVICES),
    "crash": [name for name in SERVICES if name != "frontend"],
}
MIX = ["browse", "browse", "cart", "checkout"]
FAULT_S, CALM_S, EVERY_S = 25, 35, 2.0
DELAYS_S = (0.05, 0.12, 0.4)


class Shop:
    """The processes and what is done to them. ``close`` ends every process that it started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in SERVICES}
        self.relays = {(name, called): free_port() for name in SERVICES for called in SERVICES[name]}
        self.processes: dict[str, subprocess.Popen] = {}
        self.links = [
            subprocess.Popen([sys.executable, str(HERE / "link.py"), str(port), str(self.ports[called]),
                              str(self.link(name, called))])
            for (name, called), port in self.relays.items()
        ]  # fmt: skip
        for name in SERVICES:
            self.start(name)

    def link(self, name: str, called: str) -> Path:
        """The file that says how slow the network between them is."""
        return self.folder / f"{name}-{called}.delay"

    def start(self, name: str) -> None:
        called = [f"{other}={self.relays[name, other]}" for other in SERVICES[name]]
        command = [sys.executable, str(HERE / "shop_service.py"), name, str(self.ports[name]), str(self.folder)]
        self.processes[name] = subprocess.Popen([*command, *called])

    def set(self, kind: str, name: str, delay_s: float) -> None:
        if kind in ("delay", "egress"):
            # "delay": the network before it, both ways. "egress": what leaves it, its answers and its calls.
            for one, called in self.relays:
                there = delay_s * (one == name if kind == "egress" else called == name)
                back = delay_s * (called == name)
                if there or back:
                    self.link(one, called).write_text(f"{there} {back}", encoding="ascii")
        elif kind == "crash":
            self.processes[name].kill()
            self.processes[name].wait()
        else:
            (self.folder / f"{name}.fault").write_text(kind, encoding="ascii")

    def clear(self, kind: str, name: str) -> None:
        (self.folder / f"{name}.fault").unlink(missing_ok=True)
        for one, called in self.relays:
            self.link(one, called).unlink(missing_ok=True)
        if kind == "crash":
            self.start(name)

    def close(self) -> None:
        for process in [*self.processes.values(), *self.links]:
            process.terminate()
        for process in [*self.processes.values(), *self.links]:
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def customers(shop: Shop, stop: threading.Event, seed: int, rate: float) -> list[threading.Thread]:
    """Three customers who come back after a random while, whether they were served or not."""

    def shopping(rng: random.Random) -> None:
        while not stop.is_set():
            url = f"http://127.0.0.1:{shop.ports['frontend']}/{rng.choice(MIX)}"
            try:
                asked = urllib.request.Request(url, headers={"X-Request-ID": uuid.UUID(int=rng.getrandbits(128)).hex})
                with urllib.request.urlopen(asked, timeout=20) as answer:
                    answer.read()
            except OSError:
                pass
            stop.wait(rng.expovariate(rate / 3))

    threads = [threading.Thread(target=shopping, args=(random.Random(seed * 10 + n),), daemon=True) for n in range(3)]
    for thread in threads:
        thread.start()
    return threads


class Meter:
    """Samples every service into ``metrics/<host>.csv`` until stopped."""

    COLUMNS = ("process.cpu.utilization", "process.memory.rss", "process.disk.write", "http.server.requests",
               "http.server.errors", "http.server.latency.mean")  # fmt: skip

    def __init__(self, shop: Shop, out: Path) -> None:
        self.shop, self.out = shop, out
        self.before: dict[str, dict[str, float]] = {}
        out.mkdir(parents=True)
        self.files = {name: (out / f"{name}-1.csv").open("w", newline="", encoding="utf-8") for name in SERVICES}
        self.writers = {name: csv.writer(file) for name, file in self.files.items()}
        for writer in self.writers.values():
            writer.writerow(["@timestamp", *self.COLUMNS])

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(EVERY_S):
            for name in SERVICES:
                self.sample(name)
        for file in self.files.values():
            file.close()

    def sample(self, name: str) -> None:
        now = {"at": time.time(), **read_process(self.shop.processes[name].pid), **self.counters(name)}
        last, self.before[name] = self.before.get(name), now
        if last is None or len(now) < 3 or now.get("pid") != last.get("pid"):
            return
        took = now["at"] - last["at"]
        rate = {key: (now[key] - last[key]) / took for key in now if key in last and key not in ("at", "pid", "rss")}
        count = rate.get("requests", 0.0) * took
        row: list[Any] = [round(rate.get("cpu", 0.0), 4), int(now.get("rss", 0)), round(rate.get("written", 0.0))]
        if "requests" in rate:
            row += [round(rate["requests"], 3), round(rate["errors"], 3)]
            row += [round(rate["seconds"] * took / count, 5) if count else ""]
        self.writers[name].writerow([iso(now["at"]), *row])

    def counters(self, name: str) -> dict[str, float]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.shop.ports[name]}/metrics", timeout=1) as answer:
                return dict(json.loads(answer.read()))
        except (OSError, ValueError):
            return {}


def read_process(pid: int) -> dict[str, float]:
    try:
        process = psutil.Process(pid)
        used = process.cpu_times()
        return {"pid": pid, "cpu": used.user + used.system, "rss": process.memory_info().rss,
                "written": process.io_counters().write_bytes}  # fmt: skip
    except (psutil.Error, OSError):
        return {}


def plan(seed: int, repeat: int) -> list[tuple[str, str]]:
    """Every kind of fault ``repeat`` times, each time elsewhere, in an order drawn from the seed."""
    rng = random.Random(seed)
    todo = [(kind, name) for kind, names in FAULTS.items() for name in rng.sample(names, repeat)]
    rng.shuffle(todo)
    return todo


def record(
    out: Path, seed: int, repeat: int, rate: float, warm_s: float, calm_s: float, say: Callable[[str], None]
) -> None:
    faults: list[dict[str, Any]] = []
    todo = plan(seed, repeat)
    rng = random.Random(seed + 1)
    say(f"{len(todo)} faults: about {(warm_s + len(todo) * (FAULT_S + calm_s)) / 60:.0f} minutes")
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        shop, stop = Shop(Path(folder)), threading.Event()
        try:
            time.sleep(2)
            begun = time.time()
            threads = customers(shop, stop, seed, rate)
            threads.append(threading.Thread(target=Meter(shop, out / "metrics").run, args=(stop,)))
            threads[-1].start()
            time.sleep(warm_s)
            for number, (kind, name) in enumerate(todo, 1):
                start, delay_s = time.time(), rng.choice(DELAYS_S)
                shop.set(kind, name, delay_s)
                say(f"{number}/{len(todo)} {kind} at {name}")
                time.sleep(FAULT_S)
                shop.clear(kind, name)
                detail = {"delay_s": delay_s} if kind in ("delay", "egress") else {}
                faults.append({"id": f"{kind}-{name}", "kind": kind, "host": f"{name}-1", "service": name,
                               "start": iso(start), "end": iso(time.time()), **detail})  # fmt: skip
                time.sleep(calm_s)
        finally:
            stop.set()
            for thread in threads:
                thread.join(timeout=25)
            shop.close()
        for name in SERVICES:
            (out / "logs" / f"{name}-1").mkdir(parents=True)
            shutil.copy(Path(folder) / f"{name}.log", out / "logs" / f"{name}-1" / f"{name}.log")
    labels = {"scenario": "services", "start": iso(begun), "end": iso(time.time()), "seed": seed, "faults": faults}
    (out / "labels.json").write_text(json.dumps(labels, indent=1) + "\n", encoding="utf-8")


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write; it must not exist")
    parser.add_argument("--seed", type=int, default=1, help="order, places and requests")
    parser.add_argument("--repeat", type=int, default=2, help="times of each kind of fault, each elsewhere")
    parser.add_argument("--rate", type=float, default=6.0, help="requests a second at the front end, about")
    parser.add_argument("--warm", type=float, default=240.0, help="seconds of calm before the first fault")
    parser.add_argument("--calm", type=float, default=CALM_S, help="seconds between faults: 150 part their incidents")
    args = parser.parse_args()
    if args.out.exists():
        raise SystemExit(f"{args.out} exists already.")
    record(args.out, args.seed, args.repeat, args.rate, args.warm, args.calm, lambda text: print(text, flush=True))


if __name__ == "__main__":
    main()
