"""Installs the clients that ``scripts/`` drives: those of Debian, and the Python ones in environments of their own.

They go to ``SHIPPERS_HOME``, by default a folder in the system's temporary one; Debian's packages need root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HOME = Path(os.environ.get("SHIPPERS_HOME") or Path(tempfile.gettempdir()) / "logsense-shippers")
PACKAGES = (
    *("rsyslog", "rsyslog-elasticsearch", "rsyslog-relp", "rsyslog-gnutls", "systemd-journal-remote", "openssl"),
    *("prometheus", "prometheus-node-exporter", "collectd-core", "libyajl2", "libcurl3-gnutls", "bsdutils"),
    *("libcurl4", "libivykis0", "libpcre3", "libnet1", "libwrap0", "libjson-c5"),  # what syslog-ng needs
)
SYSLOG_NG = ("syslog-ng-core", "syslog-ng-scl", "syslog-ng-mod-http")
PROGRAMS = (
    *("/usr/sbin/rsyslogd", "/usr/sbin/collectd", "/usr/bin/prometheus", "/usr/bin/prometheus-node-exporter"),
    "/lib/systemd/systemd-journal-upload",
)

#: Folder -> groups of packages, installed one after the other: one that cannot be had does not cost the others.
PYTHON_CLIENTS = {
    "py": (
        "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http opentelemetry-exporter-otlp-proto-grpc "
        "opentelemetry-instrumentation-logging python-logging-loki elasticsearch cramjam protobuf",
        "opentelemetry-exporter-otlp-json-http",
    ),
    "es7": ("elasticsearch>=7,<8",),
    "es8": ("elasticsearch>=8,<9",),
    "more": ("fluent-logger graypy statsd influxdb-client pylogbeat",),
}


def missing() -> str:
    """Why the clients cannot run, or ''."""
    absent = [program for program in PROGRAMS if not Path(program).exists()]
    absent += [f"the Python clients {name}" for name in PYTHON_CLIENTS if not _python(name).exists()]
    if not (HOME / "syslog-ng-root/usr/sbin/syslog-ng").exists():
        absent.append("syslog-ng")
    return f"{', '.join(absent)} not installed (run `make test-shippers` once, or set SHIPPERS_HOME)" if absent else ""


def install() -> None:
    """Install what is not there yet; needs root and a Debian."""
    why = missing()
    if not why:
        return
    if shutil.which("apt-get") is None:
        raise SystemExit(f"{why}; without apt-get they cannot be installed: use a Debian as root")
    print(f"==> Installing the shippers into {HOME}", flush=True)
    HOME.mkdir(parents=True, exist_ok=True)
    _debian()
    for name, groups in PYTHON_CLIENTS.items():
        if not _python(name).exists():
            _python_clients(name, groups)


def _python(name: str) -> Path:
    return HOME / "venv" / name / "bin/python"


def _debian() -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}

    def apt_get(*arguments: str, cwd: Path | None = None) -> None:
        subprocess.run(["apt-get", "-q", *arguments], env=env, cwd=cwd, check=True, stdout=subprocess.DEVNULL)

    apt_get("update")
    apt_get("install", "-y", "--no-install-recommends", *PACKAGES)
    root = HOME / "syslog-ng-root"
    if not root.is_dir():  # as a package it excludes rsyslog: unpacked beside it
        with tempfile.TemporaryDirectory(dir=HOME) as folder:
            Path(folder).chmod(0o755)  # apt-get downloads as a user of its own
            apt_get("download", *SYSLOG_NG, cwd=Path(folder))
            for package in Path(folder).glob("*.deb"):
                subprocess.run(["dpkg", "-x", str(package), str(root)], check=True)


def _python_clients(name: str, groups: Sequence[str]) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(HOME / "venv" / name)], check=True)
    for packages in groups:
        command = [str(_python(name).parent / "pip"), "-q", "--disable-pip-version-check", "install"]
        subprocess.run([*command, *packages.split()], check=False)


if __name__ == "__main__":
    install()
    if missing():
        sys.exit(missing())
