"""PostgreSQL running out of connections, behind a lock, and ahead of a standby, for ``record_onsets.py``."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from recorder.clients import DatabaseError, Postgres
from recorder.common import until
from recorder.onset_faults import SPEEDS, Fault, Onset, Stage
from recorder.onset_host import Rig

BIN = "/usr/lib/postgresql/15/bin"
POOL, POOL_WAIT_S = 16, 5.0
SLOT_MIB = 24
CONF = f"""
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 40
superuser_reserved_connections = 3
shared_buffers = 8MB
fsync = off
wal_level = replica
max_wal_senders = 4
min_wal_size = 4MB
max_wal_size = 16MB
max_slot_wal_keep_size = {SLOT_MIB}MB
wal_sender_timeout = 30s
autovacuum_naptime = 30s
log_line_prefix = '%m [%p] %q%u@%d '
log_timezone = 'UTC'
log_checkpoints = on
log_lock_waits = on
deadlock_timeout = 1s
log_min_duration_statement = 800
"""
SCHEMA = (
    "create table orders(id serial primary key, item int, note text)",
    "insert into orders(item, note) select i % 90, repeat('n', 60) from generate_series(1, 2000) i",
    "create table invoices(id serial primary key, total int)",
    "insert into invoices(total) select i from generate_series(1, 200) i",
)


def template(folder: Path) -> Path:
    """One initialised cluster that all hosts copy."""
    folder.mkdir(mode=0o700)
    shutil.chown(folder, "postgres", "postgres")
    argv = [f"{BIN}/initdb", "-D", str(folder), "-U", "postgres", "-A", "trust", "--wal-segsize=1", "--no-sync"]
    subprocess.run(["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *argv], check=True,
                   capture_output=True, cwd="/")  # fmt: skip
    with (folder / "postgresql.conf").open("a") as conf:
        conf.write(CONF)
    return folder


class Pool:
    """The shop's connection pool: at most ``POOL`` connections; who waits longer than ``POOL_WAIT_S`` gets an error."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.slots = threading.Semaphore(POOL)
        self.touching = database.rig.rng.uniform(0.06, 0.16)  # share of requests that need the table invoices
        self.lock = threading.Lock()
        self.used = self.pending = self.requests = self.errors = 0
        self.slowest = self.first_error = 0.0

    @contextmanager
    def slot(self) -> Iterator[None]:
        with self.lock:
            self.pending += 1
        got = self.slots.acquire(timeout=POOL_WAIT_S)
        with self.lock:
            self.pending -= 1
            self.used += got
        if not got:
            raise DatabaseError(f"QueuePool limit of size {POOL} overflow 0 reached, connection timed out")
        try:
            yield
        finally:
            with self.lock:
                self.used -= 1
            self.slots.release()

    def request(self, sql: str) -> None:
        start, ok = time.monotonic(), True
        try:
            with self.slot():
                connection = self.database.connect(timeout=900)
                try:
                    connection.query(sql)
                finally:
                    connection.close()
        except (OSError, DatabaseError) as error:
            ok = False
            if not self.database.rig.closing.is_set():
                self.first_error = self.first_error or time.time()
                self.database.say("ERROR", f"order failed: {error}")
        took = time.monotonic() - start
        with self.lock:
            self.requests += 1
            self.errors += not ok
            self.slowest = max(self.slowest, took)
        if ok and random.random() < 0.3:
            self.database.say("INFO", f"order placed in {1000 * took:.0f} ms")

    def run(self, rate: float) -> None:
        rig = self.database.rig
        while not rig.closing.wait(rig.rng.expovariate(rate * (1 + 0.5 * (time.time() % 240 < 80)))):
            n, touch = rig.rng.randint(1, 2000), rig.rng.random() < self.touching
            sql = (
                f"update invoices set total = total + 1 where id = {1 + n % 200}"
                if touch
                else f"insert into orders(item, note) values ({n % 90}, repeat('n', {100 + n % 900}))"
            )
            threading.Thread(target=self.request, args=(sql,), daemon=True).start()


