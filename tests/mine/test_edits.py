"""People's edits laid over what the miner found: each holds, each can be undone, and counts always sum."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from logsense.errors import LogsenseError
from logsense.mine import EditedTemplates, Miner
from logsense.mine.edit_log import Edit, EditLog, last_edit, read_edits
from logsense.mine.edits import Overlay
from logsense.mine.splits import MAX_VALUES, fill, position
from logsense.record import LogRecord, Signal, Template

T0 = 1_700_000_000_000_000_000
SECOND = 10**9


def edits(*entries: dict[str, Any]) -> list[Edit]:
    return [Edit(**{"at_ns": T0, "template_id": "a", **entry, "seq": at}) for at, entry in enumerate(entries, 1)]


def test_a_name_is_shown_found_and_taken_away() -> None:
    template = Template("a", "x <*>", keywords=["disk"])
    named = Overlay(edits({"kind": "rename", "label": "backup ran"})).dress(template)
    assert (named.label, named.keywords, named.text) == ("backup ran", ["disk", "backup ran"], "x <*>")
    assert template.keywords == ["disk"]
    again = Overlay(edits({"kind": "rename", "label": "other"})).dress(named)
    assert again.keywords == ["disk", "other"]
    gone = Overlay(edits({"kind": "rename", "label": "backup ran"}, {"kind": "rename"})).dress(named)
    assert (gone.label, gone.keywords) == ("", ["disk"])


def test_a_merge_makes_an_alias_and_its_undoing_takes_it_away() -> None:
    merge = {"kind": "merge", "template_id": "b", "into": "a"}
    made = Overlay(edits(merge)).dress(Template("b", "y"))
    assert (made.alias_of, made.alias_by) == ("a", "user")
    for log in (edits(merge, {"kind": "split", "template_id": "b"}), edits(merge, {"kind": "undo", "undoes": 1})):
        free = Overlay(log).dress(made)
        assert (free.alias_of, free.alias_by) == ("", "")


def test_the_miners_own_merges_stay_whatever_people_undo() -> None:
    mined = Template("b", "y", alias_of="a")
    log = edits({"kind": "merge", "template_id": "a", "into": "c"}, {"kind": "undo", "undoes": 1})
    for upto in (1, 2):
        dressed = Overlay(log[:upto], {"b": "a"}).dress(mined)
        assert (dressed.alias_of, dressed.alias_by) == ("a", "")
    assert Overlay(log[:1], {"b": "a"}).survivor("b") == "c"
    assert Overlay(log, {"b": "a"}).survivor("b") == "a"


def test_merges_of_people_and_miner_that_would_form_a_ring_end_somewhere() -> None:
    log = edits({"kind": "merge", "template_id": "a", "into": "b"}, {"kind": "merge", "template_id": "c", "into": "d"})
    overlay = Overlay(log, {"b": "c", "d": "a"})
    ends = {overlay.survivor(t) for t in "abcd"}
    assert len(ends) == 1
    assert overlay.survivor(ends.pop()) in "abcd"


def test_noise_follows_the_miner_but_of_a_merge_by_people_the_survivor_decides() -> None:
    log = edits({"kind": "noise", "template_id": "b"})
    assert Overlay(log).is_noise("b")
    assert not Overlay(log).is_noise("a")
    assert Overlay(log, {"b": "a"}).is_noise("a")
    merged = [*log, *[replace(e, seq=2) for e in edits({"kind": "merge", "template_id": "b", "into": "a"})]]
    assert not Overlay(merged).is_noise("a")
    assert not Overlay(merged).is_noise("b")
    assert not Overlay(
        [*log, *[replace(e, seq=2) for e in edits({"kind": "noise", "template_id": "b", "on": False})]]
    ).noise


def test_where_a_parameter_is_after_the_text_became_wider() -> None:
    assert position("user <*> took <*> s", 2, "user <*> took <*> s") == 1
    assert position("user <*> took 5 s <*> end", 2, "user <*> took <*> s <*> end") == 2
    assert position("user root took <*> s", 1, "user <*> took <*> s") == 1
    assert position("a <*> b c <*> d", 2, "a <*> d") is None
    assert position("nothing varies", 1, "nothing varies") is None
    assert fill("a <*> b <*>", 1, "x") == "a <*> b x"


# -- the log ----------------------------------------------------------------------------------------------------------


def test_the_log_keeps_order_and_survives(tmp_path: Path) -> None:
    log = EditLog(tmp_path / "state.db")
    assert log.read() == []
    for label in "xyz":
        log.append(lambda known, label=label: Edit("rename", "a", T0 + len(known), label=label))  # type: ignore[misc]
    assert [(e.seq, e.label, e.at_ns - T0) for e in EditLog(tmp_path / "state.db").read()] == [
        (1, "x", 0), (2, "y", 1), (3, "z", 2),
    ]  # fmt: skip


def test_what_is_refused_is_not_written(tmp_path: Path) -> None:
    log = EditLog(tmp_path / "state.db")

    def refuse(_: Sequence[Edit]) -> Edit:
        raise LogsenseError("no")

    with pytest.raises(LogsenseError, match="no"):
        log.append(refuse)
    assert log.read() == []


def test_writers_at_the_same_time_see_each_other(tmp_path: Path) -> None:
    log = EditLog(tmp_path / "state.db")
    log.append(lambda known: Edit("rename", "a", 0))

    def write() -> None:
        for _ in range(5):
            log.append(lambda known: Edit("rename", "a", len(known)))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [e.at_ns for e in log.read()] == list(range(21))


def test_a_newer_versions_entries_do_not_stop_this_one(tmp_path: Path) -> None:
    log = EditLog(tmp_path / "state.db")
    log.append(lambda known: Edit("rename", "a", 0))
    with sqlite3.connect(tmp_path / "state.db") as db:
        db.execute("""INSERT INTO template_edits (data) VALUES ('{"kind": "paint", "colour": 3}')""")
        db.execute(
            """INSERT INTO template_edits (data)
            VALUES ('{"kind": "noise", "template_id": "a", "at_ns": 1, "hue": 2}')"""
        )
    db.close()
    assert [e.kind for e in log.read()] == ["rename", "noise"]


def test_a_log_that_cannot_be_read_says_where(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database, but long enough to be taken for one" * 50)
    with pytest.raises(LogsenseError) as error:
        EditLog(tmp_path / "state.db").read()
    assert "state.db" in error.value.where


# -- the worker -------------------------------------------------------------------------------------------------------


class Bench:
    """A miner and the edits behind it, over one state database."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state.db"
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.miner = Miner()
        self.edits = EditedTemplates(self.miner.templates)
        self.miner.load(self.db)
        self.edits.load(self.db)
        self.shown: dict[str, Template] = {}

    def lines(self, *texts: str, host: str = "h", at: int = T0) -> list[LogRecord]:
        records = [LogRecord(f"{at}-{i}", at + i, t, "t", 0, host=host, service="s") for i, t in enumerate(texts)]
        return self.edits.process(self.miner.process(records))

    def edit(self, **members: Any) -> Edit:
        return EditLog(self.path).append(lambda known: Edit(**{"at_ns": T0, **members}))

    def checkpoint(self) -> None:
        changed = self.edits.refresh(self.db, self.miner.changed())
        self.shown.update((t.id, t) for t in changed)
        self.db.execute("BEGIN IMMEDIATE")
        self.miner.save(self.db)
        self.edits.save(self.db)
        self.db.execute("COMMIT")

    def close(self) -> None:
        self.db.close()

    def total(self) -> int:
        return sum(t.count for t in self.shown.values())


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_edits_are_applied_between_batches(bench: Bench) -> None:
    (first,) = bench.lines("disk a1 is full")
    bench.checkpoint()
    assert not bench.edits.pending(bench.db)
    bench.edit(kind="rename", template_id=first.template_id, label="disk full")
    assert bench.edits.pending(bench.db)
    bench.checkpoint()
    assert not bench.edits.pending(bench.db)
    assert bench.shown[first.template_id].label == "disk full"


