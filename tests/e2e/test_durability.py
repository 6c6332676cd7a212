"""Many lines by one protocol while server and worker die; ``test_kills`` has the short form and all protocols."""

from __future__ import annotations

import http.client
import random
import threading
import time
import urllib.error
from pathlib import Path

import pytest

from tests.e2e.places import Place
from tests.e2e.running import Running

BATCH = 250


def send(server: Running, number: int, acknowledged: set[int], stop: threading.Event, total: int, lock: threading.Lock,
         counter: list[int]) -> None:  # fmt: skip
    """Post batches until ``total`` lines are taken; a batch whose answer was cut off is never sent again."""
    while not stop.is_set():
        with lock:
            first = counter[0]
            if first >= total:
                return
            counter[0] += BATCH
        lines = [
            {
                "message": f"request {n} served by worker {n % 7} in {n % 113} ms",
                "host.name": f"web{number}",
                "service.name": "shop",
            }
            for n in range(first, first + BATCH)
        ]
        code = 0
        while not stop.is_set():
            try:
                code = server.post_lines(lines)
            except urllib.error.URLError as error:
                if isinstance(error.reason, ConnectionRefusedError):  # nobody took it: the same batch once more
                    time.sleep(0.05)
                    continue
            except (OSError, http.client.HTTPException):
                pass  # cut in the middle: nobody knows, so it may be there or not, and is not sent again
            break
        if code == 200:
            with lock:
                acknowledged.update(range(first, first + BATCH))


def kill_and_count(folder: Path, place: Place, *, kills: int, total: int, seed: int) -> tuple[int, int, int]:
    """(acknowledged, lost, doubled) after ``kills`` times ``kill -9`` while ``total`` lines are sent."""
    dice = random.Random(seed)
    server = Running(folder / "data", settings=place.toml)
    server.start()
    acknowledged: set[int] = set()
    stop, lock, counter = threading.Event(), threading.Lock(), [0]
    threads = [
        threading.Thread(target=send, args=(server, n, acknowledged, stop, total, lock, counter)) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    killed = 0
    try:
        while killed < kills:
            time.sleep(dice.uniform(0.2, 2.5))
            server.kill()
            killed += 1
            server.start()
        for thread in threads:
            thread.join(300)
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    # The server itself says when nothing is left to index.
    server.wait_for("/readyz", lambda a: a["checks"]["spool"]["backlog_bytes"] == 0, 240)
    assert server.stop() == 0
    server.log.close()
    found = place.count(folder / "data")
    lost = sum(n not in found for n in acknowledged)
    doubled = sum(count > 1 for count in found.values())
    return len(acknowledged), lost, doubled


def test_kill_9_loses_and_doubles_nothing(tmp_path: Path, place: Place) -> None:
    if place.kind == "embedded":
        pytest.skip("test_kills.py does this with every protocol that acknowledges")
    acknowledged, lost, doubled = kill_and_count(tmp_path, place, kills=2, total=8_000, seed=1)
    assert (lost, doubled) == (0, 0)
    assert acknowledged >= 0.75 * 8_000


@pytest.mark.slow
def test_ten_kills_during_200_000_lines(tmp_path: Path, place: Place) -> None:
    acknowledged, lost, doubled = kill_and_count(tmp_path, place, kills=10, total=200_000, seed=int(time.time()))
    print(f"\n10 kills: {acknowledged} lines acknowledged, {lost} lost, {doubled} doubled")
    assert (lost, doubled) == (0, 0)
