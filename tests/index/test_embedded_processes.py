"""The embedded index under several processes, crashes and damage."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from logsense.errors import Busy, IndexUnavailable, LogsenseError
from logsense.index.embedded import EmbeddedIndex, EmbeddedOptions
from logsense.index.lines import Lines
from logsense.record import Action, Incident, LogRecord, Query, Template
from tests.e2e.small_disk import fill, small_disk

DAY = 86_400 * 10**9
T0 = 1_700_000_000 * 10**9


def line(number: int, at: int | None = None, text: str = "tick") -> LogRecord:
    at = T0 + number * 10**6 if at is None else at
    return LogRecord(f"id-{number:06}", at, f"{text} number {number}", "s", T0, host=f"h{number % 3}")


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )


READER = """
    import sys
    from pathlib import Path
    from logsense.index.embedded import EmbeddedIndex
    from logsense.record import Action, Query
    index = EmbeddedIndex(Path(sys.argv[1]), writer=False)
    for number, asked in enumerate(sys.stdin):
        total, hits = index.search(Query(text="tick"), limit=5)
        consistent = len({h.record.id for h in hits}) == min(5, total) and len(index.templates()) <= 1
        index.add_action(Action("i1", "note", number, text="from the reader"))
        print(total, consistent, flush=True)
    index.close()
"""

WRITER = """
    import sys
    from pathlib import Path
    from logsense.index.embedded import EmbeddedIndex
    from logsense.record import LogRecord
    T0 = 1_700_000_000 * 10**9
    index = EmbeddedIndex(Path(sys.argv[1]), writer=True)
    number = 0
    while True:
        batch = [
            LogRecord(f"id-{n:06}", T0 + n * 10**6, f"tick number {n}", "s", T0, host=f"h{n % 3}")
            for n in range(number, number + 500)
        ]
        index.write_logs(batch)
        number += 500
        if number % 1000 == 0:
            index.commit()
            print(number, flush=True)