def test_templates_that_never_had_a_line_are_not_shown(bench: Bench) -> None:
    out = bench.lines(*(f"rebuilding the {name} cache now" for name in ("alpha", "beta", "gamma", "delta", "eps")))
    bench.edit(kind="rename", template_id=out[0].template_id, label="rebuilt")
    bench.checkpoint()
    assert min(t.first_seen_ns for t in bench.shown.values()) == T0
    assert bench.total() == 5


def test_noise_is_counted_by_the_miner_and_by_no_detector(bench: Bench) -> None:
    (noise,) = bench.lines("health check ok")
    bench.edit(kind="noise", template_id=noise.template_id)
    bench.checkpoint()
    batch = bench.lines("health check ok", "request 5 failed", "health check ok", at=T0 + SECOND)
    assert [r.message for r in bench.edits.counted(batch)] == ["request 5 failed"]
    bench.checkpoint()
    assert bench.total() == 4
    assert bench.shown[noise.template_id].noise

    def signal(kind: str, template_id: str = "", host: str = "h", start: int = T0) -> Signal:
        return Signal("x", kind, start, start + SECOND, 5.0, host, "s", template_id=template_id)

    assert bench.edits.hushed(signal("log.rate", noise.template_id))
    assert bench.edits.hushed(signal("log.silence"))  # the service goes on writing: what it writes is noise
    assert not bench.edits.hushed(signal("log.silence", start=T0 + 60 * SECOND))
    assert not bench.edits.hushed(signal("log.silence", host="other"))
    assert not bench.edits.hushed(signal("log.rate", batch[1].template_id))
    bench.edit(kind="undo", template_id=noise.template_id, undoes=1, at_ns=T0 - 7200 * SECOND)
    bench.checkpoint()
    assert len(bench.edits.counted(bench.lines("health check ok"))) == 1
    assert not bench.edits.hushed(signal("log.rate", noise.template_id))


