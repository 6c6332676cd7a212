"""A simulated estate: quiet machines with noisy metrics and Poisson error lines, and failures with and without
physical precursors. Nothing is tuned to the features: disks fill, heaps leak, connection pools run dry, processes
crash without a sign, and benign events (backups, restarts, bursts of warnings) look like trouble and are none."""

from __future__ import annotations

import numpy as np
import pytest

from logsense.lifecycle.dataset import Dataset, Recording, SplitOptions, build_dataset, split
from logsense.lifecycle.evaluate import EvaluateOptions, Report, evaluate
from logsense.lifecycle.train import Trained, TrainOptions, train
from logsense.predict.labels import Failure
from logsense.predict.options import ForecastOptions
from logsense.predict.windows import HostWindow, TemplateCount

SECOND = 1_000_000_000
START = 1_789_999_980 * SECOND  # a multiple of the step
OPTIONS = ForecastOptions(step_s=30, horizon_s=600, lookbacks_s=(150, 600, 1800), baseline_step_s=60, min_history_s=600)
PHYSICAL = ("disk_full", "memory_leak", "connection_exhaustion")


class Machine:
    """One host; ``kind`` of failure in hand, its phase and its speed are state."""

    def __init__(self, name: str, rng: np.random.Generator) -> None:
        self.name, self.rng = name, rng
        self.disk, self.memory, self.conns = rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.5), rng.uniform(10, 30)
        self.fault, self.speed, self.until = "", 0.0, 0
        self.walk = 0.0

    def metrics(self) -> dict[str, float]:
        rng = self.rng
        self.walk = 0.95 * self.walk + rng.normal(0, 0.01)
        return {
            "system.cpu.utilization": float(np.clip(0.3 + self.walk + rng.normal(0, 0.05), 0, 1)),
            "system.disk.utilization": float(np.clip(self.disk + rng.normal(0, 0.002), 0, 1)),
            "system.memory.utilization": float(np.clip(self.memory + 0.3 * self.walk + rng.normal(0, 0.004), 0, 1)),
            "pg.backends": float(max(0, rng.poisson(max(self.conns, 0)))),
            "pg.max_connections": 100.0,
            "http.requests": float(rng.poisson(200)),
            "http.latency": float(rng.gamma(4, 0.01)),
        }


def recording(name: str, seed: int, hours: float, hosts: int = 3) -> Recording:
    """Failures about every 40 min a host, a third of them without any precursor."""
    rng = np.random.default_rng(seed)
    machines = [Machine(f"{name}-h{i}", rng) for i in range(hosts)]
    windows: list[HostWindow] = []
    failures: list[Failure] = []
    began = dict.fromkeys((m.name for m in machines), 0)
    onset: dict[str, int | None] = dict.fromkeys((m.name for m in machines), None)
    for step in range(int(hours * 120)):
        at = START + step * 30 * SECOND
        for m in machines:
            errors = int(rng.poisson(0.05))
            fresh = False
            if not m.fault and step > 60 and rng.random() < 1 / 80 and onset[m.name] is None:
                m.fault = str(rng.choice([*PHYSICAL, "crash"]))
                m.speed, began[m.name] = float(rng.uniform(0.6, 1.6)), at
            if m.fault and onset[m.name] is None:
                gone = _progress(m)
                if gone:
                    onset[m.name], m.until = at, step + int(rng.integers(6, 15))
            if onset[m.name] is not None:
                errors += int(rng.poisson(8))
                fresh = True
                if step >= m.until:
                    start = onset[m.name]
                    assert start is not None
                    failures.append(Failure(m.name, m.fault, start, at, began[m.name], id=f"{name}-{len(failures)}"))
                    m.disk, m.memory, m.conns = rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.5), rng.uniform(10, 30)
                    m.fault, onset[m.name] = "", None
            warnings = int(rng.poisson(0.2)) + (int(rng.poisson(5)) if rng.random() < 0.01 else 0)
            window = HostWindow(m.name, at, at + 30 * SECOND, metrics=m.metrics())
            window.levels = {"info": int(rng.poisson(20)), "warning": warnings, "error": errors}
            if fresh:
                window.templates = {"t1": TemplateCount(errors, True, "error")}
            windows.append(window)
    return Recording(name, windows, failures)


def _progress(m: Machine) -> bool:
    if m.fault == "disk_full":
        m.disk += 0.02 * m.speed
        return m.disk >= 1
    if m.fault == "memory_leak":
        m.memory += 0.02 * m.speed
        return m.memory >= 1
    if m.fault == "connection_exhaustion":
        m.conns += 3 * m.speed
        return m.conns >= 100
    return True


SPLIT = SplitOptions(holdout=("second",))
EVALUATION = EvaluateOptions(bootstrap=50, shifts=60)


@pytest.fixture(scope="session")
def takes() -> list[Recording]:
    return [recording("first", 1, 7), recording("second", 2, 7)]


@pytest.fixture(scope="session")
def dataset(takes: list[Recording]) -> Dataset:
    return build_dataset(takes, OPTIONS)


@pytest.fixture(scope="session")
def parts(dataset: Dataset) -> tuple[Dataset, Dataset]:
    return split(dataset, SPLIT)


@pytest.fixture(scope="session")
def trained(parts: tuple[Dataset, Dataset]) -> Trained:
    return train(parts[0], TrainOptions(split=SPLIT))


@pytest.fixture(scope="session")
def report(trained: Trained, parts: tuple[Dataset, Dataset]) -> Report:
    return evaluate(trained.model, parts[1], EVALUATION, thresholds=trained.card.fit["thresholds"])
