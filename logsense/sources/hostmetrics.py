"""This machine's own metrics, by psutil, under OpenTelemetry-like names."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logsense.record import MetricPoint
from logsense.sources._deliver import accept_patiently
from logsense.sources.proc_net import tcp_states
from logsense.stages import Intake

log = logging.getLogger(__name__)

#: File systems that hold no data of their own.
_PSEUDO = frozenset({"squashfs", "overlay", "tmpfs", "devtmpfs", "proc", "sysfs", "iso9660", "autofs", "ramfs", "nsfs"})
#: Block devices that stand for nothing physical.
_PSEUDO_DEVICES = ("loop", "ram", "zram", "sr", "fd")


@dataclass(frozen=True, slots=True)
class HostMetricsOptions:
    """What is measured, and how often."""

    #: Seconds between two measurements.
    every_s: float = 10.0
    #: host.name of the points; empty takes this machine's name.
    host: str = ""


class HostMetricsSource:
    """CPU, memory, load, disks, network, TCP, processes. Utilisation is a fraction of 1; rates are per second.

    A metric that this machine or user cannot read is left out; the others go on. The first rates come with the
    second measurement.
    """

    name = "hostmetrics"

    def __init__(self, options: HostMetricsOptions | None = None) -> None:
        self.options = options or HostMetricsOptions()
        self._host = self.options.host or socket.gethostname()
        self._before: dict[tuple[str, str], float] = {}
        self._at = 0.0

    async def run(self, intake: Intake) -> None:
        """Until cancelled. Points are stamped with the time of the measurement, not of its acceptance."""
        while True:
            started = time.monotonic()
            points = await asyncio.to_thread(self.measure)
            if points:
                await accept_patiently(intake, [], points)
            await asyncio.sleep(max(0.0, self.options.every_s - (time.monotonic() - started)))

    def measure(self) -> list[MetricPoint]:
        """One measurement of everything."""
        import psutil

        stamp, now = time.time_ns(), time.monotonic()
        elapsed, self._at = now - self._at if self._at else 0.0, now
        points: list[MetricPoint] = []
        for group in (self._cpu, self._memory, self._disks, self._network, self._processes):
            try:
                for name, value, labels in group(psutil, elapsed):
                    points.append(MetricPoint(name, self._host, stamp, float(value), labels))
            except (OSError, psutil.Error, AttributeError, ValueError) as error:
                log.debug("host metrics: %s: %s", group.__name__, error)
        return points

    def _rate(self, key: tuple[str, str], value: float, elapsed: float) -> float | None:
        """Growth per second since the last measurement; None the first time and when the counter started anew."""
        before, self._before[key] = self._before.get(key), value
        return None if before is None or elapsed <= 0 or value < before else (value - before) / elapsed

    def _cpu(self, psutil: Any, elapsed: float) -> Iterable[tuple[str, float, dict[str, str]]]:
        times = psutil.cpu_times()._asdict()
        # guest times are contained in user and nice
        total = sum(value for state, value in times.items() if not state.startswith("guest"))
        idle = times["idle"] + times.get("iowait", 0.0)
        used = self._rate(("cpu", "used"), total - idle, 1.0)
        spent = self._rate(("cpu", "total"), total, 1.0)
        waited = self._rate(("cpu", "wait"), times.get("iowait", 0.0), 1.0)
        if spent and used is not None:
            yield "system.cpu.utilization", min(1.0, used / spent), {}
            if waited is not None:
                yield "system.cpu.iowait", min(1.0, waited / spent), {}
        for minutes, load in zip((1, 5, 15), psutil.getloadavg(), strict=True):
            yield f"system.load.{minutes}m", load, {}

    def _memory(self, psutil: Any, elapsed: float) -> Iterable[tuple[str, float, dict[str, str]]]:
        memory = psutil.virtual_memory()
        yield "system.memory.usage", memory.total - memory.available, {}
        yield "system.memory.utilization", 1 - memory.available / memory.total, {}
        swap = psutil.swap_memory()
        if swap.total:
            yield "system.swap.utilization", swap.used / swap.total, {}
        for name, value in (("in", swap.sin), ("out", swap.sout)):
            rate = self._rate(("swap", name), value, elapsed)
            if rate is not None:
                yield f"system.swap.io.{name}", rate, {}

    def _disks(self, psutil: Any, elapsed: float) -> Iterable[tuple[str, float, dict[str, str]]]:
        seen: set[str] = set()
        for part in psutil.disk_partitions(all=False):
            if part.fstype in _PSEUDO or part.device in seen:
                continue
            seen.add(part.device)  # a bind mount shows the same device again
            with contextlib.suppress(OSError):
                usage = psutil.disk_usage(part.mountpoint)
                yield "system.disk.utilization", usage.percent / 100, {"mountpoint": part.mountpoint}
                yield "system.disk.free", usage.free, {"mountpoint": part.mountpoint}
        for device, io in (psutil.disk_io_counters(perdisk=True) or {}).items():
            if device.startswith(_PSEUDO_DEVICES):
                continue
            for name, value in (("read", io.read_bytes), ("write", io.write_bytes)):
                rate = self._rate(("disk." + name, device), value, elapsed)
                if rate is not None:
                    yield f"system.disk.io.{name}", rate, {"device": device}
            busy = self._rate(("disk.busy", device), getattr(io, "busy_time", 0), elapsed)
            if busy is not None:
                yield "system.disk.busy", min(1.0, busy / 1000), {"device": device}

    def _network(self, psutil: Any, elapsed: float) -> Iterable[tuple[str, float, dict[str, str]]]:
        for device, io in psutil.net_io_counters(pernic=True).items():
            if device == "lo" or device.startswith("veth"):
                continue
            for name, value in (
                ("system.network.io.receive", io.bytes_recv),
                ("system.network.io.transmit", io.bytes_sent),
                ("system.network.errors", io.errin + io.errout),
                ("system.network.drops", io.dropin + io.dropout),
            ):
                rate = self._rate((name, device), value, elapsed)
                if rate is not None:
                    yield name, rate, {"device": device}

    def _processes(self, psutil: Any, elapsed: float) -> Iterable[tuple[str, float, dict[str, str]]]:
        yield "process.count", len(psutil.pids()), {}
        for state, count in tcp_states().items():
            yield f"tcp.connections.{state}", count, {}
        allocated = _open_files()
        if allocated is not None:
            yield "process.open_fds", allocated, {}


def _open_files() -> int | None:
    """Open files of the whole machine: the first number of /proc/sys/fs/file-nr."""
    try:
        return int(Path("/proc/sys/fs/file-nr").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
