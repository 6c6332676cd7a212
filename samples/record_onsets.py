"""Record faults that announce themselves: many small hosts side by side, each run out of something several times.

Every process, limit and failure is real: full tmpfs volumes (blocks, inodes), cgroup out-of-memory kills,
RLIMIT_NOFILE, PostgreSQL's max_connections, table locks behind a connection pool, a replication slot that is given
up, a queue in Redis, certificates that expire, a service that systemd's restart limit stops. Faults of different
hosts overlap in time; quiet gaps between them hold harmless events that look similar at first.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from recorder.onset_db import db_stage, template
from recorder.onset_faults import Stage, app_stage
from recorder.onset_host import MEMORY_ROOT, Rig, follow_kernel
from recorder.onset_queue import queue_stage
from recorder.onset_tls import tls_stage
from recorder.values import stamp

#: role -> how many hosts suffer, how many stay calm
ESTATE = {"app": (7, 3), "db": (4, 2), "jobs": (3, 1), "edge": (2, 1)}
NEEDS = ("/usr/lib/postgresql/15/bin/postgres", "redis-server", "openssl", "prlimit", "setpriv", "mount")
HELP = """\
examples:
  record_onsets.py --seed 1 --out samples/onsets/seed-1.tar.xz     a whole take, 27 minutes, about 60 onsets
  record_onsets.py --seed 9 --minutes 8 --hosts app1,edge1 --out onsets-try

