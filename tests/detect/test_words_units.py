"""Gravity of messages and names of failed units, on real wordings."""

import pytest

from logsense.detect.units import failed_units
from logsense.detect.words import ERROR, FATAL, NEUTRAL, WARNING, concern
from logsense.record import LEVEL_RANK


@pytest.mark.parametrize(
    ("level", "text", "expected"),
    [
        ("", "Accepted password for deploy from 10.0.0.4 port 4000 ssh2", NEUTRAL),
        ("", "Failed password for root from 203.0.113.5 port 4000 ssh2", ERROR),
        ("", "Out of memory: Killed process 12 (java)", FATAL),
        ("", "backup finished with 0 errors", NEUTRAL),
        ("", "retries=0 timeouts: 0 dropped=0", NEUTRAL),
        ("info", "GET /errors/7 -> 200", WARNING),
        ("info", "cache refreshed", NEUTRAL),
        ("info", "worker panicked: panic at main", ERROR),
        ("debug", "error while guessing encoding, trying next", NEUTRAL),
        ("error", "something odd", ERROR),
        ("critical", "sorry, too many clients already", ERROR),
        ("critical", "could not write: No space left on device", FATAL),
        ("emergency", "anything", FATAL),
        ("warning", "slow request: GET / took 300 ms", WARNING),
    ],
)
def test_concern(level, text, expected):
    assert concern(LEVEL_RANK.get(level, -1), text) == expected


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("report-worker.service: Main process exited, code=exited, status=1/FAILURE", {"report-worker"}),
        ("orders-api.service: Failed with result 'oom-kill'.", {"orders-api"}),
        ("nginx.service: Scheduled restart job, restart counter is at 3.", {"nginx"}),
        ("server process (PID 4711) was terminated by signal 9: Killed", {"svc"}),
        ("exited: celery (exit status 1; not expected)", {"celery"}),
        ("Back-off restarting failed container", {"svc"}),
        ("Out of memory: Killed process 7 (mysqld) total-vm:1kB", {"mysqld"}),
        ("Started nginx.service - A high performance web server.", set()),
        ("nginx.service: Deactivated successfully.", set()),
    ],
)
def test_failed_units(text, units):
    assert failed_units([text], "svc") == units
