"""Rankings become one by their places alone."""

from __future__ import annotations

import pytest

from logsense.search import fuse


def test_what_both_rankings_know_stands_above_what_one_knows() -> None:
    fused = fuse([["a", "b", "c"], ["d", "c", "e"]])
    assert [name for name, _ in fused] == ["c", "a", "d", "b", "e"]  # equals by name
    assert dict(fused)["c"] == pytest.approx(1 / 63 + 1 / 62)


def test_nothing_gives_nothing_and_one_ranking_itself() -> None:
    assert fuse([]) == [] == fuse([[], []])
    assert [name for name, _ in fuse([["z", "y"], []])] == ["z", "y"]