As root on Debian 12 (postgresql-15, redis-server, openssl); cgroups version 1 or a memory controller at
/sys/fs/cgroup/memory. Takes with different seeds can run at the same time. A folder or a .tar.xz is written.
"""


class Take:
    """One recording in progress."""

    def __init__(self, seed: int, minutes: float, quiet: float, calm: bool, wanted: set[str], work: Path) -> None:
        self.seed, self.work, self.wanted, self.first_quiet, self.calm = seed, work, wanted, quiet, calm
        self.name = f"onsets-{seed}-{os.getpid()}"
        self.length = minutes * 60
        self.done = threading.Event()
        self.rigs: dict[str, Rig] = {}
        self.faults: list[dict[str, Any]] = []
        self.benign: list[dict[str, Any]] = []
        self.start = 0.0
        self.lock = threading.Lock()

    def say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S', time.gmtime())} seed {self.seed}: {text}", flush=True)

    def build(self) -> list[tuple[Stage, int, bool]]:
        """All hosts with what they can suffer: (stage, number within its role, stays calm)."""
        cluster = template(self.work / "cluster")
        make: dict[str, Callable[[Rig], Stage]] = {
            "app": app_stage, "db": lambda rig: db_stage(rig, cluster), "jobs": queue_stage, "edge": tls_stage,
        }  # fmt: skip
        stages = []
        for role, (suffer, calm) in ESTATE.items():
            for number in range(suffer + calm):
                name = f"{role}{number + 1}"
                if self.wanted and name not in self.wanted:
                    continue
                rng = random.Random(f"{self.seed}/{name}")
                dialect = ("otel", "prometheus")[(number + self.seed) % 2]
                # PostgreSQL needs more of everything than an app; its own faults are others
                big = {"memory": 256 * 2**20, "files": 4096} if role == "db" else {}
                rig = self.rigs[name] = Rig(self.work, self.name, name, dialect, rng, **big)
                stages.append((make[role](rig), number, self.calm or number >= suffer))
                self.say(f"{name} is up ({dialect}, every {rig.interval:g} s)")
        return stages

    def run(self) -> None:
        stages = self.build()
        rigs = list(self.rigs.values())
        threading.Thread(target=follow_kernel, args=(rigs, self.done), daemon=True).start()
        samplers = [threading.Thread(target=rig.sample_until, args=(self.done,), daemon=True) for rig in rigs]
        self.start = time.time()
        for thread in samplers:
            thread.start()
        courses = [threading.Thread(target=self._course, args=stage, daemon=True) for stage in stages]
        for thread in courses:
            thread.start()
        for thread in courses:
            thread.join()
        self.done.set()
        for thread in samplers:
            thread.join(15)

    def _course(self, stage: Stage, number: int, calm: bool) -> None:
        """Quiet, fault, quiet, fault …; calm hosts have harmless events only."""
        rng, end = stage.rig.rng, self.start + self.length
        deck = stage.faults[number % len(stage.faults) :] + stage.faults[: number % len(stage.faults)]
        self._quiet(stage, self.first_quiet * rng.uniform(1, 1.5))
        while time.time() < end - 45:
            if not calm:
                fault = deck.pop(0)
                deck.append(fault)
                self._suffer(stage, fault)
            self._quiet(stage, rng.uniform(80, 150))

    def _suffer(self, stage: Stage, fault: Any) -> None:
        began = time.time()
        try:
            onset = fault.run()
        except Exception as error:  # noqa: BLE001 - one fault that could not be done must not cost the recording
            self.say(f"WARNING: {fault.kind} on {stage.rig.name} is not labelled: {error}")
            with self.lock:
                self.benign.append({"host": stage.rig.name, "start": stamp(began), "end": stamp(),
                                    "what": f"unfinished {fault.kind}"})  # fmt: skip
            return
        self.say(f"{fault.kind} on {stage.rig.name}: failed after {onset.effect - began:.0f} s")
        with self.lock:
            self.faults.append(
                {
                    "id": f"{fault.kind.replace('_', '-')}-{stage.rig.name}-{len(self.faults) + 1}",
                    "kind": fault.kind,
                    "host": stage.rig.name,
                    "service": fault.service,
                    "also": [],
                    "start": stamp(began),
                    "effect": stamp(onset.effect),
                    "end": stamp(),
                    "cause": onset.cause,
                }
            )

    def _quiet(self, stage: Stage, seconds: float) -> None:
        """Wait, with a harmless event in the first half more often than not."""
        rng, end = stage.rig.rng, time.time() + seconds
        if rng.random() < 0.7:
            stage.rig.closing.wait(rng.uniform(0.1, 0.3) * seconds)
            what, action = rng.choice(stage.benign)
            began = time.time()
            try:
                action()
            except Exception as error:  # noqa: BLE001 - as above
                self.say(f"benign {what!r} on {stage.rig.name} failed: {error}")
            with self.lock:
                self.benign.append({"host": stage.rig.name, "start": stamp(began), "end": stamp(), "what": what})
        stage.rig.closing.wait(max(20.0, end - time.time()))

    def save(self, out: Path) -> None:
        (self.work / "metrics").mkdir()
        for name, rig in self.rigs.items():
            rig.save_rows(self.work / "metrics" / f"{name}.csv")
        labels = {
            "scenario": "server",
            "seed": self.seed,
            "start": stamp(self.start),
            "end": stamp(),
            "time_zone": "UTC",
            "hosts": {
                n: {"metrics_every_s": r.interval, "dialect": r.dialect, **r.limits} for n, r in self.rigs.items()
            },
            "faults": sorted(self.faults, key=lambda one: one["start"]),
            "benign": sorted(self.benign, key=lambda one: one["start"]),
        }
        (self.work / "labels.json").write_text(json.dumps(labels, indent=1) + "\n")
        keep = [self.work / name for name in ("labels.json", "logs", "metrics")]
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.name.endswith(".tar.xz"):
            with tarfile.open(out, "w:xz") as archive:
                for path in keep:
                    archive.add(path, path.name, filter=_anonymous)
        else:
            out.mkdir(parents=True, exist_ok=True)
            for path in keep:
                shutil.move(str(path), str(out / path.name))
        self.say(f"{len(self.faults)} onsets on {len(self.rigs)} hosts written to {out}")

    def close(self) -> None:
        self.done.set()
        for rig in self.rigs.values():
            rig.close()
        if (MEMORY_ROOT / self.name).exists():
            (MEMORY_ROOT / self.name).rmdir()


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode = 0o755 if info.isdir() else 0o644
    return info


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="order, speeds and names of metrics (default 1)")
    parser.add_argument("--minutes", type=float, default=23, help="when the last fault begins (default 23)")
    parser.add_argument("--quiet", type=float, default=260, help="seconds before the first fault (default 260)")
    parser.add_argument("--calm", action="store_true", help="no faults at all: harmless events only")
    parser.add_argument("--hosts", default="", help="only these hosts, by name, with commas between")
    parser.add_argument("--out", type=Path, required=True, help="folder, or a file that ends in .tar.xz")
    args = parser.parse_args()
    if os.geteuid():
        parser.error("mounting volumes and making cgroups needs root")
    lacking = [program for program in NEEDS if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    if lacking or not MEMORY_ROOT.is_dir():
        parser.error(f"missing: {', '.join(lacking) or MEMORY_ROOT}")
    if os.environ.get("ONSETS_OWN_MOUNTS") != "1":  # volumes must vanish with us, however we end
        os.environ["ONSETS_OWN_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    with tempfile.TemporaryDirectory(prefix="onsets-", ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        work.chmod(0o755)
        take = Take(args.seed, args.minutes, args.quiet, args.calm, set(filter(None, args.hosts.split(","))), work)
        try:
            take.run()
            take.save(args.out)
        finally:
            take.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
