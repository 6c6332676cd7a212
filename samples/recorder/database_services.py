"""The services of scenario ``database``: PostgreSQL with a streaming replica, MariaDB, Redis and a shop."""

from __future__ import annotations

import json
import random
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from recorder import common
from recorder.host import Host, World
from recorder.supervisor import Unit
from recorder.timeline import Stats

BIN = "/usr/lib/postgresql/15/bin"
DB1, DB2, DB3, CACHE, APP = "10.20.0.21", "10.20.0.22", "10.20.0.23", "10.20.0.24", "10.20.0.31"
POSTGRES = """
listen_addresses = '*'
unix_socket_directories = '/run/postgresql'
max_connections = 32
shared_buffers = 32MB
wal_level = replica
max_wal_senders = 4
min_wal_size = 32MB
max_wal_size = 48MB
wal_keep_size = 0
checkpoint_timeout = 2min
wal_sender_timeout = 8s
wal_receiver_timeout = 8s
wal_receiver_status_interval = 2s
autovacuum_naptime = 20s
log_destination = 'stderr'
log_line_prefix = '%m [%p] %q%u@%d '
log_timezone = 'UTC'
log_connections = on
log_disconnections = on
log_checkpoints = on
log_lock_waits = on
deadlock_timeout = 1s
log_min_duration_statement = 400
log_autovacuum_min_duration = 250
"""
SCHEMA = """
create role shop login; create database shop owner shop; \\c shop
create table orders(id serial primary key, customer int, item int, note text); create index on orders(customer);
create table stock(item int primary key, qty int); insert into stock select i, 5000 from generate_series(1, 200) i;
insert into orders(customer, item, note) select 1 + i % 2000, 1 + i % 200, repeat('n', 60)
  from generate_series(1, 20000) i;
alter table orders owner to shop; alter table stock owner to shop; vacuum analyze;
"""
HISTORY = """
create database shop; create user shop@'%'; grant all on shop.* to shop@'%'; use shop;
create table history(id int primary key auto_increment, customer int, total int, created datetime, note char(200),
  key by_customer(customer)) engine=innodb;
insert into history(customer, total, created, note) select 1 + seq % 2000, seq % 97, now() - interval seq second,
  repeat('h', 150) from seq_1_to_300000; analyze table history;
"""


class ShopStats:
    """Splits the shop's measurements by database: the latency and errors that a client of that host saw."""

    def __init__(self, proc: subprocess.Popen[Any]) -> None:
        self.proc, self.batch, self.when = proc, list[Any](), 0.0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.proc.stdout is not None
        for line in self.proc.stdout:
            with suppress(ValueError):
                self.batch, self.when = json.loads(line), time.monotonic()

    def gauge(self, kind: str) -> Any:
        def read() -> dict[str, float]:
            if time.monotonic() - self.when > 2.5:
                return {}
            mine = [(took, ok) for which, took, ok in self.batch if which == kind]
            out: dict[str, float] = {
                "db.client.operations": len(mine),
                "db.client.errors": sum(not ok for _, ok in mine),
            }
            return out | ({"db.client.latency": round(max(t for t, _ in mine), 4)} if mine else {})

        return read


