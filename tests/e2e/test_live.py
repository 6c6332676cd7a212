"""A running server on live lines: an incident opens while it happens, and people act on it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.places import LONG_KINDS, Place
from tests.e2e.running import Running

# Windows of a second instead of ten, so that the minutes of normal time that detection needs pass in a test.
QUICK = (
    "[windows]\nwindow_s = 1\n[log_anomaly]\nwindow_s = 1\n[metric_anomaly]\nwindow_s = 1\n[worker]\nlateness_s = 1.0\n"
)


@pytest.mark.parametrize("place", LONG_KINDS, indirect=True)
def test_an_incident_opens_while_it_happens(tmp_path: Path, place: Place) -> None:
    with Running(tmp_path / "data", settings=QUICK + place.toml) as server:
        begin, number = time.monotonic(), 0
        while time.monotonic() - begin < 35:
            number += 1
            assert server.post_lines([line("INFO", f"order {number} stored in {number % 9} ms")]) == 200
            time.sleep(0.1)
        assert server.get("/api/v1/incidents") == []
        broken = time.monotonic()
        opened = []
        while not opened and time.monotonic() - broken < 180:
            number += 1
            burst = [line("ERROR", f"order {number} failed: FATAL: sorry, too many clients already")] * 3
            assert server.post_lines(burst) == 200
            time.sleep(0.1)
            opened = server.get("/api/v1/incidents")
        assert opened, server.output()
        incident = server.get(f"/api/v1/incidents/{opened[0]['id']}")
        assert incident["status"] == "open"
        assert incident["hypotheses"][0]["kind"] == "connection_exhaustion"
        code, _ = server.request("POST", f"/api/v1/incidents/{incident['id']}/ack", b'{"by": "ann"}',
                                 {"Content-Type": "application/json"})  # fmt: skip
        assert code == 200
        acted = server.get(f"/api/v1/incidents/{incident['id']}")
        assert (acted["status"], acted["actions"][0]["by"]) == ("acknowledged", "ann")


@pytest.mark.parametrize("place", LONG_KINDS, indirect=True)
def test_old_lines_sent_to_a_running_server_are_analysed_too(tmp_path: Path, place: Place) -> None:
    """A file of last night, posted to a server whose clock is far ahead of it."""
    with Running(tmp_path / "data", host_metrics=True, settings=f"[worker]\nlateness_s = 1.0\n{place.toml}") as server:
        time.sleep(4)  # the present has begun: this machine's metrics have closed their first windows
        lines = []
        for second in range(1200):
            at = f"2026-03-01T02:{second // 60:02}:{second % 60:02}Z"
            lines.append({**line("INFO", f"order {second} stored in {second % 9} ms"), "@timestamp": at})
            if 900 <= second < 960:
                lines += [
                    {**line("ERROR", "checkout failed: FATAL: sorry, too many clients already"), "@timestamp": at}
                ] * 3
        assert server.post_lines(lines) == 200
        opened = server.wait_for("/api/v1/incidents", bool, 180)
        assert opened[0]["start"].startswith("2026-03-01T02:1")


def line(level: str, message: str) -> dict[str, str]:
    return {"message": message, "log.level": level, "host.name": "app1", "service.name": "orders"}
