"""``kill -9`` at each point of a commit, not by chance: the next worker indexes what was accepted exactly once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from logsense.record import Query
from tests.e2e.dying_worker import ELASTIC_POINTS, POINTS, RECORDS
from tests.e2e.places import LONG_KINDS, Place
from tests.e2e.senders import counted


@pytest.mark.xdist_group("kills")
@pytest.mark.parametrize("place", LONG_KINDS, indirect=True)
def test_every_point_of_a_commit_may_be_the_last(tmp_path: Path, place: Place) -> None:
    data = tmp_path / "data"
    command = [sys.executable, "-m", "tests.e2e.dying_worker", str(data), json.dumps(place.settings.tables)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True,
                          text=True, timeout=300, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    accepted = len(POINTS if place.kind == "embedded" else ELASTIC_POINTS) * RECORDS
    index = place.reader(data)
    found = counted(index.scan(Query()))
    counters = index.source_stats()["test"]
    templates = sum(template.count for template in index.templates())
    index.close()
    assert set(found) == set(range(accepted))
    assert set(found.values()) == {1}
    # What is counted is part of the same promise: state and position are one transaction.
    assert templates == accepted
    assert counters["accepted"] == counters["parsed"] + counters["unparsed"] == accepted
    assert list((data / "spool").glob("*.seg")) == []
