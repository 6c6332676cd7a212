"""Hand-made evidence in the wordings of real software, shared by the tests of the ranking and the summary."""

from __future__ import annotations

from collections.abc import Callable

from logsense.record import Incident, Signal
from logsense.rootcause import Evidence, SeriesExcerpt, TemplateCount

S = 1_000_000_000
T0 = 1_764_000_000 * S
START, END = T0 + 600 * S, T0 + 720 * S


def template(host: str, service: str, text: str, during: int, *, before: int = 0, at: float = 0.0, name: str = ""):
    identity = name or f"{host}-{text[:12]}"
    samples = [(f"{identity}-{n}", text) for n in range(min(during, 2))]
    return TemplateCount(identity, text, host, service, "error", before, during, START + int(at * S), samples)


def series(host: str, name: str, before: float, during: float | Callable[[float], float], noise: float = 0.02):
    def value(at: int) -> float:
        wave = 1 + noise * (at // 10 % 3 - 1)
        if at < 600:
            return before * wave
        return (during(at - 600) if callable(during) else during) * wave

    return SeriesExcerpt(host, name, [(T0 + at * S, value(at)) for at in range(0, 720, 10)])


def signal(host: str, text: str, *, kind: str = "log.severity", service: str = "", at: float = 0.0, score: float = 6.0):
    start = START + int(at * S)
    return Signal(f"sig-{host}-{text[:8]}", kind, start, start + 30 * S, score, host, service, "p", text=text,
                  evidence=[f"line:{host}-1"])  # fmt: skip


def evidence(templates=(), metrics=(), signals=(), calls=(), services=None, absent=()) -> Evidence:
    hosts = sorted({t.host for t in templates} | {s.host for s in metrics} | {s.host for s in signals})
    known = dict(services or {})
    for host in hosts:
        known[host] = sorted({*known.get(host, ()), *(t.service for t in templates if t.host == host)})
    return Evidence(
        START, END, T0, list(signals), list(templates), list(metrics), hosts, known, list(calls), list(absent)
    )


def incident(**more) -> Incident:
    return Incident(id="inc-1", title="nginx on web1: upstream failed", status="open", severity="high", start_ns=START,
                    last_ns=END, hosts=["web1"], **more)  # fmt: skip


def oom_behind_a_proxy() -> Evidence:
    refused = "connect() failed (111: Connection refused) while connecting to upstream"
    killed = "Memory cgroup out of memory: Killed process 7 (orders-api) total-vm:99kB"
    exited = "orders-api.service: Main process exited, code=killed, status=9/KILL"
    return evidence(
        [
            template("web1", "nginx", refused, 40, at=12),
            template("app1", "kernel", killed, 1, at=5),
            template("app1", "systemd", exited, 1, at=6),
            template("app1", "orders-api", "GET / -> 200", 90, before=400),
        ],
        [series("app1", "system.memory.utilization", 0.4, lambda s: min(1.0, 0.9 + s / 100)),
         series("web1", "http.client.errors", 0.1, 5)],
        [signal("web1", "`connect() failed` 40 times", service="nginx", at=12),
         signal("app1", "orders-api failed", kind="log.unit", service="orders-api", at=5)],
        calls=[("web1", "app1")],
    )  # fmt: skip
