"""Which kind of evidence decides, what the sentences say, and that they cite what exists."""

import pytest

from logsense.rootcause import is_clear, rank, translate
from logsense.rootcause.deviations import deviations
from logsense.rootcause.evidence import Evidence
from logsense.rootcause.requests import Requests

from .cases import END, START, T0, evidence, series
from .requests_of_a_shop import CALLS, Shop, during
from .test_delays import leaving


def of(requests: Requests | None = None, *metrics) -> Evidence:
    plain = evidence(metrics=metrics)
    return Evidence(START, END, T0, series=plain.series, hosts=plain.hosts, requests=requests)


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
