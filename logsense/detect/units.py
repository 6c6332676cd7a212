"""Process and service failures in the words of systemd, supervisord, Kubernetes, PostgreSQL, nginx, the kernel."""

from __future__ import annotations

import re
from collections.abc import Iterable

# each names the unit in group 1 where the message does
_FAILURES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"([\w@.:-]+?)(?:\.service)?: main process exited, code=(?:killed|exited|dumped)",
        r"([\w@.:-]+?)(?:\.service)?: failed with result",
        r"unit ([\w@.:-]+?)(?:\.service)? entered failed state",
        r"([\w@.:-]+?)(?:\.service)?: scheduled restart job, restart counter is at",
        r"([\w@.:-]+?)(?:\.service)?: start request repeated too quickly",
        r"failed to start ([\w@.:-]+?)(?:\.service)?\b",
        r"exited: ([\w@.:-]+) \(.*not expected\)",
        r"gave up: ([\w@.:-]+) entered fatal state",
        r"back-?off restarting failed container(?: ([\w.-]+))?",
        r"\b(?:crashloopbackoff|oomkilled)\b",
        r"server process \(pid \S+\) (?:was terminated by signal|exited with exit code)",
        r"worker process \S+ exited (?:on signal|with (?:fatal )?code [1-9])",
        r"out of memory: kill(?:ed)? process \S+ \(([^)]+)\)",
        r"redis \S+ crashed by signal",
        r"mysqld got signal|mariadbd? got signal",
        r"([\w.-]+)\[\S+\]: segfault at",
    )
)


def failed_units(texts: Iterable[str], service: str) -> set[str]:
    """Names of the units that these lines report as failed; ``service`` where a line names none."""
    units: set[str] = set()
    for text in texts:
        for pattern in _FAILURES:
            if found := pattern.search(text):
                name = found.group(1) if found.re.groups else ""
                units.add(name or service)
                break
    return units
