"""Readable titles and severities."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

PRODUCTS = {
    "postgresql": "PostgreSQL", "postgres": "PostgreSQL", "mysql": "MySQL", "mysqld": "MySQL", "mariadb": "MariaDB",
    "mariadbd": "MariaDB", "redis": "Redis", "nginx": "nginx", "haproxy": "HAProxy", "named": "BIND", "bind": "BIND",
    "sshd": "sshd", "kernel": "kernel", "squid": "Squid", "systemd": "systemd",
}  # fmt: skip
# what tells people most: a death, then an error, then news; numbers and traffic last
_KIND_WEIGHT = {
    "log.unit": 4.0, "alert": 3.5, "log.severity": 3.0, "log.new": 2.0, "metric.high": 1.0, "log.silence": 1.0,
    "net.scan": 2.0, "log.session": 1.5, "db.slow": 1.2, "log.slow": 1.4, "net.dns": 1.0, "net.flood": 1.0,
    "log.value": 0.9,
    "db.rate": 0.6, "net.beacon": 0.4, "net.talker": 0.3, "log.rate": 0.5, "metric.low": 0.5, "metric.change": 0.0,
}  # fmt: skip


def product(service: str) -> str:
    """``postgresql`` -> ``PostgreSQL``; unknown names stay as they are."""
    return PRODUCTS.get(service.lower(), service)


def place(service: str, host: str) -> str:
    """``PostgreSQL on db1``."""
    if service and host:
        return f"{product(service)} on {host}"
    return product(service) or host or "Unknown place"


def title_of(leads: Sequence[Mapping]) -> str:
    """``PostgreSQL on db1: too many clients already`` from the most telling signal."""
    if not leads:
        return "Unusual behaviour"
    lead = max(leads, key=lambda one: (_KIND_WEIGHT.get(one["kind"], 0.0), one["score"], one["id"]))
    if lead["kind"] == "log.slow":
        return f"{place(lead['service'], lead['host'])}: requests are slow"  # what it quotes is innocent
    text = lead["text"]
    if quoted := re.search(r"`(.+?)`", text):
        text = quoted.group(1)
    return f"{place(lead['service'], lead['host'])}: {text}"


def severity_of(best: Mapping[str, tuple[str, float]], hosts: int, strength: float) -> str:
    """``critical``: a service died and more shows it; ``low``: barely over the bar and only numbers or traffic."""
    kinds = {kind for kind, _ in best.values()}
    points = 0
    points += 2 if "log.unit" in kinds else 0
    points += 1 if "log.severity" in kinds else 0
    points += 1 if len(best) >= 3 else 0
    points += 1 if hosts >= 2 else 0
    points += 1 if strength >= 10 else 0
    return ("low", "medium", "medium", "high", "critical")[min(points, 4)]