def test_merged_templates_are_counted_as_one_and_kept_as_two(bench: Bench) -> None:
    one, two = bench.lines("cache is warm", "buffers are hot")
    bench.edit(kind="merge", template_id=two.template_id, into=one.template_id)
    bench.checkpoint()
    batch = bench.lines("buffers are hot")
    assert batch[0].template_id == two.template_id
    assert [r.template_id for r in bench.edits.counted(batch)] == [one.template_id]
    bench.checkpoint()
    assert bench.shown[two.template_id].alias_of == one.template_id
    assert bench.total() == 3
    fresh = Signal("x", "log.rate", T0, T0 + SECOND, 5.0, "h", "s", template_id=one.template_id)
    assert bench.edits.hushed(fresh)  # twice the lines, because two were made one
    assert not bench.edits.hushed(replace(fresh, end_ns=T0 + 7200 * SECOND))
    silent = replace(fresh, kind="log.silence", template_id=two.template_id, end_ns=T0 + 7200 * SECOND)
    assert bench.edits.hushed(silent)


def test_a_split_tells_values_apart_and_its_undoing_joins_them(bench: Bench) -> None:
    before = bench.lines("job=a took 5 ms", "job=b took 6 ms")
    bench.checkpoint()
    parent = bench.shown[before[1].template_id]
    assert parent.text == "job=<*> took <*> ms"
    bench.edit(kind="split", template_id=parent.id, parameter=1, text=parent.text)
    bench.checkpoint()
    a, b, again = bench.lines("job=a took 7 ms", "job=b took 8 ms", "job=a took 9 ms")
    assert a.template_id == again.template_id != b.template_id
    assert parent.id not in (a.template_id, b.template_id)
    assert a.parameters == ["7"]
    bench.checkpoint()
    child = bench.shown[a.template_id]
    assert (child.text, child.count, child.split_of, child.alias_of) == ("job=a took <*> ms", 2, parent.id, "")
    assert (bench.shown[parent.id].count, bench.total()) == (2, 5)
    bench.edit(kind="undo", template_id=parent.id, undoes=1)
    bench.checkpoint()
    assert bench.shown[a.template_id].alias_of == parent.id
    (later,) = bench.lines("job=a took 1 ms")
    assert later.template_id == parent.id
    bench.checkpoint()
    assert bench.total() == 6


