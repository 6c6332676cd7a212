"""A small service supervisor that restarts what exits and logs in systemd's words.

systemd cannot run inside these hosts, and its messages are what people search for when a service dies. The
wording follows systemd 252; the events themselves (exits, signals, restarts) are real.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from typing import Any

from recorder.host import Host, stop


class Unit:
    """One service of a host. ``argv`` is started, watched and restarted after ``delay`` seconds."""

    def __init__(
        self,
        host: Host,
        name: str,
        title: str,
        argv: list[str],
        *,
        user: str | None = None,
        delay: float = 5.0,
        tag: str | None = None,
        quiet: bool = False,
        memory_max: int = 0,
    ) -> None:
        self.host, self.name, self.title, self.argv = host, name, title, argv
        self.user, self.delay, self.tag = user, delay, tag or name
        self.group = name if memory_max else ""  # its own memory cgroup
        if memory_max:
            host.memory_group(name, memory_max)
        self.quiet = quiet  # no rsyslog on this host: supervise without logging
        self.proc: subprocess.Popen[Any] | None = None
        self.wanted, self.restarts = False, 0
        self.oom_before = 0

    def say(self, text: str, pri: int = 30) -> None:
        if not self.quiet:
            self.host.syslog("systemd[1]", text, pri)

    def start(self) -> None:
        """Start and supervise; returns at once."""
        self.wanted = True
        threading.Thread(target=self._supervise, daemon=True, name=self.name).start()

    def _oom_kills(self) -> int:
        for line in self.host.read_cgroup("memory", f"{self.group or '.'}/memory.oom_control").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return 0

    def _supervise(self) -> None:
        while self.wanted:
            self.oom_before = self._oom_kills()
            self.proc = self.host.spawn(self.argv, user=self.user, stdout=subprocess.PIPE, memory=self.group)
            self.say(f"Started {self.name}.service - {self.title}.")
            reader = threading.Thread(target=self._forward, args=(self.proc,), daemon=True)
            reader.start()
            code = self.proc.wait()
            reader.join(1.0)
            if not self.wanted:
                self.say(f"{self.name}.service: Deactivated successfully.")
                self.say(f"Stopped {self.name}.service - {self.title}.")
                return
            self._explain(code)
            time.sleep(self.delay)
            self.restarts += 1
            self.say(f"{self.name}.service: Scheduled restart job, restart counter is at {self.restarts}.")
            self.say(f"Stopped {self.name}.service - {self.title}.")

    def _explain(self, code: int) -> None:
        oom = self._oom_kills() > self.oom_before
        if oom:
            self.say(f"{self.name}.service: A process of this unit has been killed by the OOM killer.", 28)
        if code < 0:
            word = signal.Signals(-code).name.removeprefix("SIG")
            self.say(f"{self.name}.service: Main process exited, code=killed, status={-code}/{word}", 29)
            self.say(f"{self.name}.service: Failed with result '{'oom-kill' if oom else 'signal'}'.", 28)
        else:
            self.say(f"{self.name}.service: Main process exited, code=exited, status={code}/FAILURE", 29)
            self.say(f"{self.name}.service: Failed with result 'exit-code'.", 28)

    def _forward(self, proc: subprocess.Popen[Any]) -> None:
        """What the service prints goes to syslog under its own tag, as journald would do."""
        assert proc.stdout is not None
        for raw in proc.stdout:
            text = raw.decode(errors="replace").rstrip()
            if text and not self.quiet:
                self.host.syslog(f"{self.tag}[{proc.pid}]", text)

    def stop(self, sig: int = signal.SIGTERM) -> None:
        """Stop for good (systemctl stop)."""
        if self.proc is None:
            return
        self.say(f"Stopping {self.name}.service - {self.title}...")
        self.wanted = False
        stop(self.proc, sig=sig)
        time.sleep(0.3)

    def restart(self, sig: int = signal.SIGTERM) -> None:
        self.stop(sig)
        self.start()
