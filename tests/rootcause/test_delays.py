"""Delays put into requests by hand: who is named, and that nobody is where there is none."""

import random

import pytest

from logsense.rootcause.delays import Hop, common_growth, compare, delays
from logsense.rootcause.deviations import DELAY_GATE
from logsense.rootcause.requests import Line, Requests

from .requests_of_a_shop import CALLS, Shop, during, normal, place


def leaving(name: str, ms: float):
    rng = random.Random(name)
    return lambda origin, target: rng.gauss(ms, ms / 10) if origin == name != target else 0.0


def around(name: str, ms: float):
    """A network that is slow both ways."""
    rng = random.Random(name)
    return lambda origin, target: rng.gauss(ms, ms / 10) if (origin == name) != (target == name) else 0.0


def within(name: str, ms: float):
    return lambda origin, target: ms if origin == name == target else 0.0


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.parametrize("ms", [40, 150, 1000])
@pytest.mark.parametrize("slow", [leaving, around, within])
def test_the_slow_service_is_named(name, ms, slow):
    if name == "ledger" and slow is around:
        pytest.skip("a service that one other calls, slow both ways: see the test of ties")
    found = delays(during(Shop(3, wait=slow(name, ms))))
    assert found and found[0].place == place(name)
    assert found[0].score >= DELAY_GATE


def test_of_two_ends_that_look_alike_the_called_one_is_named():
    """Only one service calls the ledger, and a slow network between them shows at both: the figures cannot tell."""
    found = delays(during(Shop(3, wait=around("ledger", 200))))
    assert {delay.place for delay in found[:2]} >= {place("ledger")}


def test_few_requests_are_enough():
    found = delays(during(Shop(4, wait=leaving("payment", 200)), count=8))
    assert found[0].place == place("payment")


def test_nobody_is_slow_in_ordinary_times():
    for seed in range(20, 30):
        found = delays(during(Shop(seed)))
        assert not found or found[0].score < DELAY_GATE


def test_a_few_stalls_of_many_seconds_are_no_delay():
    rng = random.Random(9)
    stalls = Shop(21, wait=lambda origin, target: 20_000.0 if rng.random() < 0.01 else 0.0)
    found = delays(during(stalls))
    assert not found or found[0].score < DELAY_GATE


def test_clocks_that_differ_are_no_delay():
    def skewed(lines: list[Line]) -> list[Line]:
        return sorted(line._replace(at_ns=line.at_ns + 2_000_000_000 * (line.place[1] == "stock")) for line in lines)

    plain = during(Shop(22))
    assert not delays(Requests(skewed(list(plain.normal)), skewed(list(plain.during))))


def test_a_slow_hop_says_by_how_much_and_cites_both_lines():
    requests = during(Shop(3, wait=leaving("stock", 150)))
    hop = delays(requests)[0].hops[0]
    lines = {line.id: line for line in requests.during}
    assert 120e6 < hop.delay_ns < 180e6
    assert lines[hop.lines[0]].place == hop.origin and lines[hop.lines[1]].place == hop.target


def test_rare_hops_are_left_out():
    assert compare(Requests(normal(1, 1), normal(2, 1))) == []


def around_and_busy(name: str, ms: float, busy_ms: float):
    """A slow network before ``name``, and a machine on which everything else takes longer too."""
    slow, rng = around(name, ms), random.Random(5)
    return lambda origin, target: slow(origin, target) + rng.expovariate(1 / busy_ms) * (1 if origin != target else 0.3)


@pytest.mark.parametrize("name", ["catalog", "order", "payment", "stock", "price"])
def test_a_busy_machine_hides_nobody_and_accuses_nobody_else(name):
    found = delays(during(Shop(5, wait=around_and_busy(name, 150, 25))))
    assert found[0].place == place(name)


def test_a_busy_machine_alone_slows_nobody_in_particular():
    for seed in range(40, 50):
        rng = random.Random(seed)
        busy = Shop(seed, wait=lambda origin, target, rng=rng: rng.expovariate(1 / 40))
        found = delays(during(busy))
        assert not found or found[0].score < DELAY_GATE


def test_a_slow_link_is_the_called_service_not_its_only_caller():
    """Both ends see it; the caller's other calls and the called one's own calls are as usual."""
    rng = random.Random(3)
    ends = {("front", "order"), ("order", "front")}
    link = Shop(6, wait=lambda origin, target: rng.gauss(120, 12) if (origin, target) in ends else 0.0)
    assert delays(during(link))[0].place == place("order")


def test_a_service_that_gets_no_time_is_late_to_take_up_what_reaches_it():
    rng = random.Random(4)
    starved = Shop(7, wait=lambda origin, target: rng.expovariate(1 / 60) if target == "order" != origin else 0.0)
    found = delays(during(starved))
    assert found[0].place == place("order") and found[0].score >= DELAY_GATE


def test_of_the_ends_of_one_slow_hop_the_called_one_comes_first_if_its_answers_are_slower_too():
    """The ledger gets no time: late to take up what reaches it, and what it sends back takes thrice as long."""
    rng = random.Random(8)
    late = {("payment", "ledger"): 60.0, ("ledger", "payment"): 6.0}
    starved = Shop(9, wait=lambda origin, target: rng.gauss(1, 0.1) * late.get((origin, target), 0.0))
    assert delays(during(starved, count=12))[0].place == place("ledger")


def hop(grew_ms: float, usual_ms: float = 3) -> Hop:
    usual, now = [int(usual_ms * 1e6)] * 20, [int((usual_ms + grew_ms) * 1e6)] * 20
    return Hop(place("front"), place("order"), ("a", "b"), 0.5, 0.1, usual_ms * 1e6, grew_ms * 1e6, 20, ("1", "2"),
               gaps=(usual, now))  # fmt: skip


@pytest.mark.parametrize(("others_ms", "slow"), [([20, 21, 19, 20, 20], True), ([5, 60, 20, 40, 10], False)])
def test_on_a_busy_machine_what_is_slow_stands_out_among_the_others(others_ms: list[float], slow: bool):
    """The others grew by 20 ms in the middle, evenly or not; this one by 70."""
    grown, spread = common_growth([hop(ms) for ms in others_ms], within=False)
    assert grown == 20e6
    assert hop(70).beyond(grown, spread).slow is slow
