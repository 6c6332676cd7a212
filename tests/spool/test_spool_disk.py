"""Segments on disk: several writers, damage, rotation, clocks, full disks."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from logsense import errors
from logsense.record import RawEvent
from logsense.spool import DiskSpool, SpoolIntake, SpoolOptions, SpoolReader
from logsense.spool import segment as segments
from logsense.spool.frames import MAGIC


def batch(first: int, count: int = 10, text: str = "line") -> list[RawEvent]:
    return [RawEvent(f"{text} {i}", "test", i) for i in range(first, first + count)]


def drain(reader: SpoolReader | DiskSpool) -> list[str]:
    messages: list[str] = []
    while True:
        events, _, _ = reader.read(100)
        if not events:
            return messages
        messages += [e.message for e in events]


def only_segment(directory: Path) -> Path:
    (path,) = directory.glob("*.seg")
    return path


def test_a_reader_in_another_spool_object_sees_appends_at_once(tmp_path: Path) -> None:
    writer, reader = DiskSpool(tmp_path), SpoolReader(tmp_path, None)
    for first in range(0, 30, 10):
        writer.append(batch(first))
        events, _, _ = reader.read(100)
        assert [e.message for e in events] == [f"line {i}" for i in range(first, first + 10)]
    reader.close()
    writer.close()


def test_frames_are_not_read_before_they_are_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch whose flush fails is refused; no reader may have seen it, then or later."""
    writer, reader = DiskSpool(tmp_path), SpoolReader(tmp_path, None)
    writer.append(batch(0))
    seen: list[str] = []

    def failing(fd: int) -> None:
        seen.extend(e.message for e in reader.read(100)[0])
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing)
        with pytest.raises(errors.Overloaded) as caught:
            writer.append(batch(10))
    assert seen == [f"line {i}" for i in range(10)]
    assert "Input/output error" in caught.value.why
    writer.append(batch(20))
    assert drain(reader) == [f"line {i}" for i in range(20, 30)]
    assert reader.torn_bytes == 0
    reader.close()
    writer.close()


@pytest.mark.parametrize("cut", [1, 5, 11, 12, 13, 40])
def test_a_torn_tail_is_ignored_and_finished(tmp_path: Path, cut: int) -> None:
    writer = DiskSpool(tmp_path)
    writer.append(batch(0))
    whole = only_segment(tmp_path).stat().st_size
    writer.append(batch(10))
    writer.close()
    with only_segment(tmp_path).open("r+b") as file:
        file.truncate(whole + cut)
    spool = DiskSpool(tmp_path)
    events, _, position = spool.read(1000)
    assert [e.message for e in events] == [f"line {i}" for i in range(10)]
    _, _, position = spool.read(1000)
    spool.checkpoint(position)
    assert list(tmp_path.glob("*.seg")) == []
    spool.close()


@pytest.mark.parametrize("where", ["magic", "length", "checksum", "payload"])
def test_a_damaged_frame_in_the_middle_costs_only_itself(tmp_path: Path, where: str) -> None:
    writer = DiskSpool(tmp_path)
    ends = [segments.DATA_START]
    for first in (0, 10, 20, 30):
        writer.append(batch(first))
        ends.append(only_segment(tmp_path).stat().st_size)
    writer.close()
    at = ends[1] + {"magic": 0, "length": 7, "checksum": 9, "payload": 60}[where]
    with only_segment(tmp_path).open("r+b") as file:
        file.seek(at)
        old = file.read(1)
        file.seek(at)
        file.write(bytes([old[0] ^ 0x41]))
    reader = SpoolReader(tmp_path, None)
    assert drain(reader) == [f"line {i}" for i in (*range(10), *range(20, 40))]
    assert reader.corrupt_frames == 1
    reader.close()


def test_a_segment_of_garbage_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "0000000000000abcd.seg").write_bytes(os.urandom(50_000) + MAGIC + b"\xff" * 30)
    (tmp_path / "0000000000001abcd.seg").write_bytes(b"")
    spool = DiskSpool(tmp_path)
    spool.append(batch(0))
    assert len(drain(spool)) == 10
    spool.checkpoint(spool.read(1)[2])
    assert len(list(tmp_path.glob("*.seg"))) == 1
    spool.close()


def test_segments_rotate_by_size_and_are_deleted_once_indexed(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path, SpoolOptions(segment_bytes=2000))
    for first in range(0, 400, 10):
        spool.append(batch(first))
    assert len(list(tmp_path.glob("*.seg"))) > 3
    assert drain(spool) == [f"line {i}" for i in range(400)]
    spool.checkpoint(spool.read(1)[2])
    assert len(list(tmp_path.glob("*.seg"))) == 1  # the one being written
    assert spool.backlog_bytes() == 0
    spool.close()


