"""The application of the database scenario: a shop that uses PostgreSQL, MariaDB and Redis all the time.

It writes its own log as JSON lines (one in three good operations, every failure) and prints its measurements
once a second. Usage: shop_app.py LOG RATE SEED
"""

from __future__ import annotations

import json
import math
import queue
import random
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clients import DatabaseError, MariaDB, Postgres, Redis

LOG, RATE, SEED = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
HOSTS = {"postgresql": "10.20.0.21", "mariadb": "10.20.0.23", "redis": "10.20.0.24"}
STATEMENTS = {
    "postgresql": [
        (
            "place_order",
            "insert into orders(customer, item, note) values ({n}, {m}, "
            "(select string_agg(md5(random()::text), '') from generate_series(1, {size}))); "
            "update stock set qty = qty - 1 where item = {m}",
        ),
        ("show_order", "select * from orders where id = {n}"),
        ("read_stock", "select qty from stock where item = {m}"),
        ("list_orders", "select id, item from orders where customer = {n} order by id desc limit 10"),
    ],
    "mariadb": [
        ("search_history", "select id, total from history where customer = {n} order by created desc limit 20"),
        ("count_history", "select count(*), sum(total) from history where customer = {n}"),
        (
            "add_history",
            "insert into history(customer, total, created, note) values ({n}, {m}, now(), repeat('h', 60))",
        ),
    ],
    "redis": [("session", "SET sess:{n} {blob}"), ("cart", "HSET cart:{n} item {m}"), ("read_session", "GET sess:{n}")],
}
lock = threading.Lock()
out = Path(LOG).open("a", buffering=1)  # noqa: SIM115 - open as long as the process lives
seen: list[tuple[str, float, bool]] = []


def write(level: str, logger: str, message: str, **fields: object) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    with lock:
        out.write(
            json.dumps({"@timestamp": now, "log.level": level, "log.logger": logger, "message": message, **fields})
            + "\n"
        )


def connect(kind: str) -> Any:
    if kind == "postgresql":
        db = Postgres(HOSTS[kind], "shop", "shop", 12)
        db.query("set lock_timeout = '6s'")
        return db
    return MariaDB(HOSTS[kind], "shop", "shop", 12) if kind == "mariadb" else Redis(HOSTS[kind])


class Worker(threading.Thread):
    """Works off jobs for one kind of database on one connection, which it renews now and then."""

    def __init__(self, kind: str, jobs: queue.Queue[float], seed: int) -> None:
        super().__init__(daemon=True)
        self.kind, self.jobs, self.rng = kind, jobs, random.Random(seed)
        self.db: Any = None  # one of the three clients
        self.left = 0

    def run(self) -> None:
        while True:
            self.jobs.get()
            self.step()

    def step(self) -> None:
        rng = self.rng
        name, text = rng.choice(STATEMENTS[self.kind] + STATEMENTS[self.kind][:1])  # the first is twice as frequent
        text = text.format(
            n=rng.randint(1, 2000), m=rng.randint(1, 200), size=rng.randint(40, 160), blob="s" * rng.randint(200, 900)
        )
        began, failure = time.monotonic(), ""
        try:
            if self.db is None or self.left <= 0:
                if self.db:
                    self.db.close()
                self.db, self.left = None, rng.randint(4, 14)
                self.db = connect(self.kind)
            self.left -= 1
            if self.kind == "redis":
                words = text.split(" ")
                self.db.call(*words)
                if words[0] == "SET":
                    self.db.call("EXPIRE", words[1], "120")
            else:
                self.db.query(text)
        except (OSError, DatabaseError) as error:
            failure = str(error) or type(error).__name__
            if not failure.startswith(("ERROR", "OOM", "-OOM")):  # the connection is gone, not only the statement
                if self.db:
                    self.db.close()
                self.db = None
        took = time.monotonic() - began
        with lock:
            seen.append((self.kind, took, not failure))
        if failure:
            write(
                "error", f"shop.{self.kind}", f"{name} failed: {failure}", **{"event.duration_ms": round(took * 1000)}
            )
        elif took > 0.5:
            write(
                "warn",
                f"shop.{self.kind}",
                f"{name} took {round(took * 1000)} ms",
                **{"event.duration_ms": round(took * 1000)},
            )
        elif rng.random() < 0.33:
            write("info", f"shop.{self.kind}", f"{name} ok", **{"event.duration_ms": round(took * 1000, 1)})


def main() -> None:
    rng, queues = random.Random(SEED), {kind: queue.Queue[float](30) for kind in HOSTS}
    for kind, jobs in queues.items():
        for number in range(8 if kind == "postgresql" else 4):
            Worker(kind, jobs, SEED + number).start()
    threading.Thread(target=report, daemon=True).start()
    write("info", "shop.main", "shop 3.2.0 started")
    while True:
        swell = 1 + 0.3 * math.sin(time.monotonic() / 80) + 0.15 * math.sin(time.monotonic() / 19)
        time.sleep(rng.expovariate(RATE * swell))
        try:
            queues[rng.choice(list(HOSTS))].put_nowait(time.monotonic())
        except queue.Full:
            write("error", "shop.main", "work queue is full, request dropped")


def report() -> None:
    while True:
        time.sleep(1)
        with lock:
            batch, seen[:] = list(seen), []
        print(json.dumps(batch), flush=True)


main()
