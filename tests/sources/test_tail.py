"""Following files: rotation, truncation, restarts, odd bytes, odd files."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logsense import errors
from logsense.sources.patterns import PathPattern
from logsense.sources.tail import TailOptions, TailSource


def options(folder: Path, *paths: str, **more: Any) -> TailOptions:
    defaults = {"poll_interval_s": 0.01, "discover_interval_s": 0.03, "rotated_wait_s": 0.1}
    return TailOptions(tuple(str(folder / p) for p in paths), folder / "state" / "pos.json", **(defaults | more))


def write(path: Path, *lines: str, mode: str = "a") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open(mode) as file:
        file.writelines(line + "\n" for line in lines)


async def settle(times: int = 12) -> None:
    await asyncio.sleep(0.01 * times)


async def until(condition: Callable[[], Any], timeout_s: float = 10) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def test_lines_fields_and_ids(tmp_path: Path, intake: Any, running: Callable[..., Any]) -> None:
    write(tmp_path / "logs/web1/nginx.log", "one", "", "two")
    running(TailSource(options(tmp_path, "logs/{host}/{service}.log", fields={"event.dataset": "d"})), intake)
    assert await intake.wait_for(2) == ["one", "two"]
    write(tmp_path / "logs/db1/postgresql.log", "three")  # a new folder appears later
    await intake.wait_for(3)
    first, second, third = intake.events
    assert first.fields == {
        "log.file.path": str(tmp_path / "logs/web1/nginx.log"),
        "event.dataset": "d",
        "host.name": "web1",
        "logsense.service": "nginx",
    }
    assert (third.fields["host.name"], third.fields["logsense.service"]) == ("db1", "postgresql")
    assert first.source == f"tail:{tmp_path}/logs/web1/nginx.log"
    assert first.id.rpartition("-")[0] == second.id.rpartition("-")[0] and first.id.endswith("-0")
    assert second.id.endswith("-5") and third.id != first.id


async def test_rotation_by_rename_and_create(tmp_path: Path, intake: Any, running: Callable[..., Any]) -> None:
    log = tmp_path / "app.log"
    write(log, "a1")
    source = TailSource(options(tmp_path, "app.log"))
    running(source, intake)
    await intake.wait_for(1)
    with log.open("a") as old:  # a writer that keeps its file open, as daemons do until they are signalled
        log.rename(tmp_path / "app.log.1")
        write(log, "b1")
        old.write("a2 written after the rename\n")
        old.flush()
        await intake.wait_for(3)
        old.write("a3 without newline")
    assert sorted(await intake.wait_for(4)) == ["a1", "a2 written after the rename", "a3 without newline", "b1"]
    write(log, "b2")
    assert (await intake.wait_for(5))[-1] == "b2"
    await until(lambda: len(source._files) == 1)  # the rotated file is let go
    assert len({e.id for e in intake.events}) == 5


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
async def test_copytruncate(tmp_path: Path, intake: Any, running: Callable[..., Any], pattern: str) -> None:
    log = tmp_path / "app.log"
    running(TailSource(options(tmp_path, pattern)), intake)
    for generation in range(3):
        write(log, *(f"header line that is the same every time\n{generation}:{i}" for i in range(5)))
        await intake.wait_for(10 * (generation + 1))
        shutil.copy(log, tmp_path / f"app.log.{generation + 1}")
        await settle(6)
        os.truncate(log, 0)
        await settle(6)
    rows = [m for m in intake.messages() if not m.startswith("header")]
    assert rows == [f"{g}:{i}" for g in range(3) for i in range(5)]
    assert len({e.id for e in intake.events}) == 30


async def test_truncated_and_written_beyond_the_old_position(
    tmp_path: Path, intake: Any, running: Callable[..., Any]
) -> None:
    log = tmp_path / "app.log"
    write(log, "2026-01-01 old", "second")
    running(TailSource(options(tmp_path, "app.log", poll_interval_s=0.2)), intake)
    await intake.wait_for(2)
    write(log, *(f"2026-01-02 new {i}" for i in range(9)), mode="w")
    assert (await intake.wait_for(11))[2:] == [f"2026-01-02 new {i}" for i in range(9)]


async def test_compressed_rotation_is_not_read_twice(tmp_path: Path, intake: Any, running: Callable[..., Any]) -> None:
    log, packed = tmp_path / "app.log", tmp_path / "app.log.1.gz"
    running(TailSource(options(tmp_path, "app.log*")), intake)
    write(log, "a1", "a2")
    await intake.wait_for(2)
    log.rename(tmp_path / "app.log.1")
    write(tmp_path / "app.log.1", "a3")
    await intake.wait_for(3)
    packed.write_bytes(gzip.compress((tmp_path / "app.log.1").read_bytes() + b"a4 only in the packed file\n"))
    (tmp_path / "app.log.1").unlink()
    write(tmp_path / "other.log.1.gz", "")  # does not match
    assert await intake.wait_for(4) == ["a1", "a2", "a3", "a4 only in the packed file"]
    await settle()
    assert len(intake.events) == 4


async def test_gzip_is_read_once_and_waits_while_it_is_written(
    tmp_path: Path, intake: Any, running: Callable[..., Any]
) -> None:
    whole = gzip.compress("".join(f"line {i}\n" for i in range(5000)).encode())
    (tmp_path / "whole.log.gz").write_bytes(whole)
    half = tmp_path / "half.gz"
    half.write_bytes(whole[:300])
    source = TailSource(options(tmp_path, "*.gz", batch_lines=100))
    stop = running(source, intake)
    await intake.wait_for(5000)
    await until(lambda: "gzip" in source.problems.get(str(half), ""))
    half.write_bytes(whole)
    await intake.wait_for(10_000)
    await stop()
    assert len({e.id for e in intake.events}) == 10_000
    running(TailSource(options(tmp_path, "*.gz")), intake)
    await settle()
    assert len(intake.events) == 10_000


async def test_what_was_accepted_as_it_stopped_is_not_read_again(tmp_path: Path, intake: Any) -> None:
    write(tmp_path / "app.log", "1", "2")

    class StopsOnceItHasThem:
        dropped = intake.dropped

        async def accept(self, events: Any, metrics: Any = ()) -> None:
            await intake.accept(events, metrics)
            task.cancel()  # takes effect at the next await: before the position has moved

    for _ in range(2):
        task = asyncio.create_task(TailSource(options(tmp_path, "app.log")).run(StopsOnceItHasThem()))
        await asyncio.wait([task], timeout=1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert intake.messages() == ["1", "2"]


async def test_a_restart_goes_on_where_it_was(tmp_path: Path, intake: Any, running: Callable[..., Any]) -> None:
    log = tmp_path / "app.log"
    write(log, "1", "2")
    stop = running(TailSource(options(tmp_path, "app.log")), intake)
    await intake.wait_for(2)
    await stop()
    write(log, "3 while we were away")
    log.rename(tmp_path / "app.log.1")  # no longer matches, but still holds a line that nobody has read
    write(log, "4 in the new file")
    running(TailSource(options(tmp_path, "app.log")), intake)
    assert sorted(await intake.wait_for(4)) == ["1", "2", "3 while we were away", "4 in the new file"]
    await settle()
    assert len(intake.events) == 4


async def test_a_replay_after_a_crash_gives_the_same_ids(
    tmp_path: Path, intake: Any, running: Callable[..., Any]
) -> None:
    log = tmp_path / "app.log"
    for text, count in (("first half of", 0), (" line 1\nline 2\n", 2), ("line 3\n", 5)):
        with log.open("a") as file:
            file.write(text)
        stop = running(TailSource(options(tmp_path, "app.log")), intake)
        await intake.wait_for(count)
        await settle()
        await stop()
        shutil.rmtree(tmp_path / "state")  # the crash: accepted, but the position was never saved
    assert intake.messages() == ["first half of line 1", "line 2", "first half of line 1", "line 2", "line 3"]
    ids = [e.id for e in intake.events]
    assert ids[:2] == ids[2:4] and len(set(ids)) == 3


async def test_positions_are_saved_only_after_the_accept(
    tmp_path: Path, intake: Any, running: Callable[..., Any]
) -> None:
    write(tmp_path / "app.log", "1", "2")
    intake.refuse = 10**9
    stop = running(TailSource(options(tmp_path, "app.log")), intake)
    await settle()
    await stop()
    assert intake.events == []
    intake.refuse = 3  # waits and tries the same batch again
    running(TailSource(options(tmp_path, "app.log")), intake)
    assert await intake.wait_for(2) == ["1", "2"]


async def test_a_reused_inode_is_a_new_file(tmp_path: Path, intake: Any, running: Callable[..., Any]) -> None:
    log = tmp_path / "app.log"
    write(log, "old line 1", "old line 2")
    stop = running(TailSource(options(tmp_path, "app.log")), intake)
    await intake.wait_for(2)
    await stop()
    inode = log.stat().st_ino
    content = "old line 1\nnew line 2 that makes it longer than before\n"
    log.write_text(content)  # same inode, same first line, as when the file system gives the inode out again
    assert log.stat().st_ino == inode
    running(TailSource(options(tmp_path, "app.log")), intake)
    assert (await intake.wait_for(4))[2:] == content.splitlines()
    assert len({e.id for e in intake.events}) == 4


async def test_a_reused_inode_of_a_packed_file(tmp_path: Path, intake: Any, running: Callable[..., Any]) -> None:
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(b"same first line\nold\n", mtime=1))
    for content in (None, b"same first line\nnew\n", None):
        if content is not None:
            packed.write_bytes(gzip.compress(content, mtime=1))
        count = 4 if intake.events else 2
        stop = running(TailSource(options(tmp_path, "*.gz")), intake)
        await intake.wait_for(count)
        await settle()
        await stop()
    assert intake.messages() == ["same first line", "old", "same first line", "new"]
    assert len({e.id for e in intake.events}) == 4


async def test_a_partial_last_line(tmp_path: Path, intake: Any, running: Callable[..., Any]) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"whole\nhalf")
    stop = running(TailSource(options(tmp_path, "app.log")), intake)
    await intake.wait_for(1)
    await settle()
    assert intake.messages() == ["whole"]
    with log.open("a") as file:
        file.write(" and half\nno newline")
    assert await intake.wait_for(2) == ["whole", "half and half"]
    await stop()
    running(TailSource(options(tmp_path, "app.log", partial_line_timeout_s=0.05)), intake)
    assert (await intake.wait_for(3))[-1] == "no newline"
    write(log, "", "next")
    assert (await intake.wait_for(4))[-1] == "next"


async def test_odd_content_never_costs_a_neighbour(tmp_path: Path, intake: Any, running: Callable[..., Any]) -> None:
    odd = [
        b"\xef\xbb\xbfbom",
        b"nul \x00 byte",
        b"bad \xff utf8",
        b"crlf\r",
        b"x" * 10_000_000,
        "ünï 🎉".encode(),
        b"last",
    ]
    (tmp_path / "app.log").write_bytes(b"\n".join(odd) + b"\n")
    running(TailSource(options(tmp_path, "app.log")), intake)
    messages = await intake.wait_for(7)
    assert messages[:4] == ["bom", "nul \x00 byte", "bad \\xff utf8", "crlf"] and messages[5:] == ["ünï 🎉", "last"]
    assert len(messages[4]) == 1024 * 1024
    assert intake.events[4].fields["log.flags"] == ["truncated"]
    assert intake.events[4].fields["logsense.truncated_bytes"] == 10_000_000 - 1024 * 1024
    assert "log.flags" not in intake.events[5].fields


async def test_links_directories_missing_and_unreadable(
    tmp_path: Path, intake: Any, running: Callable[..., Any]
) -> None:
    (tmp_path / "v1.txt").write_text("one\n")
    (tmp_path / "current.log").symlink_to("v1.txt")
    (tmp_path / "again.log").symlink_to("v1.txt")
    (tmp_path / "folder.log").mkdir()
    (tmp_path / "loop.log").symlink_to("loop.log")
    os.mkfifo(tmp_path / "pipe.log")
    source = TailSource(options(tmp_path, "*.log", "missing.txt"))
    running(source, intake)
    await intake.wait_for(1)
    await until(lambda: str(tmp_path / "missing.txt") in source.problems)
    await settle()
    assert intake.messages() == ["one"]  # two links, one file
    assert source.problems[str(tmp_path / "missing.txt")] == "No such file or directory"
    assert str(tmp_path / "loop.log") in source.problems
    (tmp_path / "v2.txt").write_text("two\n")
    (tmp_path / "current.log").unlink()
    (tmp_path / "current.log").symlink_to("v2.txt")  # the link is turned to another file
    write(tmp_path / "missing.txt", "came later")
    assert sorted(await intake.wait_for(3)) == ["came later", "one", "two"]
    await until(lambda: str(tmp_path / "missing.txt") not in source.problems)
    with pytest.raises(errors.BadConfig, match="is a directory"):
        TailSource(options(tmp_path, "folder.log"))


async def test_start_at_end_skips_only_what_was_there(tmp_path: Path, intake: Any, running: Callable[..., Any]) -> None:
    write(tmp_path / "a.log", "old")
    source = TailSource(options(tmp_path, "*.log", start_at="end"))
    running(source, intake)
    await until(lambda: source._files)
    write(tmp_path / "a.log", "new")
    write(tmp_path / "b.log", "new file")
    assert sorted(await intake.wait_for(2)) == ["new", "new file"]


async def test_a_damaged_positions_file_is_replaced(tmp_path: Path, intake: Any, running: Callable[..., Any]) -> None:
    write(tmp_path / "state/pos.json", '{"files": [{"device"')
    write(tmp_path / "a.log", "line")
    stop = running(TailSource(options(tmp_path, "a.log")), intake)
    assert await intake.wait_for(1) == ["line"]
    await stop()
    assert b'"offset": 5' in (tmp_path / "state/pos.json").read_bytes()


async def test_many_files_share_batches(tmp_path: Path, intake: Any, running: Callable[..., Any]) -> None:
    for i in range(300):
        write(tmp_path / f"{i}.log", *(f"{i}:{n}" for n in range(10)))
    running(TailSource(options(tmp_path, "*.log")), intake)
    messages = await intake.wait_for(3000)
    assert len(set(messages)) == 3000 and len({e.id for e in intake.events}) == 3000
    for i in (0, 7, 299):
        assert [m for m in messages if m.startswith(f"{i}:")] == [f"{i}:{n}" for n in range(10)]


@pytest.mark.parametrize(
    ("pattern", "path", "fields"),
    [
        ("/var/log/{service}.log", "/var/log/nginx.log", {"logsense.service": "nginx"}),
        ("/var/log/{service}.log", "/var/log/a/b.log", None),
        ("l/{host}/{service}-*.log", "l/w.1/my-app-7.log", {"host.name": "w.1", "logsense.service": "my"}),
        ("/x/**/{event.dataset}.log", "/x/a/b/c.log", {"event.dataset": "c"}),
        ("/x/**/{event.dataset}.log", "/x/c.log", {"event.dataset": "c"}),
        ("/{host}/{host}.log", "/a/a.log", {"host.name": "a"}),
        ("/{host}/{host}.log", "/a/b.log", None),
        ("/a[bc]?.log", "/abx.log", {}),
        ("/a[!bc].log", "/ab.log", None),
        ("/a(b)+.log", "/a(b)+.log", {}),
    ],
)
def test_patterns(pattern: str, path: str, fields: dict[str, str] | None) -> None:
    assert PathPattern(pattern).match(path) == fields


@pytest.mark.parametrize("pattern", ["/{}.log", "/{a b}.log", "/{1}.log"])
def test_bad_placeholders(pattern: str) -> None:
    with pytest.raises(errors.BadConfig, match="placeholder"):
        PathPattern(pattern)
