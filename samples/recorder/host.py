"""A recorded "host": network, mount and UTS namespaces, cgroups and a volume of its own.

Everything hangs off one holder process, so ending that process takes the interfaces and mounts away even
when a recording is interrupted; only the cgroup directories need removing by hand.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

CGROUPS = ("cpu", "cpuacct", "memory", "pids")
CGROUP_ROOT = Path("/sys/fs/cgroup")
HERE = Path(__file__).resolve().parent

# /etc is a private copy, so users, crontabs and host keys made for a recording never reach the machine.
SETUP = r"""
set -e
mount --make-rprivate /
hostname "$NAME"
mount -o loop,noatime "$IMAGE" /srv
mount --bind "$LOGS" /var/log
mount --bind "$HERE" /opt  # the recorder's own programs, under a path that says nothing about the machine
mount -t tmpfs -o size=64m,mode=1777 tmpfs /tmp
mount -t tmpfs -o size=64m,mode=755 tmpfs /run; mkdir -p /run/lock /run/sshd /run/etc /run/dev/shm /run/dev/pts
cp -a /etc/. /run/etc/; mount --bind /run/etc /etc
rm -f /etc/cron.d/* /etc/cron.*/* /etc/crontab /etc/nologin; printf '%s\n' "$NAME" > /etc/hostname
sed -i '/pam_systemd/d; /pam_limits/d' /etc/pam.d/common-session /etc/pam.d/cron /etc/pam.d/sshd 2>/dev/null || true
for d in null zero full random urandom tty ptmx; do cp -a /dev/$d /run/dev/$d; done
ln -s /proc/self/fd /run/dev/fd; ln -s fd/0 /run/dev/stdin; ln -s fd/1 /run/dev/stdout; ln -s fd/2 /run/dev/stderr
mount --bind /run/dev /dev; mount -t tmpfs -o size=64m,mode=1777 tmpfs /dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts; rm -f /dev/ptmx; ln -s pts/ptmx /dev/ptmx
ip link set lo up
"""


def run(*argv: str, **kw: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; its output becomes part of the error when it fails."""
    done = subprocess.run(argv, text=True, capture_output=True, **kw)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(argv)[:200]}: exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}"
        )
    return done


def stop(proc: subprocess.Popen[Any], grace: float = 8.0, sig: int = signal.SIGTERM) -> None:
    """End one process that we started: politely first, then with SIGKILL."""
    if proc.poll() is None:
        with suppress(ProcessLookupError):
            proc.send_signal(sig)
        try:
            proc.wait(grace)
        except subprocess.TimeoutExpired:
            proc.kill()
            proc.wait()


def python(script: str, *args: str) -> list[str]:
    """The command of one of the recorder's own programs, as it is seen inside a host."""
    return ["/usr/bin/python3", "-S", f"/opt/{script}", *args]


class Switch:
    """A bridge in a network namespace of its own; the hosts plug into it, the machine does not."""

    def __init__(self) -> None:
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        time.sleep(0.3)
        self.enter = ("nsenter", "-t", str(self.holder.pid), "-n", "--")
        run(*self.enter, "ip", "link", "add", "br0", "type", "bridge")
        run(*self.enter, "ip", "link", "set", "br0", "up")
        self.ports = 0

    def plug(self, host_pid: int, address: str, extra: list[str]) -> None:
        """Connect the namespace of ``host_pid`` as eth0 with ``address`` and further addresses."""
        self.ports += 1
        port, peer = f"p{self.ports}", f"q{self.ports}"
        run(*self.enter, "ip", "link", "add", port, "type", "veth", "peer", "name", peer)
        run(*self.enter, "ip", "link", "set", peer, "netns", str(host_pid), "name", "eth0")
        run(*self.enter, "ip", "link", "set", port, "master", "br0", "up")
        inside = ("nsenter", "-t", str(host_pid), "-n", "--")
        for one in [f"{address}/16", *(f"{ip}/24" for ip in extra)]:
            run(*inside, "ip", "addr", "add", one, "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")
        for net in ("203.0.113.0/24", "198.51.100.0/24"):  # the documentation nets play "the internet"
            run(*inside, "ip", "route", "replace", net, "dev", "eth0", "src", extra[0] if extra else address)

    def close(self) -> None:
        stop(self.holder, 1.0, signal.SIGKILL)


