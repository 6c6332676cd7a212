"""Requests that take other steps: which place is named, and what is said about it."""

import pytest

from logsense.rootcause.requests import Requests
from logsense.rootcause.steps import END, changes

from .requests_of_a_shop import CALLS, T0, S, Shop, during, normal, place


def ranked(requests: Requests) -> list[str]:
    found = changes(requests)
    return [where[1] for where in sorted(found, key=lambda where: (-found[where].gain, where))]


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_a_service_that_stops_half_way_is_named(name, share):
    requests = during(Shop(5, broken=name, share=share))
    change = changes(requests)[place(name)]
    assert ranked(requests)[0] == name
    assert (change.kind, change.template, change.next) == (
        "steps",
        f"{name} received",
        f"{name} failed: rule is missing",
    )
    assert change.was[0] == 0 and change.now[0] > 0
    known = {line.id: line for line in requests.during}
    assert change.lines and all(known[line].place == place(name) for line in change.lines)


@pytest.mark.parametrize("name", [name for name in CALLS if name != "front"])
def test_a_service_that_writes_nothing_any_more_is_named_by_its_callers_lines(name):
    requests = during(Shop(6, silent=name))
    assert ranked(requests)[0] == name
    change = changes(requests)[place(name)]
    assert change.kind == "unreached" and change.caller is not None and name in CALLS[change.caller[1]]
    assert change.now[0] == 0 and change.was[0] == change.was[1]


def test_ordinary_requests_change_nothing_much():
    for seed in range(7, 12):
        found = changes(during(Shop(seed)))
        assert max((change.gain for change in found.values()), default=0.0) < 5


def test_another_mix_of_requests_is_no_change_of_those_who_serve_them():
    """Twice as many orders: what a service is asked for is its callers' affair."""
    usual = [line for line in normal(1, 200) if not (line.place[1] == "price" and hash_of(line.request) % 2)]
    found = changes(Requests(usual, normal(2, 60)))
    assert place("price") not in found or found[place("price")].kind != "steps"


def hash_of(request: str) -> int:
    return sum(map(ord, request))


def test_what_one_request_repeats_counts_for_less():
    def loop(request: str, at: int, times: int, last: str) -> list:
        from logsense.rootcause.requests import Line

        texts = ["begin", *["again"] * times, last]
        return [Line(at + n, place("stock"), text, request, request, f"{request}-{n}") for n, text in enumerate(texts)]

    usual = [line for n in range(50) for line in loop(f"n{n}", T0 + n * S, 5, "end")]
    one = [line for n in range(2) for line in loop(f"d{n}", T0 + (900 + n) * S, 120, "end")]
    many = [line for n in range(40) for line in loop(f"d{n}", T0 + (900 + n) * S, 6, "end")]
    single, often = (changes(Requests(sorted(usual), sorted(now))).get(place("stock")) for now in (one, many))
    # 240 repeats in two requests; taken as independent they would be worth a G of 60 and more
    assert single is not None and single.gain < 15
    assert often is None or often.gain < 5


def test_nothing_to_compare_with():
    assert changes(Requests()) == {}
    assert changes(Requests(normal(1, 5), [])) == {}
    assert all(change.next != END for change in changes(Requests([], normal(1, 5))).values())
