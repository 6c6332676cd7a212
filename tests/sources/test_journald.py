"""The journal: real journal files, made by systemd-journal-remote, read by the real journalctl."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logsense import errors
from logsense.sources.journald import JournaldOptions, JournaldSource, event_of

REMOTE = Path("/lib/systemd/systemd-journal-remote")
needs_systemd = pytest.mark.skipif(
    not (REMOTE.exists() and shutil.which("journalctl")), reason="needs journalctl and systemd-journal-remote"
)


def add_entries(folder: Path, first: int, *messages: bytes) -> None:
    """Write entries, in journal export format, into a journal file in ``folder``."""
    export = b""
    for number, message in enumerate(messages, first):
        stamp = 1767323045000000 + number * 1_000_000
        export += b"__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n" % (stamp, number, b"ab" * 16)
        export += b"_HOSTNAME=web1\nSYSLOG_IDENTIFIER=sshd\n_PID=77\nPRIORITY=3\n_SYSTEMD_UNIT=ssh.service\n"
        export += b"MESSAGE\n" + len(message).to_bytes(8, "little") + message + b"\n\n"
    command = [REMOTE, f"--output={folder}/part{first}.journal", "-"]
    subprocess.run(command, input=export, check=True, capture_output=True)


@needs_systemd
async def test_entries_follow_and_go_on_after_a_restart(
    tmp_path: Path, intake: Any, running: Callable[..., Any]
) -> None:
    add_entries(tmp_path, 0, b"first", "zwei ünï".encode(), b"bad \xff byte", b"two\nlines", b"x" * 100_000)
    options = JournaldOptions(tmp_path / "cursor", "beginning", (f"--directory={tmp_path}",))
    stop = running(JournaldSource(options), intake)
    messages = await intake.wait_for(5)
    assert messages == ["first", "zwei ünï", "bad \\xff byte", "two\nlines", "x" * 100_000]
    assert intake.events[1].fields == {
        "@timestamp": "2026-01-02T03:04:06.000000Z",
        "host.name": "web1",
        "service.name": "sshd",
        "process.pid": "77",
        "systemd.unit": "ssh.service",
        "log.level": "error",
    }
    await stop()
    add_entries(tmp_path, 5, b"while we were away")
    running(JournaldSource(options), intake)
    assert (await intake.wait_for(6))[5:] == ["while we were away"]
    assert len({e.id for e in intake.events}) == 6


def test_odd_entries() -> None:
    assert event_of(b'{"MESSAGE":[102,111,255]}', 1)[0].message == "fo\\xff"
    assert event_of(b'{"MESSAGE":["first","second"],"PRIORITY":"9"}', 1)[0].message == "first"
    assert event_of(b'{"MESSAGE":null,"__CURSOR":"c"}', 1) == (None, "c")
    assert event_of(b"-- no JSON --", 1)[0].message == "-- no JSON --"
    assert event_of(b'{"MESSAGE":"m","__REALTIME_TIMESTAMP":"99999999999999999999"}', 1)[0].fields == {
        "service.name": "kernel"
    }


async def test_a_missing_program_is_a_clear_error(tmp_path: Path, intake: Any) -> None:
    with pytest.raises(errors.BadConfig, match="cannot be started"):
        await JournaldSource(JournaldOptions(tmp_path / "c", program="no-such-journalctl")).run(intake)