class Database:
    """One server, its shop, its exporter and its standby's WAL receiver."""

    def __init__(self, rig: Rig, cluster: Path) -> None:
        self.rig, self.home = rig, rig.home / "pg"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        subprocess.run(["cp", "-a", str(cluster), str(self.home)], check=True)
        log = rig.logs / "postgresql.log"
        log.touch()
        shutil.chown(log, "postgres", "postgres")
        script = f"exec {BIN}/postgres -D {self.home} -p {self.port} >> {log} 2>&1"
        self.server = rig.spawn(["sh", "-c", script], user="postgres")
        rig.closers.append(lambda: self.server.send_signal(signal.SIGINT))
        if not until(lambda: self.connect("postgres").query("select 1"), 60):
            raise RuntimeError(f"PostgreSQL did not start on {rig.name}")
        self.admin = self.connect("postgres", 60)
        for statement in SCHEMA:
            self.admin.query(statement)
        self.admin.query("create role shop login")
        self.admin.query("grant all on all tables in schema public to shop")
        self.admin.query("grant all on all sequences in schema public to shop")
        self.exporter = self.connect("postgres")
        self.admin_lock = threading.Lock()
        self.receiver: subprocess.Popen[Any] | None = None
        self.follow()
        self.pool = Pool(self)
        threading.Thread(target=self.pool.run, args=(rig.rng.uniform(0.6, 1.5),), daemon=True).start()

    def connect(self, user: str = "shop", timeout: float = 10) -> Postgres:
        return Postgres("127.0.0.1", user, "postgres", timeout=timeout, port=self.port)

    def ask(self, sql: str) -> list[list[str]]:
        with self.admin_lock:
            return self.admin.query(sql)

    def say(self, level: str, text: str) -> None:
        now = time.time()
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
        self.rig.write("shop", f"{clock},{int(now % 1 * 1000):03d} {level} [shop.orders] {text}")

    def follow(self) -> None:
        """A standby's receiver with a slot of its own, as in a WAL archive."""
        if self.receiver is not None:
            self.receiver.send_signal(signal.SIGKILL)
            self.receiver.wait()
            until(lambda: self.ask("select pg_drop_replication_slot('standby')"), 15)
        self.ask("select pg_create_physical_replication_slot('standby', true)")
        archive = self.rig.home / "archive"
        archive.mkdir(exist_ok=True)
        shutil.chown(archive, "postgres", "postgres")
        for old in archive.iterdir():
            old.unlink()
        argv = [f"{BIN}/pg_receivewal", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-S", "standby",
                "-D", str(archive), "-s", "1", "--no-sync"]  # fmt: skip
        self.receiver = self.rig.spawn(argv, user="postgres")

    def slot(self) -> str:
        return self.ask("select coalesce(wal_status, 'lost') from pg_replication_slots")[0][0]

    def gauge(self) -> dict[str, float]:
        backends, waiting, most, lag, safe = self.exporter.query(
            "select (select count(*) from pg_stat_activity where backend_type = 'client backend'), "
            "(select count(*) from pg_locks where not granted), current_setting('max_connections'), "
            "pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), safe_wal_size from pg_replication_slots"
        )[0]
        pool = self.pool
        slowest, pool.slowest = pool.slowest, 0.0
        if self.rig.dialect == "prometheus":
            out = {
                "pg_stat_activity_count": backends,
                "pg_settings_max_connections": most,
                "pg_locks_waiting_count": waiting,
                "hikaricp_connections_active": pool.used,
                "hikaricp_connections_max": POOL,
                "hikaricp_connections_pending": pool.pending,
                "pg_replication_slot_wal_lag_bytes": lag,
                "pg_settings_max_slot_wal_keep_size_bytes": SLOT_MIB * 2**20,
                "shop_requests_total": pool.requests,
                "shop_request_errors_total": pool.errors,
            }
        else:
            out = {
                "postgresql.backends": backends,
                "postgresql.connection.max": most,
                "postgresql.locks.waiting": waiting,
                "db.client.connections.usage": pool.used,
                "db.client.connections.max": POOL,
                "db.client.connections.pending_requests": pool.pending,
                "postgresql.replication.data_delay": lag,
                "postgresql.replication.safe_wal_size": safe,
                "db.client.latency": round(slowest, 4),
                "db.client.errors": pool.errors,
            }
        return {name: float(value) for name, value in out.items() if value != ""}


