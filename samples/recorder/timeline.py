"""Runs a scenario: quiet time, faults in a random order, benign events in the quiet gaps, labels at the end."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recorder.host import World
from recorder.kernel import KernelLog
from recorder.metrics import Gauge, Recorder
from recorder.values import stamp


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}", flush=True)


class Mark:
    """What a fault tells the label: when its effect first showed, and what exactly was done."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.facts = rng, dict[str, Any]()
        self.effect: float | None = None

    def seen(self) -> None:
        """The first call sets the time of the first visible effect."""
        if self.effect is None:
            self.effect = time.time()


@dataclass(frozen=True)
class Fault:
    """One kind of trouble: ``run`` injects it, holds it, undoes it and returns when all is normal again."""

    id: str
    kind: str
    host: str
    service: str
    also: list[str]
    run: Callable[[Mark], None]
    cause: str
    evidence: str


@dataclass
class Scenario:
    """What a scenario module builds: everything that ``record`` needs to run it."""

    name: str
    world: World
    hosts: dict[str, list[str]]
    faults: list[Fault] = field(default_factory=list)
    benign: list[tuple[str, Callable[[], Any]]] = field(default_factory=list)
    gauges: dict[str, list[Gauge]] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)
    software: dict[str, str] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()  # prefixes of metrics that say nothing in this scenario
    take: int = 5  # how many of the faults one recording has, so that it stays near half an hour


class Tail:
    """Waits for a line in a log that is written from now on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = path.stat().st_size if path.exists() else 0

    def wait(self, pattern: str, timeout: float) -> bool:
        """True once a whole line matches ``pattern``; False after ``timeout`` seconds."""
        wanted, deadline = re.compile(pattern), time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.path.exists():
                with self.path.open(errors="replace") as file:
                    file.seek(self.offset)
                    if wanted.search(file.read()):
                        return True
            time.sleep(0.15)
        return False


class Stats:
    """The newest JSON line that a load generator printed, as a gauge."""

    def __init__(self, proc: subprocess.Popen[Any]) -> None:
        self.proc, self.value, self.when = proc, dict[str, float](), 0.0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.proc.stdout is not None
        for line in self.proc.stdout:
            with suppress(ValueError):
                self.value, self.when = json.loads(line), time.monotonic()

    def __call__(self) -> dict[str, float]:
        return self.value if time.monotonic() - self.when < 2.5 else {}


def gap(
    seconds: float, rng: random.Random, benign: list[tuple[str, Callable[[], Any]]], count: int
) -> list[dict[str, str]]:
    """Wait, with up to ``count`` benign events at random moments that leave the edges free; returns those."""
    end, done = time.monotonic() + seconds, []
    for at in sorted(rng.uniform(0.15, 0.7) * seconds for _ in range(min(count, len(benign)))):
        time.sleep(max(0.0, end - seconds + at - time.monotonic()))
        name, action = benign.pop(0)
        say(f"  benign: {name}")
        done.append({"start": stamp(), "what": name})
        try:
            action()
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            say(f"  benign {name} failed: {error}")  # a decoration must not cost the recording
    time.sleep(max(0.0, end - time.monotonic()))
    return done


def record(
    build: Callable[[World, random.Random], Scenario], name: str, seed: int, out: Path, only: str | None
) -> None:
    """Record one take into ``out``; the folder appears there complete, or not at all."""
    rng = random.Random(f"{name}/{seed}")
    work = Path(tempfile.mkdtemp(prefix=f"rec-{name}-{seed}-"))
    work.chmod(0o755)
    (work / "metrics").mkdir()
    world = World(name, seed, work)
    try:
        KernelLog(world)
        say(f"{name}: starting services")
        scene = build(world, rng)
        faults = [f for f in scene.faults if only in (None, f.id)]
        if not faults:
            raise SystemExit(f"no fault {only!r}; there are: {', '.join(f.id for f in scene.faults)}")
        rng.shuffle(faults)
        faults = faults[: scene.take]
        rng.shuffle(scene.benign)
        time.sleep(5 if only else 20)
        measured = [world.hosts[h] for h in scene.columns]
        recorder = Recorder(measured, scene.gauges, scene.columns, scene.leave_out, work / "metrics")
        recorder.start()
        start = time.time()
        say(f"{name}: recording; order: {', '.join(f.id for f in faults)}")
        noise = gap(20 if only else rng.uniform(300, 312), rng, scene.benign, 1 if only else 2)
        labels, quiet, calm = [], [], start
        for number, fault in enumerate(faults):
            mark = Mark(random.Random(f"{name}/{seed}/{fault.id}"))
            quiet.append({"start": stamp(calm), "end": stamp(time.time() - 1)})
            say(f"{name}: fault {fault.id} on {fault.host}")
            began = time.time()
            fault.run(mark)
            ended = time.time()
            if mark.effect is None:
                say(f"{name}: WARNING: no effect of {fault.id} was seen; check this take before it is used")
            say(
                f"{name}: fault {fault.id} over after {ended - began:.0f} s (effect after "
                f"{(mark.effect or began) - began:.0f} s) {mark.facts}"
            )
            labels.append(
                {
                    "id": fault.id,
                    "kind": fault.kind,
                    "host": fault.host,
                    "service": fault.service,
                    "also": fault.also,
                    "start": stamp(began),
                    "effect": stamp(mark.effect or began),
                    "end": stamp(ended),
                    "cause": fault.cause.format_map(mark.facts),
                    "expected_evidence": fault.evidence.format_map(mark.facts),
                }
            )
            calm = ended + 30
            last = number == len(faults) - 1
            noise += gap(
                20 if only else rng.uniform(125, 140) if last else rng.uniform(180, 202),
                rng,
                scene.benign,
                1 if last else 2,
            )
        recorder.stop()
        end = time.time()
        if calm < end:
            quiet.append({"start": stamp(calm), "end": stamp(end)})
        staged = out.with_name(f".{out.name}.new")
        shutil.rmtree(staged, ignore_errors=True)
        shutil.copytree(
            work / "logs",
            staged / "logs",
            ignore=lambda d, names: [
                n
                for n in names
                if (Path(d) / n).is_file() and (not n.endswith(".log") or not (Path(d) / n).stat().st_size)
            ],
        )
        shutil.copytree(work / "metrics", staged / "metrics")
        (staged / "labels.json").write_text(
            json.dumps(
                {
                    "scenario": name,
                    "seed": seed,
                    "recorded": stamp(),
                    "start": stamp(start),
                    "end": stamp(end),
                    "time_zone": "UTC",
                    "software": scene.software,
                    "hosts": {h: {"services": s, **world.hosts[h].size()} for h, s in scene.hosts.items()},
                    "faults": labels,
                    "quiet": quiet,
                    "benign": noise,
                },
                indent=1,
            )
            + "\n"
        )
        if out.exists():
            shutil.rmtree(out)
        staged.rename(out)
        say(f"{name}: written to {out}")
    finally:
        world.close()
