"""Merging and splitting as people do it: by API functions and CLI, on a data folder with and without a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from logsense import handling
from logsense.config import Settings
from logsense.errors import BadInput, NotFound
from logsense.workspace import Workspace
from tests.core.alerting import take_alerts

NAMES = ("db1", "web9")


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setattr(handling, "SHOWN_WITHIN_S", 0.0)  # the worker runs when the test says so
    take_alerts(tmp_path, Settings(), *({"instance": name} for name in NAMES))
    made = Workspace(tmp_path, Settings(), load_models=False)
    yield made
    made.close()


def test_merge_and_split_again(space: Workspace) -> None:
    one, other = sorted(i["id"] for i in space.incidents())
    space.merge(one, other, by="mira", text="one switch")
    assert len(space.incidents()) == 2
    take_alerts(space.data, Settings())
    (kept,) = space.incidents()
    assert kept["id"] == other and set(kept["hosts"]) == set(NAMES) and kept["signals"] == 2
    gone = space.incident(one)
    assert gone["merged_into"] == other and gone["actions"][-1]["text"] == "one switch"
    assert [a["kind"] for a in space.incident(other)["actions"]] == ["merge"]
    with pytest.raises(BadInput, match="part of"):
        space.merge(one, other)

    space.split(other, hosts=["db1"], by="mira")
    take_alerts(space.data, Settings())
    hosts = {i["id"]: i["hosts"] for i in space.incidents()}
    assert sorted(map(tuple, hosts.values())) == [("db1",), ("web9",)] and other in hosts and one not in hosts


def test_what_makes_no_sense_is_refused_with_a_reason(space: Workspace) -> None:
    one, other = sorted(i["id"] for i in space.incidents())
    with pytest.raises(NotFound):
        space.merge(one, "inc-99")
    with pytest.raises(BadInput, match="into itself"):
        space.merge(one, one)
    with pytest.raises(BadInput, match="has no host 'mars'"):
        space.split(one, hosts=["mars"])
    with pytest.raises(BadInput, match="would leave nothing"):
        space.split(one, hosts=space.incident(one)["hosts"])
    with pytest.raises(BadInput, match="would leave everything"):
        space.split(other)
    assert not (space.data / "decisions.db").exists()
