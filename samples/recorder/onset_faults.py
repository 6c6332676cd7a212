"""Faults with precursors for ``record_onsets.py``, those of an application: what fills, leaks and falls down.

A fault injects, waits for the first real failure, undoes what it did and returns when all is normal again. A benign
event does the harmless thing that looks similar at first: an export that ends, a batch job's memory, a restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from recorder.common import until
from recorder.onset_host import HERE, Rig, Service

#: How long a precursor takes, in seconds: drawn evenly.
SPEEDS = (90.0, 300.0)


@dataclass
class Onset:
    """What a fault reports: when its first failure was seen, and what was done."""

    effect: float
    cause: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """``run`` raises ``RuntimeError`` when no failure came; the recording then has a warning instead of a label."""

    kind: str
    service: str
    run: Callable[[], Onset]


@dataclass
class Stage:
    """What a host can suffer, and what it does without suffering."""

    rig: Rig
    faults: list[Fault]
    benign: list[tuple[str, Callable[[], Any]]]


def app_stage(rig: Rig) -> Stage:
    """Orders API on a small volume, in a memory cgroup, with few descriptors and systemd's restart limit."""
    log, rate = rig.logs / "orders-api.log", f"{rig.rng.uniform(0.7, 2.0):.2f}"
    argv = ["/usr/bin/python3", "-S", str(HERE / "onset_app.py"), str(log), str(rig.volume), rate]
    service = rig.service = Service(rig, "orders-api", "Orders API", argv)
    service.start()
    rig.gauges.append(service.gauge)
    if not until(lambda: service.stats, 20):
        raise RuntimeError(f"orders-api did not start on {rig.name}")
    kinds = {"disk_full": "disk", "inode_exhaustion": "inodes", "fd_exhaustion": "files", "out_of_memory": "memory"}
    faults = [Fault(k, "orders-api", lambda k=k, r=r: leak(rig, service, k, r)) for k, r in kinds.items()]
    faults.append(Fault("flapping", "orders-api", lambda: flapping(rig, service)))
    some = rig.rng.uniform
    benign: list[tuple[str, Callable[[], Any]]] = [
        ("an export is written and removed", lambda: burst(rig, service, "disk", some(0.1, 0.35), some(15, 80))),
        ("a batch job needs memory", lambda: burst(rig, service, "memory", some(0.1, 0.3), some(10, 60))),
        ("many files are open for a while", lambda: burst(rig, service, "files", some(0.1, 0.3), some(5, 40))),
        ("sessions are stored and expire", lambda: burst(rig, service, "inodes", some(0.1, 0.3), some(15, 80))),
        ("a planned restart", lambda: restart(service)),
    ]
    return Stage(rig, faults, benign)


def room(rig: Rig, resource: str) -> float:
    """Units that are left of a resource now."""
    now = rig.resources()
    if rig.dialect == "prometheus":
        return {
            "disk": now["node_filesystem_avail_bytes"],
            "inodes": now["node_filesystem_files_free"],
            "memory": now["container_spec_memory_limit_bytes"] - now["container_memory_working_set_bytes"],
            "files": now["process_max_fds"] - now["process_open_fds"],
        }[resource]
    return {
        "disk": (1 - now["system.filesystem.utilization"]) * rig.limits["disk"],
        "inodes": now["system.filesystem.inodes.limit"] - now["system.filesystem.inodes.usage"],
        "memory": (1 - now["system.memory.utilization"]) * rig.limits["memory"],
        "files": now["process.file_descriptors.limit"] - now["process.open_file_descriptors"],
    }[resource]


def leak(rig: Rig, service: Service, kind: str, resource: str) -> Onset:
    """Take a resource until it is gone; one time in three the leak speeds up on its way."""
    seconds = rig.rng.uniform(*SPEEDS)
    rate = room(rig, resource) / seconds
    began, restarts = time.time(), service.restarts
    service.order(leak=resource, rate=rate)
    faster = rig.rng.random() < 0.33

    def failed() -> bool:
        nonlocal faster
        if faster and time.time() - began > 0.4 * seconds:
            service.order(leak=resource, rate=0.5 * rate)
            faster = False
        return service.stats.get("first_error", 0.0) > began or not service.stats

    if not until(failed, 2 * seconds + 60, 0.1):
        raise RuntimeError(f"{kind} on {rig.name}: no failure was seen")
    effect = service.stats.get("first_error", 0.0) or time.time()
    rig.closing.wait(rig.rng.uniform(8, 20))
    service.order(stop=1)
    until(lambda: service.restarts > restarts or service.stats.get("first_error") == 0.0, 20)
    return Onset(effect, f"orders-api took {resource} at {rate:.4g} units a second until there were none")


def flapping(rig: Rig, service: Service) -> Onset:
    """Crashes that follow each other faster and faster, until systemd gives up."""
    pause, shrink = rig.rng.uniform(30, 55), rig.rng.uniform(0.65, 0.85)
    service.exits.clear()
    while not service.failed_at:
        service.order(crash=1)
        if rig.closing.wait(pause):
            raise RuntimeError("stopped")
        pause *= shrink
    effect = service.failed_at
    rig.closing.wait(rig.rng.uniform(10, 20))
    service.start()
    until(lambda: service.stats, 20)
    return Onset(effect, f"orders-api crashed {len(service.exits)} times, ever faster, until it was not restarted")


def burst(rig: Rig, service: Service, resource: str, share: float, seconds: float) -> None:
    """Part of what is left is taken, held, and given back."""
    amount = share * room(rig, resource)
    service.order(leak=resource, rate=amount / seconds, upto=amount)
    rig.closing.wait(seconds + rig.rng.uniform(5, 25))
    service.order(stop=1)


def restart(service: Service) -> None:
    """systemctl restart."""
    service.stop()
    time.sleep(1)
    service.start()
