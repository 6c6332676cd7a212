"""Grouping: what belongs together, what opens an incident, and how it ends."""

import random
import sqlite3
import time

import pytest

from logsense.incidents import IncidentOptions, Incidents
from logsense.record import Signal

S = 1_000_000_000
T0 = 1_764_000_000 * S


def signal(at: float, kind: str = "log.severity", score: float = 5.0, host: str = "db1", **more) -> Signal:
    words = "`sorry, too many clients already` 9 times"
    more = {"service": "postgresql", "pipeline": "p", "template_id": "t1", "text": words, **more}
    identity = more.pop("id", f"{kind}-{host}-{at}-{more.get('metric', '')}-{more['template_id']}")
    start = T0 + int(at * S)
    return Signal(id=identity, kind=kind, start_ns=start, end_ns=start + 10 * S, score=score, host=host, **more)


def replay(incidents: Incidents, signals: list[Signal], until: float) -> dict[str, object]:
    """Feed windows of ten seconds; the newest version of each incident."""
    latest = {}
    for tick in range(0, int(until), 10):
        window = [s for s in signals if T0 + tick * S <= s.start_ns < T0 + (tick + 10) * S]
        for incident in incidents.update(window, T0 + (tick + 10) * S):
            latest[incident.id] = incident
    return latest


def test_enough_evidence_opens_one_incident_that_grows_calms_and_resolves():
    incidents = Incidents()
    found = replay(incidents, [signal(at) for at in range(0, 100, 10)] + [signal(30, "log.unit", service="x")], 120)
    (incident,) = found.values()
    assert (incident.id, incident.status, incident.hosts) == ("inc-1", "open", ["db1"])
    assert incident.title == "x on db1: sorry, too many clients already"
    assert incident.start_ns == T0 and incident.last_ns == T0 + 100 * S
    (resolved,) = incidents.update([], T0 + 400 * S)
    assert (resolved.status, resolved.end_ns) == ("resolved", T0 + 100 * S)
    assert incidents.update([], T0 + 1000 * S) == []


@pytest.mark.parametrize(
    "weak",
    [
        [signal(0, "metric.high", 4.4, metric="system.cpu.utilization", template_id="")],
        [signal(0, "log.severity", 3.1), signal(0, "log.new", 3.4)],
        [signal(0, "log.rate", 5.0)],
        [signal(0, "metric.low", 4.5, metric="m.x"), signal(0, "metric.high", 2.5, metric="m.y")],
    ],
)
def test_weak_evidence_opens_nothing(weak):
    assert replay(Incidents(), weak, 60) == {}


def test_agreeing_kinds_open_what_one_would_not():
    both = [
        signal(0, "log.severity", 3.2),
        signal(10, "metric.high", 4.5, metric="system.cpu.utilization", template_id=""),
    ]
    assert len(replay(Incidents(), both, 60)) == 1


def test_faults_on_unrelated_hosts_are_two_and_on_related_ones_one():
    signals = [signal(at, host=host) for at in range(0, 60, 10) for host in ("db1", "web9")]
    assert len(replay(Incidents(), signals, 100)) == 2
    related = Incidents(related=lambda a, b: {a, b} == {"db1", "web9"})
    (one,) = replay(related, signals, 100).values()
    assert sorted(one.hosts) == ["db1", "web9"]


def test_pipelines_do_not_merge_unless_on_the_same_host():
    def run(host):
        signals = [signal(0), signal(10), signal(0, host=host, pipeline="q"), signal(10, host=host, pipeline="q")]
        return replay(Incidents(related=lambda a, b: True), signals, 60)

    assert len(run("web1")) == 2
    assert len(run("db1")) == 1


def test_a_client_that_repeats_its_servers_error_belongs_to_it():
    server = [signal(at, text="`sorry, too many clients already` 9 times") for at in (0, 10)]
    client = [
        signal(
            at,
            host="app1",
            service="shop",
            template_id="t2",
            text="`list_orders failed: sorry, too many clients already`",
        )
        for at in (10, 20)
    ]
    (one,) = replay(Incidents(), [*server, *client], 60).values()
    assert sorted(one.hosts) == ["app1", "db1"]
    other = [
        signal(at, host="app1", service="shop", template_id="t2", text="`disk of cart service is full now`")
        for at in (10, 20)
    ]
    assert len(replay(Incidents(), [*server, *other], 60)) == 2
    meant = Incidents(similarity=lambda a, b: 0.95)
    assert len(replay(meant, [*server, *other], 60)) == 1


