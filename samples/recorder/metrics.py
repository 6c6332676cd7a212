"""Samples each host's own metrics once a second into a wide CSV.

Everything is read from that host's cgroups, from its network namespace and from its volume, so the other
work of the machine (and the other hosts) does not show in it, except as scheduling noise.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from recorder.host import Host
from recorder.values import short, stamp

Gauge = Callable[[], dict[str, float]]


def kernel_table(path: str) -> dict[str, int]:
    """/proc/net/snmp: pairs of lines, names then values -> {"Tcp.RetransSegs": 3}."""
    out: dict[str, int] = {}
    lines = Path(path).read_text().splitlines()
    for head, row in zip(lines[::2], lines[1::2], strict=True):
        group, names = head.split(":", 1)
        out.update({f"{group}.{k}": int(v) for k, v in zip(names.split(), row.split(":", 1)[1].split(), strict=True)})
    return out


class HostMetrics:
    """Reads one host; counters become rates against the previous reading."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.last: dict[str, float] = {}
        self.when = 0.0

    def counters(self) -> dict[str, float]:
        """Cumulative values, by the name of the rate that is made of them."""
        host, pid = self.host, self.host.holder.pid
        stat = dict(line.split() for line in host.read_cgroup("cpu", "cpu.stat").splitlines())
        net = kernel_table(f"/proc/{pid}/net/snmp")
        dev = next(
            line.split(":")[1].split()
            for line in Path(f"/proc/{pid}/net/dev").read_text().splitlines()
            if "eth0:" in line
        )
        disk = Path(f"/sys/block/{host.loop}/stat").read_text().split()
        return {
            "cpu": int(host.read_cgroup("cpuacct", "cpuacct.usage")) / 1e9,
            "periods": int(stat["nr_periods"]),
            "throttled": int(stat["nr_throttled"]),
            "system.disk.io.read": int(disk[2]) * 512,
            "system.disk.io.write": int(disk[6]) * 512,
            "system.network.io.receive": int(dev[0]),
            "system.network.io.transmit": int(dev[8]),
            "system.network.packets.receive": int(dev[1]),
            "tcp.retransmits": net["Tcp.RetransSegs"],
        }

    def processes(self) -> dict[str, float]:
        """Counts over the host's processes; one that ends while we look is simply not counted."""
        count = fds = runnable = 0
        for pid in self.host.pids():
            with suppress(psutil.Error, OSError):
                proc = psutil.Process(pid)
                runnable += proc.status() in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
                fds += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
                count += 1
        return {"system.load": runnable, "process.count": count, "process.open_fds": fds}

    def sample(self) -> dict[str, float]:
        host, now, values = self.host, time.monotonic(), self.counters()
        before, seconds = (self.last or values), max(now - self.when, 1e-3)
        self.last, self.when = values, now
        rate = {k: max(0.0, values[k] - before[k]) / seconds for k in values}
        used = int(dict(line.split() for line in host.read_cgroup("memory", "memory.stat").splitlines())["total_rss"])
        volume = os.statvfs(f"{host.root}/srv")
        states = [line.split()[3] for line in Path(f"/proc/{host.holder.pid}/net/tcp").read_text().splitlines()[1:]]
        periods = values["periods"] - before["periods"]
        return {
            "system.cpu.utilization": round(rate["cpu"] / host.cpu, 3),
            "system.cpu.throttled": round((values["throttled"] - before["throttled"]) / periods, 2) if periods else 0,
            # page cache of files is left out: it only says how long the recording has run
            "system.memory.utilization": round(used / host.memory_limit, 3),
            "system.disk.utilization": round(1 - volume.f_bavail / volume.f_blocks, 4),
            "system.disk.free": float(volume.f_bavail * volume.f_frsize),
            **{k: round(v) for k, v in rate.items() if "." in k},
            "tcp.connections.established": states.count("01"),
            **self.processes(),
        }


class Recorder:
    """One CSV a host, one row a second, from one thread; service gauges come from the scenario."""

    def __init__(
        self,
        hosts: list[Host],
        gauges: dict[str, list[Gauge]],
        columns: dict[str, list[str]],
        leave_out: tuple[str, ...],
        out: Path,
    ) -> None:
        self.readers = {h.name: HostMetrics(h) for h in hosts}
        self.gauges, self.columns, self.leave_out = gauges, columns, leave_out
        self.files = {h.name: (out / f"{h.name}.csv").open("w") for h in hosts}
        self.header: dict[str, list[str]] = {}
        self.done = threading.Event()
        self.latest: dict[str, dict[str, float]] = {}
        self.thread = threading.Thread(target=self._loop, daemon=True, name="metrics")

    def start(self) -> None:
        for reader in self.readers.values():
            reader.sample()
        self.thread.start()

    def _loop(self) -> None:
        due = time.monotonic()
        while not self.done.is_set():
            due += 1.0
            if self.done.wait(max(0.0, due - time.monotonic())):
                break
            for name, reader in self.readers.items():
                self._row(name, reader)

    def _row(self, name: str, reader: HostMetrics) -> None:
        moment = time.time()
        try:
            row = {k: v for k, v in reader.sample().items() if not k.startswith(self.leave_out)}
        except (OSError, StopIteration, ValueError):
            return  # a missing second is honest; a made-up one is not
        for gauge in self.gauges.get(name, []):
            with suppress(Exception):  # a service that is down has no gauge this second: the cell stays empty
                row.update(gauge())
        self.latest[name] = row
        if name not in self.header:
            self.header[name] = [k for k in row if k not in self.columns.get(name, [])] + self.columns.get(name, [])
            self.files[name].write(",".join(["@timestamp", *self.header[name]]) + "\n")
        cells = [short(row.get(k)) for k in self.header[name]]
        self.files[name].write(",".join([stamp(moment), *cells]) + "\n")

    def stop(self) -> None:
        self.done.set()
        if self.thread.is_alive():
            self.thread.join(5)
        for file in self.files.values():
            file.close()
