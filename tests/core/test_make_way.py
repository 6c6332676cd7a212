"""The worker tells the models when lines wait, and when none do any more."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from logsense.config import Settings
from logsense.record import RawEvent
from logsense.worker import Worker

MINUTE = 60 * 10**9


def events(received_ns: int) -> list[RawEvent]:
    return [RawEvent(f"user {n} logged in", "file:x", received_ns, {"host.name": "h"}) for n in range(50)]


def test_models_make_way_for_a_backlog_and_not_for_what_has_just_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(tmp_path, Settings(), models=False)
    told: list[bool] = []
    monkeypatch.setattr(worker.pipeline, "make_way", told.append)
    worker.spool.append(events(time.time_ns() - MINUTE))
    assert worker.turn() and told == [True]
    for _ in range(100):
        if not worker.turn():
            break
    assert told[-1] is False
    worker.spool.append(events(time.time_ns() + MINUTE))  # by a clock ahead: never late, however busy the machine is
    assert worker.turn() and told[-1] is False
    worker.close()


def test_models_make_way_while_a_spool_is_drained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(tmp_path, Settings(), models=False)
    told: list[bool] = []
    monkeypatch.setattr(worker.pipeline, "make_way", told.append)
    worker.spool.append(events(time.time_ns()))
    worker.drain()
    assert told == [True, False]
    worker.close()
