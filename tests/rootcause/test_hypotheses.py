"""The ranking: gate, owners, who explains whom, abstaining."""

import dataclasses
import random

import pytest

from logsense.record import Signal
from logsense.rootcause import Evidence, rank

from .cases import END, START, T0, evidence, oom_behind_a_proxy, series, signal, template


def first(found) -> tuple[str, str, str]:
    return (found[0].kind, found[0].host, found[0].service) if found else ("", "", "")


def test_the_cause_behind_the_proxy_comes_first():
    found = rank(oom_behind_a_proxy())
    assert first(found) == ("out_of_memory", "app1", "orders-api")
    symptom = next(h for h in found if h.kind == "upstream_down")
    assert "explained by" in symptom.why and symptom.score < found[0].score / 2
    assert any(e.startswith("line:app1-") for e in found[0].evidence)
    assert any(e.startswith("metric:app1/system.memory.utilization@") for e in found[0].evidence)


def test_a_proxy_without_a_deeper_cause_is_named_itself():
    lines = [template("web1", "nginx", "no live upstreams while connecting to upstream", 40)]
    assert first(rank(evidence(lines))) == ("upstream_down", "web1", "nginx")


def test_a_clients_complaint_is_attributed_to_the_server():
    complaint = template("app1", "shop", "OperationalError: FATAL:  sorry, too many clients already", 30)
    servers = {"db1": ["postgresql"], "cache1": ["redis"]}
    assert first(rank(evidence([complaint], services=servers))) == ("connection_exhaustion", "db1", "postgresql")
    refused = template("app1", "shop", "OOM command not allowed when used memory > 'maxmemory'.", 30)
    memory = series("cache1", "redis.memory.used", 1e6, 24e6)
    assert first(rank(evidence([refused], [memory], services=servers))) == ("cache_memory", "cache1", "redis")


def test_a_host_that_others_name_as_unreachable_is_the_place():
    lines = [
        template("edge1", "haproxy", "Server shop/app2 is DOWN, reason: Layer4 connection problem", 3),
        template("proxy1", "squid", "GET www.corp.test/ 503 Service Unavailable", 30),
        template("app2", "nginx", "GET / 200", 3, before=90),
    ]
    found = rank(evidence(lines, calls=[("edge1", "app2"), ("proxy1", "edge1")], services={"app2": ["nginx"]}))
    assert first(found) == ("upstream_down", "app2", "nginx")
    refused = template("ns1", "named", "connection refused resolving 'shop.test/A/IN': 10.20.0.47#53", 20)
    named = dataclasses.replace(evidence([refused], services={"ns2": ["named"]}), addresses={"10.20.0.47": "ns2"})
    assert first(rank(named)) == ("dns_failure", "ns2", "named")


def test_of_two_ends_the_replica_and_of_many_the_hub():
    cut = [
        template("db1", "postgresql", "terminating walsender process due to replication timeout", 1),
        template("db2", "postgresql", "terminating walreceiver due to timeout", 1),
    ]
    assert first(rank(evidence(cut, calls=[("db2", "db1")])))[:2] == ("replication_lag", "db2")
    lossy = [series(host, "tcp.retransmits", 0.0, 4.0) for host in ("app1", "app2", "edge1")]
    calls = [("edge1", "app1"), ("edge1", "app2")]
    assert first(rank(evidence(metrics=lossy, calls=calls)))[:2] == ("network_loss", "edge1")


def test_metrics_alone_and_logs_alone_suffice():
    assert first(rank(evidence(metrics=[series("app1", "system.disk.utilization", 0.3, 1.0)])))[:2] == (
        "disk_full",
        "app1",
    )
    busy = [series("app1", "system.cpu.throttled", 0.02, 0.97), series("app1", "system.load", 1, 9)]
    assert first(rank(evidence(metrics=busy)))[:2] == ("cpu_starvation", "app1")
    assert (
        first(rank(evidence([template("db1", "pg", "could not extend file: No space left on device", 9)])))[0]
        == "disk_full"
    )


def test_an_earlier_effect_is_not_explained_by_a_later_cause():
    lines = [
        template("web1", "nginx", "no live upstreams while connecting to upstream", 40, at=0),
        template("app1", "kernel", "Out of memory: Killed process 7 (orders-api)", 1, at=110),
    ]
    found = rank(evidence(lines, calls=[("web1", "app1")]))
    symptom = next(h for h in found if h.kind == "upstream_down")
    assert "explained by" not in symptom.why and "it began 110 s before" in symptom.why and symptom.against


def test_usual_complaints_do_not_count():
    usual = template("web1", "sshd", "Failed password for root from 203.0.113.5", 20, before=100)
    assert rank(evidence([usual])) == []
    few = template("web1", "sshd", "Failed password for root from 203.0.113.5", 2)
    assert rank(evidence([few])) == []
    many = template("web1", "sshd", "Failed password for root from 203.0.113.5", 60)
    assert first(rank(evidence([many]))) == ("brute_force", "web1", "sshd")


def test_what_should_show_and_does_not_speaks_against():
    lines = [template("db1", "postgresql", "could not extend file: No space left on device", 9)]
    found = rank(evidence(lines, [series("db1", "system.disk.utilization", 0.3, 0.31)]))
    assert any(text.startswith("metric:db1/system.disk.utilization@") for text in found[0].against)


def test_unknown_trouble_is_named_by_place_only():
    found = rank(evidence(signals=[signal("x1", "`frobnication diverged` 50 times", service="frob", score=9)]))
    assert first(found) == ("unexplained", "x1", "frob")
    assert "No known failure" in found[0].why and found[0].evidence


def test_nothing_is_said_when_there_is_nothing():
    assert rank(evidence()) == []
    assert rank(Evidence(START, END, T0)) == []
    assert rank(evidence(signals=[signal("x1", "weak", score=2.0)])) == []


def test_equal_causes_come_in_a_fixed_order():
    lines = [template(host, "pg", "could not extend file: No space left on device", 9) for host in ("b", "a")]
    assert [h.host for h in rank(evidence(lines))[:2]] == ["a", "b"]


def test_against_holds_evidence_ids_only():
    for hypothesis in rank(oom_behind_a_proxy()):
        assert all(e.partition(":")[0] in ("line", "template", "metric", "signal") for e in hypothesis.against)


@pytest.mark.parametrize("seed", range(3))
def test_order_of_the_evidence_does_not_matter(seed):
    whole = oom_behind_a_proxy()
    rng = random.Random(seed)
    mixed = dataclasses.replace(
        whole,
        templates=rng.sample(list(whole.templates), len(whole.templates)),
        series=rng.sample(list(whole.series), len(whole.series)),
        signals=rng.sample(list(whole.signals), len(whole.signals)),
    )
    assert [(h.kind, h.host, h.score, h.title) for h in rank(mixed)] == [
        (h.kind, h.host, h.score, h.title) for h in rank(whole)
    ]


def test_a_circle_of_calls_ends():
    lines = [template(h, "nginx", "no live upstreams while connecting to upstream", 40) for h in ("a", "b", "c")]
    found = rank(evidence(lines, calls=[("a", "b"), ("b", "c"), ("c", "a")]))
    assert found and found[0].kind == "upstream_down"


def test_an_alert_that_names_no_place_names_none():
    alert = Signal("a", "alert", START, END, 9.0, text="checkout is slow")
    assert rank(evidence(signals=[alert])) == []
