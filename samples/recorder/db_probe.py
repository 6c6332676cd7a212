"""Prints a database's own gauges as one JSON line a second, like an exporter beside it. Usage: db_probe.py KIND."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from clients import DatabaseError, MariaDB, Postgres, Redis

COUNTERS: dict[str, float] = {}
COUNTED = {
    "postgresql.commits",
    "postgresql.rollbacks",
    "postgresql.deadlocks",
    "mysql.queries",
    "mysql.slow_queries",
    "mysql.rows_examined",
    "redis.commands",
}


def postgresql(db: Postgres) -> dict[str, float]:
    db.query("select pg_logical_emit_message(true, 'heartbeat', '')")  # so that the replica's delay means something
    row = db.query("""select (select count(*) from pg_stat_activity where backend_type='client backend'),
        (select count(*) from pg_locks where not granted), (select coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(),
        restart_lsn)),0) from pg_replication_slots), xact_commit, xact_rollback, deadlocks,
        (select count(*) from pg_stat_activity where state='idle in transaction')
        from pg_stat_database where datname='shop'""")[0]
    names = ("backends", "locks.waiting", "replication.lag", "commits", "rollbacks", "deadlocks", "idle_in_transaction")
    return {f"postgresql.{name}": float(value) for name, value in zip(names, row, strict=True)}


def replica(db: Postgres) -> dict[str, float]:
    row = db.query("""select extract(epoch from now() - pg_last_xact_replay_timestamp()),
        (select count(*) from pg_stat_wal_receiver where status='streaming')""")[0]
    return {
        "postgresql.replication.delay": round(max(float(row[0] or 0), 0), 2),
        "postgresql.wal_receivers": float(row[1]),
    }


def mariadb(db: MariaDB) -> dict[str, float]:
    status = dict(db.query("show global status"))
    return {
        "mysql.threads_connected": float(status["Threads_connected"]),
        "mysql.threads_running": float(status["Threads_running"]),
        "mysql.queries": float(status["Questions"]),
        "mysql.slow_queries": float(status["Slow_queries"]),
        "mysql.rows_examined": float(status["Handler_read_rnd_next"]) + float(status["Handler_read_next"]),
    }


def redis(db: Redis) -> dict[str, float]:
    text = db.call("INFO")
    assert isinstance(text, bytes)
    info = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    return {
        "redis.memory.used": float(info["used_memory"]),
        "redis.clients": float(info["connected_clients"]),
        "redis.keys": float(info.get("db0", "keys=0").split("keys=")[1].split(",")[0]),
        "redis.commands": float(info["total_commands_processed"]),
    }


KINDS: dict[str, tuple[Callable[[], Any], Callable[[Any], dict[str, float]]]] = {
    "postgresql": (lambda: Postgres("127.0.0.1", "postgres", "shop", app="exporter"), postgresql),
    "replica": (lambda: Postgres("127.0.0.1", "postgres", "shop", app="exporter"), replica),
    "mariadb": (lambda: MariaDB("127.0.0.1", "root", ""), mariadb),
    "redis": (lambda: Redis("127.0.0.1"), redis),
}


def main() -> None:
    connect, read = KINDS[sys.argv[1]]
    db = None
    while True:
        try:
            db = db or connect()
            values = read(db)
            for name in COUNTED & set(values):  # cumulative in the server; a rate here
                values[name], COUNTERS[name] = max(0.0, values[name] - COUNTERS.get(name, values[name])), values[name]
            print(json.dumps(values), flush=True)
        except (OSError, DatabaseError, KeyError, IndexError):
            if db:
                db.close()
            db = None
        time.sleep(1)


main()