"""


def ask(reader: subprocess.Popen[str]) -> tuple[int, str]:
    assert reader.stdin and reader.stdout
    reader.stdin.write("?\n")
    reader.stdin.flush()
    total, consistent = reader.stdout.readline().split()
    return int(total), consistent


def test_a_reader_in_another_process_follows_every_commit(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, writer=True)
    reader = child(READER, tmp_path)
    try:
        assert ask(reader) == (0, "True")
        index.put_templates([Template("t1", "tick")])
        index.put_incidents([Incident("i1", "t", "open", "low", T0, T0)])
        for commit in range(1, 13):  # enough for segments to be merged under the reader
            index.write_logs([line(commit * 100 + at, T0 + at * DAY // 50) for at in range(100)])
            assert ask(reader) == ((commit - 1) * 100, "True")
            index.commit()
            assert ask(reader) == (commit * 100, "True")
        incident = index.get_incident("i1")
        assert incident is not None and len(incident.actions) == 25
        index.put_incidents([Incident("i1", "t", "open", "low", T0, T0)])
        index.add_action(Action("i1", "ack", T0))
        assert len(index.incidents()[0].actions) == 26
    finally:
        reader.communicate(timeout=10)
        index.close()


def test_a_second_writer_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, writer=True)
    with pytest.raises(Busy, match=str(os.getpid())):
        EmbeddedIndex(tmp_path, writer=True)
    EmbeddedIndex(tmp_path, writer=False).close()
    index.close()
    EmbeddedIndex(tmp_path, writer=True).close()


def test_after_kill_9_a_replay_leaves_each_line_once(tmp_path: Path) -> None:
    writer = child(WRITER, tmp_path)
    assert writer.stdout
    committed = 0
    while committed < 4000:
        committed = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    written = [int(number) for number in writer.communicate(timeout=10)[0].split()]
    committed = max([committed, *written])
    index = EmbeddedIndex(tmp_path, writer=True)
    survived = index.search(Query(), limit=0)[0]
    assert survived >= committed
    start = committed - 1500  # the checkpoint was behind the index
    index.write_logs([line(number) for number in range(start, committed + 3000)], replay=True)
    index.commit()
    got = [record.id for record in index.scan(Query())]
    assert len(got) == len(set(got)) == max(survived, committed + 3000)
    index.close()


def test_more_days_than_open_writers(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, writer=True, options=EmbeddedOptions(open_writers=2))
    for part in range(3):
        index.write_logs([line(part * 8 + at, T0 + at * 40 * DAY) for at in range(8)])
    index.commit()
    assert len(index._lines._writers) == 2
    assert index.search(Query())[0] == 24
    index.close()
    again = EmbeddedIndex(tmp_path, writer=False)
    assert again.search(Query(hosts=["h0"]))[0] == 8
    again.close()


@pytest.mark.parametrize("suffix", ["meta.json", ".idx", ".fast", ".term"])
def test_a_damaged_shard_is_left_out_with_a_warning(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    index = EmbeddedIndex(tmp_path, writer=True)
    index.write_logs([line(1), line(2, T0 + DAY), line(3, T0 + 2 * DAY)])
    index.commit()
    index.close()
    victim = next(file for file in (tmp_path / "logs" / "2023-11-15").iterdir() if file.name.endswith(suffix))
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    reader = EmbeddedIndex(tmp_path, writer=False)
    with caplog.at_level(logging.WARNING):
        assert [hit.record.id for hit in reader.search(Query(text="tick"))[1]] == ["id-000003", "id-000001"]
    assert "2023-11-15" in caplog.text and len(reader.problems()) == 1
    writer = EmbeddedIndex(tmp_path, writer=True)
    writer.write_logs([line(2, T0 + DAY)], replay=True)  # a place for new lines of that day
    writer.commit()
    assert writer.search(Query(text="tick"))[0] == 3
    assert list((tmp_path / "logs").glob("2023-11-15.damaged-1"))
    assert reader.search(Query(text="tick"))[0] == 3
    writer.close()
    reader.close()


def test_a_damaged_row_costs_its_block_only(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, writer=True)
    index.write_logs([line(number) for number in range(2000)])
    index.commit()
    index.close()
    rows = tmp_path / "logs" / "2023-11-14" / "rows.bin"
    data = bytearray(rows.read_bytes())
    data[100] ^= 0xFF
    rows.write_bytes(bytes(data))
    reader = EmbeddedIndex(tmp_path, writer=False)
    records = list(reader.scan(Query()))
    assert len(records) == 2000
    lost = [record for record in records if record.id.startswith("damaged-")]
    assert 0 < len(lost) < 600
    reader.close()


def test_a_full_or_forbidden_disk_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, writer=True)
    (tmp_path / "logs" / "2023-11-14").write_text("a file where the shard's folder should be")
    with pytest.raises(LogsenseError, match="cannot be written"):
        index.write_logs([line(1)])
    (tmp_path / "logs" / "2023-11-14").unlink()
    index.write_logs([line(1)])
    index.commit()
    assert index.search(Query())[0] == 1
    index.close()


def test_a_reader_sees_a_day_that_appears_later(tmp_path: Path) -> None:
    reader = EmbeddedIndex(tmp_path, writer=False)
    assert reader.search(Query()) == (0, [])
    writer = EmbeddedIndex(tmp_path, writer=True)
    writer.write_logs([line(1)])
    writer.commit()
    assert reader.search(Query())[0] == 1
    writer.write_logs([line(2, T0 + 9 * DAY)])
    writer.commit()
    assert reader.search(Query())[0] == 2
    assert reader.time_range() == (T0 + 10**6, T0 + 9 * DAY)
    writer.close()
    reader.close()


def test_segments_do_not_pile_up(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, writer=True)
    for commit in range(60):
        index.write_logs([line(commit * 10 + at) for at in range(10)])
        index.commit()
    deadline = time.monotonic() + 10
    shard = tmp_path / "logs" / "2023-11-14"
    while len(list(shard.glob("*.idx"))) > 20 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(list(shard.glob("*.idx"))) <= 20
    assert index.search(Query())[0] == 600
    index.close()


def test_a_scan_streams_in_chunks_and_keeps_lines_of_one_time_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from logsense.index import lines

    monkeypatch.setattr(lines, "_SCAN_CHUNK", 50)
    index = EmbeddedIndex(tmp_path, writer=True)
    same = [line(number, T0 + 500) for number in range(120)]
    index.write_logs([*same, *[line(number, T0 + number) for number in range(200, 330)], line(999, T0 + DAY)])
    index.commit()
    records = list(index.scan(Query(text="tick")))
    order = [(record.timestamp_ns, record.id) for record in records]
    assert len(records) == 251 and order == sorted(order)
    index.close()


def test_replays_find_ids_in_writers_that_had_to_be_closed_meanwhile(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path, writer=True, options=EmbeddedOptions(open_writers=1))
    index.write_logs([line(number, T0 + number * DAY) for number in range(5)])
    index.write_logs([line(number, T0 + (number + 1) * DAY, "again") for number in range(5)], replay=True)
    index.write_logs([line(number, T0 + (number + 2) * DAY, "third") for number in range(5)], replay=True)
    index.commit()
    assert [record.message for record in index.scan(Query())] == [f"third number {number}" for number in range(5)]
    index.close()


@pytest.mark.xdist_group("disks")
@pytest.mark.parametrize("ends", ["commit", "close"])
def test_a_writer_that_failed_on_a_full_disk_lets_go_of_its_day(tmp_path: Path, ends: str) -> None:
    kept = []  # as a log or a traceback may: nothing of the lock may hang on it
    with small_disk(tmp_path / "disk", 24) as disk:
        lines = Lines(disk / "logs", EmbeddedOptions())
        gc.disable()  # what only a collection would free counts as held
        try:
            lines.write([line(n) for n in range(100)], replay=False)
            lines.commit()
            lines.write([line(n) for n in range(100, 200)], replay=False)
            ballast = fill(disk)
            with pytest.raises(IndexUnavailable) as refused:
                getattr(lines, ends)()
            kept.append(refused.value)
            ballast.unlink()
            if ends == "close":
                lines = Lines(disk / "logs", EmbeddedOptions())
            lines.write([line(n) for n in range(100, 200)], replay=True)
            lines.commit()
            lines.close()
        finally:
            gc.enable()
        reader = Lines(disk / "logs", EmbeddedOptions())
        assert reader.total() == 200 and all(reader.get(line(n).id) == line(n) for n in range(200))
        reader.close()
