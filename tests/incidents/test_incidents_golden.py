"""Signals in, incidents out: one hour with two troubles, a blip and a recurrence."""

from logsense.incidents import Incidents
from logsense.record import Signal

from ..detect.golden import check

S = 1_000_000_000
T0 = 1_764_000_000 * S
# (second, kind, score, host, service, template or metric, text)
SIGNALS = [
    (300, "metric.high", 4.6, "web1", "", "system.cpu.utilization", "system.cpu.utilization rose to 0.8, usually 0.2"),
    (600, "metric.high", 5.1, "db1", "", "system.disk.utilization", "system.disk.utilization rose to 0.9, usually 0.3"),
    (640, "log.severity", 6.0, "db1", "postgresql", "t-enospc", "`No space left on device` 12 times, usually none"),
    (640, "log.new", 3.5, "db1", "postgresql", "t-enospc", "never seen before: `No space left on device`"),
    (650, "log.severity", 4.4, "app1", "shop", "t-500", "`unhandled error in POST /orders` 9 times, usually none"),
    (660, "log.severity", 7.0, "mail1", "postfix", "t-relay", "`Relay access denied` 80 times in 10 s, usually 0.2"),
    (900, "log.severity", 5.0, "db1", "postgresql", "t-enospc", "`No space left on device` 3 times, usually none"),
    (2400, "log.unit", 5.0, "web1", "nginx", "t-exit", "nginx failed: Main process exited, code=killed"),
]  # fmt: skip


def test_an_hour():
    related = {frozenset(("db1", "app1"))}
    incidents, latest = Incidents(related=lambda a, b: frozenset((a, b)) in related), {}
    for tick in range(0, 3600, 10):
        window = []
        for second, kind, score, host, service, what, text in SIGNALS:
            if tick <= second < tick + 10:
                metric = kind.startswith("metric")
                window.append(
                    Signal(f"{second}-{kind}-{host}", kind, T0 + second * S, T0 + (second + 10) * S, score, host,
                           service, "p", "" if metric else what, what if metric else "", text=text)
                )  # fmt: skip
        for incident in incidents.update(window, T0 + (tick + 10) * S):
            latest[incident.id] = incident
    check(
        "incidents/an_hour.jsonl",
        (
            {"id": i.id, "status": i.status, "severity": i.severity, "from_s": (i.start_ns - T0) // S,
             "to_s": (i.end_ns - T0) // S, "hosts": i.hosts, "services": i.services, "title": i.title,
             "signals": i.signal_ids, "score": round(i.score, 1)}
            for i in latest.values()
        ),
    )  # fmt: skip
