"""Scenario ``database``: what goes wrong with PostgreSQL, its replica, MariaDB and Redis under a shop."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

from recorder import common
from recorder.database_services import BIN, CACHE, DB1, Services
from recorder.host import World, run, stop
from recorder.timeline import Fault, Mark, Scenario, Tail

FAULTS = (
    "lock-pileup",
    "connection-leak",
    "backend-killed",
    "dropped-index",
    "replication-cut",
    "cache-full",
    "disk-full",
)


class Database(Services):
    """The faults that are done to the services, and the benign events between them."""

    # --- faults -----------------------------------------------------------------------------------------------

    def lock_pileup(self, mark: Mark) -> None:
        rounds, hold = mark.rng.randint(3, 4), mark.rng.uniform(13, 17)
        tail = Tail(self.db1.logs / "postgresql.log")
        for _ in range(rounds):
            busy = self.session(
                f"begin; lock table stock in access exclusive mode; select pg_sleep({hold:.1f}); commit;"
            )
            if tail.wait("still waiting for", hold):
                mark.seen()
            busy.wait()
            pair = [
                self.session(
                    f"begin; update stock set qty=qty+1 where item={a}; select pg_sleep(1); "
                    f"update stock set qty=qty+1 where item={b}; commit;"
                )
                for a, b in ((3, 4), (4, 3))
            ]
            for one in pair:
                one.wait()
        self.calm("db1")
        mark.facts.update(rounds=rounds, hold=round(hold, 1))

    def connection_leak(self, mark: Mark) -> None:
        speed = round(mark.rng.uniform(0.7, 1.3), 2)
        tail = Tail(self.db1.logs / "postgresql.log")
        job = self.app.python("connection_leak.py", DB1, str(speed))
        try:
            if tail.wait("too many clients|connection slots are reserved", 90):
                mark.seen()
            time.sleep(mark.rng.uniform(45, 70))
        finally:
            stop(job)
        self.calm("db1")
        mark.facts.update(speed=speed)

    def backend_killed(self, mark: Mark) -> None:
        times = mark.rng.randint(3, 4)
        tail = Tail(self.db1.logs / "postgresql.log")
        for number in range(times):
            if number:
                time.sleep(mark.rng.uniform(14, 24))
            self.db1.sh(
                f'kill -9 $({BIN}/psql -XqtA -h 127.0.0.1 -U postgres -d shop -c "select pid from pg_stat_activity '
                "where usename='shop' and backend_type='client backend' limit 1\")",
                check=False,
            )
            if tail.wait("was terminated by signal 9", 10):
                mark.seen()
        common.until(lambda: "1" in self.sql("select 1"), 20)
        self.calm("db1")
        mark.facts.update(times=times)

    def dropped_index(self, mark: Mark) -> None:
        tail = Tail(self.db3.logs / "mariadb-slow.log")
        self.my("alter table history drop key by_customer")
        try:
            if tail.wait("Query_time", 30):
                mark.seen()
            time.sleep(mark.rng.uniform(60, 100))
        finally:
            self.my("alter table history add key by_customer(customer)")
        self.calm("db3")

    def replication_cut(self, mark: Mark) -> None:
        tail = Tail(self.db2.logs / "postgresql.log")
        self.db2.sh(
            f"nft add table inet cut; nft 'add chain inet cut in {{ type filter hook input priority 0; }}'; "
            f"nft add rule inet cut in ip saddr {DB1} drop"
        )
        try:
            if tail.wait("terminating walreceiver|could not receive data", 60):
                mark.seen()
            time.sleep(mark.rng.uniform(55, 90))
        finally:
            self.db2.sh("nft delete table inet cut")
        tail = Tail(self.db2.logs / "postgresql.log")
        tail.wait("started streaming WAL", 40)
        common.until(lambda: self.probes["db2"]().get("postgresql.replication.delay", 99) < 5, 30)

    def cache_full(self, mark: Mark) -> None:
        speed, size = mark.rng.randint(450, 900), 1024
        tail = Tail(self.app.logs / "shop-app.log")
        job = self.app.python("fill_cache.py", CACHE, str(speed), str(size))
        try:
            if tail.wait("OOM command not allowed", 110):
                mark.seen()
            time.sleep(mark.rng.uniform(40, 60))
        finally:
            stop(job)
            self.cache.sh(
                "redis-cli eval \"for _, k in ipairs(redis.call('KEYS', 'report:*')) do redis.call('UNLINK', k) end\" 0"
            )
        self.calm("cache1")
        mark.facts.update(speed=round(speed * size / 2**20, 2))

    def disk_full(self, mark: Mark) -> None:
        speed = round(mark.rng.uniform(3.0, 4.2), 2)
        tail = Tail(self.db1.logs / "postgresql.log")
        job = self.db1.python("export_job.py", "/srv/dump.sql", str(speed))
        try:
            if tail.wait("No space left on device", 150):
                mark.seen()
            time.sleep(mark.rng.uniform(30, 45))
        finally:
            stop(job)
            self.db1.sh("rm -f /srv/dump.sql")
        common.until(lambda: "1" in self.sql("select 1"), 40)
        self.calm("db1")
        mark.facts.update(speed=speed)

    # --- benign events ----------------------------------------------------------------------------------------

    def nightly_pg(self) -> None:
        """A report that is slow but asked for: one slow statement is not an incident."""
        self.sql("select count(*), pg_sleep(0.6) from orders a join stock b on a.item = b.item")

    def nightly_my(self) -> None:
        self.my(
            "select customer, avg(total), max(note), sleep(0.2) "
            "from (select * from history limit 9) h group by customer"
        )

    def wrong_password(self) -> None:
        self.app.sh(f"{BIN}/psql -X -h {DB1} -U shop -d shopp -c 'select 1'", check=False)

    def bad_statement(self) -> None:
        self.app.sh(f"{BIN}/psql -X -h {DB1} -U shop -d shop -c 'select totl from orders limit 1'", check=False)


def versions() -> dict[str, str]:
    shown = run("dpkg-query", "-W", "-f", "${Package} ${Version}\n", "postgresql-15", "mariadb-server", "redis-server")
    return dict(line.split() for line in shown.stdout.splitlines()) | {
        "kernel": Path("/proc/version").read_text().split()[2]
    }


def build(world: World, rng: random.Random) -> Scenario:
    """Start everything; the faults are run by the timeline."""
    d = Database(world, rng)
    if not common.until(lambda: d.shop.gauge("postgresql")().get("db.client.operations"), 30):
        raise RuntimeError("the shop application does not reach PostgreSQL")
    pg, app = "postgresql", ["shop1/shop-app"]
    faults = [
        Fault(
            "lock-pileup",
            "lock_contention",
            "db1",
            pg,
            app,
            d.lock_pileup,
            "{rounds} times a session held an exclusive lock on table stock for {hold} s; after each, two sessions "
            "updated the same two rows in opposite order.",
            "'still waiting for … Lock', 'canceling statement due to lock timeout', 'deadlock detected'; "
            "postgresql.locks.waiting and db.client.latency up",
        ),
        Fault(
            "connection-leak",
            "connection_exhaustion",
            "db1",
            pg,
            app,
            d.connection_leak,
            "A reporting job on shop1 opened {speed} connections per second and kept them until max_connections (32).",
            "postgresql.backends climbs; 'FATAL: sorry, too many clients already'; the shop logs the same",
        ),
        Fault(
            "backend-killed",
            "crash_recovery",
            "db1",
            pg,
            ["db2/postgresql", *app],
            d.backend_killed,
            "{times} times a backend was killed with SIGKILL; PostgreSQL ended all sessions and recovered.",
            "'was terminated by signal 9: Killed', 'terminating any other active server processes', "
            "'database system was not properly shut down; automatic recovery in progress'; "
            "on db2 the WAL receiver loses its primary",
        ),
        Fault(
            "dropped-index",
            "slow_query",
            "db3",
            "mariadb",
            app,
            d.dropped_index,
            "The index on history(customer) was dropped and later created again.",
            "mariadb-slow.log fills; mysql.rows_examined, system.cpu.utilization and db.client.latency up",
        ),
        Fault(
            "replication-cut",
            "replication_lag",
            "db2",
            pg,
            ["db1/postgresql"],
            d.replication_cut,
            "Packets from db1 to db2 were dropped by a firewall rule on db2.",
            "db2: 'terminating walreceiver due to timeout', 'could not connect to the primary server'; db1: "
            "'terminating walsender process due to replication timeout'; postgresql.replication.lag and .delay climb",
        ),
        Fault(
            "cache-full",
            "cache_memory",
            "cache1",
            "redis",
            app,
            d.cache_full,
            "A report job wrote keys without expiry ({speed} MB/s) until maxmemory (24 MB, noeviction).",
            "redis.memory.used climbs to its limit; the shop logs 'OOM command not allowed' (Redis itself logs only "
            "its key counts)",
        ),
        Fault(
            "disk-full",
            "disk_full",
            "db1",
            pg,
            app,
            d.disk_full,
            "A dump wrote to the data volume of PostgreSQL at {speed} MB/s until it was full; later it was deleted.",
            "system.disk.utilization climbs to 1; 'could not extend file', 'No space left on device'",
        ),
    ]
    benign = [
        ("nightly report (PostgreSQL)", d.nightly_pg),
        ("nightly report (MariaDB)", d.nightly_my),
        ("wrong database name", d.wrong_password),
        ("mistyped column", d.bad_statement),
        ("reload", lambda: d.sql("select pg_reload_conf()")),
        ("checkpoint", lambda: d.sql("checkpoint")),
        ("vacuum", lambda: d.sql("vacuum analyze orders")),
        ("redis save", lambda: d.cache.sh("redis-cli bgsave")),
        ("replica restart", lambda: d.replica.restart(signal.SIGINT)),
        ("flush logs", lambda: d.my("flush error logs; flush slow logs")),
        ("bad statement", d.bad_statement),
    ]
    kind = {"db1": pg, "db2": "", "db3": "mariadb", "cache1": "redis"}
    names = {
        "db1": [
            "backends",
            "locks.waiting",
            "idle_in_transaction",
            "replication.lag",
            "commits",
            "rollbacks",
            "deadlocks",
        ],
        "db2": ["replication.delay", "wal_receivers"],
    }
    columns = {h: [f"postgresql.{n}" for n in listed] for h, listed in names.items()}
    columns["db3"] = [
        "mysql.threads_connected",
        "mysql.threads_running",
        "mysql.queries",
        "mysql.slow_queries",
        "mysql.rows_examined",
    ]
    columns["cache1"] = ["redis.memory.used", "redis.clients", "redis.keys", "redis.commands"]
    for host in ("db1", "db3", "cache1"):
        columns[host] += ["db.client.operations", "db.client.errors", "db.client.latency"]
    gauges = {h: [d.probes[h], *([d.shop.gauge(k)] if k else [])] for h, k in kind.items()}
    return Scenario(
        "database",
        world,
        {"db1": [pg], "db2": [pg], "db3": ["mariadb"], "cache1": ["redis"], "shop1": ["shop-app"]},
        faults,
        benign,
        gauges,
        columns,
        versions(),
        take=6,
    )