class Host:
    """One namespace host. ``cpu`` is its quota in cores, ``memory`` and ``disk`` are MiB."""

    def __init__(
        self,
        world: str,
        name: str,
        address: str,
        work: Path,
        *,
        cpu: float = 1.0,
        memory: int = 512,
        disk: int = 128,
        extra: list[str] | None = None,
    ) -> None:
        self.name, self.address, self.cpu, self.disk = name, address, cpu, disk
        self.memory_limit, self.extra = memory * 2**20, extra or []
        self.logs = work / "logs" / name
        self.logs.mkdir(parents=True)
        self.logs.chmod(0o777)
        self.group = f"{world}/{name}"
        self.procs: list[subprocess.Popen[Any]] = []
        self.subgroups: list[str] = []
        self.holder: Any = None  # the process that holds the namespaces

    def open(self, image: Path, switch: Switch) -> None:
        """Make cgroups, volume and namespaces. Separate from the constructor so that a failure is cleaned up."""
        for kind in CGROUPS:
            (CGROUP_ROOT / kind / self.group).mkdir(parents=True)
        self.write_cgroup("cpu", "cpu.cfs_period_us", 100_000)
        self.limit_cpu()
        self.write_cgroup("memory", "memory.limit_in_bytes", self.memory_limit)
        run("truncate", "-s", f"{self.disk}M", str(image))
        run("mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(image))
        self.holder = subprocess.Popen(["unshare", "--mount", "--uts", "--net", "sleep", "infinity"])
        time.sleep(0.3)
        self.root = Path(f"/proc/{self.holder.pid}/root")
        self.enter = ["nsenter", "-t", str(self.holder.pid), "-m", "-u", "-n", "--"]
        run(
            *self.enter,
            "sh",
            "-c",
            SETUP,
            env={**os.environ, "NAME": self.name, "IMAGE": str(image), "LOGS": str(self.logs), "HERE": str(HERE)},
        )
        switch.plug(self.holder.pid, self.address, self.extra)
        self.sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv4.ping_group_range='0 2147483647' || true")
        self.loop = Path(os.path.realpath(f"/sys/dev/block/{self._device()}")).name

    def _device(self) -> str:
        dev = (self.root / "srv").stat().st_dev
        return f"{os.major(dev)}:{os.minor(dev)}"

    def write_cgroup(self, kind: str, file: str, value: object) -> None:
        (CGROUP_ROOT / kind / self.group / file).write_text(str(value))

    def read_cgroup(self, kind: str, file: str) -> str:
        return (CGROUP_ROOT / kind / self.group / file).read_text()

    def pids(self) -> list[int]:
        return [int(p) for p in self.read_cgroup("cpu", "cgroup.procs").split()]

    def size(self) -> dict[str, Any]:
        """What the metrics are shares of: cores, bytes of memory, MiB of the volume."""
        return {"ip": self.address, "cpu_cores": self.cpu, "memory_bytes": self.memory_limit, "disk_mib": self.disk}

    def limit_cpu(self, cores: float = 0) -> None:
        """Set the CPU quota to ``cores``, or back to the host's own."""
        self.write_cgroup("cpu", "cpu.cfs_quota_us", int((cores or self.cpu) * 100_000))

    def memory_group(self, name: str, limit: int) -> None:
        """A memory cgroup of its own for one service of this host, as a unit with MemoryMax= has (``limit`` in MiB)."""
        (CGROUP_ROOT / "memory" / self.group / name).mkdir(exist_ok=True)
        self.write_cgroup("memory", f"{name}/memory.limit_in_bytes", limit * 2**20)
        self.subgroups.append(name)

    def command(self, argv: list[str], user: str | None = None, memory: str = "") -> list[str]:
        """``argv`` wrapped so that it runs inside this host; exec all the way, so the pid stays the same."""
        join = "; ".join(
            f"echo $$ > /sys/fs/cgroup/{kind}/{self.group}/{memory if kind == 'memory' else '.'}/cgroup.procs"
            for kind in CGROUPS
        )
        drop = f"setpriv --reuid={user} --regid={user} --init-groups " if user else ""
        return [*self.enter, "sh", "-c", f'{join}; cd /; exec {drop}"$@"', "sh", *argv]

    def spawn(
        self,
        argv: list[str],
        *,
        user: str | None = None,
        memory: str = "",
        stdout: int | IO[Any] | None = subprocess.DEVNULL,
        stderr: int | IO[Any] | None = subprocess.STDOUT,
    ) -> subprocess.Popen[Any]:
        """Start a process of this host; it is ended with the host."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        clean = {"PATH": path, "LANG": "C.UTF-8", "HOME": "/tmp", "TZ": "UTC", "PYTHONUNBUFFERED": "1"}
        proc = subprocess.Popen(
            self.command(argv, user, memory),
            stdout=stdout,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            env=clean,
            start_new_session=True,
        )
        self.procs.append(proc)
        return proc

    def python(self, script: str, *args: str, **kw: Any) -> subprocess.Popen[Any]:
        """Start one of the recorder's own programs (an app, a load generator) inside this host."""
        return self.spawn([*python(script), *args], **kw)

    def sh(self, script: str, check: bool = True, user: str | None = None, timeout: float = 90) -> str:
        """Run a shell script inside this host to its end and return what it printed."""
        done = subprocess.run(
            self.command(["sh", "-c", script], user),
            text=True,
            capture_output=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        if check and done.returncode:
            raise RuntimeError(
                f"on {self.name}: {script[:120]!r}: exit {done.returncode}: {done.stderr.strip()[-400:]}"
            )
        return done.stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file as this host sees it (its private /etc, its volume)."""
        target = Path(f"{self.root}{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def syslog(self, tag: str, message: str, pri: int = 30) -> None:
        """Send one message to this host's syslog socket (30 = daemon.info, 27 = daemon.err, 4 = kern.warning)."""
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            stamp = time.strftime("%b %e %H:%M:%S", time.gmtime())
            sock.sendto(f"<{pri}>{stamp} {tag}: {message}".encode(), f"{self.root}/dev/log")

    def close(self) -> None:
        """End every process of this host's cgroup, then the namespaces, then the cgroups."""
        for sig in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
            for pid in self.pids():
                with suppress(ProcessLookupError):
                    os.kill(pid, sig)
                    os.kill(pid, signal.SIGCONT)
            deadline = time.monotonic() + 3
            while self.pids() and time.monotonic() < deadline:
                for proc in self.procs:
                    proc.poll()
                time.sleep(0.1)
        if self.holder:
            stop(self.holder, 1.0, signal.SIGKILL)
        for sub in self.subgroups:
            with suppress(OSError):
                (CGROUP_ROOT / "memory" / self.group / sub).rmdir()
        for kind in CGROUPS:
            with suppress(OSError):
                (CGROUP_ROOT / kind / self.group).rmdir()


class World:
    """The hosts of one recording and the work directory; a context manager that always cleans up."""

    def __init__(self, scenario: str, seed: int, work: Path) -> None:
        self.name, self.work = f"rec-{scenario}-{seed}", work
        if (CGROUP_ROOT / "cpu" / self.name).exists():
            raise SystemExit(f"the cgroup {self.name} exists: this take is being recorded, or its recorder was killed")
        self.hosts: dict[str, Host] = {}
        self.closers: list[Any] = []
        self.switch = Switch()

    def add(self, name: str, address: str, **kw: Any) -> Host:
        host = self.hosts[name] = Host(self.name, name, address, self.work, **kw)
        host.open(self.work / f"{name}.img", self.switch)
        return host

    def resolve(self) -> None:
        """Give every host an /etc/hosts that names the others."""
        text = "127.0.0.1 localhost\n" + "".join(f"{h.address} {h.name}\n" for h in self.hosts.values())
        for host in self.hosts.values():
            host.write("/etc/hosts", text)

    def close(self) -> None:
        for closer in reversed(self.closers):
            with suppress(Exception):
                closer()
        for host in self.hosts.values():
            with suppress(Exception):
                host.close()
        self.switch.close()
        for kind in CGROUPS:
            with suppress(OSError):
                (CGROUP_ROOT / kind / self.name).rmdir()
        shutil.rmtree(self.work, ignore_errors=True)