def test_a_split_has_a_limit_of_values(bench: Bench) -> None:
    bench.lines("job=a took 5 ms", "job=b took 5 ms")
    bench.checkpoint()
    (parent,) = bench.shown.values()
    bench.edit(kind="split", template_id=parent.id, parameter=2, text=parent.text)
    bench.checkpoint()
    out = bench.lines(*(f"job=a took {n} ms" for n in range(2 * MAX_VALUES)))
    bench.checkpoint()
    assert len({r.template_id for r in out}) == MAX_VALUES + 1
    assert bench.total() == 2 * MAX_VALUES + 2


def test_a_split_follows_the_text_when_that_becomes_wider(bench: Bench) -> None:
    bench.lines("user ann from pool=p1 took 5 ms", "user ann from pool=p2 took 6 ms")
    bench.checkpoint()
    (parent,) = bench.shown.values()
    assert parent.text == "user ann from pool=<*> took <*> ms"
    bench.edit(kind="split", template_id=parent.id, parameter=1, text=parent.text)
    bench.checkpoint()
    (old,) = bench.lines("user ann from pool=p1 took 5 ms")
    bench.checkpoint()
    bench.lines("user bob from pool=p1 took 5 ms")
    bench.checkpoint()
    assert bench.shown[parent.id].text == "user <*> from pool=<*> took <*> ms"
    assert (bench.shown[old.template_id].text, bench.shown[old.template_id].version) == (
        "user <*> from pool=p1 took <*> ms", 2,
    )  # fmt: skip
    (new,) = bench.lines("user eve from pool=p1 took 5 ms")
    assert (new.template_id, new.parameters) == (old.template_id, ["eve", "5"])
    bench.checkpoint()
    assert bench.total() == 5


def test_a_crash_loses_no_edit_and_no_count(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    first.lines("job=a took 5 ms", "job=b took 6 ms")
    first.checkpoint()
    (parent,) = first.shown.values()
    first.edit(kind="split", template_id=parent.id, parameter=1, text=parent.text)
    first.checkpoint()
    (kept,) = first.lines("job=a took 7 ms")
    first.checkpoint()
    (lost,) = first.lines("job=a took 8 ms")  # read, but not checkpointed: it comes again
    first.edit(kind="rename", template_id=parent.id, label="jobs")
    first.close()
    second = Bench(tmp_path)
    assert second.edits.pending(second.db)
    (again,) = second.lines("job=a took 8 ms")
    second.checkpoint()
    assert again.template_id == lost.template_id == kept.template_id
    assert second.shown[parent.id].label == "jobs"
    assert (second.shown[kept.template_id].count, second.total()) == (2, 4)
    assert not second.edits.pending(second.db)
    second.close()


def test_the_texts_of_all_versions_are_kept(bench: Bench) -> None:
    from logsense.mine.history import read_versions

    (record,) = bench.lines("login of user root accepted")
    bench.checkpoint()
    bench.lines("login of user ann accepted")
    bench.checkpoint()
    assert [(v, t) for v, t, _ in read_versions(bench.db, record.template_id)] == [
        (1, "login of user root accepted"), (2, "login of user <*> accepted"),
    ]  # fmt: skip
    assert (last_edit(bench.db), read_edits(bench.db)) == (0, [])