def test_an_idle_segment_is_closed_and_reclaimed(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path, SpoolOptions(segment_age_s=0.1))
    spool.append(batch(0))
    _, _, position = spool.read(100)
    spool.checkpoint(position)
    deadline = time.monotonic() + 5
    while list(tmp_path.glob("*.seg")):
        assert time.monotonic() < deadline
        spool.read(100)  # polling alone reclaims what the last checkpoint covers
        time.sleep(0.02)
    spool.append(batch(10))
    assert len(drain(spool)) == 10
    spool.close()


def test_a_small_spool_flows_as_long_as_it_is_read(tmp_path: Path) -> None:
    """Also when it is smaller than one segment: the segment being written is never all of it."""
    spool = DiskSpool(tmp_path, SpoolOptions(max_bytes=40_000))
    written, refused, messages = 0, 0, []
    while written < 3000:
        try:
            spool.append(batch(written))
            written += 10
        except errors.Overloaded:
            refused += 1
            messages += drain(spool)
            spool.checkpoint(spool.read(1)[2])
            time.sleep(0.26)  # the writer looks at the folder four times a second
            assert refused < 20
    assert refused and messages + drain(spool) == [f"line {i}" for i in range(3000)]
    spool.close()


def test_an_old_backlog_is_refused(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path, SpoolOptions(max_age_s=0.3))
    spool.append(batch(0))
    time.sleep(0.6)
    with pytest.raises(errors.Overloaded, match="no more lines"):
        spool.append(batch(10))
    spool.close()


def test_a_clock_set_back_keeps_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    for number, clock in enumerate((now, now - 3600 * 10**9, 0, now - 10**9)):
        monkeypatch.setattr(segments.time, "time_ns", lambda clock=clock: clock)
        writer = DiskSpool(tmp_path)
        writer.append(batch(number * 10))
        writer.close()
    reader = SpoolReader(tmp_path, None)
    assert drain(reader) == [f"line {i}" for i in range(40)]
    reader.close()


def test_threads_share_commits_and_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    real = os.fdatasync

    def slow(fd: int) -> None:
        syncs.append(fd)
        time.sleep(0.002)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", slow)
    spool = DiskSpool(tmp_path)

    def work(number: int) -> None:
        for i in range(20):
            spool.append([RawEvent(f"{number}:{i}", "test", 0)])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    messages = drain(spool)
    assert len(messages) == 320 and len(set(messages)) == 320
    for number in range(16):
        assert [m for m in messages if m.startswith(f"{number}:")] == [f"{number}:{i}" for i in range(20)]
    assert len(syncs) < 160
    spool.close()


async def test_tasks_share_commits(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path)
    await asyncio.gather(*(spool.append_async([RawEvent(str(i), "test", 0)]) for i in range(500)))
    assert sorted(map(int, drain(spool))) == list(range(500))
    spool.close()


WRITER = """
import sys
from pathlib import Path
from logsense.record import RawEvent
from logsense.spool import DiskSpool, SpoolOptions
spool = DiskSpool(Path(sys.argv[1]), SpoolOptions(segment_bytes=200_000))
name, first, count = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for i in range(first, first + count):
    spool.append([RawEvent(f"{name}:{i}:{j}", name, i) for j in range(7)])
    print(i, flush=True)
"""


