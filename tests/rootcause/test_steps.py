"""Requests that take other steps: which place is named, and what is said about it."""

import pytest

from logsense.rootcause.deviations import STEPS_GATE
from logsense.rootcause.requests import Line, Requests
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
        texts = ["begin", *["again"] * times, last]
        return [Line(at + n, place("stock"), text, request, request, f"{request}-{n}") for n, text in enumerate(texts)]

    usual = [line for n in range(50) for line in loop(f"n{n}", T0 + n * S, 5, "end")]
    one = [line for n in range(2) for line in loop(f"d{n}", T0 + (900 + n) * S, 120, "end")]
    many = [line for n in range(40) for line in loop(f"d{n}", T0 + (900 + n) * S, 6, "end")]
    single, often = (changes(Requests(sorted(usual), sorted(now))).get(place("stock")) for now in (one, many))
    # 240 repeats in two requests; taken as independent they would be worth a G of 60 and more
    assert single is not None and single.gain < 15
    assert often is None or often.gain < 5


def visit(number: int, at: int, *steps: tuple[str, str, str], request: str = "") -> list[Line]:
    """A request of (service, span, text), 5 ms between its lines."""
    name = request or f"r{at}-{number}"
    return [
        Line(at + n * 5_000_000, place(service), f"{service} {text}", name, span, f"{name}-{n}")
        for n, (service, span, text) in enumerate(steps)
    ]


def test_to_whom_an_answer_goes_is_no_call_that_fails_to_arrive():
    """Two services ask the stock; in the incident one of them has nothing to ask."""

    def asked_by(service: str, number: int, at: int) -> list[Line]:
        return visit(number, at, (service, "1", "asks"), ("stock", "2", "looks up"), (service, "1", "hears"))

    usual = [line for n in range(200) for line in asked_by(("front", "order")[n % 2], n, T0 + n * S)]
    now = [line for n in range(60) for line in asked_by("order", n, T0 + (900 + n) * S)]
    assert max((change.gain for change in changes(Requests(usual, now)).values()), default=0.0) < 1


def test_a_request_cut_at_the_beginning_does_not_begin_anew():
    def order(number: int, at: int) -> list[Line]:
        return visit(number, at, ("order", "1", "received"), ("order", "1", "checked"), ("order", "1", "done"))

    usual = [line for n in range(100) for line in order(n, T0 + n * S)]
    cut = [order(n, T0 + (900 + n) * S)[1:] for n in range(3)]
    now = [line for n in range(3, 40) for line in order(n, T0 + (900 + n) * S)]
    found = changes(Requests(usual, [*(line for mine in cut for line in mine), *now]))
    assert all(change.kind != "start" for change in found.values())


@pytest.mark.parametrize(("bursts", "tells"), [((), True), ((40,), True), ((40, 120, 170), False)])
def test_what_comes_and_goes_tells_nothing_new(bursts: tuple[int, ...], tells: bool):
    """Twelve failures in a row are a change unless the normal time had such rows now and then."""

    def one(number: int, at: int, failed: bool) -> list[Line]:
        return visit(number, at, ("stock", "1", "received"), ("stock", "1", "failed" if failed else "done"))

    burst = {begun + n for begun in bursts for n in range(12)}
    usual = [line for n in range(200) for line in one(n, T0 + n * S, n in burst)]
    now = [line for n in range(30) for line in one(n, T0 + (900 + n) * S, n < 12)]
    gain = (
        changes(Requests(usual, now))[place("stock")].gain
        if tells
        else max((change.gain for change in changes(Requests(usual, now)).values()), default=0.0)
    )
    assert (gain >= STEPS_GATE) is tells


def test_nothing_to_compare_with():
    assert changes(Requests()) == {}
    assert changes(Requests(normal(1, 5), [])) == {}
    assert all(change.next != END for change in changes(Requests([], normal(1, 5))).values())
