"""Which kind of evidence decides, what the sentences say, and that they cite what exists."""

from dataclasses import replace

import pytest

from logsense.record import Signal
from logsense.rootcause import is_clear, rank, translate
from logsense.rootcause.deviations import deviations
from logsense.rootcause.evidence import Evidence
from logsense.rootcause.requests import SECOND, Line, Requests

from .cases import END, START, T0, evidence, series
from .requests_of_a_shop import CALLS, Shop, during
from .test_delays import leaving


def of(requests: Requests | None = None, *metrics, alarmed: bool = True) -> Evidence:
    """``alarmed``: somebody was told that something is wrong, not what or where."""
    plain = evidence(metrics=metrics)
    alarm = [Signal("alarm", "alert", START, END, 1.0)] if alarmed else []
    return Evidence(START, END, T0, alarm, series=plain.series, hosts=plain.hosts, requests=requests)


@pytest.mark.parametrize("name", [name for name in CALLS if name != "front"])
def test_one_broken_service_stands_clearly_ahead_of_its_callers(name):
    found = rank(of(during(Shop(5, broken=name))))
    assert found[0].host == f"{name}-1" and found[0].kind == "changed_requests" and found[0].service == name


@pytest.mark.parametrize("name", list(CALLS))
def test_delay_goes_before_changed_steps(name):
    found = rank(of(during(Shop(5, wait=leaving(name, 300)))))
    assert found[0].host == f"{name}-1" and found[0].kind == "slow_service"
    assert is_clear(found)


def test_a_resource_that_is_taken_up_goes_before_what_it_does_to_requests():
    slow = during(Shop(5, wait=leaving("stock", 300)))
    found = rank(of(slow, series("price-1", "CpuUsageRate(%)", 0.9, 97.0)))
    assert [h.host for h in found[:2]] == ["price-1", "stock-1"]
    assert found[0].score > found[1].score


def test_every_sentence_cites_lines_that_were_read():
    for shop in (
        Shop(5, broken="cart"),
        Shop(5, broken="stock"),
        Shop(6, silent="ledger"),
        Shop(3, wait=leaving("price", 99)),
    ):
        requests = during(shop)
        lines = {f"line:{line.id}" for line in requests.during}
        templates = {f"template:{line.template}" for line in (*requests.normal, *requests.during)}
        for hypothesis in deviations(of(requests)):
            assert hypothesis.evidence, hypothesis.why
            assert set(hypothesis.evidence) <= lines | templates
            assert hypothesis.why.endswith(".") and hypothesis.next_steps
            unknown: list[str] = []
            for said in (hypothesis.title, hypothesis.why, *hypothesis.next_steps):
                translate(said, unknown.append)
            assert unknown == []


def test_ordinary_requests_give_nothing_to_be_sure_of():
    for seed in range(30, 36):
        found = deviations(of(during(Shop(seed))))
        assert not is_clear(found)
        assert all(hypothesis.score < 0.45 for hypothesis in found)
        assert rank(of(during(Shop(seed)), alarmed=False)) == []


@pytest.mark.parametrize("trouble", [{"wait": leaving("stock", 300)}, {"broken": "stock"}, {"silent": "ledger"}])
def test_what_is_far_beyond_its_gate_is_found_without_an_alarm(trouble):
    requests = during(Shop(5, **trouble))
    assert rank(of(requests, alarmed=False))[0] == rank(of(requests))[0]


def test_figures_alone_say_who_and_not_whether():
    """A latency that rose a little beyond its noise, at a service nobody was alarmed about."""
    metrics = [series(f"{name}-1", "latency_average", 0.02, 0.05 if name == "b" else 0.02) for name in "ab"]
    plain = evidence(metrics=metrics, calls=[("a-1", "b-1")])
    assert rank(plain) == []
    assert rank(replace(plain, signals=[Signal("alarm", "alert", START, END, 1.0)]))[0].host == "b-1"


def lines_of(service: str, steps: list[str], at: int, request: str) -> list[Line]:
    return [
        Line(at + n * 1_000_000, (f"{service}-1", service), f"{service} {text}", request, request, f"{request}{n}")
        for n, text in enumerate(steps)
    ]


def test_the_nearest_to_its_gate_is_told_before_the_fourth_place_of_a_kind_that_opened_it(monkeypatch):
    """Five services break; two delay their requests, by less than counts."""
    monkeypatch.setattr("logsense.rootcause.deviations.DELAY_GATE", 9.0)
    broken = [f"s{n}" for n in range(5)]
    usual, now = [], []
    for n in range(100):
        for service in broken:
            usual += lines_of(service, ["received", "done"], T0 + n * SECOND, f"{service}-n{n}")
        usual += [*slowly(f"n{n}", T0 + n * SECOND, 20_000_000 + n * 100_000)]
    for n in range(40):
        for service in broken:
            now += lines_of(service, ["received", "failed"], START + n * SECOND, f"{service}-d{n}")
        if n < 4:
            now += [*slowly(f"d{n}", START + n * SECOND, 45_000_000)]
    found = deviations(of(Requests(sorted(usual), sorted(now))))
    kinds = [(one.kind, one.host) for one in found]
    assert [kind for kind, _ in kinds[:5]].count("changed_requests") == 4
    assert kinds[3][0] == "slow_service" and kinds[3][1] in ("slow-1", "asked-1")


def slowly(request: str, at: int, takes: int) -> list[Line]:
    slow, asked = ("slow-1", "slow"), ("asked-1", "asked")
    return [
        Line(at, slow, "slow asks", f"slow-{request}", "1", f"slow-{request}-0"),
        Line(at + takes, asked, "asked hears", f"slow-{request}", "2", f"slow-{request}-1"),
        Line(at + takes + 1_000_000, slow, "slow done", f"slow-{request}", "1", f"slow-{request}-2"),
    ]


def test_without_requests_and_figures_nothing_is_said():
    assert deviations(of()) == []
    assert deviations(of(Requests())) == []


def test_of_two_resources_about_as_strong_the_one_that_surely_changed_first_comes_first():
    def from_(at: float):
        return lambda since: 97.0 if since >= at else 0.9

    late, early = series("a-1", "CpuUsageRate(%)", 0.9, from_(50)), series("b-1", "CpuUsageRate(%)", 0.9, from_(0))
    found = deviations(of(None, late, early))
    assert [one.host for one in found] == ["b-1", "a-1"]
    assert "changed surely before CpuUsageRate(%) on a-1" in found[0].why
    translate(found[0].why, lambda part: pytest.fail(part))


def test_onsets_that_cannot_be_told_apart_change_nothing():
    same = [series(f"{name}-1", "CpuUsageRate(%)", 0.9, 97.0) for name in "ab"]
    found = deviations(of(None, *same))
    assert [one.host for one in found] == ["a-1", "b-1"] and "before" not in found[0].why


def test_a_partly_taken_up_resource_counts_where_the_place_delays_requests():
    slow = during(Shop(5, wait=leaving("stock", 60)))
    found = rank(of(slow, series("stock-1", "process.cpu.utilization", 0.01, 0.09)))
    assert (found[0].kind, found[0].host) == ("cpu_starvation", "stock-1")
    assert any(cited.startswith("line:") for cited in found[0].evidence)
    elsewhere = rank(of(slow, series("cart-1", "process.cpu.utilization", 0.01, 0.09)))
    assert elsewhere[0].host == "stock-1"
    translate(found[0].why, lambda part: pytest.fail(part))
