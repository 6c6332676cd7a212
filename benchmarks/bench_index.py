"""The embedded index beside SQLite FTS5 on the same lines, in the same run.

    python benchmarks/bench_index.py [--lines 200000] [--days 3]

Prints lines written a second, bytes on disk per raw byte, and p50/p95 of four kinds of query. Lines are made
from message shapes of common services (the shares of a busy host), with running times and varying values.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from logsense.index.embedded import EmbeddedIndex
from logsense.record import LogRecord, MetricPoint, Query

START_NS = 1_760_000_000 * 10**9
BATCH = 2_000
COMMIT_EVERY = 10_000

SHAPES: tuple[tuple[int, str, str, str], ...] = (
    (30, "nginx", "info", '{ip} - - "GET /api/v1/items/{n} HTTP/1.1" 200 {n} "-" "Mozilla/5.0 (X11; Linux x86_64)"'),
    (8, "nginx", "error", "upstream timed out (110: Connection timed out) while reading response header, client: {ip}"),
    (14, "sshd", "info", "Failed password for invalid user {user} from {ip} port {n} ssh2"),
    (6, "sshd", "info", "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}"),
    (4, "sshd", "info", "Accepted publickey for {user} from {ip} port {n} ssh2: RSA SHA256:{hex}"),
    (12, "postgres", "info", "LOG: duration: {n}.{n} ms  statement: SELECT * FROM orders WHERE id = {n}"),
    (2, "postgres", "error", 'ERROR: duplicate key value violates unique constraint "orders_pkey" id={n}'),
    (1, "postgres", "critical", "FATAL: remaining connection slots are reserved for superuser connections"),
    (8, "hdfs", "info", "dfs.DataNode$PacketResponder: Received block blk_-{n}{n} of size {n} from /{ip}"),
    (6, "cron", "info", "(root) CMD (/usr/lib/sysstat/sa1 {n} 1)"),
    (4, "systemd", "info", "Started Session {n} of user {user}."),
    (4, "kernel", "warning", "[{n}.{n}] TCP: request_sock_TCP: Possible SYN flooding on port {n}. Sending cookies."),
    (1, "kernel", "error", "Out of memory: Killed process {n} (java) total-vm:{n}kB, anon-rss:{n}kB"),
)


def make_lines(count: int, days: int) -> Iterator[tuple[str, LogRecord]]:
    """(raw line as shipped, parsed record)."""
    rng = random.Random(1)
    shapes = rng.choices(range(len(SHAPES)), [shape[0] for shape in SHAPES], k=count)
    step = days * 86_400 * 10**9 // count
    users = [f"user{at}" for at in range(300)]
    for at, shape in enumerate(shapes):
        _, service, level, text = SHAPES[shape]
        parameters: list[str] = []
        message = text
        for name, make in (
            ("{ip}", lambda: f"10.{rng.randrange(4)}.{rng.randrange(256)}.{rng.randrange(256)}"),
            ("{user}", lambda: rng.choice(users)),
            ("{hex}", lambda: f"{rng.getrandbits(128):032x}"),
            ("{n}", lambda: str(rng.randrange(100_000))),
        ):
            while name in message:
                parameters.append(make())
                message = message.replace(name, parameters[-1], 1)
        time_ns = START_NS + at * step
        host = f"host{rng.randrange(20):02}"
        pid = rng.randrange(1_000, 32_000)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_ns // 10**9))
        raw = f"<30>{stamp}.{time_ns // 1000 % 10**6:06}Z {host} {service}[{pid}]: {message}\n"
        record = LogRecord(
            id=f"{START_NS // 10**9:x}-{at:010x}",
            timestamp_ns=time_ns,
            message=message,
            source="syslog:514",
            ingested_ns=time_ns + 10**6,
            host=host,
            service=service,
            level=level,
            pipeline="server",
            template_id=f"t{shape}",
            parameters=parameters,
            fields={"process.pid": pid},
        )
        yield raw, record


def size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def timed(ask: Callable[[int], object], runs: int = 40) -> tuple[float, float]:
    """p50 and p95 in milliseconds, the first call left out."""
    ask(0)
    took = []
    for run in range(1, runs + 1):
        start = time.perf_counter()
        ask(run)
        took.append((time.perf_counter() - start) * 1e3)
    cuts = statistics.quantiles(took, n=20)
    return statistics.median(took), cuts[18]


class Ours:
    name = "logsense embedded"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index = EmbeddedIndex(path, writer=True)

    def write(self, records: list[LogRecord]) -> None:
        self.index.write_logs(records)

    def commit(self) -> None:
        self.index.commit()

    def finish(self) -> None:
        self.index.close()
        self.index = EmbeddedIndex(self.path, writer=False)

    def keyword(self, word: str) -> object:
        return self.index.search(Query(text=word), limit=50)

    def phrase(self, phrase: str) -> object:
        return self.index.search(Query(phrases=[phrase]), limit=50)

    def filter(self, host: str, from_ns: int, to_ns: int) -> object:
        query = Query(hosts=[host], levels=["error", "critical"], from_ns=from_ns, to_ns=to_ns)
        return self.index.search(query, limit=50, by_time=True)

    def histogram(self, service: str) -> object:
        return self.index.histogram(Query(services=[service]), 3600 * 10**9)


class Fts5:
    name = "sqlite fts5"

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.path = path
        self.db = sqlite3.connect(path / "lines.sqlite")
        self.db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "CREATE VIRTUAL TABLE words USING fts5(message, content='lines', content_rowid='no');"
            "CREATE TABLE lines (no INTEGER PRIMARY KEY, id TEXT UNIQUE, at INTEGER, message TEXT, host TEXT,"
            " service TEXT, level TEXT, pipeline TEXT, template_id TEXT, rest TEXT);"
            "CREATE INDEX by_time ON lines (at); CREATE INDEX by_host ON lines (host, level, at);"
            "CREATE INDEX by_service ON lines (service, at);"
        )
        self.no = 0

    def write(self, records: list[LogRecord]) -> None:
        rows = []
        for record in records:
            self.no += 1
            rest = f"{record.source}|{record.ingested_ns}|{record.outcome}|{record.parameters}|{record.fields}"
            rows.append(
                (
                    self.no,
                    record.id,
                    record.timestamp_ns,
                    record.message,
                    record.host,
                    record.service,
                    record.level,
                    record.pipeline,
                    record.template_id,
                    rest,
                )
            )
        self.db.executemany("INSERT INTO lines VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
        self.db.executemany("INSERT INTO words (rowid, message) VALUES (?, ?)", [(row[0], row[3]) for row in rows])

    def commit(self) -> None:
        self.db.commit()

    def finish(self) -> None:
        self.db.commit()
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _match(self, match: str) -> object:
        total = self.db.execute("SELECT count(*) FROM words WHERE words MATCH ?", [match]).fetchone()
        sql = "SELECT l.* FROM words JOIN lines l ON l.no = words.rowid WHERE words MATCH ? ORDER BY rank LIMIT 50"
        return total, self.db.execute(sql, [match]).fetchall()

    def keyword(self, word: str) -> object:
        return self._match(" ".join(f'"{part}"' for part in word.split()))

    def phrase(self, phrase: str) -> object:
        return self._match(f'"{phrase}"')

    def filter(self, host: str, from_ns: int, to_ns: int) -> object:
        where = "host = ? AND level IN ('error', 'critical') AND at >= ? AND at < ?"
        values = [host, from_ns, to_ns]
        total = self.db.execute(f"SELECT count(*) FROM lines WHERE {where}", values).fetchone()
        return total, self.db.execute(f"SELECT * FROM lines WHERE {where} ORDER BY at DESC LIMIT 50", values).fetchall()

    def histogram(self, service: str) -> object:
        step = 3600 * 10**9
        return self.db.execute(
            "SELECT at / ? AS bucket, count(*) FROM lines WHERE service = ? GROUP BY bucket", [step, service]
        ).fetchall()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--days", type=int, default=3)
    args = parser.parse_args()
    pairs = list(make_lines(args.lines, args.days))
    raw_bytes = sum(len(raw.encode()) for raw, _ in pairs)
    records = [record for _, record in pairs]
    words = ["timed out", "Failed password", "blk", "orders_pkey", "10.1.7.9", "memory", "user42", "cookies"]
    phrases = ["authentication failure", "connection slots", "invalid user user7", "duplicate key value"]
    hour = 3600 * 10**9
    root = Path(tempfile.mkdtemp(prefix="bench-index-"))
    print(f"{args.lines:,} lines, {raw_bytes / 1e6:.1f} MB raw, {args.days} days")
    try:
        for make in (Ours, Fts5):
            engine = make(root / make.__name__)
            start = time.perf_counter()
            for at in range(0, len(records), BATCH):
                engine.write(records[at : at + BATCH])
                if (at + BATCH) % COMMIT_EVERY == 0:
                    engine.commit()
            engine.commit()
            took = time.perf_counter() - start
            engine.finish()
            ratio = size_of(engine.path) / raw_bytes
            print(f"\n{engine.name}: {len(records) / took:,.0f} lines/s, {ratio:.2f} bytes on disk per raw byte")
            for what, ask in (
                ("keyword", lambda run, e=engine: e.keyword(words[run % len(words)])),
                ("phrase", lambda run, e=engine: e.phrase(phrases[run % len(phrases)])),
                (
                    "filter",
                    lambda run, e=engine: e.filter(f"host{run % 20:02}", START_NS + run * hour, START_NS + 48 * hour),
                ),
                ("histogram", lambda run, e=engine: e.histogram(SHAPES[run % len(SHAPES)][1])),
            ):
                p50, p95 = timed(ask)
                print(f"  {what:10} p50 {p50:7.2f} ms   p95 {p95:7.2f} ms")
        points = [
            MetricPoint("cpu", f"h{at % 50}", START_NS + at * 10**7, 0.5, {"core": str(at % 8)})
            for at in range(200_000)
        ]
        index = EmbeddedIndex(root / "metrics", writer=True)
        start = time.perf_counter()
        for at in range(0, len(points), 10_000):
            index.write_metrics(points[at : at + 10_000])
        index.commit()
        print(f"\nmetrics: {len(points) / (time.perf_counter() - start):,.0f} points/s")
        index.close()
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