def test_a_bridge_joins_what_had_not_opened_yet():
    incidents = Incidents(related=lambda a, b: "hub" in (a, b))
    weak = {"kind": "metric.high", "score": 3.4, "metric": "m.a", "template_id": ""}
    signals = [signal(0, host="a", **weak), signal(0, host="b", **weak), signal(10, host="hub", score=6)]
    (incident,) = replay(incidents, signals, 60).values()
    assert sorted(incident.hosts) == ["a", "b", "hub"] and len(incident.signal_ids) == 3


def test_the_same_trouble_again_reopens_and_another_one_does_not():
    signals = [signal(at) for at in range(0, 40, 10)] + [signal(at) for at in range(220, 250, 10)]
    assert list(replay(Incidents(), signals, 300)) == ["inc-1"]
    other = [signal(at) for at in range(0, 40, 10)] + [signal(at, template_id="t9") for at in range(220, 250, 10)]
    assert list(replay(Incidents(), other, 300)) == ["inc-1", "inc-2"]


def test_a_stray_error_does_not_bridge_two_troubles():
    stray = signal(110, score=2.8, template_id="t5", text="`database shopp does not exist` once")
    again = signal(110, "log.new", score=2.9, template_id="t5", text="`database shopp does not exist`")
    second = [signal(at, template_id="t9", text="`lock timeout`") for at in (200, 210)]
    found = replay(Incidents(), [signal(at) for at in range(0, 40, 10)] + [stray, again, *second], 260)
    assert list(found) == ["inc-1", "inc-2"] and stray.id in found["inc-1"].signal_ids
    assert found["inc-1"].last_ns == T0 + 40 * S


def test_an_episode_that_is_reported_again_is_not_counted_twice():
    incidents = Incidents()
    for tick in range(20):
        one = signal(0, id="same", score=8)
        one.end_ns = T0 + (tick + 1) * 10 * S
        found = incidents.update([one], one.end_ns)
    assert found[0].signal_ids == ["same"] and found[0].last_ns == T0 + 200 * S


def test_storms_are_few_incidents_and_linear():
    rng = random.Random(1)

    def storm(count):
        return [
            signal(rng.uniform(0, 300), rng.choice(("log.severity", "log.rate", "log.new")), rng.uniform(2, 12),
                   f"h{rng.randint(1, 300)}", template_id=f"t{rng.randint(1, 500)}", id=f"s{number}")
            for number in range(count)
        ]  # fmt: skip

    times = []
    for count in (10_000, 40_000):
        incidents, signals = Incidents(IncidentOptions()), storm(count)
        started = time.process_time()
        found = replay_fast(incidents, signals)
        times.append(time.process_time() - started)
        assert 1 <= len(found) <= 10
        assert all(len(i.signal_ids) <= 500 for i in found.values())
    assert times[1] < 4 and times[1] < 12 * max(times[0], 0.1)


def replay_fast(incidents: Incidents, signals: list[Signal]) -> dict:
    latest, by_window = {}, {}
    for one in signals:
        by_window.setdefault((one.start_ns - T0) // (10 * S), []).append(one)
    for tick in range(60):
        for incident in incidents.update(by_window.get(tick, []), T0 + (tick + 1) * 10 * S):
            latest[incident.id] = incident
    return latest


def test_many_windows_at_once_give_the_same_as_one_after_the_other():
    signals = [signal(at) for at in (0, 10, 20)] + [signal(at, host="db7", template_id="t7") for at in (900, 910)]
    slow, fast = replay(Incidents(), signals, 1200), Incidents()
    once = {i.id: i for i in fast.update(signals, T0 + 1200 * S)}
    assert once == slow and len(once) == 2
    assert fast.opened_ns("inc-1") < T0 + 100 * S


def test_ids_and_groups_survive_a_restart():
    db = sqlite3.connect(":memory:")
    before = Incidents()
    replay(before, [signal(at) for at in range(0, 30, 10)], 30)
    before.save(db)
    after = Incidents()
    after.load(db)
    (grown,) = after.update([signal(40)], T0 + 50 * S)
    assert grown.id == "inc-1" and len(grown.signal_ids) == 4
    more = after.update([signal(at, host="z") for at in (60, 61, 62)], T0 + 80 * S)
    assert [i.id for i in more if i.hosts == ["z"]] == ["inc-2"]
    assert after.opened_ns("inc-1") == before.opened_ns("inc-1") > 0
    db.close()
