"""Pieces that more than one scenario uses: syslog, sshd and cron on a host, and waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from recorder.host import Host
from recorder.supervisor import Unit

RSYSLOG = """\
module(load="imuxsock" SysSock.RateLimit.Interval="0")
module(load="builtin:omfile" Template="{template}")
global(workDirectory="/run")
auth,authpriv.*                 /var/log/auth.log
*.*;auth,authpriv.none{minus}   /var/log/syslog.log
"""
TRADITIONAL, ISO = "RSYSLOG_TraditionalFileFormat", "RSYSLOG_FileFormat"


def until(check: Callable[[], object], timeout: float, every: float = 0.3) -> bool:
    """True once ``check`` returns something true; errors count as "not yet"."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with suppress(Exception):
            if check():
                return True
        time.sleep(every)
    return False


def start_syslog(host: Host, template: str, *, minus: str = "", extra: str = "") -> None:
    """A real rsyslogd with Debian's usual split into auth.log and syslog."""
    host.write("/etc/rsyslog.conf", RSYSLOG.format(template=template, minus=minus) + extra)
    host.spawn(["rsyslogd", "-n", "-i", "/run/rsyslogd.pid"])
    if not until(lambda: (host.root / "dev/log").exists(), 10):
        raise RuntimeError(f"rsyslogd did not start on {host.name}")


def start_cron(host: Host, lines: str) -> None:
    """A real cron daemon with a crontab of its own."""
    host.write("/etc/crontab", "SHELL=/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n" + lines)
    host.spawn(["cron", "-f"])


def start_sshd(host: Host) -> Unit:
    """A real sshd with Debian's PAM stack and one account, ``deploy``."""
    host.sh("""
        echo 'deploy:x:1500:1500:deploy:/run/deploy:/bin/sh' >> /etc/passwd; echo 'deploy:x:1500:' >> /etc/group
        echo "deploy:$(openssl passwd -6 correct-horse):19000:0:99999:7:::" >> /etc/shadow
        mkdir -p /run/deploy; chown 1500:1500 /run/deploy; ssh-keygen -A >/dev/null
        printf 'UseDNS no\\nPrintMotd no\\nPrintLastLog no\\n' >> /etc/ssh/sshd_config""")
    unit = Unit(host, "ssh", "OpenBSD Secure Shell server", ["/usr/sbin/sshd", "-D"], tag="sshd")
    unit.start()
    return unit


SSH = (
    "ssh -n -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
    "-o NumberOfPasswordPrompts=1 -o PubkeyAuthentication=no -o ConnectTimeout=8"
)


def ssh_login(client: Host, target: str, user: str, password: str, source: str) -> None:
    """One real login attempt with a password, from the address ``source``."""
    client.sh(f"sshpass -p '{password}' {SSH} -b {source} {user}@{target} true", check=False, timeout=60)
