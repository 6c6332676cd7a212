"""Check recorded takes: does every fault show in its window, and are the quiet times free of it?

Usage: python samples/check.py [FOLDER …]   (default: every take in this folder)
Prints the evidence; exits 1 on a failure.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

Rows = list[dict[str, str]]
# per fault: (log file below logs/, pattern) that must appear in its window, and (host, metric, least maximum)
EVIDENCE: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str, float]]]] = {
    "disk-full/orders-api": (
        [
            ("app1/orders-api", "No space left on device"),
            ("app1/syslog", "No space left on device"),
            ("web1/nginx_access", r"POST /api/orders HTTP/1.1\" 500"),
        ],
        [("app1", "system.disk.utilization", 0.99), ("web1", "http.client.errors", 1)],
    ),
    "disk-full/orders-export": (
        [("app1/syslog", "write failed, will retry.*No space left on device")],
        [("app1", "system.disk.utilization", 0.99)],
    ),
    "memory-leak": (
        [
            ("app1/syslog", "invoked oom-killer"),
            ("app1/syslog", "Killed process"),
            ("app1/syslog", "oom-kill'"),
            ("web1/nginx_error", r"111: Connection refused"),
        ],
        [("app1", "system.memory.utilization", 0.75)],
    ),
    "cpu-hog": (
        [("app1/orders-api", "slow request")],
        [("app1", "system.cpu.throttled", 0.9), ("app1", "system.load", 8), ("web1", "http.client.latency", 0.25)],
    ),
    "ssh-brute-force": ([("web1/auth", "Failed password for root"), ("web1/auth", "Invalid user")], []),
    "crash-loop": (
        [("web1/syslog", "KeyError"), ("web1/syslog", "status=1/FAILURE"), ("web1/syslog", "Scheduled restart")],
        [],
    ),
    "lock-pileup": (
        [
            ("db1/postgresql", "still waiting for"),
            ("db1/postgresql", "deadlock detected"),
            ("db1/postgresql", "lock timeout"),
        ],
        [("db1", "postgresql.locks.waiting", 3), ("db1", "db.client.latency", 5)],
    ),
    "connection-leak": (
        [("db1/postgresql", "too many clients"), ("shop1/shop-app", "too many clients")],
        [("db1", "postgresql.backends", 29), ("db1", "db.client.errors", 1)],
    ),
    "backend-killed": (
        [
            ("db1/postgresql", "terminated by signal 9"),
            ("db1/postgresql", "automatic recovery in progress"),
            ("db2/postgresql", "could not receive data"),
        ],
        [],
    ),
    "dropped-index": (
        [("db3/mariadb-slow", "Query_time"), ("shop1/shop-app", r"history took")],
        [("db3", "mysql.rows_examined", 200_000), ("db3", "db.client.latency", 0.3)],
    ),
    "replication-cut": (
        [("db2/postgresql", "terminating walreceiver"), ("db1/postgresql", "terminating walsender")],
        [("db2", "postgresql.replication.delay", 40), ("db1", "postgresql.replication.lag", 10_000)],
    ),
    "cache-full": (
        [("shop1/shop-app", "OOM command not allowed")],
        [("cache1", "redis.memory.used", 25e6), ("cache1", "db.client.errors", 1)],
    ),
    "disk-full/postgresql": (
        [("db1/postgresql", "No space left on device")],
        [("db1", "system.disk.utilization", 0.99), ("db1", "db.client.errors", 1)],
    ),
    "upstream-down": (
        [
            ("edge1/haproxy", "is DOWN"),
            ("edge1/haproxy", "has no server available"),
            ("edge1/haproxy", "NOSRV> .* 503"),
        ],
        [("edge1", "haproxy.responses.5xx", 1), ("edge1", "http.client.errors", 1)],
    ),
    "zone-broken": (
        [
            ("ns1/named", "not loaded due to errors"),
            ("ns1/named", "SERVFAIL"),
            ("proxy1/squid_access", "TCP_MISS/50[23]"),
        ],
        [("ns1", "dns.client.errors", 1), ("proxy1", "http.client.errors", 1)],
    ),
    "forwarder-down": (
        [("ns1/named", r"SERVFAIL.*shop.partner.test"), ("ns2/named", "exiting")],
        [("ns1", "dns.client.errors", 1), ("proxy1", "http.client.errors", 1)],
    ),
    "port-scan": ([("edge1/syslog", "UFW BLOCK")], []),
    "request-flood": (
        [("edge1/haproxy", " 429 .* PR--")],
        [("edge1", "haproxy.requests.rate", 20), ("edge1", "haproxy.responses.4xx", 10)],
    ),
    "slow-link": (
        [("edge1/haproxy", r" 0/0/\d+/[6-9]\d\d/|/\d{4}/\d{4} 200")],
        [("edge1", "http.client.latency", 0.7)],
    ),
    "packet-loss": (
        [("edge1/haproxy", r"/[12]\d{2,3}/\d+/\d+ |/2\d\d ")],
        [("edge1", "tcp.retransmits", 2), ("edge1", "http.client.latency", 0.9)],
    ),
}
# what must not appear in quiet time (outside of the benign events' vocabulary)
ALARMS = re.compile(
    r"No space left|oom-killer|Killed process|slow request|KeyError|FAILURE|still waiting for|deadlock detected|"
    r"too many clients|signal 9|terminating wal|OOM command|has no server|not loaded due|SERVFAIL| 50[0234] | 429 "
)
STAMPS = [
    (re.compile(r"^(\w{3} +\d+ \d\d:\d\d:\d\d) "), "%Y %b %d %H:%M:%S"),
    (re.compile(r"^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)"), "%Y-%m-%d %H:%M:%S"),
    (re.compile(r"^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)"), "%Y/%m/%d %H:%M:%S"),
    (re.compile(r"\[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d) "), "%d/%b/%Y:%H:%M:%S"),
    (re.compile(r"^(\d\d-\w{3}-\d{4} \d\d:\d\d:\d\d)"), "%d-%b-%Y %H:%M:%S"),
    (re.compile(r"^\d+:\w (\d\d \w{3} \d{4} \d\d:\d\d:\d\d)"), "%d %b %Y %H:%M:%S"),
    (re.compile(r"^# Time: (\d{6} +\d?\d:\d\d:\d\d)"), "%y%m%d %H:%M:%S"),
    (re.compile(r'^\{"@timestamp": "(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)'), "%Y-%m-%d %H:%M:%S"),
]


def moment(line: str, year: int) -> datetime | None:
    """The time of a log line, to the second; None for a continuation line."""
    if found := re.match(r"(\d{10})\.\d{3} ", line):
        return datetime.fromtimestamp(int(found[1]), UTC)
    for pattern, form in STAMPS:
        if found := pattern.search(line):
            text = found[1].replace("T", " ")
            return datetime.strptime(f"{year} {text}" if form.startswith("%Y %b") else text, form).replace(tzinfo=UTC)
    return None


def read_log(path: Path, year: int) -> list[tuple[datetime, str]]:
    """Lines with their time; a continuation line has that of the line before it."""
    out: list[tuple[datetime, str]] = []
    last = datetime.fromtimestamp(0, UTC)
    for line in path.read_text(errors="replace").splitlines():
        last = moment(line, year) or last
        out.append((last, line))
    return out


def when(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


class Take:
    """One recorded folder and what is wrong with it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bad = folder, list[str]()
        self.labels = json.loads((folder / "labels.json").read_text())
        year = when(self.labels["start"]).year
        self.logs = {f"{p.parent.name}/{p.stem}": read_log(p, year) for p in sorted(folder.glob("logs/*/*.log"))}
        self.metrics: dict[str, Rows] = {
            p.stem: list(csv.DictReader(p.open())) for p in sorted(folder.glob("metrics/*.csv"))
        }

    def fail(self, text: str) -> None:
        self.bad.append(text)
        print(f"  FAIL {text}")

    def check(self) -> bool:
        print(f"== {self.folder}: {self.labels['start'][:19]} to {self.labels['end'][11:19]}")
        self.shape()
        for fault in self.labels["faults"]:
            self.fault(fault)
        for quiet in self.labels["quiet"]:
            self.quiet(quiet)
        return not self.bad

    def shape(self) -> None:
        for name, lines in self.logs.items():
            times = [t for t, _ in lines if t.year > 2000]
            back = sum(a - b > timedelta(seconds=5) for a, b in pairwise(times))
            if not times or back:
                self.fail(f"{name}: {len(times)} timed lines, {back} that go back in time")
        for host, rows in self.metrics.items():
            times = [when(r["@timestamp"]) for r in rows]
            steps = [(b - a).total_seconds() for a, b in pairwise(times)]
            if min(steps) <= 0 or max(steps) > 5:
                self.fail(f"{host}: metric steps from {min(steps)} to {max(steps)} s")
        order = [when(f[k]) for f in self.labels["faults"] for k in ("start", "effect", "end")]
        if order != sorted(order):
            self.fail("fault times are not in order")

    def fault(self, fault: dict[str, str]) -> None:
        start, end = when(fault["start"]), when(fault["end"]) + timedelta(seconds=3)
        print(
            f"-- {fault['id']} on {fault['host']}: {fault['start'][11:19]}, effect after "
            f"{(when(fault['effect']) - start).seconds} s, over after {(end - start).seconds - 3} s; {fault['cause']}"
        )
        key = fault["id"] if fault["id"] in EVIDENCE else f"{fault['id']}/{fault['service']}"
        wanted, gauges = EVIDENCE[key]
        for name, pattern in wanted:
            hits = [
                line
                for t, line in self.logs.get(name, [])
                if start - timedelta(seconds=1) <= t <= end and re.search(pattern, line)
            ]
            if not hits:
                self.fail(f"{fault['id']}: no {pattern!r} in {name}")
            else:
                print(f"   {len(hits):5d} x {name}: {hits[0][:150]}")
        for host, metric, least in gauges:
            inside = [
                float(r[metric]) for r in self.metrics[host] if r.get(metric) and start <= when(r["@timestamp"]) <= end
            ]
            calm = sorted(
                float(r[metric])
                for r in self.metrics[host]
                if r.get(metric)
                and any(when(q["start"]) <= when(r["@timestamp"]) <= when(q["end"]) for q in self.labels["quiet"])
            )
            top = max(inside, default=0)
            print(
                f"         {host} {metric}: up to {top:g} (quiet: median {calm[len(calm) // 2]:g}, 99.5 % "
                f"{calm[int(len(calm) * 0.995)]:g}, max {calm[-1]:g})"
            )
            if top < least:
                self.fail(f"{fault['id']}: {metric} of {host} only reaches {top:g}, expected {least:g}")

    def quiet(self, window: dict[str, str]) -> None:
        start, end = when(window["start"]), when(window["end"])
        for name, lines in self.logs.items():
            hits = [line for t, line in lines if start <= t <= end and ALARMS.search(line)]
            for line in hits[:2]:
                print(f"   quiet {window['start'][11:19]}: {len(hits)} x {name}: {line[:150]}")
            if len(hits) > 2:
                self.fail(f"{name}: {len(hits)} alarming lines in quiet time from {window['start']}")


def main() -> int:
    here = Path(__file__).resolve().parent
    folders = [Path(a) for a in sys.argv[1:]] or sorted(p.parent for p in here.glob("**/labels.json"))
    results = [Take(folder).check() for folder in folders]
    print(f"{sum(results)} of {len(results)} takes are good")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
