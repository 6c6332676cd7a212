"""Record real software under injected faults: logs, host metrics and labels.

A recording runs in real time (about half an hour a scenario), as root, on Debian 12. Every host of a scenario
is a network + mount + UTS namespace with its own cgroups and its own small volume; nothing listens outside.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

SCENARIOS = ("server", "database", "network")
# program -> Debian package; looked for in sbin too
NEEDS = {
    "server": {
        "nginx": "nginx-light",
        "rsyslogd": "rsyslog",
        "sshd": "openssh-server",
        "cron": "cron",
        "sshpass": "sshpass",
        "mkfs.ext4": "e2fsprogs",
        "nsenter": "util-linux",
        "ip": "iproute2",
    },
    "database": {
        "/usr/lib/postgresql/15/bin/postgres": "postgresql-15",
        "mariadbd": "mariadb-server",
        "redis-server": "redis-server",
        "nft": "nftables",
        "mkfs.ext4": "e2fsprogs",
        "ip": "iproute2",
    },
    "network": {
        "haproxy": "haproxy",
        "nginx": "nginx-light",
        "named": "bind9",
        "squid": "squid",
        "nft": "nftables",
        "rsyslogd": "rsyslog",
        "mkfs.ext4": "e2fsprogs",
        "ip": "iproute2",
        "dig": "bind9-dnsutils",
    },
}
HELP = """\
examples:
  record.py server --seed 1 --out samples/server              a whole take, 25 to 35 minutes
  record.py database --seed 7 --out try --only disk-full  one fault only, about two minutes
  record.py network --list                                    the faults of a scenario

The seed decides order, times and speeds. The folder --out appears when the take is complete. Ctrl-C ends
everything that was started (processes, namespaces, cgroups, mounts) and leaves --out alone.
"""


def missing(scenario: str) -> list[str]:
    """Debian packages that the scenario needs and that are not installed."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return sorted({package for program, package in NEEDS[scenario].items() if not shutil.which(program, path=path)})


def stop_once(*_: object) -> None:
    """The first signal starts the clean-up; further ones must not interrupt it."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.exit("stopped; everything that was started is ended")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", choices=SCENARIOS, help="what to record")
    parser.add_argument("--seed", type=int, default=1, help="order, times and speeds of the faults (default 1)")
    parser.add_argument("--out", type=Path, help="folder that the take is written to (replaced if it exists)")
    parser.add_argument("--only", metavar="FAULT", help="record this fault only, with 20 s of quiet around it")
    parser.add_argument("--list", action="store_true", help="list the scenario's faults and stop")
    args = parser.parse_args()
    if packages := missing(args.scenario):
        parser.error(f"programs are missing; run: apt-get install --no-install-recommends {' '.join(packages)}")
    try:
        from recorder.timeline import record
    except ModuleNotFoundError as error:
        parser.error(f"{error}; run: pip install psutil")
    module = importlib.import_module(f"recorder.{args.scenario}")
    if args.list:
        print("\n".join(module.FAULTS))
        return 0
    if not args.out:
        parser.error("--out is needed: the folder that the take is written to")
    if os.geteuid() != 0:
        parser.error("needs root: it makes namespaces, cgroups and mounts")
    if args.only and args.only not in module.FAULTS:
        parser.error(f"{args.scenario} has no fault {args.only!r}; it has: {', '.join(module.FAULTS)}")
    signal.signal(signal.SIGTERM, stop_once)
    signal.signal(signal.SIGINT, stop_once)
    signal.signal(signal.SIGHUP, stop_once)
    record(module.build, args.scenario, args.seed, args.out.resolve(), args.only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