def db_stage(rig: Rig, cluster: Path) -> Stage:
    base = Database(rig, cluster)
    rig.gauges = [base.gauge, rig.resources]
    rng = rig.rng
    faults = [
        Fault("connection_exhaustion", "postgresql", lambda: connections(base)),
        Fault("lock_pileup", "postgresql", lambda: locks(base)),
        Fault("replication_lag", "postgresql", lambda: lag(base)),
    ]
    benign = [
        ("a report uses some connections", lambda: burst(base, rng.randint(4, 12), rng.uniform(15, 50))),
        ("a migration holds a lock for a moment", lambda: hold_lock(base, rng.uniform(2, 8))),
        ("a bulk load writes WAL", lambda: load(base, rng.uniform(5, 15))),
    ]
    return Stage(rig, faults, benign)


def connections(base: Database) -> Onset:
    """A job opens connections and forgets them, until the server has no slot left for the shop."""
    seconds = base.rig.rng.uniform(*SPEEDS)
    left = 37 - int(base.ask("select count(*) from pg_stat_activity where backend_type = 'client backend'")[0][0])
    pause, kept = seconds / max(left, 10), list[Postgres]()
    base.pool.first_error = 0.0
    end = time.time() + 2 * seconds + 60
    while not base.pool.first_error and time.time() < end:
        with suppress(OSError, DatabaseError):
            kept.append(base.connect())
        if base.rig.closing.wait(pause):
            raise RuntimeError("stopped")
    effect = base.pool.first_error
    base.rig.closing.wait(base.rig.rng.uniform(8, 20))
    for one in kept:
        one.close()
    if not effect:
        raise RuntimeError(f"connections on {base.rig.name}: no failure was seen")
    return Onset(effect, f"a report job opened a connection every {pause:.1f} s and kept it")


def locks(base: Database) -> Onset:
    """A forgotten transaction holds a table; whoever needs it waits, until the shop's pool is used up."""
    holder = base.connect("postgres")
    base.pool.first_error = 0.0
    holder.query("begin")
    holder.query("lock table invoices in access exclusive mode")
    seen = until(lambda: base.pool.first_error, 600, 0.1)
    base.rig.closing.wait(base.rig.rng.uniform(5, 12))
    holder.query("rollback")
    holder.close()
    if not seen:
        raise RuntimeError(f"locks on {base.rig.name}: no failure was seen")
    effect = base.pool.first_error
    until(lambda: base.pool.used < 3, 30)
    return Onset(effect, f"a transaction held the table invoices until all {POOL} connections of the pool waited")


def lag(base: Database) -> Onset:
    """The standby's receiver hangs while WAL is written, until the server gives its slot up."""
    assert base.receiver is not None
    seconds = base.rig.rng.uniform(*SPEEDS)
    base.receiver.send_signal(signal.SIGSTOP)
    rate = SLOT_MIB * 2**20 / seconds
    began, at = time.time(), time.time()
    while base.slot() != "lost" and time.time() - began < 2 * seconds + 60:
        now = time.time()
        write_wal(base, int(rate * (now - at)))
        at = now
        base.ask("checkpoint" if int(now) % 4 == 0 else "select 1")
        if base.rig.closing.wait(1.0):
            raise RuntimeError("stopped")
    effect, lost = time.time(), base.slot() == "lost"
    base.rig.closing.wait(base.rig.rng.uniform(8, 15))
    base.receiver.send_signal(signal.SIGCONT)
    base.follow()
    if not lost:
        raise RuntimeError(f"lag on {base.rig.name}: the slot was not lost")
    return Onset(effect, f"the receiver hung while {rate / 1e6:.2f} MB/s of WAL were written, until its slot was lost")


def write_wal(base: Database, size: int) -> None:
    while size > 0:
        base.ask(f"select pg_logical_emit_message(false, 'load', repeat('w', {min(size, 2**20)}))")
        size -= 2**20


def burst(base: Database, count: int, seconds: float) -> None:
    kept = []
    for _ in range(count):
        kept.append(base.connect())
        base.rig.closing.wait(0.3)
    base.rig.closing.wait(seconds)
    for one in kept:
        one.close()


def hold_lock(base: Database, seconds: float) -> None:
    holder = base.connect("postgres")
    holder.query("begin")
    holder.query("lock table invoices in access exclusive mode")
    base.rig.closing.wait(seconds)
    holder.query("rollback")
    holder.close()


def load(base: Database, seconds: float) -> None:
    for _ in range(int(seconds)):
        write_wal(base, 300_000)
        base.rig.closing.wait(1.0)
