"""Hands kernel messages to the host they belong to.

A namespace has no kernel log of its own: /dev/kmsg shows the whole machine's. Messages that name a recorded
host (its memory cgroup in an OOM report, its prefix in a firewall LOG line) are sent on to that host's
rsyslog as facility kern, which is what imklog would have done on a machine of its own.
"""

from __future__ import annotations

import os
import select
import threading
from pathlib import Path

from recorder.host import CGROUP_ROOT, World

NETNS_LOG = Path("/proc/sys/net/netfilter/nf_log_all_netns")


def allow_kernel_log(world: World) -> None:
    """Let LOG rules of namespaces reach the kernel log; the last recording puts the machine's setting back."""
    before = NETNS_LOG.read_text()
    NETNS_LOG.write_text("1")

    def restore() -> None:
        if not [g for g in (CGROUP_ROOT / "cpu").glob("rec-network-*") if g.name != world.name]:
            NETNS_LOG.write_text(before)

    world.closers.append(restore)


class KernelLog:
    """Follows /dev/kmsg from now on in a thread of its own; reading it takes nothing from other readers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.fd, 0, os.SEEK_END)
        self.block: list[str] = []
        self.done = threading.Event()
        threading.Thread(target=self._loop, daemon=True, name="kmsg").start()
        world.closers.append(self.done.set)

    def _loop(self) -> None:
        while not self.done.is_set():
            if not select.select([self.fd], [], [], 0.5)[0]:
                continue
            try:
                record = os.read(self.fd, 8192).decode(errors="replace")
            except OSError:  # overwritten before we read it
                continue
            head, _, rest = record.partition(";")
            micros = int(head.split(",")[2])
            text = rest.split("\n", 1)[0]
            self._route(f"[{micros / 1e6:12.6f}] {text}", text)
        os.close(self.fd)

    def _route(self, line: str, text: str) -> None:
        for host in self.world.hosts.values():
            if f"{self.world.name}:{host.name} " in text:  # firewall prefix, unique to this recording
                host.syslog("kernel", line.replace(f"{self.world.name}:{host.name} ", ""), 4)
                return
        if "invoked oom-killer" in text:
            self.block = [line]
            return
        if not self.block:
            return
        self.block.append(line)
        if len(self.block) > 200:
            self.block = []
        if "Killed process" in text:
            report = "\n".join(self.block)
            for host in self.world.hosts.values():
                if f"task_memcg=/{host.group}" in report:
                    for one in self.block:
                        host.syslog("kernel", one, 3 if "Killed process" in one else 4)
            self.block = []
