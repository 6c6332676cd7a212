"""``kill -9`` of server, worker and both during a mixed load: every acknowledged record is there exactly once."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from logsense.config import Settings
from logsense.record import Query
from tests.e2e.places import LONG_KINDS, Place
from tests.e2e.running import Running
from tests.e2e.senders import ALL, Load, counted, with_ports

KINDS = ("server", "worker", "both", "commit")


def wait_for_commit(data: Path, timeout_s: float) -> None:
    """Until the worker writes its checkpoint: a kill then falls into the middle of a commit."""
    wal = data / "state.db-wal"

    def stamp() -> tuple[int, int]:
        with contextlib.suppress(OSError):
            return wal.stat().st_size, wal.stat().st_mtime_ns
        return 0, 0

    before, deadline = stamp(), time.monotonic() + timeout_s
    while stamp() == before and time.monotonic() < deadline:
        time.sleep(0.0005)


def kill(server: Running, kind: str, data: Path) -> str:
    """One kill; what was killed."""
    if kind == "commit":
        wait_for_commit(data, 3)
    if kind in ("worker", "commit") and server.kill_worker():
        return kind
    if kind == "both":
        server.kill()
    else:
        kind = "server"
        server.kill_server()
    server.start(60)
    return kind


def kill_and_count(
    folder: Path, place: Place, *, kills: int, seed: int, pause_s: float, longest_s: float
) -> tuple[Load, int, int]:
    """(the load, lost, doubled) after ``kills`` times ``kill -9`` while every protocol sends without a break."""
    dice = random.Random(seed)
    ports, settings = with_ports()
    data = folder / "data"
    server = Running(data, settings=settings + place.toml)
    server.start(60)
    load = Load(server, ports, pause_s=pause_s)
    load.start()
    done: Counter[str] = Counter()
    try:
        # Each kind in turn, so that a short run has them all; the moment is by chance.
        for number in range(kills):
            time.sleep(dice.uniform(0.2, longest_s))
            done[kill(server, KINDS[number % len(KINDS)], data)] += 1
        load.finish()
        server.wait_for("/readyz", lambda a: a["checks"]["spool"]["backlog_bytes"] == 0, 300)
        assert server.stop() == 0
    finally:
        load.finish()
        server.kill()
        server.log.close()
    index = place.reader(data)
    found = counted(index.scan(Query()))
    index.close()
    acknowledged = set().union(*load.acknowledged.values())
    lost = sum(n not in found for n in acknowledged)
    doubled = sum(count > 1 for count in found.values())
    rows = ", ".join(f"{name} {len(load.acknowledged[name])}/{load.sent[name]}" for name in ALL)
    print(f"\nseed {seed}; kills: {dict(done)}; acknowledged/sent: {rows}; "
          f"{load.total()} acknowledged, {len(found)} found, {lost} lost, {doubled} doubled")  # fmt: skip
    return load, lost, doubled


@pytest.mark.xdist_group("kills")
@pytest.mark.parametrize("place", LONG_KINDS, indirect=True)
def test_five_kills_lose_and_double_nothing(tmp_path: Path, place: Place) -> None:
    load, lost, doubled = kill_and_count(tmp_path, place, kills=5, seed=5, pause_s=0.5, longest_s=1.0)
    assert (lost, doubled) == (0, 0)
    assert all(load.acknowledged[name] for name in ALL if name != "syslog"), load.acknowledged


@pytest.mark.slow
def test_a_hundred_kills_during_a_mixed_load(tmp_path: Path) -> None:
    place = Place("embedded", Settings(), "")
    load, lost, doubled = kill_and_count(tmp_path, place, kills=100, seed=int(time.time()), pause_s=0.25, longest_s=3.0)
    assert (lost, doubled) == (0, 0)
    assert load.total() > 20_000
