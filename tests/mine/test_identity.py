"""Ids and counts over limits, crashes and upgrades.

``state/mined-1.sql`` is the state of a miner of November 2026 after 150 lines of three services, of which two have
templates of their own; ``mined-1.json`` is what that miner answered for the same lines once more.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logsense.config import Settings
from logsense.front import Parsed
from logsense.mine import EditedTemplates, Miner, MinerOptions
from logsense.parse import Parser
from logsense.pipeline import Pipeline
from logsense.record import LogRecord, Query, RawEvent
from logsense.workspace import Workspace

STATE = Path(__file__).parent / "state"
OPTIONS = MinerOptions(max_services=2, max_templates=30)


@pytest.fixture
def old() -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript((STATE / "mined-1.sql").read_text(encoding="utf-8"))
    yield db
    db.close()


@pytest.fixture(scope="module")
def wanted() -> dict[str, Any]:
    return dict(json.loads((STATE / "mined-1.json").read_text(encoding="utf-8")))


def again(miner: Miner, wanted: dict[str, Any]) -> list[str]:
    records = [
        LogRecord(f"l{i}", 1_700_000_000_000_000_000 + i, message, "t", 0, service=service)
        for i, (service, message, _) in enumerate(wanted["lines"])
    ]
    return [r.template_id for r in miner.process(records)]


def test_state_of_an_earlier_version_keeps_its_ids(old: sqlite3.Connection, wanted: dict[str, Any]) -> None:
    miner = Miner(OPTIONS)
    miner.load(old)
    assert again(miner, wanted) == [template_id for _, _, template_id in wanted["lines"]]
    found = sorted([t.id, t.text, t.version, t.count, t.alias_of, t.level] for t in miner.templates())
    assert found == wanted["templates"]


def test_state_of_an_earlier_version_is_saved_and_read_by_this_one(
    old: sqlite3.Connection, wanted: dict[str, Any]
) -> None:
    first = Miner(OPTIONS)
    first.load(old)
    edits = EditedTemplates(first.templates)
    edits.load(old)  # makes its tables where an earlier version made none
    ids = again(first, wanted)
    first.save(old)
    edits.save(old)
    second = Miner(OPTIONS)
    second.load(old)
    assert again(second, wanted) == ids
    assert sum(t.count for t in second.templates()) == 3 * len(ids)


def test_the_third_service_is_unclustered_and_counted(wanted: dict[str, Any]) -> None:
    miner = Miner(OPTIONS)
    again(miner, wanted)
    (rest,) = (t for t in miner.templates() if t.service == "(other services)")
    assert (rest.text, rest.count) == ("<*>", 50)
    assert sum(t.count for t in miner.templates()) == 150


def test_what_is_too_much_for_a_service_is_unclustered_and_stays_so_over_a_restart() -> None:
    options = MinerOptions(max_templates=3)
    lines = ["alpha begins", "beta ends", "gamma waits", "delta sleeps", "epsilon runs", "alpha begins"]

    def mine(miner: Miner) -> list[str]:
        return [r.template_id for r in miner.process([LogRecord(t, 0, t, "t", 0, service="s") for t in lines])]

    miner = Miner(options)
    ids = mine(miner)
    assert (len(set(ids)), ids[3], ids[5]) == (4, ids[4], ids[0])
    db = sqlite3.connect(":memory:")
    miner.save(db)
    restored = Miner(options)
    restored.load(db)
    assert mine(restored) == ids
    assert sum(t.count for t in restored.templates()) == 12
    db.close()


def test_a_crash_after_the_index_and_before_the_state_changes_neither_ids_nor_counts(tmp_path: Path) -> None:
    """The worst moment: lines and templates are in the index, the position and the miner's state are not."""
    events = [
        RawEvent(f"user={n % 7} asked for page {n} of book {n % 3}", "t", 10**18 + n, id=f"e{n}") for n in range(40)
    ]

    def parsed(part: list[RawEvent], *, replay: bool) -> Parsed:
        parser = Parser(Settings().section("parse"))
        return Parsed([*parser.parse(part), *parser.flush()], replay=replay)

    first = Pipeline(tmp_path, Settings(), models=False)
    first.take(parsed(events[:20], replay=False))
    first.commit("20")
    first.take(parsed(events[20:], replay=False))
    first._enrich()
    first.index.commit()
    first.close()  # the state of the second half is lost

    second = Pipeline(tmp_path, Settings(), models=False)
    assert second.position == "20"
    second.take(parsed(events[20:], replay=True))
    second.commit("40")
    second.close()

    space = Workspace(tmp_path, load_models=False)
    rows = space.templates()
    assert sum(r["count"] for r in rows) == 40
    assert space.search("", limit=1)["total"] == 40
    held = dict(space.index.terms(Query(), "template_id", 100))
    assert held == {r["id"]: r["count"] for r in rows}
    space.close()


@pytest.mark.models
def test_templates_that_no_model_saw_before_the_process_ended_are_seen_by_the_next(tmp_path: Path) -> None:
    parser = Parser(Settings().section("parse"))
    events = [RawEvent(f"the disk of volume {n} is full", "t", 10**18 + n, id=f"e{n}") for n in range(5)]
    first = Pipeline(tmp_path, Settings(), models=False)
    first.take(Parsed([*parser.parse(events), *parser.flush()], replay=False))
    first.commit("5")
    first.close()

    second = Pipeline(tmp_path, Settings())
    assert second.finish_enrichment(120)
    second.commit("5")
    templates = second.index.templates()
    assert templates and all(t.enriched_version == t.version and t.keywords for t in templates)
    assert {i for _, ids, _ in second.index.template_vectors() for i in ids} == {t.id for t in templates}
    second.close()