class Services:
    """What runs on the hosts of the scenario, and ways to talk to it."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.db1 = world.add("db1", DB1, cpu=0.6, memory=384, disk=224)
        self.db2 = world.add("db2", DB2, cpu=0.4, memory=256, disk=256)
        self.db3 = world.add("db3", DB3, cpu=0.3, memory=384, disk=320)
        self.cache = world.add("cache1", CACHE, cpu=0.3, memory=128, disk=64)
        self.app = world.add("shop1", APP, cpu=0.8, memory=256, disk=16)
        world.resolve()
        with ThreadPoolExecutor() as pool:
            others = [pool.submit(start) for start in (self._start_mariadb, self._start_redis)]
            self._start_postgres()
            self._start_replica()
            for other in others:
                other.result()  # raises here what went wrong there
        self.shop = ShopStats(
            self.app.python("shop_app.py", "/var/log/shop-app.log", "3.0", str(rng.randint(1, 9999)), stdout=-1)
        )
        kinds = (("db1", "postgresql"), ("db2", "replica"), ("db3", "mariadb"), ("cache1", "redis"))
        self.probes = {name: Stats(world.hosts[name].python("db_probe.py", kind, stdout=-1)) for name, kind in kinds}

    # --- services ---------------------------------------------------------------------------------------------

    def _postgres_unit(self, host: Host) -> Unit:
        script = f"exec {BIN}/postgres -D /srv/pg >> /var/log/postgresql.log 2>&1"
        host.sh(
            "mkdir -p /run/postgresql; chown postgres /run/postgresql; touch /var/log/postgresql.log; "
            "chown postgres /var/log/postgresql.log; chmod 644 /var/log/postgresql.log"
        )
        return Unit(host, "postgresql", "PostgreSQL", ["sh", "-c", script], user="postgres", delay=4, quiet=True)

    def _start_postgres(self) -> None:
        self.db1.sh("mkdir /srv/pg; chown postgres /srv/pg; chmod 700 /srv/pg")
        self.db1.sh(f"{BIN}/initdb -D /srv/pg -U postgres -A trust --wal-segsize=4 --no-sync", user="postgres")
        with (self.db1.root / "srv/pg/postgresql.conf").open("a") as conf:
            conf.write(POSTGRES)
        with (self.db1.root / "srv/pg/pg_hba.conf").open("a") as hba:
            hba.write("host all all 10.20.0.0/16 trust\nhost replication all 10.20.0.0/16 trust\n")
        self.pg = self._postgres_unit(self.db1)
        self.pg.start()
        if not common.until(lambda: "1" in self.sql("select 1", "postgres"), 30):
            raise RuntimeError("PostgreSQL did not start; see its log")
        self.db1.sh(f"{BIN}/psql -X -q -h 127.0.0.1 -U postgres -v ON_ERROR_STOP=1 <<'E'\n{SCHEMA}\nE")

    def _start_replica(self) -> None:
        self.db2.sh("mkdir /srv/pg; chown postgres /srv/pg; chmod 700 /srv/pg")
        self.db2.sh(
            f"{BIN}/pg_basebackup -h {DB1} -U postgres -D /srv/pg -R -C -S db2 -c fast "
            f"-d 'host={DB1} user=postgres connect_timeout=5 application_name=db2'",
            user="postgres",
        )
        self.replica = self._postgres_unit(self.db2)
        self.replica.start()

    def _start_mariadb(self) -> None:
        self.db3.limit_cpu(1.0)  # for the setup only
        self.db3.sh(
            "mkdir -p /run/mysqld; chown mysql /run/mysqld /srv; rm -rf /etc/mysql/*; "
            "for f in error slow; do touch /var/log/mariadb-$f.log; chown mysql /var/log/mariadb-$f.log; done"
        )
        self.db3.sh(
            "mariadb-install-db --no-defaults --user=mysql --datadir=/srv/my --auth-root-authentication-method=normal "
            "--skip-test-db --innodb-log-file-size=24M >/dev/null 2>&1 && rm -f /srv/my/ib_logfile1"
        )
        self.maria = Unit(
            self.db3,
            "mariadb",
            "MariaDB",
            [
                "mariadbd",
                "--no-defaults",
                "--user=mysql",
                "--datadir=/srv/my",
                "--socket=/run/mysqld/s",
                "--bind-address=0.0.0.0",
                "--log-error=/var/log/mariadb-error.log",
                "--slow-query-log=1",
                "--slow-query-log-file=/var/log/mariadb-slow.log",
                "--long-query-time=0.2",
                "--innodb-buffer-pool-size=48M",
                "--innodb-log-file-size=24M",
                "--log-warnings=2",
                "--skip-name-resolve",
                "--pid-file=/run/mysqld/pid",
                "--performance-schema=OFF",
            ],
            delay=4,
            quiet=True,
        )
        self.maria.start()
        if not common.until(lambda: "1" in self.my("select 1", ""), 40):
            raise RuntimeError("MariaDB did not start; see its log")
        self.my(HISTORY, "")
        self.db3.limit_cpu()

    def _start_redis(self) -> None:
        self.cache.write(
            "/etc/redis.conf",
            "bind 0.0.0.0\nprotected-mode no\ndir /srv\nlogfile /var/log/redis.log\nloglevel verbose\n"
            "save 60 200\nmaxmemory 24mb\nmaxmemory-policy noeviction\nalways-show-logo no\n",
        )
        self.redis = Unit(self.cache, "redis-server", "Redis", ["redis-server", "/etc/redis.conf"], delay=4, quiet=True)
        self.redis.start()

    def sql(self, text: str, base: str = "shop", host: Host | None = None) -> str:
        return (host or self.db1).sh(f'{BIN}/psql -XqtA -h 127.0.0.1 -U postgres -d {base} -c "{text}"', check=False)

    def my(self, text: str, base: str = "shop") -> str:
        return self.db3.sh(f"mariadb --no-defaults -N -S /run/mysqld/s -u root {base} <<'E'\n{text}\nE")

    def session(self, script: str) -> subprocess.Popen[Any]:
        """A psql session from the application host that works off ``script``."""
        return self.app.spawn(["sh", "-c", f"exec {BIN}/psql -X -q -h {DB1} -U shop -d shop <<'E'\n{script}\nE"])

    def calm(self, host: str, timeout: float = 30) -> None:
        """Wait until the shop sees no errors and no slow answers at this database for three seconds."""
        kind = {"db1": "postgresql", "db3": "mariadb", "cache1": "redis"}[host]
        read, good, end = self.shop.gauge(kind), 0, time.monotonic() + timeout
        while good < 4 and time.monotonic() < end:
            now = read()
            good = good + 1 if not now.get("db.client.errors") and now.get("db.client.latency", 0) < 0.4 else 0
            time.sleep(1)
