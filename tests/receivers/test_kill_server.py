"""The whole promise at once: what a client was told is accepted survives ``kill -9`` of the server."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from logsense.spool import SpoolReader

SERVER = """
import sys
from pathlib import Path
import uvicorn
from fastapi import FastAPI
from logsense.receivers.elastic_bulk import ElasticBulkReceiver
from logsense.spool import DiskSpool, SpoolIntake, SpoolOptions
spool = DiskSpool(Path(sys.argv[1]), SpoolOptions(segment_bytes=300_000))
app = FastAPI()
app.include_router(ElasticBulkReceiver().router(SpoolIntake(spool)))
uvicorn.run(app, port=int(sys.argv[2]), log_level="error")
"""


def send_until_refused(url: str, name: str, acknowledged: list[str]) -> None:
    """Send numbered batches of 20 until the connection breaks."""
    with httpx.Client(trust_env=False, timeout=10) as client:
        for number in range(1_000_000):
            names = [f"{name}:{number}:{i}" for i in range(20)]
            rows = [f'{{"index":{{"_index":"a","_id":"{n}"}}}}\n{json.dumps({"message": n})}\n' for n in names]
            try:
                answer = client.post(url + "/_bulk", content="".join(rows).encode())
            except httpx.HTTPError:
                return
            assert answer.status_code == 200
            acknowledged += names


def run_and_kill(directory: Path, round_number: int) -> list[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(directory), str(port)], stderr=subprocess.DEVNULL)
    acknowledged: list[str] = []
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        url = f"http://127.0.0.1:{port}"
        clients = [
            threading.Thread(target=send_until_refused, args=(url, f"r{round_number}c{c}", acknowledged))
            for c in range(3)
        ]
        for client in clients:
            client.start()
        while not acknowledged:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(random.uniform(0.1, 0.7))
    finally:
        server.kill()
        server.wait()
    for client in clients:
        client.join()
    return acknowledged


@pytest.mark.parametrize("rounds", [1, pytest.param(15, marks=pytest.mark.slow)])
def test_acknowledged_requests_survive_kill_9(tmp_path: Path, rounds: int) -> None:
    acknowledged: list[str] = []
    for round_number in range(rounds):
        acknowledged += run_and_kill(tmp_path, round_number)
    assert len(acknowledged) >= 20 * rounds
    reader = SpoolReader(tmp_path, None)
    kept: dict[str, str | None] = {}
    while events := reader.read(1000)[0]:
        kept |= {event.message: event.id for event in events}
    reader.close()
    assert set(acknowledged) - set(kept) == set()
    assert reader.corrupt_frames == 0 and len(set(kept.values())) == len(kept)
