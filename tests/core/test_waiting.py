"""What a waiting worker leaves for those who ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from logsense import alive, waiting
from logsense.config import Settings
from logsense.errors import IndexUnavailable
from logsense.waiting import FILE, Waiting, waiting_for
from logsense.workspace import Workspace

FULL = IndexUnavailable("The disk is full", why="403 block", where="http://x logs", fix="make room")


def test_a_short_pause_is_not_told_and_a_long_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(waiting.time, "time", lambda: clock[0])
    note = Waiting(tmp_path / "new folder")
    note.on(FULL)
    assert waiting_for(tmp_path / "new folder") is None
    clock[0] += waiting.QUIET_S
    note.on(FULL)
    told = waiting_for(tmp_path / "new folder")
    assert told == {"what": "The disk is full", "why": "403 block", "where": "http://x logs", "fix": "make room",
                    "since": 1000.0}  # fmt: skip
    clock[0] += 0.1
    note.on(IndexUnavailable("It is away"))  # another reason: at once
    assert (waiting_for(tmp_path / "new folder") or {})["what"] == "It is away"
    note.over()
    assert waiting_for(tmp_path / "new folder") is None
    note.on(FULL)  # counted afresh
    assert waiting_for(tmp_path / "new folder") is None


def test_a_note_of_an_earlier_worker_goes_with_the_first_success(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"what": "old", "why": "", "where": "", "fix": "", "since": 1}')
    assert waiting_for(tmp_path) is not None
    Waiting(tmp_path).over()
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"what": 1}', "\x00"])
def test_nonsense_in_the_file_is_no_note(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert waiting_for(tmp_path) is None


def test_the_workspace_tells_it_only_while_the_worker_lives(tmp_path: Path) -> None:
    from logsense.index import EmbeddedIndex

    EmbeddedIndex(tmp_path / "index", writer=True).close()
    (tmp_path / FILE).write_text(
        '{"what": "The disk is full", "why": "403", "where": "x", "fix": "make room", "since": 1795557600}'
    )
    space = Workspace(tmp_path, Settings(), load_models=False)
    assert space.ready()["problems"] == []  # no sign of life: the note is of a dead worker
    assert space.doctor() == []
    alive.beat(tmp_path)
    state = space.ready()
    assert not state["ready"]
    assert state["checks"]["index"] == "waiting: The disk is full"
    (problem,) = state["problems"]
    assert problem["since"] == "2026-11-24T22:00:00Z" and problem["fix"] == "make room"
    (row,) = space.doctor()
    assert row["source"] == "index"
    assert "The disk is full" in row["advice"] and "make room" in row["advice"]
    space.close()
