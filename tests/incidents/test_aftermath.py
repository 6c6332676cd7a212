"""What begins near an incident that has calmed down: another one, the same again, or only listed with it."""

import sqlite3

import pytest

from logsense.incidents import Incidents

from .test_grouping import T0, S, replay, signal

RELATED = {"related": lambda one, two: True}


def burst(at: float, host: str, template: str, **more) -> list:
    return [
        signal(at + n, host=host, template_id=template, text=f"`{template} went wrong`", **more) for n in (0, 10, 20)
    ]


def test_faults_a_minute_apart_on_services_that_call_each_other_are_incidents_of_their_own():
    found = replay(
        Incidents(**RELATED), [*burst(0, "db1", "t1"), *burst(60, "app1", "t2"), *burst(120, "web1", "t3")], 400
    )
    assert [(i.id, i.hosts, i.follows) for i in found.values()] == [
        ("inc-1", ["db1"], ""), ("inc-2", ["app1"], "inc-1"), ("inc-3", ["web1"], "inc-2"),
    ]  # fmt: skip
    assert [(i.start_ns - T0) // S for i in found.values()] == [0, 60, 120]
    assert [(i.end_ns - T0) // S for i in found.values()] == [30, 90, 150]


def test_what_spreads_without_a_pause_is_one_incident():
    (found,) = replay(Incidents(**RELATED), [*burst(0, "db1", "t1"), *burst(40, "app1", "t2")], 300).values()
    assert sorted(found.hosts) == ["app1", "db1"]


def test_the_same_again_after_a_pause_is_the_same_incident_unless_the_causes_differ():
    signals = [*burst(0, "db1", "t1"), *burst(60, "db1", "t1")]
    (found,) = replay(Incidents(**RELATED), signals, 300).values()
    assert found.end_ns == T0 + 90 * S
    asked = []

    def apart(old, new) -> bool:
        asked.append((old.id, new.start_ns))
        return True

    assert len(replay(Incidents(**RELATED, apart=apart), signals, 300)) == 2
    assert asked == [("inc-1", T0 + 60 * S)]


def test_an_episode_that_comes_back_within_a_minute_begins_anew():
    """Detectors keep the id of what returns so soon, and its first beginning."""
    again = signal(60, id="log.severity-db1-0--t1")
    again.start_ns = T0
    incidents = Incidents(**RELATED)
    incidents.update([signal(0, id=again.id)], T0 + 10 * S)
    found = incidents.update([again, *burst(60, "app1", "t2")[:1]], T0 + 70 * S)
    assert [(i.id, (i.start_ns - T0) // S) for i in found] == [("inc-2", 60)]
    assert again.id in found[0].signal_ids


def test_weak_signs_after_the_end_are_listed_and_keep_nothing_alive():
    stray = signal(60, "metric.low", 2.5, host="app1", metric="m.x", template_id="")
    found = replay(Incidents(**RELATED), [*burst(0, "db1", "t1"), stray], 400)
    assert list(found) == ["inc-1"] and stray.id in found["inc-1"].signal_ids
    assert found["inc-1"].end_ns == T0 + 30 * S


def test_a_signal_that_is_noticed_late_joins_the_incident_of_its_time():
    incidents = Incidents(**RELATED)
    replay(incidents, [*burst(0, "db1", "t1"), *burst(400, "web1", "t3")], 900)
    late = signal(10, "log.session", 8.0, host="app1", template_id="t9")
    (changed,) = incidents.update([late], T0 + 910 * S)
    assert (changed.id, changed.status, changed.start_ns) == ("inc-1", "resolved", T0)
    assert late.id in changed.signal_ids and changed.end_ns == T0 + 30 * S


def test_a_weak_sign_of_the_same_kind_does_not_date_the_incident():
    weak = {"kind": "log.slow", "template_id": "t1"}
    signals = [signal(0, score=4.0, **weak), signal(60, score=4.0, **weak), signal(70, score=8.0, **weak)]
    (found,) = replay(Incidents(), signals, 200).values()
    assert found.start_ns == T0 + 60 * S


@pytest.mark.parametrize("until", [70, 120])
def test_a_beginning_survives_a_restart(until):
    signals = [*burst(0, "db1", "t1"), signal(60, host="app1", score=3.0, template_id="t2"),
               *burst(70, "app1", "t4")]  # fmt: skip
    one, db = Incidents(**RELATED), sqlite3.connect(":memory:")
    first = [s for s in signals if s.end_ns <= T0 + until * S]
    replay(one, first, until)
    one.save(db)
    two = Incidents(**RELATED)
    two.load(db)
    rest = [s for s in signals if s.end_ns > T0 + until * S]
    for incidents in (one, two):
        latest = {}
        for tick in range(until, 400, 10):
            window = [s for s in rest if s.end_ns == T0 + (tick + 10) * S]
            latest |= {i.id: i for i in incidents.update(window, T0 + (tick + 10) * S)}
        found = latest["inc-2"]
        assert (found.follows, found.hosts, found.status) == ("inc-1", ["app1"], "resolved")
