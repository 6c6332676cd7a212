"""Merge and split: ids stay, nothing is counted twice, live signals follow, a crash in between changes nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from logsense.incidents import Decision, Decisions, Incidents
from logsense.record import Incident, Signal

SECOND = 1_000_000_000


def signal(at_s: int, host: str, service: str = "app", score: float = 9.0) -> Signal:
    return Signal(
        f"{host}-{service}-{at_s}", "log.unit", at_s * SECOND, (at_s + 10) * SECOND, score, host, service,
        template_id=f"t-{host}", text=f"{service} failed",
    )  # fmt: skip


def two() -> tuple[Incidents, list[Incident]]:
    """Two incidents at once on unrelated hosts."""
    incidents = Incidents()
    found = incidents.update([signal(0, "db1"), signal(0, "web9")], 10 * SECOND)
    assert [i.id for i in found] == ["inc-1", "inc-2"]
    return incidents, found


def test_merge_keeps_both_ids_and_live_signals_follow() -> None:
    incidents, (one, other) = two()
    gone, kept = incidents.decide(Decision(1, "merge", one.id, into=other.id))
    assert (gone.id, gone.status, gone.merged_into) == ("inc-1", "resolved", "inc-2")
    assert kept.id == "inc-2" and set(kept.hosts) == {"db1", "web9"}
    assert sorted(kept.signal_ids) == ["db1-app-0", "web9-app-0"]
    (grown,) = incidents.update([signal(30, "db1")], 40 * SECOND)
    assert grown.id == "inc-2" and len(grown.signal_ids) == 3


def test_merge_with_one_that_is_over_opens_it_again() -> None:
    incidents, (_, other) = two()
    incidents.update([signal(300, "db1")], 310 * SECOND)  # web9 has calmed down by then
    late = incidents.update([signal(330, "db1")], 340 * SECOND)[0]
    _, kept = incidents.decide(Decision(1, "merge", late.id, into=other.id))
    assert kept.id == "inc-2" and kept.status == "open" and kept.start_ns == 0


def test_split_gives_the_part_an_id_of_its_own_and_signals_go_where_they_belong() -> None:
    incidents = Incidents(related=lambda a, b: True)
    signals = [signal(0, "db1"), signal(0, "web1"), signal(10, "web1")]
    (whole,) = incidents.update(signals, 20 * SECOND)
    rest, part = incidents.decide(Decision(1, "split", whole.id, hosts=["web1"]), signals)
    assert (rest.id, rest.hosts, rest.signal_ids) == ("inc-1", ["db1"], ["db1-app-0"])
    assert (part.id, part.hosts, len(part.signal_ids)) == ("inc-2", ["web1"], 2)
    grown = incidents.update([signal(30, "web1"), signal(30, "db1")], 40 * SECOND)
    assert [(i.id, len(i.signal_ids)) for i in grown] == [("inc-1", 2), ("inc-2", 3)]


def test_a_decision_that_makes_no_sense_any_more_changes_nothing() -> None:
    incidents, (one, _) = two()
    assert incidents.decide(Decision(1, "merge", one.id, into=one.id)) == []
    assert incidents.decide(Decision(2, "merge", "inc-99", into=one.id)) == []
    assert incidents.decide(Decision(3, "split", one.id, hosts=["db1"]), [signal(0, "db1")]) == []
    assert len(incidents.update([signal(20, "db1"), signal(20, "web9")], 30 * SECOND)) == 2


def test_a_decision_is_applied_once_also_over_a_crash(tmp_path: Path) -> None:
    db = sqlite3.connect(":memory:")
    incidents, (one, other) = two()
    incidents.load(db)
    incidents.save(db)
    decisions = Decisions(tmp_path)
    assert decisions.after(0) == []
    decisions.add("merge", one.id, into=other.id)
    for decision in decisions.after(incidents.decided):
        assert len(incidents.decide(decision)) == 2
    crashed = Incidents()
    crashed.load(db)  # the state of before: the decision is still to be applied
    (again,) = decisions.after(crashed.decided)
    assert [i.id for i in crashed.decide(again)] == ["inc-1", "inc-2"]
    crashed.save(db)
    crashed.load(db)
    assert decisions.after(crashed.decided) == [] and crashed.decide(again) == []