def start_writer(directory: Path, name: str, first: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(directory), name, str(first), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    reader = SpoolReader(tmp_path, None)
    writers = [start_writer(tmp_path, f"w{n}", 0, 60) for n in range(3)]
    messages: list[str] = []
    while any(w.poll() is None for w in writers):
        messages += drain(reader)
        time.sleep(0.01)
    messages += drain(reader)
    for number, writer in enumerate(writers):
        assert writer.stdout is not None and len(writer.stdout.readlines()) == 60
        writer.stdout.close()
        mine = [m for m in messages if m.startswith(f"w{number}:")]
        assert mine == [f"w{number}:{i}:{j}" for i in range(60) for j in range(7)]
    reader.close()


def kill_rounds(directory: Path, rounds: int) -> None:
    """Kill a writer at a random moment, again and again, while a reader follows and checkpoints."""
    acknowledged = 0
    acks: list[int] = []
    messages: list[str] = []
    position: str | None = None
    for round_number in range(rounds):
        writer = start_writer(directory, "w", acknowledged, 1_000_000)
        assert writer.stdout is not None
        assert writer.stdout.readline()  # it is writing
        acks.append(acknowledged)
        time.sleep(int.from_bytes(os.urandom(2), "big") / 65536 * 0.15)
        writer.kill()
        acks += [int(line) for line in writer.stdout if line.endswith("\n")]
        writer.wait()
        writer.stdout.close()
        acknowledged = acks[-1] + 1
        reader = SpoolReader(directory, position)  # a new reader each time: as after a crash of the worker
        while True:
            events, _, position = reader.read(50)
            messages += [e.message for e in events]
            if not events:
                break
        if round_number % 2:
            reader.checkpoint(position)
        assert reader.corrupt_frames == 0
        reader.close()
    got = set(messages)
    missing = [i for i in acks if any(f"w:{i}:{j}" not in got for j in range(7))]
    assert missing == []
    # The only repeats are batches whose acknowledgement was lost with the writer, which the next one sent again.
    assert len(messages) - len(got) <= 7 * rounds


def test_kill_9_loses_nothing_acknowledged(tmp_path: Path) -> None:
    kill_rounds(tmp_path, 4)


@pytest.mark.slow
def test_kill_9_loses_nothing_acknowledged_long(tmp_path: Path) -> None:
    kill_rounds(tmp_path, 60)


FULL_DISK = """
import sys
from pathlib import Path
from logsense import errors
from logsense.record import RawEvent
from logsense.spool import DiskSpool, SpoolOptions
spool = DiskSpool(Path(sys.argv[1]), SpoolOptions(keep_free_bytes=0))
for i in range(2000):
    try:
        spool.append([RawEvent(f"{i}:{j}:" + "x" * 200, "t", i) for j in range(20)])
        print(i, flush=True)
    except errors.Overloaded as error:
        print("refused", i, error.why, flush=True)
        if len(sys.argv) > 2 or i > 100:
            break
"""


def accepted_and_refused(output: str) -> tuple[set[int], list[str]]:
    rows = output.splitlines()
    return {int(r) for r in rows if r.isdigit()}, [r for r in rows if r.startswith("refused")]


def test_a_file_size_limit_refuses_whole_batches(tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes write() stop short in the middle of a frame, as a full disk does."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_003, 100_003))

    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], preexec_fn=limit, capture_output=True, text=True, check=True
    )
    accepted, refused = accepted_and_refused(done.stdout)
    assert refused and "writing failed" in refused[0] and len(accepted) > 20
    spool = DiskSpool(tmp_path)
    messages = [m.split(":x")[0] for m in drain(spool)]
    assert messages == [f"{i}:{j}" for i in sorted(accepted) for j in range(20)]
    assert spool.open_reader().torn_bytes == 0
    spool.close()


@pytest.fixture
def small_disk(tmp_path: Path):
    mount = tmp_path / "mnt"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting a tmpfs needs root")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_full_disk_refuses_and_recovers(small_disk: Path) -> None:
    spool_dir = small_disk / "spool"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(spool_dir), "stop"], capture_output=True, text=True, check=True
    )
    accepted, refused = accepted_and_refused(done.stdout)
    assert len(refused) == 1 and "No space left" in refused[0]
    spool = DiskSpool(spool_dir, SpoolOptions(keep_free_bytes=0))
    assert [m.split(":x")[0] for m in drain(spool)] == [f"{i}:{j}" for i in sorted(accepted) for j in range(20)]
    spool.checkpoint(spool.read(1)[2])
    spool.append(batch(0))
    assert len(drain(spool)) == 10
    spool.close()


def test_room_is_left_on_the_disk_for_the_index(small_disk: Path) -> None:
    spool = DiskSpool(small_disk / "spool", SpoolOptions(keep_free_bytes=600_000))
    with pytest.raises(errors.Overloaded) as refused:
        for _ in range(1000):
            spool.append([RawEvent("x" * 20_000, "t", 0)])
    assert "keep_free_bytes" in refused.value.why
    assert 600_000 <= shutil.disk_usage(small_disk).free < 650_000
    spool.close()


async def test_the_intake_counts_per_source(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path, SpoolOptions(max_bytes=3000))
    intake = SpoolIntake(spool)
    await intake.accept([RawEvent("a", "bulk", 0), RawEvent("b", "tail:/x", 0), RawEvent("c", "bulk", 0)])
    intake.accept_sync([RawEvent("d", "bulk", 0)])
    intake.dropped("syslog:udp", 7)
    with pytest.raises(errors.Overloaded):
        await intake.accept([RawEvent("x" * 5000, "bulk", 0)] * 3)
    assert intake.stats() == {
        "bulk": {"accepted": 3, "refused": 3, "dropped": 0},
        "tail:/x": {"accepted": 1, "refused": 0, "dropped": 0},
        "syslog:udp": {"accepted": 0, "refused": 0, "dropped": 7},
    }
    spool.close()
